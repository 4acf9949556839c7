/** One file on its way: what is known about it, and the record of it that outlives the page. */

import { signal } from "../lib/html.js";

/**
 * queued → sending ⇄ waiting → done, with paused, failed and cancelled on the way out.
 * missing: its bytes are not here, the person has to pick the file. elsewhere: another tab or device sends it.
 */
/** @type {Readonly<Record<string, string>>} */
export const State = Object.freeze({
  QUEUED: "queued",
  SENDING: "sending",
  WAITING: "waiting",
  PAUSED: "paused",
  FAILED: "failed",
  MISSING: "missing",
  ELSEWHERE: "elsewhere",
  CANCELLED: "cancelled",
  DONE: "done",
});

const ALONG = 64 * 1024;
export const UNNAMED = "Unnamed file";

export class Upload {
  /** What names it in this browser's memory. @type {string} */
  key;
  /** @type {string} */
  name;
  /** @type {number} */
  size;
  /** @type {string} */
  type;
  /** The file's last change, in milliseconds; null: nobody told. @type {number | null} */
  lastModified;
  /** The folders that it was in, "" for none. @type {string} */
  path;
  /** Where the server has it; null: nowhere yet. @type {string | null} */
  url;
  /** By which a later page may read the file again, where the browser gave one. @type {FileSystemHandle | null} */
  handle;
  /** @type {number} */
  addedAt;
  /** The file, while its bytes can be had. @type {File | null} */
  file = null;
  /** Pending while its digest is read. @type {Promise<string> | null} */
  digesting = null;
  /** What the server said last of its state. @type {string | null} */
  remoteState = null;
  /** What has just been copied of it: "copy", "details", "failed". */
  copied = "";
  savedAt = 0;
  /** What becomes of a stored picture: `{phase, words}` (pictures.js); null of all else. */
  picture = null;
  /** Counts up whenever its row has something new to show. */
  news = signal(0);
  /** The file's SHA-256 in hexadecimal digits, once it has been read; "" where nobody will. */
  sha256 = null;
  /** When it was sent with its creation for the first time, by `performance.now()`: then it may have come. */
  sentAlongAt = null;
  /** Whether the server had its bytes already. */
  duplicate = false;
  /** Bytes handed to the network, and bytes the server calls durable; `sent` is never shown below `stored`. */
  sent = 0;
  stored = 0;
  problem = null;
  retryAt = null;
  waitsSince = 0;
  attempts = 0;
  transfer = null;
  timer = null;
  release = null;
  pace = new Pace();
  lastMove = 0;

  constructor({ key, name, size, type = "", lastModified = null, path = "", url = null, handle = null, addedAt }) {
    Object.assign(this, { key, name, size, type, lastModified, path, url, handle, addedAt });
    this.state = State.QUEUED;
    this.kept = false;
    this.known = true; // false: the server told us of it, this browser has no record
    this.finishedAt = null;
  }

  static of({ file, handle, path }) {
    const { name, size, type, lastModified } = file;
    const upload = new Upload({ key: newKey(), name, size, type, lastModified, path, handle, addedAt: now() });
    upload.file = file;
    return upload;
  }

  static fromRecord(record) {
    const upload = new Upload(record);
    upload.stored = upload.sent = record.stored;
    upload.finishedAt = record.finishedAt;
    upload.picture = record.picture ?? null;
    upload.sha256 = record.sha256 ?? null;
    upload.duplicate = record.duplicate ?? false;
    upload.state = record.state;
    return upload;
  }

  /** An unfinished upload that only the server knows: begun in another browser, or this one's memory was cleared. */
  static fromServer({ id, filename, length, offset, metadata, created_at: createdAt }, endpoint) {
    const upload = new Upload({
      key: newKey(),
      name: filename || UNNAMED,
      size: length,
      lastModified: lastModifiedIn(metadata),
      url: `${endpoint}/${id}`,
      addedAt: Date.parse(createdAt) || now(),
    });
    upload.stored = upload.sent = offset;
    upload.known = false;
    upload.state = State.MISSING;
    return upload;
  }

  toRecord() {
    const { key, name, size, type, lastModified, path, url, handle, addedAt, stored, finishedAt, picture } = this;
    const { sha256, duplicate } = this;
    // What was under way goes on by itself in the next page; only a wish of the person is remembered as a state.
    const lasting = [State.PAUSED, State.CANCELLED, State.DONE].includes(this.state);
    const state = lasting ? this.state : State.QUEUED;
    const known = { key, name, size, type, lastModified, path, url, handle, addedAt };
    return { ...known, stored, finishedAt, picture, sha256, duplicate, state };
  }

  get id() {
    return this.url && this.url.slice(this.url.lastIndexOf("/") + 1);
  }

  /** As it was chosen: with the folders it was in. */
  get fullName() {
    return this.path ? `${this.path}/${this.name}` : this.name;
  }

  /** So small a file goes with its creation, in one request: to ask first whether it is there would take as long. */
  get goesAlong() {
    return this.url === null && this.size > 0 && this.size <= ALONG;
  }

  get isUnderWay() {
    return this.state === State.SENDING || this.state === State.WAITING;
  }

  get isUnfinished() {
    return this.state !== State.DONE && this.state !== State.CANCELLED;
  }

  /** True when closing the page would lose the only way to the bytes. */
  get wouldBeLost() {
    return (this.isUnderWay || this.state === State.QUEUED) && !this.kept && !this.handle;
  }

  /** Never backwards, as the server never takes a durable byte back. */
  hasStored(offset) {
    if (offset <= this.stored) return false;
    this.stored = offset;
    this.sent = Math.max(this.sent, offset);
    return true;
  }

  /** Whether nothing speaks against `file`; enough when the person picked it for just this upload. */
  isOf(file) {
    const isUnchanged = this.lastModified === null || file.lastModified === this.lastModified;
    return file.size === this.size && isUnchanged && (this.name === UNNAMED || shown(file.name) === shown(this.name));
  }

  /** Whether `file` may be joined to what is stored already without the person saying so. */
  isSurelyOf(file) {
    return this.isOf(file) && (this.stored === 0 || this.lastModified !== null);
  }
}

/** A name as the server tells it: without control characters and those that turn the reading direction. */
export function shown(name) {
  return name.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, "");
}

/** What the page that began an upload noted as the file's last change, or null; `metadata` as the server tells it. */
function lastModifiedIn(metadata) {
  try {
    const pairs = metadata.split(",").map((pair) => pair.split(" "));
    return Number(atob(Object.fromEntries(pairs).lastModified ?? "")) || null;
  } catch {
    return null;
  }
}

let latest = 0;

/** Never the same twice, so that files chosen together keep their order in the next page. */
function now() {
  return (latest = Math.max(Date.now(), latest + 1));
}

/** `crypto.randomUUID` exists in secure contexts only; a page on a LAN address needs keys too. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Speed over the last few seconds of sending. */
class Pace {
  static #WINDOW = 6000;
  #samples = [];

  restart() {
    this.#samples = [];
  }

  add(offset, now = performance.now()) {
    const last = this.#samples.at(-1);
    if (last && now - last.now < 200) return;
    this.#samples.push({ offset, now });
    while (now - this.#samples[0].now > Pace.#WINDOW) this.#samples.shift();
  }

  /** Bytes per second, or null while it is too early to tell. */
  rate(offset, now = performance.now()) {
    const first = this.#samples[0];
    if (!first || now - first.now < 1000) return null;
    return Math.max(0, (offset - first.offset) / ((now - first.now) / 1000));
  }
}
