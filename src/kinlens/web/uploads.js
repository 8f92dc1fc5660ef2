/**
 * Pictures that were dropped, pasted or taken: kept in this browser, so that back, forward and
 * reload find them again. An address can only name them.
 */

import { preview } from './api.js';

const DATABASE = 'kinlens';
const STORE = 'uploads';
const KEEP = 60;

// A crop that is dragged sends its picture again and again, and an encoder looks at a few hundred
// pixels of it: a photo of 12 megapixels is made smaller once, here. Ordinary pictures are sent
// as they are, byte for byte, so that they meet the same decoder as the catalog's.
const SEND_AS_IS_BYTES = 4_000_000;
const LONGEST_SIDE = 2048;

/** @typedef {{key: string, blob: Blob, at: number}} Upload */

/** @type {Map<string, Blob>} */
const memory = new Map();
/** @type {Map<string, string>} */
const addresses = new Map();
/** @type {Map<string, string>} */
const previews = new Map();

let storing = Promise.resolve();

/** @type {Promise<IDBDatabase | null> | undefined} */
let opened;

/** @returns {Promise<IDBDatabase | null>} null where the browser keeps nothing (private windows) */
function database() {
  opened ??= new Promise((resolve) => {
    /** @type {IDBOpenDBRequest} */
    let request;
    try {
      request = indexedDB.open(DATABASE, 1);
    } catch {
      return resolve(null);
    }
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'key' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
  return opened;
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T | null>}
 */
function settled(request) {
  return new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>} its key
 */
export async function keepUpload(blob) {
  const key = crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(36), '');
  const small = await shrink(blob);
  memory.set(key, small);
  storing = store({ key, blob: small, at: Date.now() });
  return key;
}

/** @returns {Promise<void>} done once all is kept, so that another page finds it */
export function uploadsKept() {
  return storing;
}

/** @param {Upload} upload */
async function store(upload) {
  const db = await database();
  if (!db) return;
  const uploads = db.transaction(STORE, 'readwrite').objectStore(STORE);
  await settled(uploads.put(upload));
  const kept = /** @type {Upload[] | null} */ (await settled(uploads.getAll()));
  const old = (kept ?? []).sort((a, b) => b.at - a.at).slice(KEEP);
  for (const { key } of old) uploads.delete(key);
}

/**
 * @param {string} key
 * @returns {Promise<Blob | null>} null when this browser doesn't have it
 */
export async function getUpload(key) {
  const known = memory.get(key);
  if (known) return known;
  const db = await database();
  if (!db) return null;
  const found = await settled(db.transaction(STORE).objectStore(STORE).get(key));
  if (found) memory.set(key, found.blob);
  return found ? found.blob : null;
}

/**
 * @param {string} key
 * @returns {Promise<string | null>} a blob: address to show it by
 */
export async function uploadAddress(key) {
  const known = addresses.get(key);
  if (known) return known;
  const blob = await getUpload(key);
  if (!blob) return null;
  const address = URL.createObjectURL(blob);
  addresses.set(key, address);
  return address;
}

/**
 * Show an upload. What this browser can't show, such as a HEIC, the server turns into a JPEG.
 *
 * @param {HTMLImageElement} image that shows the upload
 * @param {string} key
 * @param {() => void} failed called where the server can't read it either
 */
export function previewed(image, key, failed) {
  let asked = false;
  image.addEventListener('error', async () => {
    if (asked) return failed();
    asked = true;
    const address = await previewAddress(key);
    if (address) image.src = address;
    else failed();
  });
}

/**
 * @param {string} key
 * @returns {Promise<string | null>} a blob: address of a JPEG, or null where the server gives none
 */
async function previewAddress(key) {
  const known = previews.get(key);
  if (known) return known;
  const blob = await getUpload(key);
  const jpeg = blob && (await preview(blob).catch(() => null));
  if (!jpeg) return null;
  const address = URL.createObjectURL(jpeg);
  previews.set(key, address);
  return address;
}

/**
 * @param {Blob} blob
 * @returns {Promise<Blob>} upright, at most 2048 pixels a side, when it was heavy; else itself
 */
async function shrink(blob) {
  if (blob.size <= SEND_AS_IS_BYTES) return blob;
  /** @type {ImageBitmap} */
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch {
    return blob; // a format this browser can't read, such as HEIC; the server may
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext('2d');
  if (!context) return blob;
  context.fillStyle = '#fff'; // as the server puts transparent pictures on white
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const small = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
  return small ?? blob;
}
