/** What outlives the page: each upload's record, a copy of its bytes, and which of the open tabs drives it. */

import { backoff } from "../lib/backoff.js";
import { fromHandle } from "./picks.js";
import { terminate } from "./transfer.js";
import { State, Upload } from "./upload.js";

const SHOW_FINISHED_FOR = 24 * 60 * 60 * 1000;
const SAVE_EVERY = 2000;

export class Keeper {
  #uploads;
  #server;
  #store;
  #ownership;
  #copying = Promise.resolve();

  constructor(uploads, { server, store, ownership }) {
    this.#uploads = uploads;
    this.#server = server;
    this.#store = store;
    this.#ownership = ownership;
    ownership.onNews((key) => this.#heard(key));
  }

  /** Show what was here before this page, as far as it is still wanted. */
  async restore() {
    const records = (await this.#store.records()).sort((a, b) => a.addedAt - b.addedAt);
    for (const record of records) {
      const upload = Upload.fromRecord(record);
      if (upload.state === State.DONE && Date.now() - upload.finishedAt > SHOW_FINISHED_FOR) {
        await this.#store.forget(upload.key);
      } else if (await this.own(upload)) {
        await this.#revive(upload);
      }
    }
  }

  async knownUrls() {
    const records = await this.#store.records();
    return new Set([...records, ...this.#uploads].map(({ url }) => url));
  }

  /** A file that has just been chosen: it is this tab's, and the other tabs hear of it once it is on record. */
  async take(upload) {
    this.keep(upload);
    await this.own(upload);
    this.save(upload).then(() => this.#ownership.tell(upload.key));
  }

  /** Another tab has taken a file: its row is shown here, too. */
  async #heard(key) {
    const record = await this.#store.record(key);
    if (!record || this.#uploads.find((upload) => upload.key === key)) return;
    const upload = Upload.fromRecord(record);
    if (await this.own(upload)) await this.#revive(upload); // it closed before we could look
  }

  async #revive(upload) {
    if (upload.state === State.CANCELLED) {
      this.bury(upload);
      return;
    }
    if (upload.state === State.DONE) {
      this.#uploads.show(upload);
      return;
    }
    const kept = await this.#store.bytes(upload.key);
    const file = kept ?? (upload.handle && (await fromHandle(upload.handle)));
    upload.kept = kept !== null;
    upload.file = file && upload.isOf(file) ? file : null;
    if (!upload.file) upload.state = State.MISSING;
    this.#uploads.show(upload);
    if (upload.url) this.#uploads.watcher.watch(upload);
    if (!upload.kept && upload.file) this.keep(upload);
  }

  /** Whether this tab may drive the upload; if not, its row only watches until it may. */
  async own(upload) {
    upload.release ??= await this.#ownership.claim(upload.key);
    if (!upload.release) this.#stepAside(upload);
    return upload.release !== null;
  }

  async #stepAside(upload) {
    if (upload.state === State.CANCELLED) return;
    const finished = upload.state === State.DONE;
    if (!finished) upload.state = State.ELSEWHERE;
    this.#uploads.show(upload);
    if (finished) return;
    if (upload.url) this.#uploads.watcher.watch(upload);
    const release = await this.#ownership.claim(upload.key, { wait: true });
    const record = await this.#store.record(upload.key);
    this.#uploads.remove(upload);
    if (!record) return release();
    const heir = Upload.fromRecord(record);
    heir.release = release;
    await this.#revive(heir);
    this.#uploads.sender.fill();
  }

  /** Copies run one after the other, beside the sending; a file that is through by then is not copied. */
  keep(upload) {
    this.#copying = this.#copying.then(async () => {
      if (!upload.isUnfinished || !upload.file || upload.kept) return;
      upload.kept = await this.#store.keepBytes(upload.key, upload.file);
      if (!upload.isUnfinished) await this.#store.dropBytes(upload.key);
    });
  }

  async save(upload, how) {
    upload.savedAt = Date.now();
    await this.#store.save(upload.toRecord(), how).catch(() => {}); // without memory the page still uploads
  }

  saveSoon(upload) {
    if (Date.now() - (upload.savedAt ?? 0) > SAVE_EVERY) this.save(upload);
  }

  copy(upload) {
    return this.#store.bytes(upload.key);
  }

  dropCopy(upload) {
    return this.#store.dropBytes(upload.key);
  }

  async finished(upload) {
    const saved = this.save(upload);
    this.dropCopy(upload);
    await saved;
    upload.release?.();
  }

  forget(upload) {
    this.#store.forget(upload.key);
    upload.release?.();
  }

  /** Deleting is retried in the next page if it cannot be done in this one: the record stays until it is. */
  async bury(upload, attempt = 1) {
    try {
      if (upload.url) await terminate(upload.url, this.#server);
      await this.#store.forget(upload.key);
      upload.release?.();
    } catch {
      setTimeout(() => this.bury(upload, attempt + 1), backoff(attempt));
    }
  }
}
