/**
 * Keys that work anywhere on the page.
 */

/** @param {{link: () => void, grid: () => void, help: () => void}} actions */
export function watchKeys({ link, grid, help }) {
  addEventListener('keydown', (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === '/') link();
    else if (event.key === 'g') grid();
    else if (event.key === '?') help();
    else return;
    event.preventDefault();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'range', 'button'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
