/**
 * A snapshot from the camera.
 */

import { byId, el, icon, typed } from './dom.js';

/** What to say when the camera can't be had, by the browser's name for the reason. */
export const REASONS = /** @type {Record<string, [string, string]>} */ ({
  NotAllowedError: ['The camera is blocked', 'Allow the camera for this page in the browser’s address bar, then try again.'],
  NotFoundError: ['No camera found', 'Connect one and try again, or choose a picture instead.'],
  NotReadableError: ['The camera is busy', 'Another program is using it. Close that one, then try again.'],
  OverconstrainedError: ['No camera found', 'Connect one and try again, or choose a picture instead.'],
  insecure: ['The camera needs a secure page', 'Open Kinlens by https, or on the machine it runs on as http://127.0.0.1.'],
});

export class Camera {
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {(file: File) => void} */
  #take = () => {};
  #facing = 'environment';

  constructor() {
    this.dialog = typed('camera', HTMLDialogElement);
    this.video = typed('camera-video', HTMLVideoElement);
    this.message = byId('camera-message');
    this.shutter = typed('camera-shutter', HTMLButtonElement);
    this.flip = typed('camera-flip', HTMLButtonElement);
    this.shutter.addEventListener('click', () => this.#snap());
    this.flip.addEventListener('click', () => {
      this.#facing = this.#facing === 'user' ? 'environment' : 'user';
      void this.#start();
    });
    byId('camera-close').addEventListener('click', () => this.dialog.close());
    this.dialog.addEventListener('close', () => this.#stop());
  }

  /** @param {(file: File) => void} take gets the picture */
  open(take) {
    this.#take = take;
    this.dialog.showModal();
    void this.#start();
  }

  async #start() {
    this.#stop();
    this.#show('waiting', 'Starting the camera…', 'The browser may ask whether this page may use it.');
    if (!navigator.mediaDevices?.getUserMedia) return this.#fail('insecure');
    try {
      const video = { facingMode: this.#facing, width: { ideal: 1920 }, height: { ideal: 1440 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (!this.dialog.open) return stream.getTracks().forEach((track) => track.stop());
      this.#stream = stream;
      this.video.srcObject = stream;
      await this.video.play();
      const cameras = await navigator.mediaDevices.enumerateDevices();
      this.flip.hidden = cameras.filter((device) => device.kind === 'videoinput').length < 2;
      this.dialog.dataset['state'] = 'live';
      this.shutter.disabled = false;
      this.shutter.focus();
    } catch (error) {
      this.#fail(error instanceof DOMException ? error.name : 'NotReadableError');
    }
  }

  #stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.video.srcObject = null;
    this.shutter.disabled = true;
  }

  /** @param {string} name */
  #fail(name) {
    const [title, text] = REASONS[name] ?? ['The camera doesn’t start', 'Try again, or choose a picture instead.'];
    const again = el('button', { class: 'button', type: 'button', onclick: () => void this.#start() }, 'Try again');
    this.#show('failed', title, text, name === 'insecure' ? null : again);
  }

  /**
   * @param {string} state
   * @param {string} title
   * @param {string} text
   * @param {HTMLElement | null} [action]
   */
  #show(state, title, text, action = null) {
    this.dialog.dataset['state'] = state;
    this.message.replaceChildren(icon('camera'), el('strong', {}, title), el('p', {}, text), action ?? '');
  }

  #snap() {
    const canvas = document.createElement('canvas');
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext('2d')?.drawImage(this.video, 0, 0);
    canvas.toBlob((blob) => {
      if (!blob) return this.#fail('NotReadableError');
      this.dialog.close();
      this.#take(new File([blob], 'snapshot.jpg', { type: 'image/jpeg' }));
    }, 'image/jpeg', 0.92);
  }
}
