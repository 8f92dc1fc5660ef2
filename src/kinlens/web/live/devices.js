/**
 * The cameras: which there are, and how they are.
 */

import { arrange, el } from '../dom.js';
import { listDevices } from './api.js';
import { ago, elapsed, since, sleep } from './time.js';

/** @typedef {import('./api.js').Status} Status */
/** @typedef {{entry: HTMLLIElement, button: HTMLButtonElement, dot: HTMLElement, said: HTMLElement}} Tab */

const EVERY = 1500;

export class Devices {
  /** @type {Map<string, Status & {at: number}>} */
  #known = new Map();
  /** @type {Map<string, Tab>} */
  #tabs = new Map();
  #stop = new AbortController();
  /** @type {string | null} */
  chosen = null;

  /**
   * @param {HTMLElement} list
   * @param {object} actions
   * @param {(device: string) => void} actions.choose
   * @param {() => void} actions.listed after each time that the cameras became known
   * @param {(error: unknown) => void} actions.failed
   */
  constructor(list, actions) {
    this.list = list;
    this.actions = actions;
  }

  /** @returns {string[]} those that watch first, then by name */
  get names() {
    const rank = (/** @type {Status} */ status) => (status.state === 'offline' ? 1 : 0);
    return [...this.#known.values()]
      .sort((a, b) => rank(a) - rank(b) || a.device.localeCompare(b.device))
      .map((status) => status.device);
  }

  /** @returns {string | undefined} the one that was heard of last */
  get freshest() {
    return [...this.#known.values()].sort((a, b) => b.at - a.at)[0]?.device;
  }

  /** @param {string | null} device */
  get(device) {
    return device === null ? undefined : this.#known.get(device);
  }

  /** Look for cameras from now on; again after a failure. */
  watch() {
    this.#stop.abort();
    this.#stop = new AbortController();
    void this.#run(this.#stop.signal);
  }

  /** Look for no more, until told to `watch`. */
  rest() {
    this.#stop.abort();
  }

  /** @param {Status} status */
  learn(status) {
    this.#known.set(status.device, { ...status, at: since(status) });
    this.show();
  }

  show() {
    const names = this.names;
    for (const name of this.#tabs.keys()) if (!this.#known.has(name)) this.#tabs.delete(name);
    arrange(this.list, names.map((name) => this.#tab(/** @type {Status & {at: number}} */ (this.#known.get(name)))));
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    while (!signal.aborted) {
      try {
        const found = await listDevices(signal);
        this.#known = new Map(found.map((status) => [status.device, { ...status, at: since(status) }]));
        this.show();
        this.actions.listed();
      } catch (error) {
        if (!signal.aborted) this.actions.failed(error);
      }
      await sleep(EVERY, signal);
    }
  }

  /** @param {Status & {at: number}} status */
  #tab(status) {
    const { device, state } = status;
    const tab = this.#tabs.get(device) ?? this.#newTab(device);
    const said = state === 'online' ? 'on' : state === 'offline' ? `off, seen ${ago(elapsed(status.at))}` : 'in trouble';
    tab.button.setAttribute('aria-pressed', String(device === this.chosen));
    tab.button.title = status.message ?? said;
    tab.dot.dataset.state = state;
    tab.said.textContent = `, ${said}`;
    return tab.entry;
  }

  /** @param {string} device @returns {Tab} */
  #newTab(device) {
    const dot = el('span', { class: 'dot' });
    const said = el('span', { class: 'sr-only' });
    const choose = () => this.actions.choose(device);
    const button = el('button', { type: 'button', class: 'tab', onclick: choose }, dot, el('span', {}, device), said);
    const tab = { entry: el('li', { 'data-device': device }, button), button, dot, said };
    this.#tabs.set(device, tab);
    return tab;
  }
}
