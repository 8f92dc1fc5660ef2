/**
 * The query panel: the picture that is searched with, its crop box, and the strip of examples.
 */

import { CropBox } from './crop.js';
import { el, icon } from './dom.js';
import { find, picture, recall } from './items.js';
import { toned } from './tone.js';
import { MAX_EXAMPLES } from './state.js';
import { previewed, uploadAddress } from './uploads.js';

/** @typedef {import('./state.js').Example} Example */
/** @typedef {import('./state.js').State} State */
/** @typedef {import('./captions.js').Captions} Captions */
/** @typedef {import('./trouble.js').Trouble} Trouble */
/**
 * @typedef {object} QueryActions
 * @property {(examples: Example[]) => void} step a change that "back" undoes
 * @property {(examples: Example[]) => void} adjust a change within the step
 */

export class QueryPanel {
  /** @type {Example[]} */
  #examples = [];
  #selected = 0;
  #staged = '';
  /** What the strip shows: it is drawn again only when that changes. */
  #stripped = '';
  #tuned = -1;
  /** @type {string | null} the link that the server got no picture from */
  #refused = null;

  /**
   * @param {{panel: HTMLElement, stage: HTMLElement, strip: HTMLElement, tuning: HTMLElement}} parts
   * @param {Captions} captions
   * @param {QueryActions} actions
   */
  constructor({ panel, stage, strip, tuning }, captions, actions) {
    this.panel = panel;
    this.stage = stage;
    this.strip = strip;
    this.tuning = tuning;
    this.captions = captions;
    this.actions = actions;
    this.crop = new CropBox(stage, (crop) => this.#adjust({ crop }));
  }

  /** @param {State} state */
  show({ examples }) {
    const grew = this.#examples.length > 0 && examples.length > this.#examples.length;
    this.#examples = examples;
    if (grew) this.#selected = examples.length - 1;
    this.#selected = Math.max(0, Math.min(this.#selected, examples.length - 1));
    this.panel.classList.toggle('asking', examples.length > 0);
    this.#showStage();
    this.#showStrip();
    this.#showTuning();
  }

  /**
   * Show no picture for a link that the server refused: this browser may well see one there.
   *
   * @param {Trouble | null} trouble null where the search was answered
   */
  judge(trouble) {
    const refused = trouble?.fault ? this.#culprit(trouble) : null;
    if (refused === this.#refused) return;
    this.#refused = refused;
    this.#staged = '';
    this.#showStage();
  }

  /**
   * @param {Trouble} trouble
   * @returns {string | null} the link it is about, where that is certain
   */
  #culprit({ fault, text }) {
    const asked = this.#examples.filter(({ kind }) => kind === 'url' || (kind === 'upload' && fault === 'picture'));
    const named = asked.length > 1 ? asked.filter(({ kind, ref }) => kind === 'url' && text.includes(ref)) : asked;
    const [entry] = named;
    return entry?.kind === 'url' && named.length === 1 ? entry.ref : null;
  }

  /** @param {Partial<Example>} change of the selected example */
  #adjust(change) {
    this.actions.adjust(this.#changed(change));
  }

  /** @param {Partial<Example>} change */
  #changed(change) {
    return this.#examples.map((entry, at) => (at === this.#selected ? { ...entry, ...change } : entry));
  }

  /** @param {number} at */
  #remove(at) {
    const left = this.#examples.filter((_, other) => other !== at);
    if (at < this.#selected) this.#selected -= 1;
    this.actions.step(left.some((entry) => entry.weight > 0) ? left : []);
  }

  #showStage() {
    const entry = this.#examples[this.#selected];
    const staged = entry ? `${entry.kind}:${entry.ref}` : '';
    if (entry) this.crop.show(entry.crop);
    if (staged === this.#staged) return;
    this.#staged = staged;
    this.stage.querySelector('.shown')?.remove();
    this.stage.classList.remove('blind');
    if (entry) void this.#stagePicture(entry, staged);
  }

  /**
   * @param {Example} entry
   * @param {string} staged
   */
  async #stagePicture(entry, staged) {
    const known = entry.kind === 'id' ? recall(entry.ref) : undefined;
    const shown = known ? this.#itemPicture(known) : await this.#lookUp(entry);
    if (staged !== this.#staged) return;
    this.stage.querySelector('.shown')?.remove();
    const blind = !(shown instanceof HTMLImageElement);
    this.stage.classList.toggle('blind', blind);
    this.#shape(blind ? 1.4 : shown.width / shown.height);
    if (!blind) shown.addEventListener('load', () => this.#shape(shown.naturalWidth / shown.naturalHeight));
    this.stage.prepend(shown);
  }

  /** Give the stage the picture's own shape. @param {number} ratio width / height */
  #shape(ratio) {
    if (ratio > 0 && Number.isFinite(ratio)) this.stage.style.setProperty('--ratio', String(ratio));
  }

  /**
   * @param {Example} entry
   * @returns {Promise<HTMLElement>} its picture, or words where it can't be shown
   */
  async #lookUp(entry) {
    if (entry.kind === 'id') {
      const item = await find(entry.ref).catch(() => null);
      return item ? this.#itemPicture(item) : stand('missing', entry.ref, 'This item is not in the catalog.');
    }
    if (entry.kind === 'url' && entry.ref === this.#refused) {
      return stand('missing', hostOf(entry.ref), 'Kinlens got no picture from this link.');
    }
    const address = entry.kind === 'url' ? entry.ref : await uploadAddress(entry.ref);
    if (!address) return stand('missing', 'Picture not here', 'It stays in the browser where it was dropped.');
    const image = toned(el('img', { class: 'shown', alt: 'Query picture', draggable: 'false', src: address }));
    const fail = () => {
      if (!image.isConnected) return; // another picture has taken its place
      const instead =
        entry.kind === 'url'
          ? stand('link', hostOf(entry.ref), 'Kinlens fetches this picture itself; there is no preview.')
          : stand('missing', 'No preview', 'Neither this browser nor Kinlens can show this picture.');
      this.#shape(1.4);
      image.replaceWith(instead);
      this.stage.classList.add('blind');
    };
    if (entry.kind === 'upload') previewed(image, entry.ref, fail);
    else image.addEventListener('error', fail);
    return image;
  }

  /** @param {import('./api.js').Item} item */
  #itemPicture(item) {
    return picture(item, 'image_url', { class: 'shown', alt: this.captions.title(item) });
  }

  #showStrip() {
    const strip = JSON.stringify([this.#selected, this.#examples.map(({ kind, ref, weight }) => [kind, ref, weight > 0])]);
    if (strip === this.#stripped) return;
    this.#stripped = strip;
    const focused = this.strip.contains(document.activeElement);
    const several = this.#examples.length > 1;
    const tiles = several ? this.#examples.map((entry, at) => this.#stripTile(entry, at)) : [];
    const add = this.strip.querySelector('.add');
    for (const old of this.strip.querySelectorAll('.example')) old.remove();
    this.strip.prepend(...tiles);
    if (add instanceof HTMLElement) add.hidden = this.#examples.length >= MAX_EXAMPLES;
    this.strip.classList.toggle('several', several);
    /** @type {HTMLElement | null} */
    const again = this.strip.querySelector('[aria-pressed="true"]') ?? this.strip.querySelector('.add button');
    if (focused) again?.focus();
  }

  /**
   * @param {Example} entry
   * @param {number} at
   */
  #stripTile(entry, at) {
    const like = entry.weight > 0;
    const label = `Example ${at + 1}: ${like ? 'like this' : 'less like this'}`;
    const choose = el('button', {
      class: 'pick',
      type: 'button',
      'aria-label': label,
      'aria-pressed': String(at === this.#selected),
      onclick: () => {
        this.#selected = at;
        this.show(/** @type {State} */ ({ examples: this.#examples }));
      },
    });
    void thumbnail(entry).then((image) => choose.append(image));
    const remove = el(
      'button',
      { class: 'remove', type: 'button', 'aria-label': `Remove example ${at + 1}`, onclick: () => this.#remove(at) },
      icon('close'),
    );
    const sign = el('span', { class: `badge ${like ? 'plus' : 'minus'}`, 'aria-hidden': 'true' }, icon(like ? 'plus' : 'minus'));
    return el('li', { class: 'example' }, choose, sign, remove);
  }

  #showTuning() {
    const entry = this.#examples[this.#selected];
    this.tuning.hidden = this.#examples.length < 2 || !entry;
    if (!entry || this.tuning.hidden) return;
    const sliding = document.activeElement instanceof HTMLInputElement && this.tuning.contains(document.activeElement);
    if (sliding && this.#tuned === this.#selected) return;
    this.#tuned = this.#selected;
    const focused = this.tuning.contains(document.activeElement);
    const sign = Math.sign(entry.weight);
    const onlyLike = sign > 0 && this.#examples.filter((other) => other.weight > 0).length === 1;
    /** @param {number} to @param {string} text */
    const side = (to, text) =>
      el(
        'button',
        {
          type: 'button',
          'aria-pressed': String(sign === to),
          disabled: to < 0 && onlyLike,
          title: to < 0 && onlyLike ? 'A search needs something to be like' : null,
          onclick: () => this.actions.step(this.#changed({ weight: to * Math.abs(entry.weight) })),
        },
        text,
      );
    const weight = el('input', {
      type: 'range', min: 0.1, max: 2, step: 0.1, value: Math.abs(entry.weight), 'aria-label': 'Weight of this example',
    });
    weight.addEventListener('input', () => this.#adjust({ weight: sign * Number(weight.value) }));
    this.tuning.replaceChildren(
      el('div', { class: 'segmented', role: 'group', 'aria-label': 'Direction' }, side(1, 'Like this'), side(-1, 'Less like')),
      el('label', { class: 'weight' }, el('span', {}, 'Weight'), weight),
    );
    /** @type {HTMLElement | null} */
    const pressed = this.tuning.querySelector('[aria-pressed="true"]');
    if (focused) pressed?.focus();
  }
}

/**
 * @param {string} symbol
 * @param {string} title
 * @param {string} text
 */
function stand(symbol, title, text) {
  return el('div', { class: 'shown stand' }, icon(symbol), el('strong', {}, title), el('span', {}, text));
}

/**
 * @param {Example} entry
 * @returns {Promise<Node>}
 */
async function thumbnail(entry) {
  if (entry.kind === 'id') {
    const item = await find(entry.ref).catch(() => null);
    return item ? picture(item, 'thumbnail_url') : icon('missing');
  }
  const address = entry.kind === 'url' ? entry.ref : await uploadAddress(entry.ref);
  if (!address) return icon('missing');
  const image = toned(el('img', { src: address, alt: '', draggable: 'false' }));
  const fail = () => image.replaceWith(icon(entry.kind === 'url' ? 'link' : 'picture'));
  if (entry.kind === 'upload') previewed(image, entry.ref, fail);
  else image.addEventListener('error', fail);
  return image;
}

/** @param {string} address */
function hostOf(address) {
  return URL.canParse(address) ? new URL(address).hostname : address;
}
