/**
 * How long ago something was, in words.
 */

/**
 * @param {number} seconds
 * @returns {string} such as "now", "4 s ago", "5 min ago"
 */
export function ago(seconds) {
  if (seconds < 1.5) return 'now';
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/**
 * @param {number} age seconds that something was old when it came
 * @returns {number} when it was, on this page's clock, which no one sets
 */
export function since(age) {
  return performance.now() - 1000 * age;
}

/**
 * @param {number} moment as `since` gives it
 * @returns {number} seconds ago
 */
export function elapsed(moment) {
  return (performance.now() - moment) / 1000;
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal ends the wait
 * @returns {Promise<void>}
 */
export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end); // or a page that is open for hours keeps one for each
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
