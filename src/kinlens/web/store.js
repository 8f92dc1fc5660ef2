/**
 * The one state of the page, in step with the browser's history.
 */

import { fromAddress, toAddress } from './state.js';

/** @typedef {import('./state.js').State} State */
/**
 * How a state came: a step that "back" undoes, a change within the step (a crop that is dragged),
 * or a travel through history.
 *
 * @typedef {'step' | 'adjust' | 'travel'} Way
 */
/** @typedef {(state: State, before: State, way: Way) => void} Listener */

// Safari refuses more than 100 history writes in 30 seconds; a crop that is dragged makes hundreds.
const WRITE_AFTER = 350;

export class Store {
  /** @type {Listener[]} */
  #listeners = [];
  /** @type {number | undefined} */
  #timer;

  constructor() {
    this.state = fromAddress(location.search);
    addEventListener('popstate', () => {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#apply(fromAddress(location.search), 'travel');
    });
    addEventListener('pagehide', () => this.#write());
  }

  /** @param {Listener} listener */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /**
   * @param {State} state
   * @param {Record<string, unknown>} [mark] kept with the history entry
   */
  step(state, mark = {}) {
    this.#write();
    if (toAddress(state) !== toAddress(this.state)) {
      history.pushState(mark, '', toAddress(state) || location.pathname);
    }
    this.#apply(state, 'step');
  }

  /** @param {State} state */
  adjust(state) {
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER);
    this.#apply(state, 'adjust');
  }

  #write() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    history.replaceState(history.state, '', toAddress(this.state) || location.pathname);
  }

  /**
   * @param {State} state
   * @param {Way} way
   */
  #apply(state, way) {
    const before = this.state;
    this.state = state;
    for (const listener of this.#listeners) listener(state, before, way);
  }
}
