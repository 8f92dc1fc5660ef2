/**
 * This browser's camera as a device: frames go to the server one at a time, always the newest, and
 * only when they differ from the one before.
 */

import { Problem } from '../api.js';
import { choices } from '../storage.js';
import { sendFrame, sendGoodbye } from './api.js';
import { sleep } from './time.js';

const NAME = 'kinlens-device';
const SIDE = 512;
const QUALITY = 0.8;
const FASTEST = 1000 / 15;
const HEARTBEAT = 1000;
/** Seconds within which the server hears of this camera again, or shows it as off. */
const WITHIN = 3;
/** The same for a page that is hidden: browsers let it act once a second, later once a minute. */
const WITHIN_HIDDEN = 30;
const SMALL = 24;
/** Mean difference of grey values, of 255, from which on a frame is another one. */
const CHANGE = 2.5;
const LONGEST_WAIT = 8000;

/** @returns {string} of this browser, the same each time */
export function ownName() {
  const known = choices.get(NAME);
  if (known) return known;
  const name = `browser-${Math.random().toString(36).slice(2, 8)}`;
  choices.set(NAME, name);
  return name;
}

export class OwnCamera {
  /** @type {MediaStream | null} */
  #stream = null;
  #stop = new AbortController();
  #facing = 'environment';
  /** @type {Uint8ClampedArray | null} */
  #before = null;
  #canvas = document.createElement('canvas');
  #small = document.createElement('canvas');
  /** @type {WakeLockSentinel | null} */
  #awake = null;
  #sequence = 0;
  /** Whether it looks at the screen, which goes on while the page is hidden. */
  #screen = false;
  #told = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {{failed: (error: unknown) => void, sent: () => void, stopped: () => void}} listener
   */
  constructor(video, listener) {
    this.video = video;
    this.listener = listener;
    this.name = ownName();
    this.#small.width = this.#small.height = SMALL;
    document.addEventListener('visibilitychange', () => this.#seen());
  }

  get running() {
    return this.#stream !== null;
  }

  /**
   * @param {boolean} [screen] look at the screen, or a window of it, instead
   * @returns {Promise<boolean>} whether there is another camera to turn to
   */
  async start(screen = false) {
    this.#release();
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'insecure');
    const stop = (this.#stop = new AbortController());
    const video = { facingMode: this.#facing, width: { ideal: 1280 }, height: { ideal: 960 } };
    const stream = await (screen
      ? navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 }, audio: false })
      : navigator.mediaDevices.getUserMedia({ video, audio: false }));
    if (stop.signal.aborted) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.#stream = stream;
    this.#screen = screen;
    this.video.srcObject = stream;
    await this.video.play();
    for (const track of stream.getTracks()) track.addEventListener('ended', () => this.#ended());
    void this.#stayAwake();
    void this.#run(stop.signal);
    if (screen) return false;
    const cameras = await navigator.mediaDevices.enumerateDevices();
    return cameras.filter((device) => device.kind === 'videoinput').length > 1;
  }

  stop() {
    this.#release();
    this.listener.stopped();
  }

  #release() {
    this.#stop.abort();
    this.#sayGoodbye();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#before = null;
    this.video.srcObject = null;
    void this.#awake?.release();
    this.#awake = null;
  }

  flip() {
    this.#facing = this.#facing === 'user' ? 'environment' : 'user';
    return this.start();
  }

  /** @returns {Promise<Blob | null>} the frame of this moment, as large as the camera gives it */
  snapshot() {
    return this.#draw(Infinity, 0.92);
  }

  /** The camera was pulled, or its permission taken back. */
  #ended() {
    if (!this.running) return;
    this.stop();
    this.listener.failed(new DOMException('', 'NotReadableError'));
  }

  /** Whether frames go out: a camera isn't watched over by a page that nobody sees. */
  get #rests() {
    return document.visibilityState === 'hidden' && !this.#screen;
  }

  /** The page was shown or hidden. */
  #seen() {
    void this.#stayAwake();
    if (this.#rests) this.#sayGoodbye();
    else this.#before = null; // what it sees now goes out at once
  }

  /** Tell the server that this camera is off, if it thinks otherwise. */
  #sayGoodbye() {
    if (!this.#told) return;
    this.#told = false;
    void sendGoodbye(this.name).catch(() => {}); // it finds out by itself
  }

  /** A phone on a stand shouldn't fall asleep while it watches. */
  async #stayAwake() {
    if (!this.running || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    // Refused on an empty battery; the camera works as well without.
    const awake = await navigator.wakeLock.request('screen').catch(() => null);
    if (this.running) this.#awake = awake;
    else void awake?.release(); // it was stopped meanwhile
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    let wait = FASTEST;
    let sentAt = -Infinity;
    while (!signal.aborted) {
      const begun = performance.now();
      if (!this.#rests && (this.#changed() || begun - sentAt > HEARTBEAT)) {
        const frame = await this.#draw(SIDE, QUALITY);
        const failure = frame && (await this.#send(frame, signal));
        if (signal.aborted) return;
        if (failure) {
          this.#before = null;
          wait = Math.min(LONGEST_WAIT, Math.max(failure, 2 * wait));
        } else {
          wait = FASTEST;
          sentAt = begun;
        }
      }
      await sleep(Math.max(0, wait - (performance.now() - begun)), signal);
    }
  }

  /**
   * @param {Blob} frame
   * @param {AbortSignal} signal
   * @returns {Promise<number>} 0, or milliseconds to wait before the next
   */
  async #send(frame, signal) {
    try {
      // A clock numbers frames, so that they go on ascending when the page is loaded again.
      this.#sequence = Math.max(this.#sequence + 1, Date.now());
      const within = document.visibilityState === 'hidden' ? WITHIN_HIDDEN : WITHIN;
      this.#told = true;
      await sendFrame(this.name, frame, { sequence: this.#sequence, within }, signal);
      this.listener.sent();
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      this.listener.failed(error);
      if (error instanceof Problem && [401, 403].includes(error.status)) this.stop();
      return 1000 * ((error instanceof Problem && error.retryAfter) || 1);
    }
  }

  /** Whether the picture differs from the one that was looked at before. */
  #changed() {
    const context = this.#small.getContext('2d', { willReadFrequently: true });
    if (!context || !this.video.videoWidth) return false;
    context.drawImage(this.video, 0, 0, SMALL, SMALL);
    const { data } = context.getImageData(0, 0, SMALL, SMALL);
    const before = this.#before;
    if (before) {
      let sum = 0;
      for (let at = 0; at < data.length; at += 4) {
        sum += Math.abs((data[at] ?? 0) - (before[at] ?? 0)) + Math.abs((data[at + 1] ?? 0) - (before[at + 1] ?? 0));
      }
      if (sum / (data.length / 2) < CHANGE) return false;
    }
    this.#before = data;
    return true;
  }

  /**
   * @param {number} longest side in pixels
   * @param {number} quality of the JPEG
   * @returns {Promise<Blob | null>}
   */
  #draw(longest, quality) {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return Promise.resolve(null);
    const scale = Math.min(1, longest / Math.max(width, height));
    const canvas = longest === Infinity ? document.createElement('canvas') : this.#canvas;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.getContext('2d')?.drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
  }
}
