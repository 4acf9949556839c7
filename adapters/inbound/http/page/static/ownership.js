/** One tab drives an upload; others watch it and take over when that tab is done with it, closed or crashed. */

/** Web Locks: they end with their tab, however it ends. */
export class Ownership {
  #prefix;

  constructor(prefix) {
    this.#prefix = prefix;
  }

  /** Resolves to a function that lets go again: with `wait` once nobody else has it; else at once, perhaps to null. */
  claim(key, { wait = false } = {}) {
    if (!navigator.locks) return Promise.resolve(() => {}); // plain http on a LAN address
    return new Promise((resolve) => {
      navigator.locks.request(this.#prefix + key, { ifAvailable: !wait }, (lock) => {
        if (lock === null) return resolve(null);
        return new Promise((release) => resolve(release));
      });
    });
  }
}
