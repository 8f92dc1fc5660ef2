/**
 * Filters: values to tick with their counts, number ranges, and the chips of what is active.
 */

import { cssColor, humanize } from './captions.js';
import { announce, el, icon } from './dom.js';
import { own, stringify } from './json.js';
import { RangeControl } from './range.js';
import { clearFilters, filtered, setRange, toggleValue } from './state.js';

/** @typedef {import('./api.js').Facets} Facets */
/** @typedef {import('./api.js').FacetCount} FacetCount */
/** @typedef {import('./api.js').Field} Field */
/** @typedef {import('./state.js').State} State */
/** @typedef {import('./captions.js').Captions} Captions */

const FEW = 6;
const MOST_VALUES = 200;
const OPEN_GROUPS = 4;
const SEARCHED_FROM = 14;
const LONG = 24;
/** A word by itself says what it filters; a number, a blank or "none" needs its field beside it. */
const TELLING = /^(?!\s*(?:null|none|nan|n\/a|true|false|yes|no|unknown|other)\s*$).*\p{L}{2}/isu;

export class FacetPanel {
  /** @type {Field[]} */
  #fields = [];
  /** @type {Facets} */
  #counts = {};
  /** @type {State | null} */
  #state = null;
  /** @type {Set<string>} groups that show all values */
  #wide = new Set();
  /** @type {Map<string, HTMLDetailsElement>} */
  #groups = new Map();
  /** @type {Map<string, RangeControl>} */
  #ranges = new Map();
  /** @type {Map<string, string>} what is typed into a group's search */
  #typed = new Map();

  /**
   * @param {{list: HTMLElement, chips: HTMLElement}} parts
   * @param {Captions} captions
   * @param {(state: (now: State) => State) => void} onchange
   */
  constructor({ list, chips }, captions, onchange) {
    this.list = list;
    this.chips = chips;
    this.captions = captions;
    this.onchange = onchange;
  }

  /** @param {Field[]} fields of the catalog */
  learn(fields) {
    this.#fields = fields.filter(isUseful).sort(byUse);
    this.#ranges.clear();
    this.list.replaceChildren(...this.#fields.map((field, at) => this.#group(field, at)));
  }

  /** @returns {string[]} the fields to ask counts for */
  get counted() {
    return this.#fields.filter((field) => field.kind !== 'number').map((field) => field.name);
  }

  /** @param {State} state */
  show(state) {
    this.#state = state;
    this.#showChips(state);
    for (const [name, range] of this.#ranges) range.show(own(state.ranges, name) ?? { min: null, max: null });
    this.#draw();
  }

  /** @param {Facets} counts */
  count(counts) {
    this.#counts = { ...this.#counts, ...counts };
    this.#draw();
  }

  /**
   * @param {Field} field
   * @param {number} at
   */
  #group(field, at) {
    const body = el('div', { class: 'values' });
    const group = el(
      'details',
      { class: 'group', open: this.#groups.get(field.name)?.open ?? (at < OPEN_GROUPS || this.#isChosen(field.name)) },
      el('summary', {}, el('span', {}, humanize(field.name)), icon('chevron')),
      body,
    );
    group.dataset['field'] = field.name;
    if (field.kind === 'number') {
      const control = new RangeControl(field, this.captions, (range) => this.onchange((now) => setRange(now, field.name, range)));
      this.#ranges.set(field.name, control);
      body.append(control.element);
    }
    this.#groups.set(field.name, group);
    return group;
  }

  /** @param {string} name */
  #isChosen(name) {
    return Boolean(this.#state && (own(this.#state.values, name) ?? own(this.#state.ranges, name)));
  }

  #draw() {
    for (const field of this.#fields) {
      if (field.kind !== 'number') this.#drawValues(field);
    }
  }

  /** @param {Field} field */
  #drawValues(field) {
    const group = this.#groups.get(field.name);
    const body = group?.querySelector('.values');
    if (!group || !body || !this.#state) return;
    const chosen = own(this.#state.values, field.name) ?? [];
    const counts = withChosen(own(this.#counts, field.name) ?? [], chosen);
    const typed = (this.#typed.get(field.name) ?? '').toLowerCase();
    const wide = this.#wide.has(field.name);
    const found = counts.filter(({ value }) => this.captions.value(field.name, value).toLowerCase().includes(typed));
    const rows = wide ? found : found.filter(({ value }, at) => at < FEW || chosen.includes(/** @type {any} */ (value)));
    const focus = focusedValue(body);
    const list = el('ul', { 'aria-label': humanize(field.name) }, ...rows.map((row) => this.#row(field, row, chosen)));
    const search = wide && counts.length >= SEARCHED_FROM ? this.#search(field, body) : null;
    const more = counts.length > FEW ? this.#more(field, wide, counts.length) : null;
    body.replaceChildren(...[search, list, more].filter((node) => node !== null));
    group.hidden = counts.length === 0;
    if (focus !== null) {
      const again = [...list.querySelectorAll('input')].find((input) => input.value === focus);
      again?.focus();
    }
  }

  /**
   * @param {Field} field
   * @param {FacetCount} row
   * @param {import('./state.js').Scalar[]} chosen
   */
  #row(field, { value, count }, chosen) {
    const scalar = /** @type {import('./state.js').Scalar} */ (value);
    const text = this.captions.value(field.name, value);
    const box = el('input', {
      type: 'checkbox',
      value: stringify(value),
      onchange: () => this.onchange((now) => toggleValue(now, field.name, scalar)),
    });
    box.checked = chosen.includes(scalar);
    const color = /colou?r/i.test(field.name) ? cssColor(text) : null;
    const swatch = color ? el('span', { class: 'swatch' }) : null;
    if (swatch && color) swatch.style.background = color;
    const label = el(
      'label',
      {},
      box,
      swatch,
      el('span', { class: text.trim() ? 'name' : 'name quiet', title: text.length > LONG ? text : null }, shown(text)),
      el('span', { class: 'count' }, count.toLocaleString('en')),
    );
    return el('li', { class: count === 0 ? 'none' : '' }, label);
  }

  /**
   * @param {Field} field
   * @param {boolean} wide
   * @param {number} count
   */
  #more(field, wide, count) {
    const toggle = () => {
      if (wide) this.#wide.delete(field.name);
      else this.#wide.add(field.name);
      this.#typed.delete(field.name);
      this.#drawValues(field);
      /** @type {HTMLElement | null | undefined} */
      (this.#groups.get(field.name)?.querySelector('.more'))?.focus();
    };
    const text = wide ? 'Show fewer' : `Show ${count - FEW} more`;
    return el('button', { class: 'more quiet-button', type: 'button', 'aria-expanded': String(wide), onclick: toggle }, text);
  }

  /**
   * @param {Field} field
   * @param {Element} body
   */
  #search(field, body) {
    const old = body.querySelector('input[type=search]');
    if (old instanceof HTMLInputElement) return old;
    const input = el('input', { type: 'search', placeholder: 'Find', 'aria-label': `Find in ${humanize(field.name)}` });
    input.addEventListener('input', () => {
      this.#typed.set(field.name, input.value);
      this.#drawValues(field);
      input.focus();
    });
    return input;
  }

  /** @param {State} state */
  #showChips(state) {
    const chips = [];
    for (const [field, values] of Object.entries(state.values)) {
      for (const value of values) {
        const text = shown(this.captions.value(field, value));
        const clear = typeof value === 'string' && TELLING.test(value);
        chips.push(this.#chip(clear ? text : `${humanize(field)}: ${text}`, (now) => toggleValue(now, field, value)));
      }
    }
    for (const [field, { min, max }] of Object.entries(state.ranges)) {
      /** @param {import('./numbers.js').Num} bound */
      const read = (bound) => this.captions.number(field, bound, true);
      const text = min === null ? `up to ${read(max ?? 0)}` : max === null ? `from ${read(min)}` : `${read(min)} – ${read(max)}`;
      chips.push(this.#chip(`${humanize(field)} ${text}`, (now) => setRange(now, field, { min: null, max: null })));
    }
    if (filtered(state).length > 0) {
      const clear = () => {
        this.onchange(clearFilters);
        announce('All filters cleared');
      };
      chips.push(el('button', { class: 'quiet-button', type: 'button', onclick: clear }, 'Clear filters'));
    }
    this.chips.replaceChildren(...chips);
    this.chips.hidden = chips.length === 0;
  }

  /**
   * @param {string} text
   * @param {(now: State) => State} change
   */
  #chip(text, change) {
    const label = `Remove filter ${text}`;
    return el(
      'button',
      { class: 'chip', type: 'button', title: text.length > LONG ? text : null, 'aria-label': label, onclick: () => this.onchange(change) },
      el('span', {}, text),
      icon('close'),
    );
  }
}

/** @param {string} text */
function shown(text) {
  return text.trim() ? text : '(empty)';
}

/** @param {Field} field */
function isUseful({ kind, distinct, count, minimum, maximum }) {
  if (kind === 'number') return minimum !== null && maximum !== null && minimum < maximum;
  if (kind === 'boolean') return distinct > 1;
  return kind !== 'mixed' && distinct > 1 && distinct <= MOST_VALUES && distinct < count;
}

/**
 * Short lists come before long ones; what people filter by most (kind, color, price) comes sooner.
 *
 * @param {Field} a
 * @param {Field} b
 */
function byUse(a, b) {
  /** @param {Field} field */
  const weight = ({ kind, name, distinct }) => {
    if (kind === 'number') return /price|cost/i.test(name) ? 9 : 400;
    if (kind === 'boolean') return 300;
    if (/colou?r/i.test(name)) return distinct / 4;
    return /categor|type|kind|class/i.test(name) ? distinct / 2 : distinct;
  };
  return weight(a) - weight(b);
}

/**
 * A chosen value that nothing has any more still shows, so that it can be taken back.
 *
 * @param {FacetCount[]} counts
 * @param {import('./state.js').Scalar[]} chosen
 * @returns {FacetCount[]}
 */
function withChosen(counts, chosen) {
  const present = counts.filter(({ value }) => value !== null);
  const missing = chosen.filter((value) => !present.some((row) => row.value === value));
  return [...present, ...missing.map((value) => ({ value, count: 0 }))];
}

/** @param {Element} body */
function focusedValue(body) {
  const active = document.activeElement;
  return active instanceof HTMLInputElement && active.type === 'checkbox' && body.contains(active) ? active.value : null;
}
