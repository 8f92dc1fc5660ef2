/**
 * JSON with exact integers. JSON.parse rounds integers beyond 2^53; here they become bigints, and
 * bigints are written as the digits they are.
 */

/** A string or a number; an integer that a double may round has 16 digits or more. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LONG_INTEGER = /[[:,\s]-?\d{16}/;

/**
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  // Most answers hold no such integer, and the browser's own parser is faster.
  if (!LONG_INTEGER.test(` ${text}`)) return JSON.parse(text);
  let mark = '#';
  while (text.includes(`"${mark}`)) mark += '#';
  const marked = text.replaceAll(TOKENS, (token) => (isRounded(token) ? `"${mark}${token}"` : token));
  return JSON.parse(marked, (_, value) =>
    typeof value === 'string' && value.startsWith(mark) && isRounded(value.slice(mark.length)) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** @param {string} token */
function isRounded(token) {
  return /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function stringify(value) {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map((one) => stringify(one ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${entries.map(([name, one]) => `${JSON.stringify(name)}:${stringify(one)}`).join(',')}}`;
}

/**
 * A property of a record whose names come from outside: one may be called `constructor`.
 *
 * @template T
 * @param {Record<string, T>} record
 * @param {string} name
 * @returns {T | undefined}
 */
export function own(record, name) {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
