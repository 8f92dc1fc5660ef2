/**
 * Facet counts for the present filter. They depend on the filter alone, never on the picture, so
 * that dragging a crop box asks for none.
 */

import { countFacets } from './api.js';
import { own, stringify } from './json.js';
import { toWhere } from './state.js';

/** @typedef {import('./state.js').State} State */
/** @typedef {import('./facets.js').FacetPanel} FacetPanel */

export class Counts {
  #asked = '';
  #controller = new AbortController();

  /** @param {FacetPanel} panel */
  constructor(panel) {
    this.panel = panel;
  }

  /**
   * @param {State} state
   * @param {number} total of the answer: when it changes with the same filter, items came or went
   */
  async update(state, total) {
    const asked = stringify([toWhere(state) ?? {}, total, this.panel.counted]);
    if (asked === this.#asked || !this.panel.counted.length) return;
    this.#asked = asked;
    this.#controller.abort();
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    const chosen = this.panel.counted.filter((field) => own(state.values, field));
    const others = this.panel.counted.filter((field) => !own(state.values, field));
    const asks = [
      ...(others.length ? [countFacets(others, toWhere(state), signal)] : []),
      ...chosen.map((field) => countFacets([field], toWhere(state, field), signal)),
    ];
    try {
      const answers = await Promise.all(asks);
      this.panel.count(Object.fromEntries(answers.flatMap((answer) => Object.entries(answer.facets))));
    } catch {
      // The grid tells what is wrong; the counts come with the next answer.
      if (!signal.aborted) this.#asked = '';
    }
  }
}
