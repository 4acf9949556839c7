/** Who may send now, and what happens on trouble. */

import { backoff } from "../lib/backoff.js";
import { Digester } from "./digester.js";
import { lookOut } from "./lookout.js";
import { isReadable } from "./picks.js";
import { unreachable, unreadable } from "./problems.js";
import { terminate, Transfer } from "./transfer.js";
import { State } from "./upload.js";

const AT_ONCE = 3;
/** So many of those that wait have their digest read ahead of their turn. */
const DIGEST_AHEAD = 6;
const STALLED_AFTER = 60_000;
/** Trouble that is this upload's own, not the server's absence, is given up after so many tries without a new byte. */
const PATIENCE = 8;
/** The server itself is not there: it is looked for often, and any sign of it ends the waiting. */
const AWAY = ["offline", "network", "away"];
const LONGEST_AWAY = 5000;
/** Signs of life can come by the dozen; nobody is tried again sooner than this. */
const LEAST_WAIT = 1000;
const LONGEST_WAIT = 120_000;

/** Of a place among those that send: small ones mostly wait, so two have one. */
const share = ({ goesAlong }) => (goesAlong ? 0.5 : 1);

export class Sender {
  #uploads;
  #server;
  #feed;
  #digester = new Digester();
  /** Runs while the server wants to be left alone. */
  #rest = null;

  constructor(uploads, { server, feed }) {
    this.#uploads = uploads;
    this.#server = server;
    this.#feed = feed;
    feed.addEventListener("open", () => this.#hurry());
    addEventListener("online", () => this.#hurry());
    setInterval(() => this.#restartStalled(), 5000);
    lookOut(uploads, server, () => this.#alive());
  }

  fill() {
    if (this.#rest) return;
    let free = AT_ONCE;
    for (const upload of this.#uploads) if (upload.isUnderWay) free -= share(upload);
    let ahead = DIGEST_AHEAD;
    for (const upload of this.#uploads) {
      if (upload.state !== State.QUEUED) continue;
      if (free > 0) {
        free -= share(upload);
        this.run(upload);
      } else {
        this.#digest(upload);
        ahead -= 1;
        if (ahead <= 0) return;
      }
    }
  }

  run(upload) {
    this.halt(upload);
    const transfer = new Transfer(upload, {
      server: this.#server,
      digest: () => this.#digest(upload),
      save: () => this.#uploads.keeper.save(upload, { strict: true }),
      on: {
        located: (url) => this.#located(upload, transfer, url),
        sent: (offset) => this.#sent(upload, offset),
        acknowledged: (offset) => this.stored(upload, offset) && this.#alive(),
        finished: ({ duplicate }) => {
          upload.duplicate = duplicate;
          this.finished(upload);
        },
        failed: (problem) => this.#failed(upload, transfer, problem),
      },
    });
    upload.transfer = transfer;
    upload.lastMove = performance.now();
    upload.pace.restart();
    this.#uploads.become(upload, State.SENDING);
    transfer.start();
  }

  /** Its digest, by which the server tells whether it has these bytes; of what is there in part nobody asks any more. */
  async #digest(upload) {
    if (upload.url !== null || upload.goesAlong || !upload.file || upload.sha256 !== null) return;
    upload.digesting ??= this.#digester.of(upload.file);
    const digest = await upload.digesting;
    upload.digesting = null;
    upload.sha256 ??= digest;
    upload.lastMove = performance.now();
  }

  halt(upload) {
    clearTimeout(upload.timer);
    upload.retryAt = null;
    upload.transfer?.stop();
    upload.transfer = null;
    upload.sent = upload.stored;
  }

  startOver(upload) {
    this.#uploads.watcher.unwatch(upload);
    Object.assign(upload, { url: null, stored: 0, sent: 0, sha256: null, sentAlongAt: null, remoteState: null });
  }

  requeue(upload) {
    upload.problem = null;
    this.#uploads.become(upload, State.QUEUED);
    this.#uploads.keeper.save(upload);
  }

  /** That so much is durable; returns whether it is news. */
  stored(upload, offset) {
    if (!upload.hasStored(offset)) return false;
    upload.attempts = 0;
    upload.lastMove = performance.now();
    this.#uploads.tell("progress", upload);
    if (upload.known && upload.isUnfinished && upload.state !== State.ELSEWHERE) this.#uploads.keeper.saveSoon(upload);
    return true;
  }

  finished(upload) {
    upload.transfer = null;
    upload.file = null;
    upload.handle = null;
    upload.problem = null;
    upload.stored = upload.sent = upload.size;
    upload.finishedAt = Date.now();
    this.#uploads.watcher.unwatch(upload);
    this.#uploads.become(upload, State.DONE);
    this.#uploads.keeper.finished(upload);
    this.fill();
  }

  #located(upload, transfer, url) {
    const overtaken = upload.transfer !== transfer && (upload.url !== null || upload.transfer !== null);
    if (overtaken && url !== upload.url) {
      terminate(url, this.#server).catch(() => {}); // its run was replaced meanwhile; it would expire anyway
      return;
    }
    if (upload.url === null) this.#alive();
    upload.url = url;
    const double = this.#uploads.find((other) => other !== upload && other.url === url);
    if (double) this.#uploads.remove(double); // the server's list named it before its creation was answered
    if (upload.state === State.CANCELLED) {
      this.#uploads.keeper.bury(upload);
      return;
    }
    this.#uploads.keeper.save(upload);
    this.#uploads.watcher.watch(upload);
  }

  #sent(upload, offset) {
    if (offset !== upload.sent) upload.lastMove = performance.now();
    upload.sent = Math.max(offset, upload.stored);
    upload.pace.add(upload.sent);
    upload.problem = null;
    this.#uploads.tell("progress", upload);
  }

  async #failed(upload, transfer, problem) {
    if (problem.kind === "network" && !(await this.#isReadable(upload))) problem = unreadable();
    if (upload.transfer !== transfer) return; // paused or cancelled meanwhile
    this.halt(upload);
    if (problem.kind === "chunk-too-large") return this.run(upload);
    if (problem.kind === "slow-down" && problem.retryAfter) return this.#restFor(problem.retryAfter, upload);
    upload.problem = problem;
    if (problem.kind === "unreadable") {
      upload.file = null;
      this.#uploads.become(upload, State.MISSING);
      this.fill();
      return;
    }
    upload.attempts += 1;
    // Twice, and not one byte came through: some proxies cut what is too much for them instead of saying so.
    if (problem.midway && upload.attempts > 1) transfer.shrink();
    const ownTrouble = ["server", "busy", "in-between"].includes(problem.kind);
    if (problem.auto && !(ownTrouble && upload.attempts >= PATIENCE)) this.#retryLater(upload);
    else this.#uploads.become(upload, State.FAILED);
    this.fill();
  }

  /** A file that changed on disk reads as a network error; our own copy, if there is one, takes its place. */
  async #isReadable(upload) {
    if (await isReadable(upload.file)) return true;
    const copy = upload.kept && (await this.#uploads.keeper.copy(upload));
    if (!copy || !(await isReadable(copy))) return false;
    upload.file = copy;
    return true;
  }

  #retryLater(upload) {
    const { kind, retryAfter } = upload.problem;
    const delay = backoff(upload.attempts, AWAY.includes(kind) ? { longest: LONGEST_AWAY } : {});
    upload.waitsSince = Date.now();
    this.#retryIn(upload, Math.max(delay, Math.min((retryAfter ?? 0) * 1000, LONGEST_WAIT)));
    this.#uploads.become(upload, State.WAITING);
  }

  #retryIn(upload, delay) {
    clearTimeout(upload.timer);
    upload.retryAt = Date.now() + delay;
    upload.timer = setTimeout(() => this.run(upload), delay);
  }

  /** Asked to slow down, the page does: what is under way goes on, the rest keeps its place in the queue. */
  #restFor(seconds, upload) {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(
      () => {
        this.#rest = null;
        this.fill();
      },
      Math.min(seconds * 1000, LONGEST_WAIT),
    );
    this.requeue(upload);
  }

  /** The way to the server is back: whoever waits for just that need not sit out the delay. Whether anybody did. */
  #hurry() {
    const waiting = this.#uploads.filter(({ state, problem }) => state === State.WAITING && AWAY.includes(problem.kind));
    for (const upload of waiting) {
      const delay = Math.max(0, upload.waitsSince + LEAST_WAIT - Date.now());
      if (Date.now() + delay < upload.retryAt) this.#retryIn(upload, delay);
    }
    return waiting.length > 0;
  }

  /** Bytes or a new upload were taken: so the server is there for the others, too. */
  #alive() {
    if (this.#hurry()) this.#feed.hurry();
  }

  /** A connection can die without a word; the newest request wins on the server, so trying again is safe. */
  #restartStalled() {
    for (const upload of this.#uploads) {
      // After the last byte the server may have long work to do before it answers.
      const patience = upload.sent < upload.size ? STALLED_AFTER : 5 * STALLED_AFTER;
      if (upload.state !== State.SENDING || performance.now() - upload.lastMove < patience) continue;
      this.#failed(upload, upload.transfer, unreachable());
    }
  }
}
