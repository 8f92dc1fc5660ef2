/**
 * What to say of an item: which field is its title, which few are worth showing in the grid, and
 * how names and values read.
 */

import { choices } from './storage.js';

/** @typedef {import('./api.js').Field} Field */
/** @typedef {import('./api.js').Item} Item */
/** @typedef {import('./api.js').Metadata} Metadata */
/** @typedef {import('./state.js').Scalar} Scalar */

const TITLE = [/^(title|name)$/i, /^(product|item|display)[_ -]?(display)?[_ -]?(name|title)$/i, /(name|title)$/i, /^(label|caption)$/i];
const WORTH = [/price|cost/i, /colou?r/i, /type|category|kind|class/i, /brand|maker|artist|author/i, /material|pattern|size/i];
const SHOWN = 2;
const STORAGE = 'kinlens-shown';

// Made once: toLocaleString makes one for each number.
const PLAIN = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });
const MONEY = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export class Captions {
  /** @type {Map<string, Field>} */
  #fields = new Map();
  /** @type {string | null} */
  #title = null;
  /** @type {string[]} */
  #guess = [];

  /** @param {Field[]} fields of the catalog */
  learn(fields) {
    this.#fields = new Map(fields.map((field) => [field.name, field]));
    this.#title = titleField(fields);
    this.#guess = worthShowing(fields.filter((field) => field.name !== this.#title));
  }

  /** @returns {Field[]} that can be shown under a picture */
  get choices() {
    return [...this.#fields.values()].filter((field) => field.name !== this.#title);
  }

  /** @returns {string | null} the field that titles are taken from */
  get titled() {
    return this.#title;
  }

  /** @returns {string[]} the fields shown under each picture */
  get shown() {
    const stored = choices.get(STORAGE);
    if (!stored) return this.#guess;
    return stored.split('\n').filter((name) => this.#fields.has(name));
  }

  /** @param {string[]} names */
  set shown(names) {
    choices.set(STORAGE, names.join('\n') || '\n');
  }

  /**
   * @param {Item} item
   * @returns {string}
   */
  title(item) {
    const value = this.#title === null ? null : item.metadata[this.#title];
    if (typeof value === 'string' && value.trim()) return value;
    return item.id.split('/').filter(Boolean).at(-1) ?? item.id; // an id that is a path
  }

  /**
   * @param {Item} item
   * @returns {string} such as "Black · 39.90"
   */
  details(item) {
    return this.shown
      .map((name) => this.value(name, item.metadata[name] ?? null))
      .filter(Boolean)
      .join(' · ');
  }

  /**
   * @param {string} name of the field
   * @param {Scalar | string[] | null} value
   * @returns {string}
   */
  value(name, value) {
    if (value === null) return '';
    if (Array.isArray(value)) return value.join(', ');
    if (typeof value === 'boolean') return value ? 'Yes' : 'No';
    return typeof value === 'number' ? this.number(name, value) : value;
  }

  /**
   * @param {string} name
   * @param {number} value
   */
  number(name, value) {
    if (Number.isInteger(value) && this.#isYear(name)) return String(value);
    const money = /price|cost/i.test(name) && this.#hasCents(name);
    return (money ? MONEY : PLAIN).format(value);
  }

  /** @param {string} name */
  #hasCents(name) {
    const field = this.#fields.get(name);
    return !Number.isInteger(field?.minimum) || !Number.isInteger(field?.maximum);
  }

  /** @param {string} name */
  #isYear(name) {
    const field = this.#fields.get(name);
    if (!field || field.minimum === null || field.maximum === null) return false;
    return field.minimum >= 1000 && field.maximum <= 2999 && /year|date/i.test(name);
  }
}

/**
 * @param {Field[]} fields
 * @returns {string | null}
 */
export function titleField(fields) {
  const texts = fields.filter((field) => field.kind === 'string');
  for (const pattern of TITLE) {
    const found = texts.find((field) => pattern.test(field.name));
    if (found) return found.name;
  }
  return null;
}

/**
 * @param {Field[]} fields
 * @returns {string[]}
 */
function worthShowing(fields) {
  const telling = fields.filter((field) => field.distinct > 1 && field.kind !== 'mixed');
  /** @type {string[]} */
  const chosen = [];
  for (const pattern of WORTH) {
    const named = telling.filter((field) => pattern.test(field.name));
    const finest = named.sort((a, b) => b.distinct - a.distinct)[0];
    if (finest && chosen.length < SHOWN && !chosen.includes(finest.name)) chosen.push(finest.name);
  }
  if (chosen.length) return chosen;
  return telling.filter((field) => field.distinct < field.count).slice(0, 1).map((field) => field.name);
}

/**
 * @param {string} name such as "baseColour" or "in_stock"
 * @returns {string} such as "Base colour", "In stock"
 */
export function humanize(name) {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .trim();
  if (!words) return name;
  const lower = /[a-z]/.test(words) ? words.toLowerCase() : words;
  return lower[0]?.toUpperCase() + lower.slice(1);
}

/**
 * @param {string} value such as "Navy Blue"
 * @returns {string | null} a CSS color it names
 */
export function cssColor(value) {
  const words = value.toLowerCase().replace(/gr[ae]y/g, 'gray').split(/[\s_-]+/);
  return [words.join(''), ...words].find((word) => /^[a-z]+$/.test(word) && CSS.supports('color', word)) ?? null;
}

/**
 * @param {number} score cosine similarity
 * @returns {string}
 */
export function scoreText(score) {
  return score.toFixed(2).replace('-', '\u2212');
}
