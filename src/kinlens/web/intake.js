/**
 * Every way a picture comes in: dropped, pasted, browsed, by link, or a tile dragged from the grid.
 */

import { byId, typed } from './dom.js';
import { DRAGGED_ITEM } from './grid.js';
import { keepUpload } from './uploads.js';
import { example } from './state.js';

const UNTYPED = /^(?:application\/(?:octet-stream|x-unknown|unknown))?$/i;
const PICTURE_NAME = /\.(?:jpe?g|jpe|jfif|png|webp|gif|bmp|dib|tiff?|hei[cf]s?|hif|avifs?|jp2|j2k|jpx|jxl|mpo|p[bgpn]m|tga|ico|psd|dng)$/i;
/** JPEG, PNG, GIF, WebP, BMP, TIFF, and the boxes of HEIC and AVIF. */
const PICTURE_BYTES = /^(?:\xff\xd8\xff|\x89PNG|GIF8|RIFF[^]{4}WEBP|BM|II[*+]\0|MM\0[*+]|[^]{4}ftyp(?:hei|hev|mif1|msf1|avi[fs]))/;

/** @typedef {import('./state.js').Example} Example */
/** @typedef {'new' | 'plus' | 'minus'} Mode */
/**
 * @typedef {object} IntakeActions
 * @property {(examples: Example[], mode: Mode) => void} take
 * @property {(message: string) => void} refuse
 * @property {() => boolean} asking whether a query is there to add to
 */

export class Intake {
  /** @type {Mode} */
  #mode = 'new';

  /** @param {IntakeActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.files = typed('files', HTMLInputElement);
    this.files.addEventListener('change', () => {
      void this.takeFiles([...(this.files.files ?? [])], this.#mode);
      this.files.value = '';
    });
    for (const id of ['link-form', 'add-link-form']) this.#linkForm(typed(id, HTMLFormElement));
    document.addEventListener('paste', (event) => this.#paste(event));
    this.#drops();
  }

  /** @param {Mode} mode */
  browse(mode) {
    this.#mode = mode;
    this.files.click();
  }

  /**
   * @param {File[]} files
   * @param {Mode} mode of the first; the others are added to it
   */
  async takeFiles(files, mode) {
    const verdicts = await Promise.all(files.map(mayBePicture));
    const pictures = files.filter((_, at) => verdicts[at]);
    if (!pictures.length) {
      const [first] = files;
      if (first) this.actions.refuse(`“${first.name}” isn’t a picture. Kinlens reads JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC and AVIF.`);
      return;
    }
    const keys = await Promise.all(pictures.map(keepUpload));
    this.actions.take(keys.map((key) => example('upload', key)), mode);
  }

  /**
   * @param {string} text
   * @param {Mode} mode
   */
  takeLink(text, mode) {
    const address = text.trim();
    const form = /^(https?:\/\/|data:)/i.test(address) ? address : `https://${address}`;
    if (!address || /\s/.test(address) || !URL.canParse(form)) {
      this.actions.refuse('That isn’t a link to a picture. A link starts with http:// or https://.');
    } else if (form.startsWith('data:')) {
      const file = fromDataUrl(form);
      if (file) void this.takeFiles([file], mode);
      else this.actions.refuse('That data: link isn’t complete. Copy all of it.');
    } else {
      this.actions.take([example('url', form)], mode);
    }
  }

  /** @param {HTMLFormElement} form */
  #linkForm(form) {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const input = /** @type {HTMLInputElement} */ (form.elements.namedItem('link'));
      if (!input.value.trim()) return input.focus();
      this.takeLink(input.value, form.id === 'add-link-form' ? 'plus' : 'new');
      input.value = '';
    });
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    const data = event.clipboardData;
    if (!data || document.querySelector('dialog[open]')) return;
    const files = [...data.files];
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
    if (files.length) void this.takeFiles(files, 'new');
    else if (!typing && data.getData('text').trim()) this.takeLink(data.getData('text'), 'new');
    else return;
    event.preventDefault();
  }

  #drops() {
    const overlay = byId('drop');
    let hide = 0;
    addEventListener('dragover', (event) => {
      if (document.querySelector('dialog[open]')) return;
      event.preventDefault();
      clearTimeout(hide);
      // Not every browser says when a drag ends outside; while one goes on, this event repeats.
      hide = setTimeout(() => overlay.classList.remove('open'), 600);
      overlay.classList.toggle('asking', this.actions.asking());
      overlay.classList.add('open');
      const zone = zoneAt(event);
      for (const other of overlay.querySelectorAll('.zone')) other.classList.toggle('over', other === zone);
    });
    addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) overlay.classList.remove('open');
    });
    addEventListener('drop', (event) => {
      event.preventDefault();
      const mode = modeOf(zoneAt(event));
      overlay.classList.remove('open');
      if (document.querySelector('dialog[open]') || !event.dataTransfer) return;
      this.#drop(event.dataTransfer, mode);
    });
  }

  /**
   * @param {DataTransfer} data
   * @param {Mode} mode
   */
  #drop(data, mode) {
    const id = data.getData(DRAGGED_ITEM);
    const page = data.getData('text/html');
    const source = page && new DOMParser().parseFromString(page, 'text/html').querySelector('img')?.getAttribute('src');
    const link = source || data.getData('text/uri-list').split('\n')[0] || data.getData('text');
    if (id) this.actions.take([example('id', id)], mode);
    else if (data.files.length) void this.takeFiles([...data.files], mode);
    else if (link) this.takeLink(link, mode);
  }
}

/**
 * Whether a file is worth sending. Browsers guess types from names and systems' settings: a HEIC may
 * come as application/octet-stream. The server goes by the bytes, and says what it doesn't read.
 *
 * @param {File} file
 * @returns {Promise<boolean>}
 */
async function mayBePicture(file) {
  if (UNTYPED.test(file.type) || file.type.startsWith('image/') || PICTURE_NAME.test(file.name)) return true;
  const head = await file.slice(0, 16).arrayBuffer().catch(() => new ArrayBuffer(0));
  return PICTURE_BYTES.test(String.fromCharCode(...new Uint8Array(head)));
}

/** @param {DragEvent} event */
function zoneAt(event) {
  const zones = [...document.querySelectorAll('#drop .zone')].filter((zone) => zone.getClientRects().length);
  const inside = zones.find((zone) => {
    const area = zone.getBoundingClientRect();
    return event.clientX >= area.left && event.clientX <= area.right && event.clientY >= area.top && event.clientY <= area.bottom;
  });
  return inside ?? zones[0] ?? null;
}

/**
 * @param {Element | null} zone
 * @returns {Mode}
 */
function modeOf(zone) {
  const mode = zone instanceof HTMLElement ? zone.dataset['mode'] : undefined;
  return mode === 'plus' || mode === 'minus' ? mode : 'new';
}

/**
 * @param {string} address
 * @returns {File | null}
 */
function fromDataUrl(address) {
  const match = /^data:([\w.+/-]*)(?:;[^,]*)?;base64,(.+)$/is.exec(address);
  if (!match) return null;
  try {
    const bytes = Uint8Array.from(atob(match[2] ?? ''), (char) => char.charCodeAt(0));
    return new File([bytes], 'picture', { type: match[1] });
  } catch {
    return null;
  }
}
