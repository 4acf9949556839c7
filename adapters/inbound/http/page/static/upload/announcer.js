/** Tells screen readers what happened: politely, gathered into one sentence, and never faster than people listen. */

import { t, tn } from "../lib/i18n.js";
import { pictureWords } from "./pictures.js";
import { summary } from "./summary.js";
import { State } from "./upload.js";

const GATHER = 1000;
const BETWEEN = 4000;

export class Announcer {
  #write;
  #uploads;
  #sentences = [];
  #finished = [];
  #failed = [];
  #timer = null;
  #lastSpoken = -BETWEEN;
  #quarter = 0;
  #milestone = "";
  #away = false;

  /** `write(text)` puts it where screen readers look. */
  constructor(write, uploads) {
    this.#write = write;
    this.#uploads = uploads;
    uploads.addEventListener("state", ({ detail }) => this.#changed(detail.upload));
    uploads.addEventListener("picture", ({ detail: { upload } }) => {
      if (upload.picture?.phase === "failed") this.say(`${upload.name}: ${pictureWords(upload.picture)}`);
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
      this.say(t("{trouble} Trying again.", { trouble: upload.problem.text }));
    }
  }

  #progressed() {
    if (this.#away && ![...this.#uploads].some(({ state, problem }) => state === State.WAITING || problem?.auto)) {
      this.#away = false;
      this.say(t("Uploads go on."));
    }
    const { percent, moving } = summary([...this.#uploads]);
    const quarter = Math.floor(percent / 25);
    if (quarter === this.#quarter) return;
    const further = quarter > this.#quarter && quarter < 4;
    this.#quarter = quarter;
    this.#milestone = moving && further ? t("{n} percent stored.", { n: quarter * 25 }) : "";
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
    if (finished) parts.push(this.#of(this.#finished, "{n} files are stored.", t("{name} is stored.", finished)));
    if (failed) parts.push(this.#of(this.#failed, "{n} uploads failed.", `${failed.name}: ${failed.problem?.text ?? ""}`));
    if (finished && summary([...this.#uploads]).unfinished === 0) parts.push(t("All uploads are finished."));
    this.#sentences = [];
    this.#milestone = "";
    this.#finished = [];
    this.#failed = [];
    this.#write(parts.join(" "));
  }

  #of(list, many, single) {
    return list.length > 1 ? tn(many, many, list.length) : single;
  }
}
