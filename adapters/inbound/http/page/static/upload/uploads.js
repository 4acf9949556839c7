/** All uploads of a page, and what the person can do to them. sender.js sends them, keeper.js remembers them. */

import { breath } from "../lib/breath.js";
import { fromHandle } from "./picks.js";
import { otherFile } from "./problems.js";
import { Keeper } from "./keeper.js";
import { UploadList } from "./list.js";
import { Sender } from "./sender.js";
import { State, Upload } from "./upload.js";
import { Watcher } from "./watcher.js";

/** Thousands of files are taken in stretches of so many milliseconds: between them the page draws and hears. */
const STRETCH = 8;

export class Uploads extends UploadList {
  /** @type {Promise<unknown>} */
  #adding = Promise.resolve();

  constructor({ server, feed, store, ownership }) {
    super();
    this.keeper = new Keeper(this, { server, store, ownership });
    this.watcher = new Watcher(this, { server, feed });
    this.sender = new Sender(this, { server, feed });
    this.feed = feed;
  }

  /** Queue the files. One that an unfinished row waits for continues that row instead. Resolves to what became of them. */
  add(picks) {
    const added = this.#adding.then(() => this.#add(picks));
    this.#adding = added.catch(() => {});
    return added;
  }

  async #add(picks) {
    const outcome = { added: 0, continued: 0, already: 0, elsewhere: 0 };
    let until = 0;
    const taken = [];
    for (const pick of picks) {
      if (performance.now() > until) {
        await Promise.all(taken.splice(0));
        this.sender.fill(); // the first are on their way before the last are on the list
        await breath();
        until = performance.now() + STRETCH;
      }
      const twin = this.like(pick.file).find((upload) => isTwin(upload, pick));
      if (twin?.state === State.MISSING) {
        this.#adopt(twin, pick);
        outcome.continued += 1;
      } else if (twin) {
        if (twin.state === State.PAUSED || twin.state === State.FAILED) this.sender.requeue(twin);
        outcome[twin.state === State.ELSEWHERE ? "elsewhere" : "already"] += 1;
      } else {
        const upload = Upload.of(pick);
        this.show(upload);
        taken.push(this.keeper.take(upload));
        outcome.added += 1;
      }
    }
    this.sender.fill();
    return outcome;
  }

  /** The person picked a file for this row; anything but its own file is refused with a reason. */
  provide(upload, pick) {
    if (upload.state !== State.MISSING) return;
    if (!upload.isOf(pick.file)) {
      upload.problem = otherFile(upload);
      this.become(upload, State.MISSING);
      return;
    }
    this.#adopt(upload, pick);
    this.sender.fill();
  }

  /** A kept handle needs the person's leave in each new page; true when that was all that was missing. */
  async reopen(upload) {
    const file = upload.handle && (await fromHandle(upload.handle, { ask: true }));
    if (!file) return false;
    this.provide(upload, { file, handle: upload.handle, path: upload.path });
    return true;
  }

  #adopt(upload, { file, handle }) {
    upload.known = true;
    upload.file = file;
    upload.handle = handle ?? upload.handle;
    upload.lastModified = file.lastModified;
    upload.type = upload.type || file.type;
    upload.attempts = 0;
    this.keeper.own(upload);
    this.sender.requeue(upload);
    this.keeper.keep(upload);
  }

  pause(upload) {
    if (!upload.isUnderWay && upload.state !== State.QUEUED) return;
    this.#stop(upload);
    this.sender.fill();
  }

  resume(upload) {
    if (upload.state === State.PAUSED) this.sender.requeue(upload);
    this.sender.fill();
  }

  retry(upload) {
    if (upload.state === State.WAITING) this.sender.run(upload);
    else if (upload.state === State.FAILED) this.#tryAgain(upload);
    this.sender.fill();
  }

  #tryAgain(upload) {
    if (upload.problem?.restart) this.sender.startOver(upload);
    upload.attempts = 0;
    this.sender.requeue(upload);
  }

  /** It is known again who uploads: what failed for that goes on. */
  signedIn() {
    for (const upload of this.filter(({ problem }) => problem?.kind === "signed-out")) this.retry(upload);
    this.feed.hurry();
  }

  pauseAll() {
    for (const upload of this.filter(({ isUnderWay, state }) => isUnderWay || state === State.QUEUED)) this.#stop(upload);
  }

  #stop(upload) {
    this.sender.halt(upload);
    this.become(upload, State.PAUSED);
    this.keeper.save(upload);
  }

  resumeAll() {
    for (const upload of this.filter(({ state }) => state === State.PAUSED)) this.sender.requeue(upload);
    this.sender.fill();
  }

  retryAll() {
    for (const upload of this.filter(({ state }) => state === State.FAILED)) this.#tryAgain(upload);
    this.sender.fill();
  }

  cancelAll() {
    const ours = ({ isUnfinished, state }) => isUnfinished && state !== State.ELSEWHERE;
    for (const upload of this.filter(ours)) this.#cancel(upload);
  }

  /** Stop it here and have the server throw its bytes away, now or as soon as it can be reached. */
  cancel(upload) {
    this.#cancel(upload);
    this.sender.fill();
  }

  async #cancel(upload) {
    this.sender.halt(upload);
    this.become(upload, State.CANCELLED);
    this.remove(upload);
    await this.keeper.save(upload);
    await this.keeper.dropCopy(upload);
    await this.keeper.bury(upload);
  }

  /** Take a finished row off the list; the file stays on the server. */
  clear(upload) {
    this.remove(upload);
    this.keeper.forget(upload);
  }

  /** What has become of a stored picture (pictures.js); it is kept for the next page. */
  pictured(upload, picture) {
    upload.picture = picture;
    if (!this.has(upload)) return;
    this.tell("picture", upload);
    this.keeper.save(upload);
  }
}

function isTwin(upload, { file, path }) {
  if (!upload.isUnfinished || !upload.isOf(file)) return false;
  if (upload.state === State.MISSING) return upload.isSurelyOf(file);
  return upload.known && upload.path === path;
}
