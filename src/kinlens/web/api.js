/**
 * The HTTP API, typed. Addresses are relative to the page, so that it works behind a prefix.
 */

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
 * @property {number | null} minimum
 * @property {number | null} maximum
 */
/** @typedef {Record<string, unknown>} Where */

const KEY = 'kinlens-key';

/** An answer that isn't a success: the server's problem document. */
export class Problem extends Error {
  /**
   * @param {string} slug the end of the problem's type
   * @param {number} status
   * @param {string} title
   * @param {string} detail
   * @param {number | null} retryAfter seconds
   */
  constructor(slug, status, title, detail, retryAfter) {
    super(detail || title);
    this.slug = slug;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

/** @returns {string} the API key of this tab, or "" */
export function apiKey() {
  return secrets.get(KEY) ?? '';
}

/** @param {string} key */
export function setApiKey(key) {
  secrets.set(KEY, key);
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>} a success
 */
export async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  if (!headers.has('Accept')) headers.set('Accept', 'application/json');
  if (apiKey()) headers.set('Authorization', `Bearer ${apiKey()}`);
  /** @type {Response} */
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Unreachable('Kinlens does not answer.');
  }
  if (!response.ok) throw await problem(response);
  return response;
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
export async function call(path, init = {}) {
  return (await request(path, init)).json();
}

/** @param {Response} response */
async function problem(response) {
  const wait = Number(response.headers.get('Retry-After'));
  const document = await response.json().catch(() => null);
  return new Problem(
    String(document?.type ?? '').split('/').at(-1) ?? '',
    response.status,
    String(document?.title ?? response.statusText),
    typeof document?.detail === 'string' ? document.detail : '',
    wait > 0 ? wait : null,
  );
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} [signal]
 */
function post(path, body, signal) {
  const headers = { 'Content-Type': 'application/json' };
  return call(path, { method: 'POST', headers, body: JSON.stringify(body), signal });
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
  form.append('query', JSON.stringify(query));
  return call('v1/search', { method: 'POST', body: form, signal });
}

/**
 * @param {{limit: number, after?: string, where?: Where}} options
 * @param {AbortSignal} [signal]
 * @returns {Promise<Page>}
 */
export function listItems({ limit, after, where }, signal) {
  const params = queryString({ limit, after, where: where && JSON.stringify(where) });
  return call(`v1/items?${params}`, { signal });
}

/** A path segment for an id, which may hold slashes and anything else. @param {string} id */
function segment(id) {
  return id.split('/').map(encodeURIComponent).join('/');
}

/**
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Item>}
 */
export function getItem(id, signal) {
  return call(`v1/items/${segment(id)}`, { signal });
}

/**
 * @param {string} id
 * @param {number} k
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
export function similar(id, k, signal) {
  return call(`v1/items/${segment(id)}/similar?k=${k}`, { signal });
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
