/**
 * How many, how measured, how shown: the small controls above the grid.
 */

import { humanize } from './captions.js';
import { byId, el, typed } from './dom.js';
import { DEFAULT_K } from './state.js';
import { choices } from './storage.js';

/** @typedef {import('./state.js').State} State */
/** @typedef {import('./state.js').Metric} Metric */
/** @typedef {import('./captions.js').Captions} Captions */

const COUNTS = [12, DEFAULT_K, 48, 96, 200, 500];
const SIZES = /** @type {const} */ ({ small: 'Small', medium: 'Medium', large: 'Large' });
const SIZE = 'kinlens-size';

export class Options {
  /**
   * @param {Captions} captions
   * @param {{change: (change: (now: State) => State) => void, recaption: () => void}} actions
   */
  constructor(captions, actions) {
    this.captions = captions;
    this.actions = actions;
    this.k = typed('k', HTMLSelectElement);
    this.metric = byId('metric');
    this.k.addEventListener('change', () => actions.change((now) => ({ ...now, k: Number(this.k.value) })));
    for (const input of this.metric.querySelectorAll('input')) {
      input.addEventListener('change', () => actions.change((now) => ({ ...now, metric: /** @type {Metric} */ (input.value) })));
    }
    this.#sizes();
  }

  /** @param {State} state */
  show({ k, metric }) {
    const counts = COUNTS.includes(k) ? COUNTS : [...COUNTS, k].sort((a, b) => a - b);
    this.k.replaceChildren(...counts.map((count) => el('option', { value: count }, String(count))));
    this.k.value = String(k);
    for (const input of this.metric.querySelectorAll('input')) input.checked = input.value === metric;
  }

  /** Offer the catalog's fields to show under the pictures. */
  learn() {
    const boxes = this.captions.choices.map((field) => {
      const box = el('input', { type: 'checkbox', value: field.name });
      box.checked = this.captions.shown.includes(field.name);
      box.addEventListener('change', () => this.#choose());
      return el('label', {}, box, el('span', {}, humanize(field.name)));
    });
    byId('shown-fields').replaceChildren(...boxes);
    byId('shown').hidden = boxes.length === 0;
  }

  #choose() {
    const boxes = [...byId('shown-fields').querySelectorAll('input')];
    this.captions.shown = boxes.filter((box) => box.checked).map((box) => box.value);
    this.actions.recaption();
  }

  #sizes() {
    const list = byId('results');
    list.dataset['size'] = choices.get(SIZE) ?? 'medium';
    const group = byId('sizes');
    for (const [size, text] of Object.entries(SIZES)) {
      const input = el('input', { type: 'radio', name: 'size', value: size });
      input.checked = list.dataset['size'] === size;
      input.addEventListener('change', () => {
        choices.set(SIZE, size);
        list.dataset['size'] = size;
      });
      group.append(el('label', {}, input, el('span', {}, text)));
    }
  }
}
