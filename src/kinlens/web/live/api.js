/**
 * The live part of the HTTP API, typed.
 */

import { call, request } from '../api.js';

/** @typedef {import('../api.js').Item} Item */
/**
 * @typedef {object} Status of a camera
 * @property {string} device
 * @property {'online' | 'offline' | 'error'} state
 * @property {number} age seconds since it was last heard of
 * @property {string} server whose clock it is
 * @property {number} clock seconds, when `age` was taken
 * @property {number | null} frames_per_second
 * @property {string | null} message what is wrong
 */
/**
 * @typedef {object} View what a camera saw, and what matches it
 * @property {string} device
 * @property {number} sequence
 * @property {number} age seconds since it arrived, when this was sent
 * @property {string} server whose clock it is
 * @property {number} clock seconds, when `age` was taken
 * @property {string | null} picture a data URL
 * @property {Item[]} hits
 */

/** @param {string} device */
function path(device) {
  return `v1/live/${encodeURIComponent(device)}`;
}

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<Status[]>}
 */
export async function listDevices(signal) {
  return (await call('v1/live', { signal })).devices;
}

/**
 * @param {string} device
 * @param {AbortSignal} [signal]
 * @returns {Promise<View>}
 */
export function latest(device, signal) {
  return call(`${path(device)}/latest`, { signal });
}

/**
 * @param {string} device
 * @param {number} limit
 * @param {AbortSignal} [signal]
 * @returns {Promise<View[]>} newest first
 */
export async function history(device, limit, signal) {
  return (await call(`${path(device)}/history?limit=${limit}`, { signal })).views;
}

/**
 * @param {string} device
 * @param {AbortSignal} signal
 * @returns {Promise<Response>} a stream of server-sent events
 */
export function events(device, signal) {
  return request(`${path(device)}/events`, { signal, headers: { Accept: 'text/event-stream' } });
}

/**
 * Show a frame of this browser's own camera.
 *
 * @param {string} device
 * @param {Blob} frame
 * @param {{sequence: number, within: number}} promise the next comes within so many seconds
 * @param {AbortSignal} signal
 */
export function sendFrame(device, frame, { sequence, within }, signal) {
  const headers = { 'Content-Type': 'image/jpeg' };
  const query = `sequence=${sequence}&within=${within}`;
  return call(`${path(device)}/frames?${query}`, { method: 'POST', body: frame, headers, signal });
}

/**
 * Say that no more frames come, even while the page goes away.
 *
 * @param {string} device
 */
export function sendGoodbye(device) {
  return request(`${path(device)}/frames`, { method: 'DELETE', keepalive: true });
}
