/**
 * The picture of the camera: a stream of still ones, or this browser's own video.
 */

import { byId, icon, typed } from '../dom.js';
import { ago, elapsed } from './time.js';

export class Stage {
  /** @type {number | null} when what is shown arrived */
  #at = null;
  #paused = false;

  /** @param {{pause: (paused: boolean) => void}} actions */
  constructor(actions) {
    this.actions = actions;
    this.frame = byId('stage');
    this.image = typed('picture', HTMLImageElement);
    this.video = typed('video', HTMLVideoElement);
    this.button = typed('pause', HTMLButtonElement);
    this.button.addEventListener('click', () => this.pause(!this.#paused));
  }

  get paused() {
    return this.#paused;
  }

  /** @param {boolean} own whether the picture is this browser's video */
  show(own) {
    this.video.hidden = !own;
    this.image.hidden = own;
    this.#at = null;
    this.age(undefined);
  }

  /** Show none until the next comes. */
  clear() {
    this.image.removeAttribute('src');
    this.frame.classList.remove('blind');
  }

  /**
   * @param {string | null} picture a data URL
   * @param {number} at
   */
  update(picture, at) {
    this.#at = at;
    if (picture) this.image.src = picture;
    this.frame.classList.toggle('blind', !picture && this.video.hidden);
  }

  /** @param {boolean} paused */
  pause(paused) {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.button.setAttribute('aria-pressed', String(paused));
    this.button.setAttribute('aria-label', paused ? 'Go on' : 'Pause');
    this.button.title = `${paused ? 'Go on' : 'Pause'} (space)`;
    this.button.replaceChildren(icon(paused ? 'play' : 'pause'));
    this.frame.classList.toggle('paused', paused);
    this.actions.pause(paused);
  }

  /** Say how old the picture is. @param {'online' | 'offline' | 'error' | undefined} state */
  age(state) {
    const label = byId('age');
    const seconds = this.#at === null ? null : elapsed(this.#at);
    const away = state === 'offline' ? 'Off' : state === 'error' ? 'Trouble' : '';
    const when = seconds === null ? '' : this.#paused ? `Paused · ${ago(seconds)}` : seconds < 3 && !away ? 'Live' : ago(seconds);
    label.textContent = this.#paused ? when : [away, when].filter(Boolean).join(' · ');
    label.dataset.state = this.#paused || away || seconds === null || seconds >= 3 ? 'old' : 'live';
  }

  /** @returns {Blob | null} the picture that is shown */
  snapshot() {
    // The page may not fetch data: addresses, so what it has is decoded here.
    const base64 = this.image.src.split(',')[1];
    if (!base64) return null;
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new Blob([bytes], { type: 'image/jpeg' });
  }
}
