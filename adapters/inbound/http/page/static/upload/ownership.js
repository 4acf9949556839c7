/** One tab drives an upload; others watch it and take over when that tab is done with it, closed or crashed. */

/** Web Locks: they end with their tab, however it ends. What is new, tabs tell one another by a channel. */
export class Ownership {
  #prefix;
  #channel = null;

  constructor(prefix) {
    this.#prefix = prefix;
    // Where there are no locks nobody could tell whose an upload is: there tabs know nothing of one another.
    if (navigator.locks && typeof BroadcastChannel !== "undefined") this.#channel = new BroadcastChannel(prefix);
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

  /** The other tabs may show the upload with that key: its record is written, and it is ours. */
  tell(key) {
    this.#channel?.postMessage(key);
  }

  onNews(hear) {
    if (this.#channel) this.#channel.onmessage = ({ data }) => hear(data);
  }
}
