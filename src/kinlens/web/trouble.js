/**
 * What to tell a person when something fails, and what they can do about it.
 */

import { Problem, Unreachable } from './api.js';

/** @typedef {'retry' | 'key' | 'browse' | 'clear'} Remedy */
/**
 * @typedef {object} Trouble
 * @property {string} title
 * @property {string} text
 * @property {Remedy[]} remedies
 * @property {number | null} wait seconds after which the page tries again by itself
 * @property {boolean} passing whether what was shown before stays true
 */

/** The picture that was asked about is only in another browser. */
export class LostUpload extends Error {}

const TITLES = /** @type {Record<number, string>} */ ({
  400: 'This search can’t be read',
  403: 'This key may not search',
  404: 'That item is no longer here',
  409: 'The catalog needs attention',
  413: 'That picture is too large',
  415: 'That isn’t a picture Kinlens reads',
  422: 'This search doesn’t work',
  502: 'That link gave no picture',
});

/**
 * @param {unknown} error
 * @returns {Trouble}
 */
export function explain(error) {
  if (error instanceof Unreachable) {
    const text = 'The server may have stopped, or this device is offline. This page keeps trying.';
    return trouble('Kinlens doesn’t answer', text, ['retry'], { wait: 5, passing: true });
  }
  if (error instanceof LostUpload) {
    const text = 'This search uses a picture that was dropped into another browser, or long ago. Drop it here to search again.';
    return trouble('That picture isn’t here', text, ['browse', 'clear']);
  }
  if (error instanceof Problem) return explainProblem(error);
  return trouble('Something went wrong', error instanceof Error ? error.message : String(error), ['retry']);
}

/** @param {Problem} problem */
function explainProblem({ status, title, detail, retryAfter }) {
  if (status === 401) {
    return trouble('This catalog needs a key', 'Ask whoever runs it for an API key with the read scope.', ['key']);
  }
  if (status === 429 || (status === 503 && retryAfter)) {
    const text = detail || 'The server has a lot to do.';
    return trouble('One moment', text, ['retry'], { wait: Math.ceil(retryAfter ?? 5), passing: true });
  }
  const ours = TITLES[status] ?? (status >= 500 ? 'The server has a problem' : title);
  const text = detail || 'The server’s log says more.';
  if (status === 403) return trouble(ours, text, ['key']);
  if ([413, 415, 502].includes(status)) return trouble(ours, text, ['browse', 'clear']);
  return trouble(ours, text, status >= 500 ? ['retry'] : ['clear']);
}

/**
 * @param {string} title
 * @param {string} text
 * @param {Remedy[]} remedies
 * @param {{wait?: number | null, passing?: boolean}} [more]
 * @returns {Trouble}
 */
function trouble(title, text, remedies, { wait = null, passing = false } = {}) {
  return { title, text, remedies, wait, passing };
}
