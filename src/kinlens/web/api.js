/**
 * The HTTP API, typed. Addresses are relative to the page, so that it works behind a prefix.
 */

import { parse, stringify } from './json.js';
import { secrets } from './storage.js';

/** @typedef {import('./state.js').Scalar} Scalar */
/** @typedef {import('./state.js').State} State */
/** @typedef {Record<string, Scalar | string[] | null>} Metadata */
/**
 * @typedef {object} Item
 * @property {string} id
 * @property {Metadata} metadata
 * @property {number} width
 * @property {number} height
 * @property {string} image_url
 * @property {string} thumbnail_url
 * @property {number} [score] of a hit
 * @property {number} [distance] of a hit
 */
/** @typedef {{value: Scalar | null, count: number}} FacetCount */
/** @typedef {Record<string, FacetCount[]>} Facets */
/**
 * @typedef {object} Answer
 * @property {Item[]} hits
 * @property {number} total
 * @property {Facets} facets
 * @property {boolean} exact
 * @property {string} metric
 * @property {{name: string, fingerprint: string, dim: number}} encoder
 * @property {{decode: number, encode: number, search: number, total: number}} took_ms
 * @property {string[]} warnings
 */
/** @typedef {{items: Item[], next: string | null, total: number, warnings: string[]}} Page */
/**
 * @typedef {object} Field
 * @property {string} name
 * @property {'string' | 'number' | 'boolean' | 'list' | 'mixed'} kind
 * @property {number} count
 * @property {number} distinct
 * @property {number | bigint | null} minimum
 * @property {number | bigint | null} maximum
 */
/** @typedef {Record<string, unknown>} Where */

const KEY = 'kinlens-key';
/** What a header takes: a key that was copied with other characters is a wrong one. */
const SENDABLE = /^[\x21-\x7e]+$/;

/** An answer that isn't a success: the server's problem document. */
export class Problem extends Error {
  /**
   * @param {string} slug the end of the problem's type
   * @param {number} status
   * @param {string} title
   * @param {string} detail
   * @param {number | null} retryAfter seconds
   * @param {boolean} keyed whether the request carried a key
   */
  constructor(slug, status, title, detail, retryAfter, keyed) {
    super(detail || title);
    this.slug = slug;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.keyed = keyed;
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

/** @returns {string} the API key of this tab, or "" */
export function apiKey() {
  return secrets.get(KEY) ?? '';
}

/** @param {string} text as it was pasted, perhaps as the whole header */
export function setApiKey(text) {
  secrets.set(KEY, text.trim().replace(/^(?:Authorization:\s*)?Bearer\s+/i, ''));
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>} a success
 */
export async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  if (!headers.has('Accept')) headers.set('Accept', 'application/json');
  const key = apiKey();
  if (key && !SENDABLE.test(key)) throw new Problem('unauthenticated', 401, 'Unauthorized', '', null, true);
  if (key) headers.set('Authorization', `Bearer ${key}`);
  /** @type {Response} */
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Unreachable('Kinlens does not answer.');
  }
  if (!response.ok) throw await problem(response, Boolean(key));
  return response;
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
export async function call(path, init = {}) {
  return parse(await (await request(path, init)).text());
}

/**
 * @param {Response} response
 * @param {boolean} keyed
 */
async function problem(response, keyed) {
  const wait = Number(response.headers.get('Retry-After'));
  const document = await response.json().catch(() => null);
  return new Problem(
    String(document?.type ?? '').split('/').at(-1) ?? '',
    response.status,
    String(document?.title ?? response.statusText),
    typeof document?.detail === 'string' ? document.detail : '',
    wait > 0 ? wait : null,
    keyed,
  );
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} [signal]
 */
function post(path, body, signal) {
  const headers = { 'Content-Type': 'application/json' };
  return call(path, { method: 'POST', headers, body: stringify(body), signal });
}

/** @param {Record<string, string | number | undefined>} values */
function queryString(values) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) params.set(name, String(value));
  }
  return params;
}

/**
 * @param {object} query as POST /v1/search takes it; examples may say {"upload": n}
 * @param {Blob[]} uploads
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export function search(query, uploads, signal) {
  if (!uploads.length) return post('v1/search', query, signal);
  const form = new FormData();
  for (const blob of uploads) form.append('image', blob, 'query');
  form.append('query', stringify(query));
  return call('v1/search', { method: 'POST', body: form, signal });
}

/**
 * @param {Blob} picture that this browser doesn't show
 * @returns {Promise<Blob>} a JPEG of it
 */
export async function preview(picture) {
  const form = new FormData();
  form.append('image', picture, 'picture');
  return (await request('v1/preview', { method: 'POST', body: form })).blob();
}

/**
 * @param {{limit: number, after?: string, where?: Where}} options
 * @param {AbortSignal} [signal]
 * @returns {Promise<Page>}
 */
export function listItems({ limit, after, where }, signal) {
  const params = queryString({ limit, after, where: where && stringify(where) });
  return call(`v1/items?${params}`, { signal });
}


/**
 * An id is one segment of the path, slashes and all: a browser resolves the segments "." and "..".
 *
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Item>}
 */
export function getItem(id, signal) {
  return call(`v1/items/${encodeURIComponent(id)}`, { signal });
}

/**
 * @param {string} id
 * @param {number} k
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
export function similar(id, k, signal) {
  return call(`v1/items/${encodeURIComponent(id)}/similar?k=${k}`, { signal });
}

/**
 * @param {string[]} fields
 * @param {Where | undefined} where
 * @param {AbortSignal} [signal]
 * @returns {Promise<{total: number, facets: Facets}>}
 */
export function countFacets(fields, where, signal) {
  return post('v1/facets', { fields, where: where ?? {} }, signal);
}

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<Field[]>}
 */
export async function listFields(signal) {
  return (await call('v1/fields', { signal })).fields;
}
