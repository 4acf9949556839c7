/**
 * The uploads of a page, made once something needs them: what was here before, what the server holds open, or the first
 * file. Who only looks in does not load what sends.
 */

import { backoff } from "../lib/backoff.js";
import { signal } from "../lib/html.js";

const SIGNS_OF_SOMEBODY = ["pointermove", "pointerdown", "keydown", "dragenter", "paste"];

export class Engine {
  #page;
  #name;
  #loading = null;
  /** The Uploads (uploads.js), null before they are needed. */
  uploads = signal(null);
  /** Whether they could not be fetched, and it is tried again. */
  isStuck = signal(false);

  /** `name` is what they are kept under in this browser. */
  constructor(page, name) {
    this.#page = page;
    this.#name = name;
    const prepare = () => {
      for (const type of SIGNS_OF_SOMEBODY) removeEventListener(type, prepare);
      this.load();
    };
    for (const type of SIGNS_OF_SOMEBODY) addEventListener(type, prepare, { passive: true });
  }

  /** Resolves to the Uploads. */
  load() {
    this.#loading ??= this.#make();
    return this.#loading;
  }

  async #make() {
    const { makeUploads } = await this.#fetched();
    const uploads = await makeUploads(this.#page, this.#name);
    this.uploads.value = uploads;
    uploads.watcher.discover().then(() => uploads.sender.fill());
    return uploads;
  }

  async #fetched() {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const made = await import("./making.js");
        this.isStuck.value = false;
        return made;
      } catch {
        this.isStuck.value = true;
        await new Promise((resolve) => setTimeout(resolve, backoff(attempt, { longest: 5000 })));
      }
    }
  }

  /** Whether this browser has kept any; not being able to tell counts as having. */
  async isRemembered() {
    try {
      return (await indexedDB.databases()).some(({ name }) => name === this.#name);
    } catch {
      return true;
    }
  }

  /** Whether the server holds any open for the person. */
  async isAwaited() {
    const { server } = this.#page;
    if (server.wantsToKnow.value) return false;
    const { ok, data } = await server.ask("uploads?state=open", { within: 5000 });
    return ok && data.uploads.length > 0;
  }
}
