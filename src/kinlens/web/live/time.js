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

/** @typedef {{age: number, server: string, clock: number}} Aged an answer, and when it was made */
/** @typedef {{least: number, earlier: number, begun: number}} Quickest */

/** Milliseconds after which two clocks may have drifted apart. */
const WINDOW = 30_000;
const SERVERS = 8;
/** @type {Map<string, Quickest>} by server, how far its clock and ours are apart for the quickest answers */
const quickest = new Map();

/**
 * How long an answer was held up, against the quickest of its server in the last minute.
 *
 * @param {Aged} answer
 * @returns {number} milliseconds
 */
function delay({ server, clock }) {
  const now = performance.now();
  const apart = now - 1000 * clock;
  let known = quickest.get(server) ?? { least: apart, earlier: Infinity, begun: now };
  if (now - known.begun > WINDOW) known = { least: apart, earlier: known.least, begun: now };
  known.least = Math.min(known.least, apart);
  quickest.set(server, known);
  const [oldest] = quickest.keys();
  if (quickest.size > SERVERS && oldest !== undefined) quickest.delete(oldest);
  return apart - Math.min(known.least, known.earlier);
}

/**
 * @param {Aged} answer
 * @returns {number} when what it tells of was, on this page's clock, which no one sets
 */
export function since(answer) {
  return performance.now() - 1000 * answer.age - delay(answer);
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
