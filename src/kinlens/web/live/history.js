/**
 * The strip of what was seen before: one for each thing, not one for each frame.
 */

import { arrange, el } from '../dom.js';
import { ago, elapsed, since } from './time.js';

/** @typedef {import('./api.js').View} View */
/** @typedef {{view: View, at: number}} Moment */

const KEPT = 24;
const APART = 4000;

export class History {
  /** @type {Moment[]} */
  #moments = [];
  /** @type {WeakMap<Moment, HTMLLIElement>} not by sequence: a device that starts anew counts anew */
  #entries = new WeakMap();

  /**
   * @param {HTMLElement} list
   * @param {(moment: Moment) => void} choose
   */
  constructor(list, choose) {
    this.list = list;
    this.choose = choose;
  }

  /** @param {View[]} views newest first */
  fill(views) {
    this.#moments = [];
    for (const view of views.toReversed()) this.#take(view, since(view));
    this.#show();
  }

  /** @param {View} view @param {number} at when it arrived */
  add(view, at) {
    if (this.#take(view, at)) this.#show();
  }

  /** Say how long ago each was, as time goes on. */
  age() {
    this.list.querySelectorAll('time').forEach((node, at) => {
      const moment = this.#moments[at];
      if (moment) node.textContent = ago(elapsed(moment.at));
    });
  }

  /** @param {View} view @param {number} at */
  #take(view, at) {
    if (!view.picture) return false;
    const [last] = this.#moments;
    const same = last && last.view.hits[0]?.id === view.hits[0]?.id;
    if (last && (same || at - last.at < APART / 4) && at - last.at < APART) return false;
    this.#moments = [{ view, at }, ...this.#moments].slice(0, KEPT);
    return true;
  }

  #show() {
    arrange(this.list, this.#moments.map((moment) => this.#entries.get(moment) ?? this.#entry(moment)));
    this.age();
  }

  /** @param {Moment} moment */
  #entry(moment) {
    const image = el('img', { src: moment.view.picture, alt: 'Seen before', draggable: 'false' });
    const button = el('button', { type: 'button', onclick: () => this.choose(moment) }, image, el('time', {}));
    const entry = el('li', {}, button);
    this.#entries.set(moment, entry);
    return entry;
  }
}
