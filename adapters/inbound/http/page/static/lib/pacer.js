/** Spaces out what the page asks of its own accord, so that it never meets the server's rate limit by its own work. */

export class Pacer {
  #perSecond;
  #burst;
  #left;
  #at = performance.now();
  #last = Promise.resolve();

  /** `burst` may come at once, then so many a second. */
  constructor({ burst = 60, perSecond = 5 } = {}) {
    this.#burst = burst;
    this.#left = burst;
    this.#perSecond = perSecond;
  }

  /** Resolves when it is the caller's turn, in the order of asking. */
  turn() {
    this.#last = this.#last.then(() => this.#wait());
    return this.#last;
  }

  async #wait() {
    const now = performance.now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    this.#left -= 1;
    if (this.#left >= 0) return;
    await new Promise((resolve) => setTimeout(resolve, (-this.#left / this.#perSecond) * 1000));
  }
}
