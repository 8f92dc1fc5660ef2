/**
 * Numbers as people type them, and as the page writes them.
 */

/** @typedef {number | bigint} Num */

// Made once: toLocaleString makes one for each number.
const PLAIN = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });
const SMALL = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const FULL = new Intl.NumberFormat('en', { maximumFractionDigits: 20 });
const MONEY = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SMALLEST_PLAIN = 0.001;
const LARGEST_PLAIN = 1e15;

/**
 * Read a number: 2.5 or 2,5; 1,234.5 or 1.234,5 or 1 234,5; 1e3; -3.
 *
 * One comma before exactly three digits, as in 1,234, separates thousands, as it does where the page
 * writes a number; one point is always decimal.
 *
 * @param {string} text
 * @returns {Num | null} null where it isn't a number, or could be two; integers beyond 2^53 are bigints
 */
export function readNumber(text) {
  const bare = text.trim().replaceAll(/[\u2212\u2013]/g, '-').replaceAll(/(?<=\d)[\s'’_](?=\d{3}(?!\d))/g, '');
  const match = /^([+-]?)([\d.,]*\d[\d.,]*)(e[+-]?\d{1,3})?$/i.exec(bare);
  if (!match) return null;
  const digits = withPoint(match[2] ?? '');
  if (digits === null) return null;
  return exact(`${match[1] === '-' ? '-' : ''}${digits}${match[3] ?? ''}`);
}

/**
 * @param {string} text digits, points and commas
 * @returns {string | null} with a point for the decimals and nothing for the thousands
 */
function withPoint(text) {
  const decimal = decimalMark(text);
  const [whole = '', fraction, ...rest] = decimal ? text.split(decimal) : [text];
  if (rest.length || (fraction !== undefined && /[.,]/.test(fraction))) return null;
  const grouped = /[.,]/.test(whole);
  if (grouped && !/^\d{1,3}(?:,\d{3})+$|^\d{1,3}(?:\.\d{3})+$/.test(whole)) return null;
  return `${whole.replaceAll(/[.,]/g, '') || '0'}${fraction ? `.${fraction}` : ''}`;
}

/**
 * @param {string} text
 * @returns {'.' | ',' | null}
 */
function decimalMark(text) {
  const point = text.lastIndexOf('.');
  const comma = text.lastIndexOf(',');
  if (point >= 0 && comma >= 0) return point > comma ? '.' : ',';
  if (point >= 0) return text.indexOf('.') === point ? '.' : null;
  if (comma < 0 || text.indexOf(',') !== comma) return null;
  return /^[1-9]\d{0,2},\d{3}$/.test(text) ? null : ',';
}

/**
 * @param {string} text as JSON writes a number
 * @returns {Num | null} null where it is beyond what a double holds
 */
export function exact(text) {
  const value = Number(text);
  if (!Number.isFinite(value)) return null;
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}

/**
 * @param {Num} value
 * @param {{money?: boolean, full?: boolean}} [how] with two decimals, or with all that there are
 * @returns {string}
 */
export function writeNumber(value, { money = false, full = false } = {}) {
  if (typeof value === 'bigint') return String(value); // that long, it is an identifier
  const size = Math.abs(value);
  if (size >= LARGEST_PLAIN) return Number.isSafeInteger(value) ? FULL.format(value) : String(value);
  if (money && (!full || Number(value.toFixed(2)) === value)) return MONEY.format(value);
  if (full) return size && size < 1e-6 ? String(value) : FULL.format(value);
  return size && size < SMALLEST_PLAIN ? SMALL.format(value) : PLAIN.format(value);
}
