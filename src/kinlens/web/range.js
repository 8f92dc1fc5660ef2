/**
 * A number range: two thumbs on one track, and the same as two numbers to type.
 */

import { humanize } from './captions.js';
import { el } from './dom.js';

/** @typedef {import('./api.js').Field} Field */
/** @typedef {import('./state.js').Range} Range */

const STEPS = 200;

export class RangeControl {
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
    const numbers = el('div', { class: 'numbers' }, this.lowText, el('span', { 'aria-hidden': 'true' }, '–'), this.highText);
    this.element = el('div', { class: 'range', role: 'group', 'aria-label': humanize(field.name) }, this.track, numbers);
    this.show({ min: null, max: null });
  }

  /** @param {Range} range */
  show({ min, max }) {
    if (document.activeElement !== this.low) this.low.value = String(min ?? this.minimum);
    if (document.activeElement !== this.high) this.high.value = String(max ?? this.maximum);
    this.#paint();
  }

  /** @param {string} end */
  #slider(end) {
    const whole = Number.isInteger(this.minimum) && Number.isInteger(this.maximum);
    const step = whole ? Math.max(1, Math.round((this.maximum - this.minimum) / STEPS)) : 'any';
    const input = el('input', {
      type: 'range', min: this.minimum, max: this.maximum, step, 'aria-label': `${humanize(this.field.name)} ${end}`,
    });
    input.addEventListener('input', () => {
      if (Number(this.low.value) > Number(this.high.value)) {
        if (input === this.low) this.high.value = input.value;
        else this.low.value = input.value;
      }
      this.#paint();
    });
    input.addEventListener('change', () => this.#tell());
    return input;
  }

  /** @param {string} end */
  #text(end) {
    const input = el('input', { type: 'text', inputmode: 'decimal', 'aria-label': `${humanize(this.field.name)} ${end}` });
    input.addEventListener('change', () => {
      const value = Number(input.value.replaceAll(',', ''));
      const slider = input === this.lowText ? this.low : this.high;
      if (input.value.trim() && !Number.isNaN(value)) slider.value = String(value);
      else slider.value = String(slider === this.low ? this.minimum : this.maximum);
      if (Number(this.low.value) > Number(this.high.value)) [this.low.value, this.high.value] = [this.high.value, this.low.value];
      this.#paint();
      this.#tell();
    });
    return input;
  }

  #paint() {
    const low = Number(this.low.value);
    const high = Number(this.high.value);
    const span = this.maximum - this.minimum;
    this.track.style.setProperty('--low', String((low - this.minimum) / span));
    this.track.style.setProperty('--high', String((high - this.minimum) / span));
    this.lowText.value = this.captions.number(this.field.name, rounded(low, span));
    this.highText.value = this.captions.number(this.field.name, rounded(high, span));
  }

  #tell() {
    const span = this.maximum - this.minimum;
    const low = Number(this.low.value);
    const high = Number(this.high.value);
    // An end that rests at its stop filters nothing, so that items without the field stay.
    this.onchange({
      min: low <= this.minimum ? null : rounded(low, span),
      max: high >= this.maximum ? null : rounded(high, span),
    });
  }
}

/**
 * @param {number} value
 * @param {number} span
 * @returns {number} with no more digits than the slider can mean
 */
function rounded(value, span) {
  const digits = Math.max(0, Math.ceil(Math.log10(STEPS / span)));
  return Number(value.toFixed(Math.min(digits, 12)));
}
