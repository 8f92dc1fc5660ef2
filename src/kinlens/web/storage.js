/**
 * Small choices kept by the browser; where it keeps nothing, they last as long as the page.
 */

/** @type {Map<string, string>} */
const fallback = new Map();

/**
 * @param {Storage | null} store
 * @param {string} name
 */
function read(store, name) {
  try {
    return store?.getItem(name) ?? fallback.get(name) ?? null;
  } catch {
    return fallback.get(name) ?? null;
  }
}

/**
 * @param {Storage | null} store
 * @param {string} name
 * @param {string} value
 */
function write(store, name, value) {
  fallback.set(name, value);
  try {
    store?.setItem(name, value);
  } catch {
    // Full or forbidden: the page's own copy serves.
  }
}

/** @param {'localStorage' | 'sessionStorage'} kind */
function open(kind) {
  try {
    return window[kind];
  } catch {
    return null; // a browser that blocks site data throws on the mere name
  }
}

const lasting = open('localStorage');
const session = open('sessionStorage');

export const choices = {
  /** @param {string} name */
  get: (name) => read(lasting, name),
  /** @param {string} name @param {string} value */
  set: (name, value) => write(lasting, name, value),
};

export const secrets = {
  /** @param {string} name */
  get: (name) => read(session, name),
  /** @param {string} name @param {string} value */
  set: (name, value) => write(session, name, value),
};
