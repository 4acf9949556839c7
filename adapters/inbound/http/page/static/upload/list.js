/** The uploads of a page in the order of their beginning, and the news of them. */

import { shown, UNNAMED } from "./upload.js";

const keyOf = ({ name, size }) => `${size} ${shown(name)}`;

/**
 * Fires `added`, `state`, `progress`, `picture` and `removed`, each with `detail.upload`; `state` also with
 * `detail.from`.
 */
export class UploadList extends EventTarget {
  #all = [];
  /** By size and name: those that a file may be one of. Thousands are chosen at once, and each is looked for. */
  #byFile = new Map();

  [Symbol.iterator]() {
    return this.#all[Symbol.iterator]();
  }

  get length() {
    return this.#all.length;
  }

  has(upload) {
    return this.#byFile.get(keyOf(upload))?.has(upload) ?? false;
  }

  /** Those that a file of that name and size may be one of. */
  like({ name, size }) {
    const named = this.#byFile.get(keyOf({ name, size })) ?? [];
    const unnamed = this.#byFile.get(keyOf({ name: UNNAMED, size })) ?? [];
    return [...named, ...unnamed];
  }

  find(test) {
    return this.#all.find(test);
  }

  filter(test) {
    return this.#all.filter(test);
  }

  show(upload) {
    const at = this.#all.findLastIndex(({ addedAt }) => addedAt <= upload.addedAt) + 1;
    this.#all.splice(at, 0, upload);
    const key = keyOf(upload);
    if (!this.#byFile.has(key)) this.#byFile.set(key, new Set());
    this.#byFile.get(key).add(upload);
    this.tell("added", upload);
  }

  remove(upload) {
    if (!this.has(upload)) return;
    this.#all.splice(this.#all.indexOf(upload), 1);
    const same = this.#byFile.get(keyOf(upload));
    same.delete(upload);
    if (same.size === 0) this.#byFile.delete(keyOf(upload));
    clearTimeout(upload.timer);
    this.tell("removed", upload);
  }

  become(upload, state) {
    const from = upload.state;
    upload.state = state;
    this.tell("state", upload, { from });
  }

  tell(type, upload, more = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail: { upload, ...more } }));
  }
}
