/**
 * Names that tell the items on a page apart: which titles several have, and how much of an id that
 * is a path is needed.
 */

const MOST_PARTS = 4;

/** @typedef {{id: string, title: string | null}} Named */

export class Names {
  /** @type {Map<string, Set<string>>} by title, and by the end of a path, the ids that have it */
  #ids = new Map();

  /** @param {Named[]} items that are shown together */
  constructor(items) {
    for (const { id, title } of items) {
      const names = endings(id).map((end) => `/${end}`);
      for (const name of title === null ? names : [...names, `=${title}`]) {
        this.#ids.set(name, (this.#ids.get(name) ?? new Set()).add(id));
      }
    }
  }

  /** @param {string} title */
  isShared(title) {
    return (this.#ids.get(`=${title}`)?.size ?? 0) > 1;
  }

  /**
   * @param {string} id which may be a path
   * @returns {string} as few of its last parts as no other has
   */
  short(id) {
    return endings(id).find((end) => (this.#ids.get(`/${end}`)?.size ?? 0) < 2) ?? id;
  }
}

/**
 * @param {string} id
 * @returns {string[]} the ends of a path, the shortest first; parts that are dots only name nothing
 */
function endings(id) {
  const starts = [...id.matchAll(/(?:^|\/)(?=[^/])/g)].map(({ index, 0: slash }) => index + slash.length);
  const ends = starts.reverse().map((start) => id.slice(start));
  const telling = ends.filter((end) => !/^[./\s]*$/.test(end));
  return [...telling.slice(0, MOST_PARTS), id];
}
