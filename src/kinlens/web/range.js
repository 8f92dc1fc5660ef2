/**
 * A number range: two thumbs on one track, and the same as two numbers to type.
 */

import { humanize } from './captions.js';
import { announce, el } from './dom.js';
import { readNumber } from './numbers.js';

/** @typedef {import('./api.js').Field} Field */
/** @typedef {import('./numbers.js').Num} Num */
/** @typedef {import('./state.js').Range} Range */

const STEPS = 200;
/** Characters of a number that fit beside another one. */
const FITS = 12;

export class RangeControl {
  /** @type {Range} what filters: the thumbs stop at the ends of the track, typed numbers don't */
  #range = { min: null, max: null };

  /**
   * @param {Field} field with a minimum below its maximum
   * @param {import('./captions.js').Captions} captions
   * @param {(range: Range) => void} onchange
   */
  constructor(field, captions, onchange) {
    this.field = field;
    this.captions = captions;
    this.onchange = onchange;
    this.minimum = field.minimum ?? 0;
    this.maximum = field.maximum ?? 1;
    this.low = this.#slider('from');
    this.high = this.#slider('to');
    this.lowText = this.#text('from');
    this.highText = this.#text('to');
    this.track = el('div', { class: 'track' }, this.low, this.high);
    this.problem = el('p', { class: 'problem', id: `problem-${Math.random().toString(36).slice(2)}`, hidden: true });
    this.numbers = el('div', { class: 'numbers' }, this.lowText, el('span', { 'aria-hidden': 'true' }, '–'), this.highText);
    this.element = el('div', { class: 'range', role: 'group', 'aria-label': humanize(field.name) }, this.track, this.numbers, this.problem);
    this.show({ min: null, max: null });
  }

  /** @param {Range} range */
  show(range) {
    this.#range = range;
    if (document.activeElement !== this.low) this.low.value = String(range.min ?? this.minimum);
    if (document.activeElement !== this.high) this.high.value = String(range.max ?? this.maximum);
    this.#paint();
  }

  /** @param {string} end */
  #slider(end) {
    const whole = Number.isInteger(Number(this.minimum)) && Number.isInteger(Number(this.maximum));
    const step = whole ? Math.max(1, Math.round(this.#span / STEPS)) : 'any';
    const input = el('input', {
      type: 'range', min: this.minimum, max: this.maximum, step, 'aria-label': `${humanize(this.field.name)} ${end}`,
    });
    input.addEventListener('input', () => {
      const pushed = Number(this.low.value) > Number(this.high.value);
      if (pushed) (input === this.low ? this.high : this.low).value = input.value;
      const { min, max } = this.#pointed();
      // The other end keeps its digits: it may be a typed number that no step of the slider meets.
      this.#range = {
        min: pushed || input === this.low ? min : this.#range.min,
        max: pushed || input === this.high ? max : this.#range.max,
      };
      this.#paint();
    });
    input.addEventListener('change', () => this.onchange(this.#range));
    return input;
  }

  /** @param {'from' | 'to'} end */
  #text(end) {
    const input = el('input', { type: 'text', inputmode: this.minimum < 0 ? 'text' : 'decimal', autocomplete: 'off', 'aria-label': `${humanize(this.field.name)} ${end}` });
    input.addEventListener('change', () => this.#take(input, end));
    return input;
  }

  /**
   * @param {HTMLInputElement} input
   * @param {'from' | 'to'} end
   */
  #take(input, end) {
    const text = input.value.trim();
    const value = text ? readNumber(text) : null;
    if (text && value === null) return this.#refuse(input, text);
    const stop = end === 'from' ? this.minimum : this.maximum;
    // An end that rests at its stop filters nothing, so that items without the field stay.
    const bound = value === stop || (value !== null && this.#written(value) === this.#written(stop)) ? null : value;
    const { min, max } = end === 'from' ? { min: bound, max: this.#range.max } : { min: this.#range.min, max: bound };
    const turned = min !== null && max !== null && min > max;
    this.show(turned ? { min: max, max: min } : { min, max });
    this.onchange(this.#range);
  }

  /**
   * @param {HTMLInputElement} input
   * @param {string} text
   */
  #refuse(input, text) {
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', this.problem.id);
    this.problem.textContent = `“${text.slice(0, 40)}” isn’t a number that can be read. Write it like 2.5, 2,5 or 1e3. The filter stays as it was.`;
    this.problem.hidden = false;
    announce(this.problem.textContent);
  }

  get #span() {
    return Number(this.maximum) - Number(this.minimum);
  }

  /** @param {Num} value */
  #written(value) {
    return this.captions.number(this.field.name, value, true);
  }

  #paint() {
    const { min, max } = this.#range;
    this.track.style.setProperty('--low', String(this.#place(min ?? this.minimum)));
    this.track.style.setProperty('--high', String(this.#place(max ?? this.maximum)));
    this.problem.hidden = true;
    for (const [input, value] of /** @type {const} */ ([[this.lowText, min ?? this.minimum], [this.highText, max ?? this.maximum]])) {
      input.removeAttribute('aria-invalid');
      input.removeAttribute('aria-describedby');
      input.value = this.#written(value);
    }
    this.numbers.classList.toggle('long', Math.max(this.lowText.value.length, this.highText.value.length) > FITS);
  }

  /**
   * @param {Num} value
   * @returns {number} where on the track, from 0 to 1
   */
  #place(value) {
    return Math.min(1, Math.max(0, (Number(value) - Number(this.minimum)) / this.#span));
  }

  /** @returns {Range} what the thumbs point at */
  #pointed() {
    const low = Number(this.low.value);
    const high = Number(this.high.value);
    return {
      min: low <= this.minimum ? null : rounded(low, this.#span),
      max: high >= this.maximum ? null : rounded(high, this.#span),
    };
  }
}

/**
 * @param {number} value
 * @param {number} span
 * @returns {Num} with no more digits than the slider can mean
 */
function rounded(value, span) {
  const digits = Math.max(0, Math.ceil(Math.log10(STEPS / span)));
  const near = Number(value.toFixed(Math.min(digits, 12)));
  return Number.isInteger(near) && !Number.isSafeInteger(near) && Math.abs(near) < 2 ** 63 ? BigInt(near) : near;
}
