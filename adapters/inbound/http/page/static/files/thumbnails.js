/** Thumbnails of stored pictures, whatever brought them: asked for as they come into sight, shown once they are drawn. */

import { isPicture } from "../lib/format.js";
import { signal } from "../lib/html.js";
import { Pacer } from "../lib/pacer.js";
import { Refused } from "./refused.js";

const LOOK_EVERY = 1500;
const LONGEST = 20_000;
const PATIENCE = 20;

export class Thumbnails {
  #server;
  #feed;
  #pacer = new Pacer();
  #refused = new Refused();
  /** By the file's id: a signal of "", "drawing", "ready" or "none". */
  #known = new Map();

  constructor({ server, feed }) {
    this.#server = server;
    this.#feed = feed;
  }

  /** A signal that says how far the file's thumbnail is; it is asked for if nobody has. */
  of(file) {
    let state = this.#known.get(file.id);
    if (!state) {
      state = signal(isPicture({ type: file.media_type ?? "", name: file.name }) ? "" : "none");
      this.#known.set(file.id, state);
      if (file.image?.status === "DONE") state.value = "ready";
      else if (file.image?.status === "ERROR") state.value = "none"; // it would be no better this time
      else if (this.#refused.has(file.id)) state.value = "none";
      else if (state.value === "") this.#ask(file.id, state);
    }
    return state;
  }

  async #ask(id, state) {
    await this.#pacer.turn();
    const { ok, status, data } = await this.#server.ask("images", { method: "POST", json: { file_id: id } });
    if (ok) return this.#told(id, state, data.status);
    if (status === 400 || status === 413) this.#refused.add(id);
    state.value = "none";
  }

  #told(id, state, status) {
    state.value = { DONE: "ready", ERROR: "none" }[status] ?? "drawing";
    if (state.value !== "drawing") return;
    this.#feed.subscribe(id, (event) => {
      const told = event.type.startsWith("image.") ? event : event.image;
      if (told?.status === "DONE" || told?.status === "ERROR") this.#over(id, state, told.status);
    });
    this.#look(id, state, 1);
  }

  /** Where the feed can't get through, it is looked. */
  #look(id, state, attempt) {
    if (attempt > PATIENCE) return;
    setTimeout(
      async () => {
        if (state.value !== "drawing") return;
        await this.#pacer.turn();
        const { ok, data } = await this.#server.ask(`images/${id}`);
        if (ok && data.status !== "PROCESSING" && data.status !== "NEW") this.#over(id, state, data.status);
        else this.#look(id, state, attempt + 1);
      },
      Math.min(LONGEST, LOOK_EVERY * 2 ** (attempt - 1)),
    );
  }

  #over(id, state, status) {
    this.#feed.unsubscribe(id);
    state.value = status === "DONE" ? "ready" : "none";
  }
}
