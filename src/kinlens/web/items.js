/**
 * The items the page has met, and how their pictures are shown.
 */

import { getItem } from './api.js';
import { el } from './dom.js';
import { toned } from './tone.js';

/** @typedef {import('./api.js').Item} Item */

/** @type {Map<string, Item>} */
const known = new Map();

/** @param {Item[]} items */
export function remember(items) {
  for (const item of items) known.set(item.id, item);
}

/**
 * @param {string} id
 * @returns {Item | undefined}
 */
export function recall(id) {
  return known.get(id);
}

/**
 * @param {string} id
 * @returns {Promise<Item>}
 */
export async function find(id) {
  return known.get(id) ?? refresh(id);
}

/** @param {string} id */
async function refresh(id) {
  const item = await getItem(id);
  known.set(id, { ...known.get(id), ...item });
  return item;
}

/**
 * A picture of an item. Its signed address expires, and a page may stay open for hours: when the
 * address fails, a fresh one is asked for, once.
 *
 * @param {Item} item
 * @param {'thumbnail_url' | 'image_url'} which
 * @param {Record<string, string>} [props]
 * @returns {HTMLImageElement}
 */
export function picture(item, which, props = {}) {
  let retried = false;
  const image = el('img', {
    alt: '',
    decoding: 'async',
    draggable: 'false',
    width: item.width,
    height: item.height,
    ...props,
    onerror: async () => {
      if (retried) return image.classList.add('broken');
      retried = true;
      const fresh = await refresh(item.id).catch(() => null);
      if (fresh) image.src = address(fresh, which);
      else image.classList.add('broken');
    },
  });
  if (which === 'image_url') {
    // The thumbnail is here already: it fills the frame until the large picture comes.
    image.style.backgroundImage = `url(${JSON.stringify(item.thumbnail_url)})`;
    image.addEventListener('load', () => image.style.removeProperty('background-image'));
  }
  image.src = address(item, which);
  return toned(image);
}

/**
 * Formats that browsers don't show, such as HEIC and TIFF, come as a JPEG.
 *
 * @param {Item} item
 * @param {'thumbnail_url' | 'image_url'} which
 */
function address(item, which) {
  return which === 'image_url' ? `${item.image_url}&rendition=browser` : item.thumbnail_url;
}

/**
 * The frame all tiles share: the middle one of the catalog's shapes, so that most pictures fill it.
 *
 * @param {Item[]} items
 * @returns {number} width / height, between 3:4 and 4:3
 */
export function commonRatio(items) {
  if (!items.length) return 1;
  const ratios = items.map((item) => item.width / item.height || 1).sort((a, b) => a - b);
  const middle = ratios[Math.floor(ratios.length / 2)] ?? 1;
  return Math.min(4 / 3, Math.max(3 / 4, middle));
}

/**
 * @param {Item} item
 * @param {number} ratio of the frame
 * @returns {boolean} whether filling the frame would cut off little
 */
export function fills(item, ratio) {
  const own = item.width / item.height || 1;
  return Math.max(own / ratio, ratio / own) < 1.16;
}
