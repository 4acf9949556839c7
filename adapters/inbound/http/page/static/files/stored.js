/** The stored files that the Files tab shows: asked for page by page, changed on the server first and then here. */

import { signal } from "../lib/html.js";

const A_PAGE = 60;

export class StoredFiles {
  #server;
  #asked = 0;
  /** What is looked for: `find` (a part of name or path), `media_type` (its beginning), `sort`, `owner` (administrators). */
  query = signal({ find: "", media_type: "", sort: "-created_at", owner: "" });
  items = signal([]);
  cursor = signal(null);
  isLoading = signal(true);
  trouble = signal(null);

  constructor(server) {
    this.#server = server;
  }

  /** Look for something else, or anew for the same. */
  async look(changes = {}) {
    this.query.value = { ...this.query.value, ...changes };
    this.cursor.value = null;
    await this.#load([]);
  }

  async more() {
    if (this.cursor.value && !this.isLoading.value) await this.#load(this.items.value);
  }

  async #load(before) {
    const number = (this.#asked += 1);
    const asked = new URLSearchParams({ state: "completed", limit: String(A_PAGE) });
    for (const [key, value] of Object.entries(this.query.value)) if (value) asked.set(key, value);
    if (this.cursor.value) asked.set("cursor", this.cursor.value);
    this.isLoading.value = true;
    const answer = await this.#server.ask(`uploads?${asked}`);
    if (number !== this.#asked) return; // something else has been asked for meanwhile
    this.isLoading.value = false;
    this.trouble.value = answer.ok ? null : answer;
    if (!answer.ok) return;
    const known = new Set(before.map(({ id }) => id));
    this.items.value = [...before, ...answer.data.uploads.filter(({ id }) => !known.has(id))];
    this.cursor.value = answer.data.next_cursor;
  }

  /** `changes`: any of `name`, `visibility`, `expires_at`. Resolves to the answer. */
  async change(file, changes) {
    const answer = await this.#server.ask(`files/${file.id}`, { method: "PATCH", json: changes });
    if (answer.ok) this.#replace(file.id, { ...file, ...answer.data });
    return answer;
  }

  #replace(id, changed) {
    this.items.value = this.items.value.map((file) => (file.id === id ? { ...file, ...changed } : file));
  }

  /**
   * They are gone at once, and most can be brought back for a minute. Resolves to `{gone, restorable}`; a thousand is the
   * most that one request takes.
   */
  async delete(files) {
    const ids = files.map(({ id }) => id);
    const { ok, data } = await this.#server.ask("files/delete", { method: "POST", json: { ids, undo: true } });
    if (!ok) return { gone: [], restorable: [] };
    const told = new Map(data.files.map((one) => [one.id, one]));
    const gone = files.filter(({ id }) => told.get(id)?.deleted || told.get(id)?.code === "file_not_found");
    this.items.value = this.items.value.filter((file) => !gone.includes(file));
    return { gone, restorable: gone.filter(({ id }) => told.get(id).restorable_until) };
  }

  /** Resolves to how many came back. */
  async restore(files) {
    const ids = files.map(({ id }) => id);
    const { ok, data } = await this.#server.ask("files/restore", { method: "POST", json: { ids } });
    await this.look();
    return ok ? data.files.filter(({ restored }) => restored).length : 0;
  }
}
