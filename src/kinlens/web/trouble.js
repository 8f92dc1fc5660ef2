/**
 * What to tell a person when something fails, and what they can do about it.
 */

import { Problem, Unreachable } from './api.js';

/** @typedef {'retry' | 'key' | 'browse' | 'clear'} Remedy */
/**
 * @typedef {object} Trouble
 * @property {string} title
 * @property {string} text
 * @property {Remedy[]} remedies the first is the one to try
 * @property {number | null} wait seconds after which the page tries again by itself
 * @property {boolean} passing whether what was shown before stays true
 * @property {'link' | 'picture' | 'key' | null} fault what was asked with that can't be had
 */

/** The picture that was asked about is only in another browser. */
export class LostUpload extends Error {}

/** By the problem's slug, which the server promises to keep. */
const PICTURE = /** @type {Record<string, string>} */ ({
  'unsupported-picture': 'That isn’t a picture Kinlens reads',
  'broken-picture': 'That picture can’t be read',
  'picture-too-large': 'That picture is too large',
  'body-too-large': 'That picture is too large',
  'forbidden-address': 'Kinlens doesn’t connect there',
  'fetch-failed': 'That link gave no picture',
});
const LINK = ['forbidden-address', 'fetch-failed'];
const OTHER = /** @type {Record<string, string>} */ ({
  'not-found': 'That item is no longer here',
  'picture-gone': 'That picture’s file has gone',
  'invalid-filter': 'These filters can’t be read',
  'encoder-mismatch': 'The catalog needs its other encoder',
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
function explainProblem({ slug, status, title, detail, retryAfter, keyed }) {
  if (status === 401 && keyed) {
    const text = 'Kinlens doesn’t know this key: it may be incomplete, made for another catalog, or revoked. Enter another.';
    return trouble('That key doesn’t work', text, ['key'], { fault: 'key' });
  }
  if (status === 401) return trouble('This catalog needs a key', 'Ask whoever runs it for an API key with the read scope.', ['key']);
  if (status === 403 && keyed) return trouble('That key may not do this', detail, ['key'], { fault: 'key' });
  if (status === 429 || (status === 503 && retryAfter)) {
    const text = detail || 'The server has a lot to do.';
    return trouble('One moment', text, ['retry'], { wait: Math.ceil(retryAfter ?? 5), passing: true });
  }
  const text = detail || 'The server’s log says more.';
  const picture = PICTURE[slug];
  if (picture) return trouble(picture, text, ['browse', 'clear'], { fault: LINK.includes(slug) ? 'link' : 'picture' });
  if (status >= 500) return trouble('The server has a problem', text, ['retry', 'clear']);
  return trouble(OTHER[slug] ?? title, text, [status === 403 ? 'key' : 'clear']);
}

/**
 * @param {string} title
 * @param {string} text
 * @param {Remedy[]} remedies
 * @param {Partial<Pick<Trouble, 'wait' | 'passing' | 'fault'>>} [more]
 * @returns {Trouble}
 */
function trouble(title, text, remedies, { wait = null, passing = false, fault = null } = {}) {
  return { title, text, remedies, wait, passing, fault };
}
