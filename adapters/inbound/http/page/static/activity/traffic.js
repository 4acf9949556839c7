/** What moves right now, whoever moves it, and how many bytes a second became durable lately. */

import { signal } from "../lib/html.js";

const SECONDS = 120;
const SHOWN_AFTER_ITS_END = 8000;
const OVER = ["COMPLETED", "ABORTED", "EXPIRED"];

export class Traffic {
  #feed;
  #moving = new Map();
  #sum = 0;
  /** What is said of each upload by its newest event, the newest first. */
  moving = signal([]);
  /** Whether the server can't be heard just now. */
  isAway = signal(false);
  /** Bytes of each of the last seconds, and when these were; the newest last. */
  history = signal({ times: [], rates: [] });

  constructor(feed) {
    this.#feed = feed;
  }

  /** Returns how to stop. */
  begin() {
    const now = Math.floor(Date.now() / 1000);
    const times = Array.from({ length: SECONDS }, (_, at) => now - SECONDS + 1 + at);
    this.history.value = { times, rates: times.map(() => 0) };
    this.#feed.subscribeToAll((event) => this.#heard(event));
    const ticking = setInterval(() => this.#tick(), 1000);
    const heard = { open: () => (this.isAway.value = false), away: () => (this.isAway.value = true) };
    for (const [type, listener] of Object.entries(heard)) this.#feed.addEventListener(type, listener);
    return () => {
      clearInterval(ticking);
      for (const [type, listener] of Object.entries(heard)) this.#feed.removeEventListener(type, listener);
      this.#feed.subscribeToAll(null);
    };
  }

  #heard(event) {
    if (!event.type.startsWith("upload.")) return;
    const before = this.#moving.get(event.upload_id);
    const isNews = event.type !== "upload.snapshot" && Number.isFinite(event.offset);
    if (isNews) this.#sum += Math.max(0, event.offset - (before?.offset ?? (event.type === "upload.created" ? 0 : event.offset)));
    this.#moving.set(event.upload_id, { ...event, heardAt: Date.now(), begun: before?.begun ?? Date.now() });
  }

  #tick() {
    const { times, rates } = this.history.value;
    this.history.value = {
      times: [...times.slice(1), Math.floor(Date.now() / 1000)],
      rates: [...rates.slice(1), this.#sum],
    };
    this.#sum = 0;
    for (const [id, { state, heardAt }] of this.#moving) {
      if (OVER.includes(state) && Date.now() - heardAt > SHOWN_AFTER_ITS_END) this.#moving.delete(id);
    }
    this.moving.value = [...this.#moving.values()].sort((a, b) => b.begun - a.begun);
  }
}
