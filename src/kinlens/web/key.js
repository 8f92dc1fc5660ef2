/**
 * The dialog that asks for an API key, on both pages.
 */

import { setApiKey } from './api.js';
import { announce, byId, typed } from './dom.js';

/** @typedef {import('./trouble.js').Trouble} Trouble */

/** @param {Pick<Trouble, 'title' | 'text' | 'fault'>} trouble why a key is asked for */
export function askKey({ title, text, fault }) {
  const dialog = typed('key', HTMLDialogElement);
  const input = typed('key-input', HTMLInputElement);
  byId('key-title').textContent = title;
  byId('key-text').textContent = `${text} It is kept until this tab is closed.`;
  input.toggleAttribute('aria-invalid', fault === 'key');
  if (dialog.open) return;
  input.value = '';
  dialog.showModal();
  if (fault === 'key') announce(`${title}. ${text}`);
}

/**
 * Use the key that was entered from now on. The form closes its dialog only after the event, when a
 * refusal may have opened it again, so it is closed here.
 *
 * @param {SubmitEvent} event
 */
export function takeKey(event) {
  event.preventDefault();
  typed('key', HTMLDialogElement).close();
  setApiKey(typed('key-input', HTMLInputElement).value);
}
