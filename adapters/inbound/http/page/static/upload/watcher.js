/** What the server says of uploads: those it holds open for the person, how far they are, and how they end. */

import { gone } from "./problems.js";
import { State, Upload } from "./upload.js";

const ANSWERS_WITHIN = 5000;
const OVER = ["upload.aborted", "upload.expired", "ABORTED", "EXPIRED"];
const SEEMS_LEFT_AFTER = 10_000;

export class Watcher {
  #uploads;
  #server;
  #feed;

  constructor(uploads, { server, feed }) {
    this.#uploads = uploads;
    this.#server = server;
    this.#feed = feed;
    uploads.addEventListener("removed", ({ detail: { upload } }) => upload.url && feed.unsubscribe(upload.id));
  }

  watch(upload) {
    this.#feed.subscribe(upload.id, (event) => this.#heard(upload, event));
  }

  unwatch(upload) {
    if (upload.url) this.#feed.unsubscribe(upload.id);
  }

  /**
   * Uploads that the server holds open for this person and that this browser knows nothing of. Whoever sends one is
   * not disturbed: the list tells all that is needed, where a HEAD would end their request.
   */
  async discover() {
    const { ok, data } = await this.#server.ask("uploads?state=open", { within: ANSWERS_WITHIN });
    if (!ok) return; // the rows of this browser matter more; their own trouble will be told
    const known = await this.#uploads.keeper.knownUrls();
    for (const found of data.uploads ?? []) {
      const upload = Upload.fromServer(found, this.#server.url("uploads"));
      // A length that is not told yet cannot be matched with any file.
      if (known.has(upload.url) || !Number.isFinite(upload.size)) continue;
      if (this.#reunite(upload)) continue;
      this.#uploads.show(upload);
      this.watch(upload);
    }
  }

  /** A page that died while it asked for a new upload left one behind, empty, whose address it never learnt. */
  #reunite({ url, name, size, stored }) {
    const isIdle = ({ state }) => [State.QUEUED, State.PAUSED, State.MISSING].includes(state);
    const candidates = this.#uploads.like({ name, size }).filter((upload) => !upload.url && isIdle(upload));
    const ours = candidates.find((upload) => upload.name === name);
    if (stored > 0 || !ours) return false;
    ours.url = url;
    this.#uploads.keeper.save(ours);
    this.watch(ours);
    return true;
  }

  #heard(upload, event) {
    if (!upload.isUnfinished) return;
    // One that is being sent learns of its end by its next request, and then says so in the right words.
    const unknown = event.type === "error" && event.code === "not_found" && !upload.isUnderWay;
    if (unknown || OVER.includes(event.type) || OVER.includes(event.state)) {
      this.#vanished(upload);
      return;
    }
    if (event.state && upload.remoteState !== event.state) {
      upload.remoteState = event.state;
      this.#uploads.tell("progress", upload);
    }
    const moved = Number.isFinite(event.offset) && this.#uploads.sender.stored(upload, event.offset);
    const completed = event.type === "upload.completed" || event.state === "COMPLETED";
    if (completed && upload.state !== State.SENDING) {
      // Someone else brought the last byte, or our answer was lost on its way.
      if (upload.state !== State.ELSEWHERE || !upload.known) this.#finishedElsewhere(upload);
    } else if (!upload.known && moved) {
      this.#movesElsewhere(upload);
    }
  }

  #finishedElsewhere(upload) {
    this.#uploads.sender.halt(upload);
    upload.known = true;
    this.#uploads.sender.finished(upload);
  }

  /** An upload that moves without us is being sent by somebody else: offering to continue it would only interrupt. */
  #movesElsewhere(upload) {
    clearTimeout(upload.timer);
    if (upload.state !== State.ELSEWHERE) this.#uploads.become(upload, State.ELSEWHERE);
    upload.timer = setTimeout(() => this.#uploads.become(upload, State.MISSING), SEEMS_LEFT_AFTER);
  }

  #vanished(upload) {
    if (upload.known && upload.state !== State.ELSEWHERE) {
      this.#uploads.sender.halt(upload);
      upload.problem = gone();
      if (upload.file) {
        this.#uploads.become(upload, State.FAILED);
      } else {
        this.#uploads.sender.startOver(upload);
        this.#uploads.become(upload, State.MISSING);
      }
      this.#uploads.sender.fill();
    } else if (!upload.known) {
      this.#uploads.remove(upload);
    }
  }
}
