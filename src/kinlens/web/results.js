/**
 * The right-hand side: asks the server what the state asks, and shows the answer, or why not.
 */

import { listItems, search } from './api.js';
import { announce, copy, el, icon, plural } from './dom.js';
import { remember } from './items.js';
import { DEFAULT_K, MAX_K, filtered, question, toWhere } from './state.js';
import { LostUpload, explain } from './trouble.js';
import { getUpload } from './uploads.js';

/** @typedef {import('./api.js').Answer} Answer */
/** @typedef {import('./api.js').Item} Item */
/** @typedef {import('./state.js').State} State */
/** @typedef {import('./trouble.js').Remedy} Remedy */
/** @typedef {import('./trouble.js').Trouble} Trouble */
/** @typedef {{items: Item[], total: number, next: string | null, answer: Answer | null, warnings: string[], scroll: number}} Shown */
/**
 * @typedef {object} ResultActions
 * @property {(remedy: Remedy, trouble: Trouble) => void} mend
 * @property {() => void} clearFilters
 * @property {(k: number) => void} showMore
 * @property {(total: number, answer: Answer | null) => void} answered
 * @property {(trouble: Trouble) => void} failed
 */

const PAGE = 60;
// Seven questions a second keep up with a hand, and stay within the server's limit a minute.
const PACE = 150;
const REMEMBERED = 24;
const POLL_EMPTY = 3000;

const REMEDIES = /** @type {Record<Remedy, string>} */ ({
  retry: 'Try again',
  key: 'Enter a key',
  browse: 'Choose another picture',
  clear: 'Back to the catalog',
});

export class Results {
  /** @type {string | null} the question that is answered or on its way */
  #asked = null;
  #sentAt = 0;
  #busy = false;
  #live = false;
  #timer = 0;
  #retry = 0;
  #controller = new AbortController();
  /** @type {State | null} */
  #state = null;
  /** @type {Map<string, Shown>} what was shown for recent questions, the newest last */
  #past = new Map();
  /** @type {Shown | null} */
  #shown = null;

  /**
   * @param {{main: HTMLElement, status: HTMLElement, message: HTMLElement, more: HTMLButtonElement}} parts
   * @param {import('./grid.js').Grid} grid
   * @param {ResultActions} actions
   */
  constructor({ main, status, message, more }, grid, actions) {
    this.main = main;
    this.status = status;
    this.message = message;
    this.more = more;
    this.grid = grid;
    this.actions = actions;
    more.addEventListener('click', () => this.#more());
    this.watcher = new IntersectionObserver(
      // A busy browser tells of several changes at once: the last is how it is now.
      (changes) => changes.at(-1)?.isIntersecting && this.#shown?.next && this.#more(),
      { rootMargin: '800px' },
    );
    this.watcher.observe(more);
    addEventListener('online', () => this.again());
  }

  /**
   * @param {State} state
   * @param {import('./store.js').Way} way
   */
  ask(state, way) {
    this.#state = state;
    this.#live = way === 'adjust';
    if (question(state) === this.#asked) return;
    if (this.#shown) this.#shown.scroll = scrollY;
    clearTimeout(this.#timer);
    if (way === 'adjust') {
      this.#timer = setTimeout(() => this.#paced(), Math.max(0, this.#sentAt + PACE - performance.now()));
    } else {
      this.#send(way === 'travel' ? this.#past.get(question(state)) : undefined);
    }
  }

  /** Ask the same again. */
  again() {
    this.#send();
  }

  /** While a box is dragged, one question at a time: the newest goes out when the last is back. */
  #paced() {
    if (this.#busy && performance.now() - this.#sentAt < 1000) this.#timer = setTimeout(() => this.#paced(), 30);
    else this.#send();
  }

  /**
   * @param {Shown} [past] what the question was answered with before, on the way back
   * @param {boolean} [unasked] by the page's own clock: then what is said stays until the answer
   */
  #send(past, unasked = false) {
    const state = this.#state;
    if (!state) return;
    clearTimeout(this.#retry);
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#asked = question(state);
    this.#sentAt = performance.now();
    this.#busy = false;
    if (past) return this.#show(past, state, true);
    if (!unasked) this.#wait();
    const { signal } = this.#controller;
    this.#busy = true;
    (state.examples.length ? this.#search(state, signal) : this.#browse(state, signal))
      .then((shown) => !signal.aborted && this.#show(shown, state, false))
      .catch((error) => !signal.aborted && this.#fail(error))
      .finally(() => {
        if (!signal.aborted) this.#busy = false;
      });
  }

  /**
   * @param {State} state
   * @param {AbortSignal} signal
   * @returns {Promise<Shown>}
   */
  async #search(state, signal) {
    /** @type {Blob[]} */
    const uploads = [];
    const examples = [];
    for (const { kind, ref, weight, crop } of state.examples) {
      const blob = kind === 'upload' ? await getUpload(ref) : null;
      if (kind === 'upload' && !blob) throw new LostUpload();
      const source = blob ? { upload: uploads.push(blob) - 1 } : { [kind]: ref };
      examples.push({ ...source, weight, ...(crop ? { crop } : {}) });
    }
    const query = { examples, k: state.k, metric: state.metric, where: toWhere(state) };
    const answer = await search(query, uploads, signal);
    return { items: answer.hits, total: answer.total, next: null, answer, warnings: answer.warnings, scroll: 0 };
  }

  /**
   * @param {State} state
   * @param {AbortSignal} signal
   * @returns {Promise<Shown>}
   */
  async #browse(state, signal) {
    const page = await listItems({ limit: PAGE, where: toWhere(state) }, signal);
    return { ...page, answer: null, scroll: 0 };
  }

  /** @param {string} state */
  #enter(state) {
    this.main.dataset['state'] = state;
    this.main.setAttribute('aria-busy', String(state === 'waiting'));
  }

  #wait() {
    if (!this.grid.items.length) this.grid.showSkeleton(DEFAULT_K);
    this.message.replaceChildren();
    this.#enter('waiting');
  }

  /**
   * @param {Shown} shown
   * @param {State} state
   * @param {boolean} again whether it was shown before: then where it was scrolled to comes back
   */
  #show(shown, state, again) {
    this.#shown = shown;
    const asked = question(state);
    this.#past.delete(asked);
    if (shown.items.length) this.#past.set(asked, shown);
    const [oldest] = this.#past.keys();
    if (oldest !== undefined && this.#past.size > REMEMBERED) this.#past.delete(oldest);
    remember(shown.items);
    this.message.replaceChildren();
    this.#enter('answered');
    const focused = this.grid.list.contains(document.activeElement);
    this.grid.show(shown.items);
    if (focused && !this.grid.list.contains(document.activeElement)) this.grid.focusFirst();
    this.#showStatus(shown);
    this.#showMore(shown, state);
    if (!shown.items.length) this.#showNothing(state, shown.warnings);
    if (again) {
      this.grid.measure();
      scrollTo(0, shown.scroll);
    }
    this.actions.answered(shown.total, shown.answer);
  }

  /** @param {Shown} shown */
  #showStatus({ items, total, answer }) {
    if (!items.length) return this.status.replaceChildren();
    if (!this.#live) announce(answer ? plural(items.length, 'look-alike') : plural(total, 'picture'));
    const count = answer
      ? `${items.length.toLocaleString('en')} of ${total.toLocaleString('en')}`
      : plural(total, 'picture');
    const parts = [el('strong', {}, count)];
    if (answer?.exact) {
      parts.push(el('span', { title: 'Provably the true nearest neighbors: nothing was skipped' }, 'exact'));
    }
    if (answer) {
      const { decode, encode, search: found, total: all } = answer.took_ms;
      const split = `decode ${ms(decode)}, encode ${ms(encode)}, search ${ms(found)}`;
      parts.push(el('span', { title: split }, ms(all)));
    }
    this.status.replaceChildren(...parts);
  }

  /**
   * @param {Shown} shown
   * @param {State} state
   */
  #showMore({ items, total, next, answer }, state) {
    const canGrow = Boolean(answer) && items.length >= state.k && items.length < total && state.k < MAX_K;
    this.more.hidden = !(next || canGrow);
    // It tells of changes only: a button that is still near after a page came is told again.
    this.watcher.unobserve(this.more);
    this.watcher.observe(this.more);
  }

  async #more() {
    const shown = this.#shown;
    const state = this.#state;
    if (!shown || !state || this.#busy || this.main.dataset['state'] !== 'answered') return;
    if (shown.answer) return this.actions.showMore(Math.min(MAX_K, state.k * 2));
    const { signal } = this.#controller;
    this.#busy = true;
    try {
      const after = shown.next ?? undefined;
      const page = await listItems({ limit: PAGE, after, where: toWhere(state) }, signal);
      remember(page.items);
      shown.items = [...shown.items, ...page.items];
      shown.next = page.next;
      this.grid.append(page.items);
      this.#showMore(shown, state);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    } finally {
      if (!signal.aborted) this.#busy = false;
    }
  }

  /**
   * @param {State} state
   * @param {string[]} warnings
   */
  #showNothing(state, warnings) {
    if (filtered(state).length) {
      const clear = el('button', { class: 'button', type: 'button', onclick: this.actions.clearFilters }, 'Clear filters');
      const text = [...warnings, 'Take one away, or clear them all.'].join(' ');
      this.#say('filters', 'Nothing passes these filters', text, [clear]);
      return;
    }
    if (state.examples.length) return this.#say('similar', 'Nothing to compare with', 'The catalog holds no other picture.', []);
    this.#enter('empty');
    this.#say('folder', 'Nothing here yet', 'Index a folder of pictures, or a CSV that points at some. This page shows them as they come.', [
      command('kinlens index FOLDER --data DATA'),
    ]);
    this.message.append(note('DATA is the folder that ', 'kinlens serve', ' was started with: ', 'kinlens-data', ' unless another was named.'));
    this.#retry = setTimeout(() => void this.#poll(), POLL_EMPTY);
  }

  /** Look whether the first item has come, without a sign of it until then. */
  async #poll() {
    const { signal } = this.#controller;
    const page = await listItems({ limit: 1 }, signal).catch(() => null);
    if (signal.aborted) return;
    if (page?.total) this.#send();
    else this.#retry = setTimeout(() => void this.#poll(), POLL_EMPTY);
  }

  /** @param {unknown} error */
  #fail(error) {
    const trouble = explain(error);
    const { title, text, remedies, wait, passing } = trouble;
    if (!passing || !this.grid.items.length) this.grid.show([]);
    this.#enter(passing ? 'stale' : 'failed');
    this.status.replaceChildren();
    this.more.hidden = true;
    const buttons = remedies.map((remedy, at) =>
      el(
        'button',
        { class: at ? 'quiet-button' : 'button', type: 'button', onclick: () => this.#mend(remedy, trouble) },
        REMEDIES[remedy],
      ),
    );
    this.#say('trouble', title, text, buttons);
    this.#asked = null;
    if (wait !== null) this.#countDown(wait);
    if (remedies[0] === 'key') this.actions.mend('key', trouble);
    this.actions.failed(trouble);
  }

  /**
   * @param {Remedy} remedy
   * @param {Trouble} trouble
   */
  #mend(remedy, trouble) {
    if (remedy === 'retry') this.#send();
    else this.actions.mend(remedy, trouble);
  }

  /** @param {number} seconds */
  #countDown(seconds) {
    const left = el('p', { class: 'countdown' }, `Trying again in ${seconds} s`);
    this.message.querySelector('.countdown')?.remove();
    this.message.append(left);
    this.#retry = setTimeout(() => (seconds > 1 ? this.#countDown(seconds - 1) : this.#send(undefined, true)), 1000);
  }

  /**
   * @param {string} symbol
   * @param {string} title
   * @param {string} text
   * @param {HTMLElement[]} actions
   */
  #say(symbol, title, text, actions) {
    // A page that tries again by itself says the same only once.
    if (this.message.querySelector('h2')?.textContent !== title) announce(`${title}. ${text}`);
    this.message.replaceChildren(
      icon(symbol),
      el('h2', {}, title),
      el('p', {}, text),
      ...(actions.length ? [el('div', { class: 'remedies' }, ...actions)] : []),
    );
  }
}

/** @param {number} value */
function ms(value) {
  return `${value < 1 ? value.toFixed(1) : Math.round(value).toLocaleString('en')} ms`;
}

/** @param {string} text a line for the shell, to be copied */
function command(text) {
  const act = () => void copy(text, 'Copied');
  const button = el('button', { class: 'icon-button', type: 'button', 'aria-label': 'Copy the command', onclick: act }, icon('copy'));
  return el('div', { class: 'command' }, el('code', {}, text), button);
}

/** @param {...string} parts words and code in turn */
function note(...parts) {
  return el('p', {}, ...parts.map((part, at) => (at % 2 ? el('code', {}, part) : part)));
}
