/** What becomes of a picture once it is stored: its thumbnails are asked for and shown as soon as they are drawn. */

import { backoff } from "../lib/backoff.js";
import { isPicture } from "../lib/format.js";
import { t, told } from "../lib/i18n.js";
import { Pacer } from "../lib/pacer.js";
import { State } from "./upload.js";

/** checking → drawing → ready, or failed (`{code, detail}` say why) from either. */
export const Phase = Object.freeze({ CHECKING: "checking", DRAWING: "drawing", READY: "ready", FAILED: "failed" });

/** So many are watched at once; the others wait for a place. */
const AT_ONCE = 50;
const PATIENCE = 6;
/** Where the feed can't get through, and tells nothing, it is looked. */
const LOOK_EVERY = 10_000;

/** Nothing waits for this: an upload is done without it, and trouble on the way means a row without a thumbnail. */
class Pictures {
  #uploads;
  #feed;
  #server;
  #pacer = new Pacer();
  #waiting = [];
  #timers = new Map();

  constructor(uploads, { server, feed }) {
    this.#uploads = uploads;
    this.#feed = feed;
    this.#server = server;
    for (const upload of uploads) this.#seen(upload);
    for (const event of ["added", "state"]) uploads.addEventListener(event, ({ detail }) => this.#seen(detail.upload));
    uploads.addEventListener("removed", ({ detail }) => this.#over(detail.upload));
  }

  #seen(upload) {
    const isOver = [Phase.READY, Phase.FAILED].includes(upload.picture?.phase);
    if (upload.state !== State.DONE || isOver || this.#timers.has(upload) || !isPicture(upload)) return;
    if (!this.#waiting.includes(upload)) this.#waiting.push(upload);
    this.#fill();
  }

  #fill() {
    while (this.#timers.size < AT_ONCE && this.#waiting.length > 0) {
      const upload = this.#waiting.shift();
      this.#timers.set(upload, null);
      this.#become(upload, Phase.CHECKING);
      this.#feed.subscribe(upload.id, (event) => this.#heard(upload, event));
      this.#ask(upload);
    }
  }

  async #ask(upload, attempt = 1) {
    await this.#pacer.turn();
    const answer = await this.#server.ask("images", { method: "POST", json: { file_id: upload.id } });
    if (!this.#timers.has(upload)) return;
    if (answer.status === 400 || answer.status === 413) this.#fail(upload, answer.data);
    else if (answer.status === 200) this.#told(upload, answer.data.status);
    else if (attempt < PATIENCE && [0, 429, 502, 503, 504].includes(answer.status)) {
      this.#later(upload, backoff(attempt, { first: 1000 }), () => this.#ask(upload, attempt + 1));
    } else this.#over(upload);
  }

  async #look(upload) {
    const { status, data: body } = await this.#server.ask(`images/${upload.id}`);
    if (!this.#timers.has(upload)) return;
    if (status === 200) this.#told(upload, body.status, body.error);
    else if (status === 404) this.#over(upload);
    else this.#lookLater(upload);
  }

  #heard(upload, event) {
    if (!this.#timers.has(upload)) return;
    const told = event.type.startsWith("image.") ? event : event.image;
    if (told) this.#told(upload, told.status, told.error);
  }

  #told(upload, status, error) {
    if (status === "DONE") {
      this.#over(upload);
      this.#become(upload, Phase.READY);
    } else if (status === "ERROR" && error) {
      this.#fail(upload, { detail: error });
    } else if (status === "ERROR") {
      this.#look(upload);
    } else {
      if (upload.picture?.phase !== Phase.DRAWING) this.#become(upload, Phase.DRAWING);
      this.#lookLater(upload);
    }
  }

  #fail(upload, problem) {
    this.#over(upload);
    this.#become(upload, Phase.FAILED, problem);
  }

  #lookLater(upload) {
    this.#later(upload, LOOK_EVERY, () => this.#look(upload));
  }

  #later(upload, delay, act) {
    clearTimeout(this.#timers.get(upload));
    this.#timers.set(upload, setTimeout(act, delay));
  }

  #over(upload) {
    this.#waiting = this.#waiting.filter((other) => other !== upload);
    if (!this.#timers.has(upload)) return;
    clearTimeout(this.#timers.get(upload));
    this.#timers.delete(upload);
    this.#feed.unsubscribe(upload.id);
    if (upload.picture) this.#become(upload, null);
    this.#fill();
  }

  #become(upload, phase, { code = "", detail = "" } = {}) {
    this.#uploads.pictured(upload, phase && { phase, code, detail });
  }
}

/** Have the pictures among `uploads` get their thumbnails. */
export const withPictures = (uploads, how) => new Pictures(uploads, how);

/** What to say of a picture that has got this far; "" once its thumbnail speaks for itself. */
export function pictureWords(picture) {
  switch (picture?.phase) {
    case Phase.CHECKING:
      return t("Checking the picture…");
    case Phase.DRAWING:
      return t("Making a thumbnail…");
    case Phase.FAILED:
      return noThumbnail(picture);
    default:
      return "";
  }
}

const noThumbnail = ({ code, detail }) =>
  code === "invalid_picture"
    ? t("No thumbnail: it can’t be read as a picture.")
    : t("No thumbnail: {why}.", { why: told(detail) });

export const thumbnailPath = (id, size) => `images/${id}/thumbnails/${size}x${size}`;
