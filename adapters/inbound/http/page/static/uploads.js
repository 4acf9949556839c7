/** All uploads of this page: who may send now, what happens on trouble, and what the next page will find. */

import { backoff } from "./backoff.js";
import { fromHandle, isReadable } from "./files.js";
import { heed, identity } from "./identity.js";
import { terminate, Transfer } from "./transfer.js";
import { State, Upload } from "./upload.js";
import { gone, otherFile, unreachable, unreadable } from "./words.js";

const AT_ONCE = 3;
const STALLED_AFTER = 60_000;
/** Trouble that is this upload's own, not the server's absence, is given up after so many tries without a new byte. */
const PATIENCE = 8;
/** The server itself is not there: it is looked for often, and any sign of it ends the waiting. */
const AWAY = ["offline", "network", "away"];
const LONGEST_AWAY = 5000;
/** Signs of life can come by the dozen; nobody is tried again sooner than this. */
const LEAST_WAIT = 1000;
const LONGEST_WAIT = 120_000;
const DISCOVERY_WITHIN = 5000;
const OVER = ["upload.aborted", "upload.expired", "ABORTED", "EXPIRED"];
const SHOW_FINISHED_FOR = 24 * 60 * 60 * 1000;

/**
 * Fires `added`, `state`, `progress`, `picture` and `removed`, each with `detail.upload`; `state` also with `detail.from`, `added`
 * with the upload that comes after it as `detail.next`.
 */
export class Uploads extends EventTarget {
  /** In the order of their beginning. */
  #all = [];
  #store;
  #feed;
  #endpoint;
  #ownership;
  #copying = Promise.resolve();
  /** Runs while the server wants to be left alone. */
  #rest = null;

  constructor({ store, feed, endpoint, ownership }) {
    super();
    this.#store = store;
    this.#feed = feed;
    this.#endpoint = endpoint;
    this.#ownership = ownership;
    feed.addEventListener("open", () => this.#hurry());
    addEventListener("online", () => this.#hurry());
    setInterval(() => this.#restartStalled(), 5000);
  }

  [Symbol.iterator]() {
    return this.#all[Symbol.iterator]();
  }

  // ---- what the person does

  /** Queue the files. One that an unfinished row waits for continues that row instead. Returns what became of them. */
  add(picks) {
    const outcome = { added: 0, continued: 0, already: 0 };
    for (const pick of picks) {
      const twin = this.#all.find((upload) => this.#isTwin(upload, pick));
      if (twin?.state === State.MISSING) {
        this.#adopt(twin, pick);
        outcome.continued += 1;
      } else if (twin) {
        if (twin.state === State.PAUSED || twin.state === State.FAILED) this.#requeue(twin);
        outcome.already += 1;
      } else {
        this.#take(Upload.of(pick));
        outcome.added += 1;
      }
    }
    this.#fill();
    return outcome;
  }

  /** The person picked a file for this row; anything but its own file is refused with a reason. */
  provide(upload, pick) {
    if (upload.state !== State.MISSING) return;
    if (!upload.isOf(pick.file)) {
      upload.problem = otherFile(upload);
      this.#become(upload, State.MISSING);
      return;
    }
    this.#adopt(upload, pick);
    this.#fill();
  }

  /** A kept handle needs the person's leave in each new page; true when that was all that was missing. */
  async reopen(upload) {
    const file = upload.handle && (await fromHandle(upload.handle, { ask: true }));
    if (!file) return false;
    this.provide(upload, { file, handle: upload.handle, path: upload.path });
    return true;
  }

  pause(upload) {
    if (!upload.isUnderWay && upload.state !== State.QUEUED) return;
    this.#halt(upload);
    this.#become(upload, State.PAUSED);
    this.#save(upload);
    this.#fill();
  }

  resume(upload) {
    if (upload.state === State.PAUSED) this.#requeue(upload);
    this.#fill();
  }

  retry(upload) {
    if (upload.state === State.WAITING) {
      this.#run(upload);
    } else if (upload.state === State.FAILED) {
      if (upload.problem.restart) this.#startOver(upload);
      upload.attempts = 0;
      this.#requeue(upload);
    }
    this.#fill();
  }

  /** It is known again who uploads: what failed for that goes on. */
  signedIn() {
    for (const upload of this.#all) if (upload.problem?.kind === "signed-out") this.retry(upload);
    this.#feed.hurry();
  }

  pauseAll() {
    for (const upload of this.#all) this.pause(upload);
  }

  resumeAll() {
    for (const upload of this.#all) if (upload.state === State.PAUSED) this.#requeue(upload);
    this.#fill();
  }

  /** Stop it here and have the server throw its bytes away, now or as soon as it can be reached. */
  async cancel(upload) {
    this.#halt(upload);
    this.#become(upload, State.CANCELLED);
    this.#remove(upload);
    this.#fill();
    await this.#save(upload);
    await this.#store.dropBytes(upload.key);
    await this.#bury(upload);
  }

  /** Take a finished row off the list; the file stays on the server. */
  clear(upload) {
    this.#remove(upload);
    this.#store.forget(upload.key);
    upload.release?.();
  }

  /** What has become of a stored picture (pictures.js); it is kept for the next page. */
  pictured(upload, picture) {
    upload.picture = picture;
    if (!this.#all.includes(upload)) return;
    this.#tell("picture", upload);
    this.#save(upload);
  }

  // ---- what was before this page

  async restore() {
    const records = (await this.#store.records()).sort((a, b) => a.addedAt - b.addedAt);
    for (const record of records) {
      const upload = Upload.fromRecord(record);
      if (upload.state === State.DONE && Date.now() - upload.finishedAt > SHOW_FINISHED_FOR) {
        await this.#store.forget(upload.key);
      } else if (await this.#own(upload)) {
        await this.#revive(upload);
      }
    }
  }

  /** Go on with whatever waits. Not part of `restore`: what the server knows (`discover`) comes between. */
  begin() {
    this.#fill();
  }

  /**
   * Uploads that the server holds open for this person and that this browser knows nothing of. Whoever sends one is
   * not disturbed: the list tells all that is needed, where a HEAD would end their request.
   */
  async discover() {
    let answer;
    try {
      const signal = AbortSignal.timeout(DISCOVERY_WITHIN);
      answer = await fetch(`${this.#endpoint}?state=open`, { headers: identity(), signal });
      heed(answer.status, answer.headers.get("WWW-Authenticate"));
      if (!answer.ok) return;
      answer = await answer.json();
    } catch {
      return; // the rows of this browser matter more; their own trouble will be told
    }
    const records = await this.#store.records();
    const known = new Set([...records.map(({ url }) => url), ...this.#all.map(({ url }) => url)]);
    for (const found of answer.uploads ?? []) {
      const upload = Upload.fromServer(found, this.#endpoint);
      // A length that is not told yet cannot be matched with any file.
      if (known.has(upload.url) || !Number.isFinite(upload.size)) continue;
      if (this.#reunite(upload)) continue;
      this.#show(upload);
      this.#watch(upload);
    }
  }

  /** A page that died while it asked for a new upload left one behind, empty, whose address it never learnt. */
  #reunite({ url, name, size, stored }) {
    const idle = this.#all.filter(({ state }) => [State.QUEUED, State.PAUSED, State.MISSING].includes(state));
    const ours = idle.find((upload) => !upload.url && upload.name === name && upload.size === size);
    if (stored > 0 || !ours) return false;
    ours.url = url;
    this.#save(ours);
    this.#watch(ours);
    return true;
  }

  // ---- taking in

  #isTwin(upload, { file, path }) {
    if (!upload.isUnfinished || !upload.isOf(file)) return false;
    if (upload.state === State.MISSING) return upload.isSurelyOf(file);
    return upload.known && upload.state !== State.ELSEWHERE && upload.path === path;
  }

  #take(upload) {
    this.#show(upload);
    this.#own(upload);
    this.#save(upload);
    this.#keep(upload);
  }

  #adopt(upload, { file, handle }) {
    upload.known = true;
    upload.file = file;
    upload.handle = handle ?? upload.handle;
    upload.lastModified = file.lastModified;
    upload.type = upload.type || file.type;
    upload.attempts = 0;
    this.#own(upload);
    this.#requeue(upload);
    this.#keep(upload);
  }

  async #revive(upload) {
    if (upload.state === State.CANCELLED) {
      this.#bury(upload);
      return;
    }
    if (upload.state === State.DONE) {
      this.#show(upload);
      return;
    }
    const kept = await this.#store.bytes(upload.key);
    const file = kept ?? (upload.handle && (await fromHandle(upload.handle)));
    upload.kept = kept !== null;
    upload.file = file && upload.isOf(file) ? file : null;
    if (!upload.file) upload.state = State.MISSING;
    this.#show(upload);
    if (upload.url) this.#watch(upload);
    if (!upload.kept && upload.file) this.#keep(upload);
  }

  /** Whether this tab may drive the upload; if not, its row only watches until it may. */
  async #own(upload) {
    upload.release ??= await this.#ownership.claim(upload.key);
    if (!upload.release) this.#stepAside(upload);
    return upload.release !== null;
  }

  async #stepAside(upload) {
    if (upload.state === State.CANCELLED) return;
    const finished = upload.state === State.DONE;
    if (!finished) upload.state = State.ELSEWHERE;
    this.#show(upload);
    if (finished) return;
    if (upload.url) this.#watch(upload);
    const release = await this.#ownership.claim(upload.key, { wait: true });
    const record = await this.#store.record(upload.key);
    this.#remove(upload);
    if (!record) return release();
    const heir = Upload.fromRecord(record);
    heir.release = release;
    await this.#revive(heir);
    this.#fill();
  }

  /** Copies run one after the other, beside the sending; a file that is through by then is not copied. */
  #keep(upload) {
    this.#copying = this.#copying.then(async () => {
      if (!upload.isUnfinished || !upload.file || upload.kept) return;
      upload.kept = await this.#store.keepBytes(upload.key, upload.file);
      if (!upload.isUnfinished) await this.#store.dropBytes(upload.key);
    });
  }

  // ---- sending

  #fill() {
    if (this.#rest) return;
    let free = AT_ONCE - this.#all.filter((upload) => upload.isUnderWay).length;
    for (const upload of this.#all) {
      if (free <= 0) return;
      if (upload.state !== State.QUEUED) continue;
      this.#run(upload);
      free -= 1;
    }
  }

  #run(upload) {
    this.#halt(upload);
    const transfer = new Transfer(upload, {
      endpoint: this.#endpoint,
      save: () => this.#save(upload, { strict: true }),
      on: {
        located: (url) => this.#located(upload, transfer, url),
        sent: (offset) => this.#sent(upload, offset),
        acknowledged: (offset) => this.#stored(upload, offset) && this.#alive(),
        finished: () => this.#finished(upload),
        failed: (problem) => this.#failed(upload, transfer, problem),
      },
    });
    upload.transfer = transfer;
    upload.lastMove = performance.now();
    upload.pace.restart();
    this.#become(upload, State.SENDING);
    transfer.start();
  }

  #halt(upload) {
    clearTimeout(upload.timer);
    upload.retryAt = null;
    upload.transfer?.stop();
    upload.transfer = null;
    upload.sent = upload.stored;
  }

  #startOver(upload) {
    if (upload.url) this.#feed.unsubscribe(upload.id);
    Object.assign(upload, { url: null, stored: 0, sent: 0 });
  }

  #requeue(upload) {
    upload.problem = null;
    this.#become(upload, State.QUEUED);
    this.#save(upload);
  }

  #located(upload, transfer, url) {
    const overtaken = upload.transfer !== transfer && (upload.url !== null || upload.transfer !== null);
    if (overtaken && url !== upload.url) {
      terminate(url).catch(() => {}); // an answer that came after its run was replaced; it would expire anyway
      return;
    }
    if (upload.url === null) this.#alive();
    upload.url = url;
    const double = this.#all.find((other) => other !== upload && other.url === url);
    if (double) this.#remove(double); // the server's list named it before its creation was answered
    if (upload.state === State.CANCELLED) {
      this.#bury(upload);
      return;
    }
    this.#save(upload);
    this.#watch(upload);
  }

  #sent(upload, offset) {
    if (offset !== upload.sent) upload.lastMove = performance.now();
    upload.sent = Math.max(offset, upload.stored);
    upload.pace.add(upload.sent);
    upload.problem = null;
    this.#tell("progress", upload);
  }

  /** Returns whether that is news. */
  #stored(upload, offset) {
    if (!upload.hasStored(offset)) return false;
    upload.attempts = 0;
    upload.lastMove = performance.now();
    this.#tell("progress", upload);
    if (upload.known && upload.isUnfinished && upload.state !== State.ELSEWHERE) this.#saveSoon(upload);
    return true;
  }

  #finished(upload) {
    upload.transfer = null;
    upload.file = null;
    upload.handle = null;
    upload.problem = null;
    upload.stored = upload.sent = upload.size;
    upload.finishedAt = Date.now();
    this.#feed.unsubscribe(upload.id);
    this.#become(upload, State.DONE);
    this.#save(upload).then(() => upload.release?.());
    this.#store.dropBytes(upload.key);
    this.#fill();
  }

  async #failed(upload, transfer, problem) {
    if (problem.kind === "network" && !(await this.#isReadable(upload))) problem = unreadable();
    if (upload.transfer !== transfer) return; // paused or cancelled meanwhile
    this.#halt(upload);
    if (problem.kind === "chunk-too-large") return this.#run(upload);
    if (problem.kind === "slow-down" && problem.retryAfter) return this.#restFor(problem.retryAfter, upload);
    upload.problem = problem;
    if (problem.kind === "unreadable") {
      upload.file = null;
      this.#become(upload, State.MISSING);
      this.#fill();
      return;
    }
    upload.attempts += 1;
    // Twice, and not one byte came through: some proxies cut what is too much for them instead of saying so.
    if (problem.midway && upload.attempts > 1) transfer.shrink();
    const ownTrouble = ["server", "busy", "in-between"].includes(problem.kind);
    if (problem.auto && !(ownTrouble && upload.attempts >= PATIENCE)) this.#retryLater(upload);
    else this.#become(upload, State.FAILED);
    this.#fill();
  }

  /** A file that changed on disk reads as a network error; our own copy, if there is one, takes its place. */
  async #isReadable(upload) {
    if (await isReadable(upload.file)) return true;
    const copy = upload.kept && (await this.#store.bytes(upload.key));
    if (!copy || !(await isReadable(copy))) return false;
    upload.file = copy;
    return true;
  }

  #retryLater(upload) {
    const { kind, retryAfter } = upload.problem;
    const delay = backoff(upload.attempts, AWAY.includes(kind) ? { longest: LONGEST_AWAY } : {});
    upload.waitsSince = Date.now();
    this.#retryIn(upload, Math.max(delay, Math.min((retryAfter ?? 0) * 1000, LONGEST_WAIT)));
    this.#become(upload, State.WAITING);
  }

  #retryIn(upload, delay) {
    clearTimeout(upload.timer);
    upload.retryAt = Date.now() + delay;
    upload.timer = setTimeout(() => this.#run(upload), delay);
  }

  /** Asked to slow down, the page does: what is under way goes on, the rest keeps its place in the queue. */
  #restFor(seconds, upload) {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(
      () => {
        this.#rest = null;
        this.#fill();
      },
      Math.min(seconds * 1000, LONGEST_WAIT),
    );
    this.#requeue(upload);
  }

  /** The way to the server is back: whoever waits for just that need not sit out the delay. Whether anybody did. */
  #hurry() {
    const waiting = this.#all.filter(({ state, problem }) => state === State.WAITING && AWAY.includes(problem.kind));
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
    for (const upload of this.#all) {
      // After the last byte the server may have long work to do before it answers.
      const patience = upload.sent < upload.size ? STALLED_AFTER : 5 * STALLED_AFTER;
      if (upload.state !== State.SENDING || performance.now() - upload.lastMove < patience) continue;
      this.#failed(upload, upload.transfer, unreachable());
    }
  }

  // ---- what the server says

  #watch(upload) {
    this.#feed.subscribe(upload.id, (event) => this.#heard(upload, event));
  }

  #heard(upload, event) {
    if (!upload.isUnfinished) return;
    // One that is being sent learns of its end by its next request, and then says so in the right words.
    const unknown = event.type === "error" && event.code === "not_found" && !upload.isUnderWay;
    if (unknown || OVER.includes(event.type) || OVER.includes(event.state)) {
      this.#vanished(upload);
      return;
    }
    const moved = Number.isFinite(event.offset) && this.#stored(upload, event.offset);
    const completed = event.type === "upload.completed" || event.state === "COMPLETED";
    if (completed && upload.state !== State.SENDING) {
      // Someone else brought the last byte, or our answer was lost on its way.
      if (upload.state !== State.ELSEWHERE || !upload.known) this.#finishedElsewhere(upload);
    } else if (!upload.known && moved) {
      this.#movesElsewhere(upload);
    }
  }

  #finishedElsewhere(upload) {
    this.#halt(upload);
    upload.known = true;
    this.#finished(upload);
  }

  /** An upload that moves without us is being sent by somebody else: offering to continue it would only interrupt. */
  #movesElsewhere(upload) {
    clearTimeout(upload.timer);
    if (upload.state !== State.ELSEWHERE) this.#become(upload, State.ELSEWHERE);
    upload.timer = setTimeout(() => this.#become(upload, State.MISSING), 10_000);
  }

  #vanished(upload) {
    if (upload.known && upload.state !== State.ELSEWHERE) {
      this.#halt(upload);
      upload.problem = gone();
      if (upload.file) {
        this.#become(upload, State.FAILED);
      } else {
        this.#startOver(upload);
        this.#become(upload, State.MISSING);
      }
      this.#fill();
    } else if (!upload.known) {
      this.#remove(upload);
    }
  }

  /** Deleting is retried in the next page if it cannot be done in this one: the record stays until it is. */
  async #bury(upload, attempt = 1) {
    try {
      if (upload.url) await terminate(upload.url);
      await this.#store.forget(upload.key);
      upload.release?.();
    } catch {
      setTimeout(() => this.#bury(upload, attempt + 1), backoff(attempt));
    }
  }

  // ---- bookkeeping

  #show(upload) {
    const at = this.#all.findLastIndex(({ addedAt }) => addedAt <= upload.addedAt) + 1;
    this.#all.splice(at, 0, upload);
    this.#tell("added", upload, { next: this.#all[at + 1] });
  }

  #remove(upload) {
    const at = this.#all.indexOf(upload);
    if (at < 0) return;
    this.#all.splice(at, 1);
    clearTimeout(upload.timer);
    if (upload.url) this.#feed.unsubscribe(upload.id);
    this.#tell("removed", upload);
  }

  #become(upload, state) {
    const from = upload.state;
    upload.state = state;
    this.#tell("state", upload, { from });
  }

  #tell(type, upload, more = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail: { upload, ...more } }));
  }

  async #save(upload, how) {
    upload.savedAt = Date.now();
    await this.#store.save(upload.toRecord(), how).catch(() => {}); // without memory the page still uploads
  }

  #saveSoon(upload) {
    if (Date.now() - (upload.savedAt ?? 0) > 2000) this.#save(upload);
  }
}
