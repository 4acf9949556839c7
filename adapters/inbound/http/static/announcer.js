/** Tells screen readers what happened: politely, gathered into one sentence, and never faster than people listen. */

import { State } from "./upload.js";
import { summary } from "./view.js";
import { count } from "./words.js";

const GATHER = 1000;
const BETWEEN = 4000;

export class Announcer {
  #node;
  #uploads;
  #sentences = [];
  #finished = [];
  #failed = [];
  #timer = null;
  #lastSpoken = -BETWEEN;
  #quarter = 0;
  #away = false;

  constructor(node, uploads) {
    this.#node = node;
    this.#uploads = uploads;
    uploads.addEventListener("state", ({ detail }) => this.#changed(detail.upload));
    uploads.addEventListener("progress", () => this.#progressed());
  }

  say(sentence) {
    this.#sentences.push(sentence);
    this.#soon();
  }

  #changed(upload) {
    if (upload.state === State.DONE) {
      this.#finished.push(upload);
      this.#soon();
    } else if (upload.state === State.FAILED) {
      this.#failed.push(upload);
      this.#soon();
    } else if (upload.state === State.MISSING && upload.problem) {
      this.say(`${upload.name}: ${upload.problem.text}`);
    } else if (upload.state === State.WAITING && !this.#away) {
      this.#away = true; // once per outage, not once per attempt
      this.say(`${upload.problem.text} Trying again.`);
    }
  }

  #progressed() {
    if (this.#away && ![...this.#uploads].some(({ state, problem }) => state === State.WAITING || problem?.auto)) {
      this.#away = false;
      this.say("Uploads go on.");
    }
    const { percent, moving } = summary([...this.#uploads]);
    const quarter = Math.floor(percent / 25);
    if (quarter === this.#quarter) return;
    const further = quarter > this.#quarter && quarter < 4;
    this.#quarter = quarter;
    if (moving && further) this.say(`${quarter * 25} percent stored.`);
  }

  #soon() {
    const wait = Math.max(GATHER, this.#lastSpoken + BETWEEN - performance.now());
    this.#timer ??= setTimeout(() => this.#speak(), wait);
  }

  #speak() {
    this.#timer = null;
    this.#lastSpoken = performance.now();
    const parts = [...this.#sentences];
    parts.push(...this.#told(this.#finished, ({ name }) => `${name} is stored.`, (many) => `${count(many, "file")} are stored.`));
    parts.push(
      ...this.#told(this.#failed, ({ name, problem }) => `${name}: ${problem?.text ?? ""}`, (many) => `${count(many, "upload")} failed.`),
    );
    if (this.#finished.length && summary([...this.#uploads]).unfinished === 0) parts.push("All uploads are finished.");
    this.#sentences = [];
    this.#finished = [];
    this.#failed = [];
    this.#node.textContent = parts.join(" ");
  }

  #told(list, one, many) {
    if (list.length === 0) return [];
    return [list.length === 1 ? one(list[0]) : many(list.length)];
  }
}
