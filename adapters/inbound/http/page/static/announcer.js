/** Tells screen readers what happened: politely, gathered into one sentence, and never faster than people listen. */

import { summary } from "./summary.js";
import { State } from "./upload.js";

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
  #milestone = "";
  #away = false;

  constructor(node, uploads) {
    this.#node = node;
    this.#uploads = uploads;
    uploads.addEventListener("state", ({ detail }) => this.#changed(detail.upload));
    uploads.addEventListener("picture", ({ detail: { upload } }) => {
      if (upload.picture?.words) this.say(`${upload.name}: ${upload.picture.words}`);
    });
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
    this.#milestone = moving && further ? `${quarter * 25} percent stored.` : "";
    if (this.#milestone) this.#soon();
  }

  #soon() {
    const wait = Math.max(GATHER, this.#lastSpoken + BETWEEN - performance.now());
    this.#timer ??= setTimeout(() => this.#speak(), wait);
  }

  #speak() {
    this.#timer = null;
    this.#lastSpoken = performance.now();
    const parts = [...this.#sentences];
    if (this.#milestone) parts.push(this.#milestone);
    const [finished] = this.#finished;
    const [failed] = this.#failed;
    if (finished) parts.push(many(this.#finished, "files are stored.") ?? `${finished.name} is stored.`);
    if (failed) parts.push(many(this.#failed, "uploads failed.") ?? `${failed.name}: ${failed.problem?.text ?? ""}`);
    if (this.#finished.length && summary([...this.#uploads]).unfinished === 0) parts.push("All uploads are finished.");
    this.#sentences = [];
    this.#milestone = "";
    this.#finished = [];
    this.#failed = [];
    this.#node.textContent = parts.join(" ");
  }
}

function many(list, words) {
  return list.length > 1 ? `${list.length} ${words}` : null;
}
