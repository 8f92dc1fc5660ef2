/**
 * One item, large, with all that is known of it.
 */

import { similar } from './api.js';
import { humanize, scoreText } from './captions.js';
import { copy, el, icon, typed } from './dom.js';
import { find, picture, remember } from './items.js';

/** @typedef {import('./api.js').Item} Item */
/**
 * @typedef {object} DetailActions
 * @property {(item: Item, picture: Element | null) => void} similar
 * @property {(item: Item, weight: number) => void} add
 * @property {(id: string) => void} open
 * @property {() => void} close
 * @property {() => Item[]} neighbors the items it is one of, for previous and next
 * @property {(item: Item) => string} address
 */

const KIN = 6;

export class Detail {
  /** @type {string | null} */
  #id = null;
  #controller = new AbortController();

  /**
   * @param {import('./captions.js').Captions} captions
   * @param {DetailActions} actions
   */
  constructor(captions, actions) {
    this.captions = captions;
    this.actions = actions;
    this.dialog = typed('detail', HTMLDialogElement);
    this.dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.actions.close();
    });
    // A browser may close a dialog without asking, when Escape is pressed twice. The event comes
    // late: by then the dialog may be open again.
    this.dialog.addEventListener('close', () => {
      if (this.#id !== null && !this.dialog.open) this.actions.close();
    });
    this.dialog.addEventListener('click', (event) => event.target === this.dialog && this.actions.close());
    this.dialog.addEventListener('keydown', (event) => this.#key(event));
  }

  /** @returns {Element | null} */
  get picture() {
    return this.dialog.querySelector('.large img');
  }

  /** @param {string | null} id */
  show(id) {
    if (id === this.#id) return;
    this.#id = id;
    this.#controller.abort();
    this.#controller = new AbortController();
    if (id === null) return this.dialog.close();
    const listed = this.actions.neighbors().find((item) => item.id === id);
    if (listed) this.#fill(listed);
    else void this.#load(id);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Write titles and values again, once the catalog's fields are known. */
  recaption() {
    if (this.#id === null || !this.dialog.open) return;
    const id = this.#id;
    this.#id = null;
    this.show(id);
  }

  /** @param {string} id */
  async #load(id) {
    this.dialog.replaceChildren(el('div', { class: 'large' }), el('div', { class: 'facts' }, this.#close()));
    try {
      const item = await find(id);
      if (this.#id === id) this.#fill(item);
    } catch {
      if (this.#id !== id) return;
      const gone = el('p', { class: 'quiet' }, `There is no item “${id}” in the catalog, or it can’t be shown now.`);
      this.dialog.querySelector('.facts')?.append(el('h2', {}, 'Not found'), gone);
    }
  }

  /** @param {Item} item */
  #fill(item) {
    const image = picture(item, 'image_url', { alt: this.captions.title(item) });
    image.style.setProperty('--ratio', String(item.width / item.height || 1));
    const kin = el('div', { class: 'kin', hidden: true });
    this.dialog.setAttribute('aria-label', this.captions.title(item));
    this.dialog.replaceChildren(
      el('div', { class: 'large' }, image, this.#step(-1), this.#step(1)),
      el(
        'div',
        { class: 'facts' },
        this.#close(),
        el('h2', {}, this.captions.title(item)),
        this.#score(item),
        this.#buttons(item, image),
        this.#metadata(item),
        kin,
        this.#links(item),
      ),
    );
    void this.#kin(item, kin);
  }

  #close() {
    return el(
      'button',
      { class: 'icon-button close', type: 'button', 'aria-label': 'Close', onclick: () => this.actions.close() },
      icon('close'),
    );
  }

  /** @param {number} by */
  #step(by) {
    const to = this.#neighbor(by);
    const label = by < 0 ? 'Previous' : 'Next';
    const open = () => to && this.actions.open(to.id);
    const button = el('button', { class: `icon-button step ${label.toLowerCase()}`, type: 'button', 'aria-label': label, onclick: open }, icon('chevron'));
    button.hidden = !to;
    return button;
  }

  /** @param {number} by */
  #neighbor(by) {
    const items = this.actions.neighbors();
    const at = items.findIndex((item) => item.id === this.#id);
    return at < 0 ? undefined : items[at + by];
  }

  /** @param {Item} item */
  #score({ score, distance }) {
    if (score === undefined || distance === undefined) return null;
    return el('p', { class: 'quiet' }, `Similarity ${scoreText(score)} · distance ${distance.toFixed(3)}`);
  }

  /**
   * @param {Item} item
   * @param {HTMLImageElement} image
   */
  #buttons(item, image) {
    /** @param {string} kind @param {string} symbol @param {string} text @param {() => void} act */
    const button = (kind, symbol, text, act) =>
      el('button', { class: kind, type: 'button', onclick: act }, icon(symbol), text);
    return el(
      'div',
      { class: 'remedies' },
      button('button', 'similar', 'More like this', () => this.actions.similar(item, image)),
      button('button plain', 'plus', 'Also like', () => this.actions.add(item, 1)),
      button('button plain', 'minus', 'Less like', () => this.actions.add(item, -1)),
    );
  }

  /** @param {Item} item */
  #metadata(item) {
    const rows = Object.entries(item.metadata).filter(
      ([name, value]) => name !== this.captions.titled(item) && value !== null && value !== '',
    );
    return el(
      'dl',
      {},
      ...rows.flatMap(([name, value]) => [el('dt', {}, humanize(name)), el('dd', {}, linked(this.captions.value(name, value)))]),
      el('dt', {}, 'Size'),
      el('dd', {}, `${item.width.toLocaleString('en')} × ${item.height.toLocaleString('en')} pixels`),
      el('dt', {}, 'Id'),
      el('dd', { class: 'id' }, item.id),
    );
  }

  /** @param {Item} item */
  #links(item) {
    const button = el('button', { class: 'quiet-button', type: 'button' }, icon('copy'), 'Copy id');
    button.addEventListener('click', async () => {
      if (await copy(item.id, 'Id copied')) button.lastChild?.replaceWith('Copied');
    });
    const original = el('a', { class: 'quiet-button', href: item.image_url, target: '_blank', rel: 'noopener' }, icon('open'), 'Open original');
    return el('div', { class: 'links' }, original, button);
  }

  /**
   * @param {Item} item
   * @param {HTMLElement} list
   */
  async #kin(item, list) {
    const { signal } = this.#controller;
    const answer = await similar(item.id, KIN, signal).catch(() => null);
    if (!answer?.hits.length || signal.aborted) return;
    remember(answer.hits);
    const links = answer.hits.map((hit) => {
      const link = el('a', { href: this.actions.address(hit), 'aria-label': this.captions.title(hit) }, picture(hit, 'thumbnail_url'));
      link.addEventListener('click', (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        this.actions.open(hit.id);
      });
      return el('li', {}, link);
    });
    list.replaceChildren(el('h3', {}, 'Look-alikes'), el('ul', {}, ...links));
    list.hidden = false;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const to = by ? this.#neighbor(by) : undefined;
    if (to) this.actions.open(to.id);
    else if (event.key === 'm' && this.#id !== null) {
      void find(this.#id).then((item) => this.actions.similar(item, this.picture));
    } else return;
    event.preventDefault();
  }
}

/**
 * @param {string} text
 * @returns {Node | string} a link where the text is an address
 */
function linked(text) {
  if (!/^https?:\/\/\S+$/i.test(text)) return text;
  return el('a', { href: text, target: '_blank', rel: 'noopener noreferrer' }, text);
}
