/**
 * Elements without a framework. Text reaches the page only through textContent.
 */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [props] `class`, `on<event>` listeners, booleans, else attributes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child) => child || child === '').map((child) => /** @type {Node | string} */ (child)));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {string} name of a symbol in the page, without `icon-`
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * The element of this id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`This page has no #${id}`);
  return node;
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function typed(id, type) {
  const node = byId(id);
  if (!(node instanceof type)) throw new Error(`#${id} is not a ${type.name}`);
  return node;
}

/**
 * Make these the children of a list, in this order. What stays in its place isn't touched: a node
 * that is taken out and put back loses the focus, and a press that has begun on it.
 *
 * @param {Element} list
 * @param {Element[]} nodes
 */
export function arrange(list, nodes) {
  const focused = document.activeElement;
  const wanted = new Set(nodes);
  for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
  nodes.forEach((node, at) => {
    const there = list.children[at];
    if (there !== node) list.insertBefore(node, there ?? null);
  });
  if (focused instanceof HTMLElement && focused !== document.activeElement && list.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

/**
 * Say something to screen readers; a repeated text is said again.
 *
 * @param {string} text
 */
export function announce(text) {
  const live = byId('live');
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}

/**
 * @param {string} text to put on the clipboard
 * @param {string} done to say when it is there
 */
export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    announce(done);
    return true;
  } catch {
    announce('This page may not copy; select the text instead.'); // plain http, or forbidden
    return false;
  }
}

/** @returns {boolean} whether the person asked for less motion */
export function calm() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/**
 * Change the page, showing where `source` went: it becomes what `target` gives after the change.
 *
 * @param {Element | null} source
 * @param {() => Element | null} target
 * @param {() => void} change
 */
export function fly(source, target, change) {
  if (!(source instanceof HTMLElement) || calm() || !document.startViewTransition) {
    change();
    return;
  }
  source.style.viewTransitionName = 'flying';
  /** @type {Element | null} */
  let landed = null;
  const transition = document.startViewTransition(() => {
    source.style.viewTransitionName = '';
    change();
    landed = target();
    if (landed instanceof HTMLElement) landed.style.viewTransitionName = 'flying';
  });
  const tidy = () => {
    if (landed instanceof HTMLElement) landed.style.viewTransitionName = '';
  };
  // A transition that the browser skips (hidden tab, a newer one) still made the change.
  transition.finished.then(tidy, tidy);
  transition.ready.catch(() => {});
}

/**
 * Put an opened popover under the button that opened it, within the window.
 *
 * @param {HTMLElement} popover
 * @param {Element | null} button
 */
export function placeUnder(popover, button) {
  if (!button) return;
  const area = button.getBoundingClientRect();
  const left = Math.min(area.left, innerWidth - popover.offsetWidth - 16);
  const top = Math.min(area.bottom + 8, innerHeight - popover.offsetHeight - 16);
  popover.style.left = `${Math.max(8, left)}px`;
  popover.style.top = `${Math.max(8, top)}px`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string} such as "1 picture", "4,000 pictures"
 */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
