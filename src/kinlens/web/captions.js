/**
 * What to say of an item: which of its fields is its title, which few are worth showing in the grid,
 * and how names and values read.
 */

import { own } from './json.js';
import { Names } from './names.js';
import { writeNumber } from './numbers.js';
import { choices } from './storage.js';

/** @typedef {import('./api.js').Field} Field */
/** @typedef {import('./api.js').Item} Item */
/** @typedef {import('./api.js').Metadata} Metadata */
/** @typedef {import('./numbers.js').Num} Num */
/** @typedef {import('./state.js').Scalar} Scalar */

const TITLE = [/^(title|name)$/i, /^(product|item|display)[_ -]?(display)?[_ -]?(name|title)$/i, /(name|title)$/i, /^(label|caption)$/i];
const WORTH = [/price|cost/i, /colou?r/i, /type|category|kind|class/i, /brand|maker|artist|author/i, /material|pattern|size/i];
const SHOWN = 2;
const STORAGE = 'kinlens-shown';

export class Captions {
  /** @type {Map<string, Field>} */
  #fields = new Map();
  /** @type {string[]} the fields that may hold an item's title, the most telling first */
  #titles = [];
  #names = new Names([]);
  /** @type {string[]} */
  #guess = [];

  /** @param {Field[]} fields of the catalog */
  learn(fields) {
    this.#fields = new Map(fields.map((field) => [field.name, field]));
    this.#titles = titleFields(fields);
    this.#guess = worthShowing(this.choices);
  }

  /** @returns {Field[]} that can be shown under a picture */
  get choices() {
    return [...this.#fields.values()].filter((field) => field.name !== this.#titles[0]);
  }

  /**
   * @param {Item} item
   * @returns {string | null} the field that its title is taken from
   */
  titled(item) {
    return this.#titles.find((name) => isTitle(own(item.metadata, name))) ?? null;
  }

  /** Name these items so that one can be told from another. @param {Item[]} items */
  tellApart(items) {
    this.#names = new Names(items.map((item) => ({ id: item.id, title: this.#titleOf(item) })));
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
    return this.#titleOf(item) ?? this.#names.short(item.id);
  }

  /**
   * @param {Item} item
   * @returns {string} such as "Black · 39.90"; where others have the same title, its id too
   */
  details(item) {
    const title = this.#titleOf(item);
    const titled = this.titled(item);
    const parts = this.shown.filter((name) => name !== titled).map((name) => this.value(name, own(item.metadata, name) ?? null));
    if (title !== null && this.#names.isShared(title)) parts.unshift(this.#names.short(item.id));
    return parts.filter(Boolean).join(' · ');
  }

  /** @param {Item} item */
  #titleOf(item) {
    const field = this.titled(item);
    return field === null ? null : String(own(item.metadata, field));
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
    return typeof value === 'string' ? value : this.number(name, value);
  }

  /**
   * @param {string} name
   * @param {Num} value
   * @param {boolean} [full] with all its digits
   */
  number(name, value, full = false) {
    if (Number.isInteger(value) && this.#isYear(name)) return String(value);
    return writeNumber(value, { money: /price|cost/i.test(name) && this.#hasCents(name), full });
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
 * One item with a `title` must not hide the `name` of all others: a field that names few items, or
 * many alike, comes after those that tell more apart.
 *
 * @param {Field[]} fields
 * @returns {string[]} that may hold titles, the one to take first at the front
 */
export function titleFields(fields) {
  const texts = fields.filter((field) => field.kind === 'string' || field.kind === 'mixed');
  const named = [...new Set(TITLE.flatMap((pattern) => texts.filter((field) => pattern.test(field.name))))];
  const most = Math.max(0, ...named.map((field) => field.distinct));
  const telling = named.filter((field) => 2 * field.distinct >= most);
  return [...telling, ...named.filter((field) => !telling.includes(field))].map((field) => field.name);
}

/** @param {Scalar | string[] | null | undefined} value */
function isTitle(value) {
  return typeof value === 'string' ? value.trim() !== '' : typeof value === 'number' || typeof value === 'bigint';
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
