/**
 * The one state of the page, in step with the browser's history.
 */

import { fromAddress, toAddress } from './state.js';

/** @typedef {import('./state.js').State} State */
/** @typedef {(state: State, before: State) => void} Listener */

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
      this.#apply(fromAddress(location.search));
    });
    addEventListener('pagehide', () => this.#write());
  }

  /** @param {Listener} listener */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /**
   * A step that "back" undoes.
   *
   * @param {State} state
   * @param {Record<string, unknown>} [mark] kept with the history entry
   */
  push(state, mark = {}) {
    this.#write();
    if (toAddress(state) !== toAddress(this.state)) {
      history.pushState(mark, '', toAddress(state) || location.pathname);
    }
    this.#apply(state);
  }

  /**
   * A change within the present step, such as a crop that is dragged.
   *
   * @param {State} state
   */
  replace(state) {
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER);
    this.#apply(state);
  }

  #write() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    history.replaceState(history.state, '', toAddress(this.state) || location.pathname);
  }

  /** @param {State} state */
  #apply(state) {
    const before = this.state;
    this.state = state;
    for (const listener of this.#listeners) listener(state, before);
  }
}
