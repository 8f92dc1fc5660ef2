/**
 * The crop box on the query picture: drawn, moved and resized with mouse, finger and keys.
 */

import { announce, el, icon } from './dom.js';

/** @typedef {import('./state.js').Crop} Crop */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Edges fractions */

const HANDLES = ['nw', 'n', 'ne', 'e', 'se', 's', 'sw', 'w'];
const SMALLEST = 0.06;
const STEP = 0.02;
const WHOLE = { left: 0, top: 0, right: 1, bottom: 1 };

export class CropBox {
  /** @type {Edges} */
  #edges = { ...WHOLE };
  /** @type {number | undefined} */
  #saying;

  /**
   * @param {HTMLElement} stage exactly as large as the picture it holds
   * @param {(crop: Crop | null) => void} onchange null for the whole picture
   */
  constructor(stage, onchange) {
    this.stage = stage;
    this.onchange = onchange;
    this.box = el('div', {
      class: 'crop',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'crop box',
      'aria-describedby': 'crop-help',
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.box.append(...HANDLES.map((name) => el('span', { class: `handle ${name}`, 'data-handle': name })));
    this.reset = el(
      'button',
      { class: 'reset', type: 'button', onclick: () => this.#change({ ...WHOLE }) },
      icon('whole'),
      'Whole picture',
    );
    stage.append(this.box, this.reset);
    stage.addEventListener('pointerdown', (event) => this.#grab(event));
    this.show(null);
  }

  /** @param {Crop | null} crop */
  show(crop) {
    this.#edges = crop
      ? { left: crop.x, top: crop.y, right: crop.x + crop.width, bottom: crop.y + crop.height }
      : { ...WHOLE };
    this.#draw();
  }

  #draw() {
    const { left, top, right, bottom } = this.#edges;
    this.box.style.left = `${left * 100}%`;
    this.box.style.top = `${top * 100}%`;
    this.box.style.width = `${(right - left) * 100}%`;
    this.box.style.height = `${(bottom - top) * 100}%`;
    this.stage.classList.toggle('cropped', !this.#isWhole());
    this.reset.hidden = this.#isWhole();
    this.box.setAttribute('aria-label', this.#words());
  }

  #isWhole() {
    const { left, top, right, bottom } = this.#edges;
    return left < 0.005 && top < 0.005 && right > 0.995 && bottom > 0.995;
  }

  #words() {
    if (this.#isWhole()) return 'Crop: the whole picture';
    const { left, top, right, bottom } = this.#edges;
    /** @param {number} value */
    const percent = (value) => `${Math.round(value * 100)} %`;
    return `Crop: ${percent(right - left)} wide, ${percent(bottom - top)} high, ${percent(left)} from left, ${percent(top)} from top`;
  }

  /** @param {Edges} edges */
  #change(edges) {
    this.#edges = edges;
    this.#draw();
    const { left, top, right, bottom } = edges;
    this.onchange(this.#isWhole() ? null : { x: left, y: top, width: right - left, height: bottom - top });
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.button !== 0 || target.closest('button')) return;
    event.preventDefault();
    this.box.focus({ preventScroll: true });
    const handle = target.dataset['handle'];
    const inside = target === this.box && !this.#isWhole();
    const start = this.#point(event);
    const before = { ...this.#edges };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add('dragging');
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      const now = this.#point(moved);
      if (handle) this.#change(resize(before, handle, now.x - start.x, now.y - start.y));
      else if (inside) this.#change(shift(before, now.x - start.x, now.y - start.y));
      else if (Math.hypot(now.x - start.x, now.y - start.y) > 0.02) this.#change(span(start, now));
    };
    const release = () => {
      this.stage.classList.remove('dragging');
      this.stage.removeEventListener('pointermove', move);
      this.stage.removeEventListener('pointerup', release);
      this.stage.removeEventListener('pointercancel', release);
    };
    this.stage.addEventListener('pointermove', move);
    this.stage.addEventListener('pointerup', release);
    this.stage.addEventListener('pointercancel', release);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const area = this.stage.getBoundingClientRect();
    return { x: clamp((event.clientX - area.left) / area.width), y: clamp((event.clientY - area.top) / area.height) };
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {Record<string, [number, number]>} */
    const arrows = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const by = arrows[event.key];
    if (by) {
      const next = event.shiftKey ? resize(this.#edges, 'se', ...by) : shift(this.#edges, ...by);
      this.#change(next);
    } else if (event.key === 'Escape' && !this.#isWhole()) {
      this.#change({ ...WHOLE });
    } else return;
    event.preventDefault();
    event.stopPropagation();
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => announce(this.#words()), 400);
  }
}

/** @param {number} value @param {number} [low] @param {number} [high] */
function clamp(value, low = 0, high = 1) {
  return Math.min(high, Math.max(low, value));
}

/**
 * @param {Edges} edges
 * @param {string} handle compass point
 * @param {number} dx
 * @param {number} dy
 * @returns {Edges}
 */
export function resize({ left, top, right, bottom }, handle, dx, dy) {
  return {
    left: handle.includes('w') ? clamp(left + dx, 0, right - SMALLEST) : left,
    right: handle.includes('e') ? clamp(right + dx, left + SMALLEST, 1) : right,
    top: handle.includes('n') ? clamp(top + dy, 0, bottom - SMALLEST) : top,
    bottom: handle.includes('s') ? clamp(bottom + dy, top + SMALLEST, 1) : bottom,
  };
}

/**
 * @param {Edges} edges
 * @param {number} dx
 * @param {number} dy
 * @returns {Edges} moved, no further than the picture's edge
 */
export function shift({ left, top, right, bottom }, dx, dy) {
  const x = clamp(dx, -left, 1 - right);
  const y = clamp(dy, -top, 1 - bottom);
  return { left: left + x, right: right + x, top: top + y, bottom: bottom + y };
}

/**
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}} to
 * @returns {Edges} the box between two points, not smaller than allowed
 */
export function span(from, to) {
  const left = Math.min(from.x, to.x, 1 - SMALLEST);
  const top = Math.min(from.y, to.y, 1 - SMALLEST);
  return {
    left,
    top,
    right: Math.max(from.x, to.x, left + SMALLEST),
    bottom: Math.max(from.y, to.y, top + SMALLEST),
  };
}
