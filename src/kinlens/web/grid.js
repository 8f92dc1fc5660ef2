/**
 * The grid of pictures: tiles, their actions, and moving among them by keyboard.
 */

import { scoreText } from './captions.js';
import { arrange, el, icon } from './dom.js';
import { commonRatio, fills, picture } from './items.js';

/** @typedef {import('./api.js').Item} Item */
/** @typedef {import('./captions.js').Captions} Captions */
/**
 * @typedef {object} Actions
 * @property {(item: Item, picture: Element | null) => void} open
 * @property {(item: Item, picture: Element | null) => void} similar
 * @property {(item: Item, weight: number, picture: Element | null) => void} add
 * @property {(item: Item) => string} address of the item's detail view
 */

export const DRAGGED_ITEM = 'application/x-kinlens-item';

export class Grid {
  /** @type {Map<string, HTMLLIElement>} */
  #tiles = new Map();
  /** @type {Item[]} */
  items = [];
  #ratio = 0;

  /**
   * @param {HTMLElement} list
   * @param {Captions} captions
   * @param {Actions} actions
   */
  constructor(list, captions, actions) {
    this.list = list;
    this.captions = captions;
    this.actions = actions;
    list.addEventListener('keydown', (event) => this.#key(event));
    list.addEventListener('focusin', (event) => this.#rove(event.target));
  }

  /**
   * Show these items in this order; tiles that stay keep their pictures.
   *
   * @param {Item[]} items
   */
  show(items) {
    this.items = items;
    this.#ratio ||= items.length ? commonRatio(items) : 0;
    if (this.#ratio) this.list.style.setProperty('--ratio', String(this.#ratio));
    this.captions.tellApart(items);
    const before = this.#tiles;
    this.#tiles = new Map();
    for (const item of items) {
      const kept = before.get(item.id);
      const tile = kept ?? this.#tile(item);
      if (kept) this.#caption(kept, item);
      this.#tiles.set(item.id, tile);
    }
    arrange(this.list, [...this.#tiles.values()]);
    this.#firstTabStop();
    requestAnimationFrame(() => this.measure());
  }

  /** Tell the tiles that were never drawn how tall a tile is, so that scrolling lands well. */
  measure() {
    const tile = this.list.firstElementChild;
    if (tile instanceof HTMLElement) this.list.style.setProperty('--tall', `${tile.offsetHeight}px`);
  }

  /** @param {Item[]} items */
  append(items) {
    const fresh = items.filter((item) => !this.#tiles.has(item.id));
    this.items = [...this.items, ...fresh];
    const tiles = fresh.map((item) => this.#tile(item));
    fresh.forEach((item, at) => this.#tiles.set(item.id, /** @type {HTMLLIElement} */ (tiles[at])));
    this.list.append(...tiles);
    this.#firstTabStop();
    this.recaption();
  }

  /** Grey tiles in place of what is on its way. @param {number} count */
  showSkeleton(count) {
    this.items = [];
    this.#tiles = new Map();
    const tiles = Array.from({ length: count }, () =>
      el('li', { class: 'tile skeleton', 'aria-hidden': 'true' }, el('div', { class: 'frame' }), el('div', { class: 'line' })),
    );
    this.list.replaceChildren(...tiles);
  }

  /** Write the captions again, after other fields were chosen or more pictures came. */
  recaption() {
    this.captions.tellApart(this.items);
    for (const item of this.items) {
      const tile = this.#tiles.get(item.id);
      if (tile) this.#caption(tile, item);
    }
  }

  /**
   * @param {string} id
   * @returns {HTMLElement | null} the picture of a tile
   */
  pictureOf(id) {
    return this.#tiles.get(id)?.querySelector('img') ?? null;
  }

  /** @param {string} id */
  focus(id) {
    this.#tiles.get(id)?.querySelector('a')?.focus();
  }

  focusFirst() {
    this.list.querySelector('a')?.focus({ preventScroll: true });
  }

  /** @param {Item} item */
  #tile(item) {
    const image = picture(item, 'thumbnail_url', { loading: 'lazy' });
    image.classList.toggle('fills', fills(item, this.#ratio || 1));
    const link = el('a', { class: 'frame', tabindex: '-1' }, image);
    link.addEventListener('click', (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab or window
      event.preventDefault();
      this.actions.open(this.#current(item), image);
    });
    link.addEventListener('dragstart', (event) => event.dataTransfer?.setData(DRAGGED_ITEM, item.id));
    const tile = el('li', { class: 'tile' }, link, this.#buttons(item, image));
    tile.dataset.id = item.id;
    tile.append(el('div', { class: 'caption' }));
    this.#caption(tile, item);
    return tile;
  }

  /**
   * @param {Item} item
   * @param {HTMLImageElement} image
   */
  #buttons(item, image) {
    /** @param {string} name @param {string} label @param {string} symbol @param {() => void} act @param {Node[]} more */
    const button = (name, label, symbol, act, ...more) =>
      el('button', { class: name, type: 'button', tabindex: '-1', title: label, onclick: act }, icon(symbol), ...more);
    return el(
      'div',
      { class: 'actions' },
      button('similar', 'More like this', 'similar', () => this.actions.similar(item, image), el('span', {}, 'Similar')),
      button('sign', 'Also like this', 'plus', () => this.actions.add(item, 1, image)),
      button('sign', 'Less like this', 'minus', () => this.actions.add(item, -1, image)),
    );
  }

  /**
   * @param {HTMLLIElement} tile
   * @param {Item} item
   */
  #caption(tile, item) {
    const title = this.captions.title(item);
    const details = this.captions.details(item);
    const caption = tile.querySelector('.caption');
    const score =
      item.score === undefined
        ? null
        : el('span', { class: 'score', title: 'Cosine similarity: 1 is the same' }, scoreText(item.score));
    caption?.replaceChildren(
      el('span', { class: 'title', title }, title),
      el('span', { class: 'details' }, el('span', {}, details), score),
    );
    const label = [title, details, item.score === undefined ? '' : `similarity ${scoreText(item.score)}`];
    const link = tile.querySelector('a');
    link?.setAttribute('aria-label', label.filter(Boolean).join(', '));
    link?.setAttribute('href', this.actions.address(item));
    for (const button of tile.querySelectorAll('button')) button.setAttribute('aria-label', `${button.title}: ${title}`);
  }

  /** The item as last shown, with its newest score. @param {Item} item */
  #current(item) {
    return this.items.find((other) => other.id === item.id) ?? item;
  }

  #firstTabStop() {
    if (!this.list.querySelector('[tabindex="0"]')) this.#rove(this.list.querySelector('a'));
  }

  /** One tile is in the tab order, with its buttons. @param {EventTarget | null} target */
  #rove(target) {
    const tile = target instanceof Element ? target.closest('.tile') : null;
    if (!tile || tile.classList.contains('current')) return;
    for (const old of this.list.querySelectorAll('.tile.current')) {
      old.classList.remove('current');
      for (const node of old.querySelectorAll('a, button')) node.setAttribute('tabindex', '-1');
    }
    tile.classList.add('current');
    for (const node of tile.querySelectorAll('a, button')) node.setAttribute('tabindex', '0');
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const tile = event.target instanceof Element ? event.target.closest('.tile') : null;
    const item = this.items.find((other) => other.id === /** @type {HTMLElement | null} */ (tile)?.dataset.id);
    if (!tile || !item || event.metaKey || event.ctrlKey || event.altKey) return;
    const image = this.pictureOf(item.id);
    const tiles = [...this.#tiles.values()];
    const at = tiles.indexOf(/** @type {HTMLLIElement} */ (tile));
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(' ').length;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns,
      Home: 0, End: tiles.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) tiles[to]?.querySelector('a')?.focus();
    else if (event.key === 'm') this.actions.similar(item, image);
    else if (event.key === '+' || event.key === '=') this.actions.add(item, 1, image);
    else if (event.key === '-') this.actions.add(item, -1, image);
    else return;
    event.preventDefault();
  }
}
