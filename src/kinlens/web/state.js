/**
 * What is being looked at, and how the address bar writes it.
 *
 *   ?like=id:10006 &like=w0.5;c0.1,0.2,0.5,0.5;url:https://... &unlike=upload:KEY
 *   &f.color=red &f.inStock=!true &r.price=10..50 &k=48 &metric=euclidean &item=10006
 *
 * A filter value that isn't a string is "!" and its JSON. An upload can't be in an address: its key
 * names a picture that this browser keeps.
 */

import { own, parse, stringify } from './json.js';
import { exact } from './numbers.js';

/** @typedef {{x: number, y: number, width: number, height: number}} Crop fractions of the picture */
/** @typedef {'id' | 'url' | 'upload'} SourceKind */
/**
 * @typedef {object} Example
 * @property {SourceKind} kind
 * @property {string} ref the item's id, the address, or the key of the kept upload
 * @property {number} weight negative for "less like this"
 * @property {Crop | null} crop
 */
/** @typedef {import('./numbers.js').Num} Num */
/** @typedef {string | boolean | Num} Scalar */
/** @typedef {{min: Num | null, max: Num | null}} Range */
/** @typedef {'cosine' | 'euclidean'} Metric */
/**
 * @typedef {object} State
 * @property {Example[]} examples
 * @property {Record<string, Scalar[]>} values chosen facet values by field
 * @property {Record<string, Range>} ranges by number field
 * @property {number} k
 * @property {Metric} metric
 * @property {string | null} item the one shown in detail
 */

export const DEFAULT_K = 24;
export const MAX_K = 500;
export const MAX_EXAMPLES = 8;

/** @returns {State} */
export function emptyState() {
  return { examples: [], values: {}, ranges: {}, k: DEFAULT_K, metric: 'cosine', item: null };
}

/**
 * @param {SourceKind} kind
 * @param {string} ref
 * @param {number} [weight]
 * @returns {Example}
 */
export function example(kind, ref, weight = 1) {
  return { kind, ref, weight, crop: null };
}

/**
 * @param {State} state
 * @returns {string} the query part of an address, with its "?", or ""
 */
export function toAddress(state) {
  const params = new URLSearchParams();
  for (const entry of state.examples) {
    params.append(entry.weight > 0 ? 'like' : 'unlike', writeExample(entry));
  }
  for (const [field, values] of Object.entries(state.values)) {
    for (const value of values) params.append(`f.${field}`, writeValue(value));
  }
  for (const [field, { min, max }] of Object.entries(state.ranges)) {
    params.append(`r.${field}`, `${min ?? ''}..${max ?? ''}`);
  }
  if (state.k !== DEFAULT_K) params.set('k', String(state.k));
  if (state.metric !== 'cosine') params.set('metric', state.metric);
  if (state.item !== null) params.set('item', state.item);
  const text = params.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%3B', ';');
  return text && `?${text}`;
}

/**
 * Read an address; what can't be read is left out, so an address edited by hand still works.
 *
 * @param {string} search
 * @returns {State}
 */
export function fromAddress(search) {
  const state = emptyState();
  // Maps, because a field may be called __proto__.
  /** @type {Map<string, Scalar[]>} */
  const values = new Map();
  /** @type {Map<string, Range>} */
  const ranges = new Map();
  for (const [name, text] of new URLSearchParams(search)) {
    if (name === 'like' || name === 'unlike') {
      const read = readExample(text, name === 'like' ? 1 : -1);
      if (read && state.examples.length < MAX_EXAMPLES) state.examples.push(read);
    } else if (name.startsWith('f.')) {
      const value = readValue(text);
      if (value !== undefined) values.set(name.slice(2), [...(values.get(name.slice(2)) ?? []), value]);
    } else if (name.startsWith('r.')) {
      const range = readRange(text);
      if (range) ranges.set(name.slice(2), range);
    } else if (name === 'k' && /^\d+$/.test(text)) {
      state.k = Math.min(MAX_K, Math.max(1, Number(text)));
    } else if (name === 'metric' && text === 'euclidean') {
      state.metric = 'euclidean';
    } else if (name === 'item' && text) {
      state.item = text;
    }
  }
  state.values = Object.fromEntries(values);
  state.ranges = Object.fromEntries(ranges);
  if (!state.examples.some((entry) => entry.weight > 0)) state.examples = [];
  return state;
}

/** @param {Example} entry */
function writeExample({ kind, ref, weight, crop }) {
  const size = Math.abs(weight);
  const parts = [];
  if (size !== 1) parts.push(`w${size}`);
  if (crop) parts.push(`c${[crop.x, crop.y, crop.width, crop.height].map(short).join(',')}`);
  parts.push(`${kind}:${ref}`);
  return parts.join(';');
}

/**
 * Text that says no kind was typed by hand: a link, or else an item's id, which the server knows or
 * says that it doesn't.
 *
 * @param {string} text
 * @param {number} sign
 * @returns {Example | null}
 */
function readExample(text, sign) {
  const match = /^(?:w(\d*\.?\d+);)?(?:c([\d.,]+);)?(id|url|upload):(.+)$/s.exec(text);
  if (!match) return text ? example(/^https?:\/\//i.test(text) ? 'url' : 'id', text, sign) : null;
  const weight = Number(match[1] ?? 1);
  if (!(weight > 0)) return null;
  return {
    kind: /** @type {SourceKind} */ (match[3]),
    ref: match[4] ?? '',
    weight: sign * weight,
    crop: match[2] ? readCrop(match[2]) : null,
  };
}

/**
 * @param {string} text
 * @returns {Crop | null}
 */
function readCrop(text) {
  const [x, y, width, height, ...rest] = text.split(',').map(Number);
  if (x === undefined || y === undefined || width === undefined || height === undefined) return null;
  const inside = x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= 1.0001 && y + height <= 1.0001;
  return inside && rest.length === 0 ? { x, y, width, height } : null;
}

/** @param {number} value */
function short(value) {
  return String(Math.round(value * 1e4) / 1e4);
}

/** @param {Scalar} value */
function writeValue(value) {
  return typeof value === 'string' && !value.startsWith('!') ? value : `!${stringify(value)}`;
}

/**
 * @param {string} text
 * @returns {Scalar | undefined}
 */
function readValue(text) {
  if (!text.startsWith('!')) return text;
  try {
    const value = parse(text.slice(1));
    return ['string', 'number', 'bigint', 'boolean'].includes(typeof value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} text
 * @returns {Range | null}
 */
function readRange(text) {
  const match = /^(-?[\d.]+(?:e[+-]?\d+)?)?\.\.(-?[\d.]+(?:e[+-]?\d+)?)?$/i.exec(text);
  if (!match || (!match[1] && !match[2])) return null;
  const min = match[1] ? exact(match[1]) : null;
  const max = match[2] ? exact(match[2]) : null;
  return min === null && max === null ? null : { min, max };
}

/**
 * The filter that the API takes.
 *
 * @param {State} state
 * @param {string} [except] a field to leave out: the counts of a field's own values ignore it, so
 *   that a second value can be chosen beside the first
 * @returns {Record<string, unknown> | undefined}
 */
export function toWhere(state, except) {
  /** @type {Map<string, Record<string, unknown>>} */
  const tests = new Map();
  for (const [field, values] of Object.entries(state.values)) {
    if (field !== except && values.length) tests.set(field, { $in: values });
  }
  for (const [field, { min, max }] of Object.entries(state.ranges)) {
    if (field === except) continue;
    const range = { ...(min === null ? {} : { $gte: min }), ...(max === null ? {} : { $lte: max }) };
    tests.set(field, { ...tests.get(field), ...range });
  }
  if (!tests.size) return undefined;
  const where = Object.fromEntries(tests);
  // A name that begins like an operator is a field's only within $field.
  return [...tests.keys()].some((field) => field.startsWith('$')) ? { $field: where } : where;
}

/**
 * @param {State} state
 * @returns {string[]} fields with a filter
 */
export function filtered(state) {
  return [...Object.keys(state.values), ...Object.keys(state.ranges)];
}

/**
 * @param {State} state
 * @param {string} field
 * @param {Scalar} value
 * @returns {State} with the value chosen, or no longer
 */
export function toggleValue(state, field, value) {
  const chosen = own(state.values, field) ?? [];
  const next = chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value];
  const { [field]: _, ...others } = state.values;
  return { ...state, values: next.length ? { ...others, [field]: next } : others };
}

/**
 * @param {State} state
 * @param {string} field
 * @param {Range} range
 * @returns {State}
 */
export function setRange(state, field, range) {
  const { [field]: _, ...others } = state.ranges;
  const open = range.min === null && range.max === null;
  return { ...state, ranges: open ? others : { ...others, [field]: range } };
}

/**
 * @param {State} state
 * @returns {State}
 */
export function clearFilters(state) {
  return { ...state, values: {}, ranges: {} };
}

/**
 * @param {State} state
 * @returns {string} equal for two states that ask the server the same
 */
export function question(state) {
  return toAddress({ ...state, item: null });
}
