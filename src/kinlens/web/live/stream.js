/**
 * The newest view of a camera, as soon as there is one: by server-sent events, or, where something
 * between here and the server keeps them back, by asking again and again.
 *
 * `EventSource` can't send a key, so the stream is read by `fetch`.
 */

import { Problem } from '../api.js';
import { parse } from '../json.js';
import { events, latest } from './api.js';
import { sleep } from './time.js';

/** @typedef {import('./api.js').Status} Status */
/** @typedef {import('./api.js').View} View */
/**
 * @typedef {object} Listener
 * @property {(view: View) => void} view
 * @property {(status: Status) => void} status
 * @property {() => void} connected
 * @property {(error: unknown) => void} failed it goes on by itself, but for a refusal
 */

const SILENCE = 15_000;
/** Who hears nothing for as long is behind something that keeps streams back. */
const FIRST_SILENCE = 4000;
const POLL = 500;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 5000;
const STREAM_AGAIN = 60_000;

export class Stream {
  #stop = new AbortController();
  #newest = -Infinity;

  /**
   * @param {string} device
   * @param {Listener} listener
   */
  constructor(device, listener) {
    this.device = device;
    this.listener = listener;
    void this.#run();
  }

  stop() {
    this.#stop.abort();
  }

  async #run() {
    let wait = FIRST_WAIT;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const heard = await this.#attempt(() => this.#read());
      // Only when asking fails too there is something to tell.
      const asked = heard || (await this.#attempt(() => this.#poll(Math.min(STREAM_AGAIN, 12 * wait)), true));
      if (heard === null || asked === null) return;
      wait = heard ? FIRST_WAIT : Math.min(LONGEST_WAIT, 2 * wait);
      await sleep(wait, signal);
    }
  }

  /**
   * @param {() => Promise<boolean>} act
   * @param {boolean} [aloud] whether a failure is told
   * @returns {Promise<boolean | null>} what it says, false if it failed, null if it was refused
   */
  async #attempt(act, aloud = false) {
    try {
      return await act();
    } catch (error) {
      if (this.#stop.signal.aborted) return null;
      const refused = error instanceof Problem && [401, 403].includes(error.status);
      if (aloud || refused) this.listener.failed(error);
      return refused ? null : false;
    }
  }

  /** Follow the stream until it ends; gives whether anything came by it. */
  async #read() {
    const ended = new AbortController();
    const end = () => ended.abort();
    this.#stop.signal.addEventListener('abort', end, { once: true });
    let timer = setTimeout(end, FIRST_SILENCE);
    let heard = false;
    try {
      const response = await events(this.device, ended.signal);
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ''; reader; ) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(end, SILENCE);
        const parts = (text + value).split('\n\n');
        text = parts.pop() ?? '';
        for (const part of parts) this.#take(part);
        if (!heard) this.listener.connected();
        heard = true;
      }
    } catch (error) {
      if (!heard || this.#stop.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener('abort', end);
    }
    return heard;
  }

  /** Ask for the newest for some time. @param {number} milliseconds */
  async #poll(milliseconds) {
    const until = performance.now() + milliseconds;
    while (performance.now() < until && !this.#stop.signal.aborted) {
      const view = await latest(this.device, this.#stop.signal);
      this.listener.connected();
      if (view.sequence !== this.#newest) this.#show(view);
      await sleep(POLL, this.#stop.signal);
    }
    return true;
  }

  /** One event: its name and its data. @param {string} text */
  #take(text) {
    let name = '';
    const data = [];
    for (const line of text.split('\n')) {
      if (line.startsWith('event:')) name = line.slice(6).trim();
      else if (line.startsWith('data:')) data.push(line.slice(5));
    }
    if (!data.length) return;
    const value = parse(data.join('\n'));
    if (name === 'view') this.#show(value);
    else if (name === 'status' && !this.#stop.signal.aborted) this.listener.status(value);
  }

  /** @param {View} view */
  #show(view) {
    if (this.#stop.signal.aborted) return;
    this.#newest = view.sequence;
    this.listener.view(view);
  }
}
