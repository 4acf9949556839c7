/** One run of one upload over tus: from wherever the server is to the end, the first trouble, or `stop()`. */

import { arrivedSince } from "./arrived.js";
import { fromStatus, inSmallerChunks, unreachable } from "./problems.js";

const TUS = { "Tus-Resumable": "1.0.0" };
const SMALLEST_CHUNK = 64 * 1024;
/** Of every transfer of this page that begins; less once something on the way has refused so much in one request. */
let chunkSize = 8 * 1024 * 1024;

/** tus-js-client is more than half of what this page would load; it is fetched with the first file. */
async function library() {
  if (!window.tus) await import("../vendor/tus-js-client/tus.min.js");
  return window.tus;
}

export class Transfer {
  #server;
  #digest;
  #of;
  #file;
  #upload = null;
  #on;
  #options;
  #live = true;
  #creating;
  #chunkSize = chunkSize;
  #offset = 0;
  #isThere = false;
  #goesAlong;

  /**
   * `upload.url` is null for a new upload; otherwise the run goes on there and never creates another.
   * `digest()` resolves once `upload.sha256` has been read. `save()` writes the upload's record and resolves once it would survive a crash.
   * `on` hears `located(url)`, `sent(offset)`, `acknowledged(offset)`, `finished({duplicate})`, `failed(problem)`;
   * after `stop()` only a `located` may still come, for an upload the server had already made.
   */
  constructor(upload, { server, digest, save, on }) {
    this.#server = server;
    this.#digest = digest;
    this.#on = on;
    this.#of = upload;
    this.#file = upload.file;
    this.#creating = upload.url === null;
    this.#goesAlong = upload.goesAlong;
    this.#options = {
      endpoint: this.#creating ? server.url("uploads") : null,
      uploadUrl: upload.url,
      chunkSize: this.#chunkSize,
      uploadDataDuringCreation: this.#goesAlong,
      retryDelays: null, // sender.js retries: it can say why it waits, be hurried, and obey Retry-After
      urlStorage: new RecordUrls(upload, this.#goesAlong ? () => {} : save), // one that is whole already needs no way back
      fingerprint: () => Promise.resolve(upload.key),
      onBeforeRequest: (request) => {
        if (!this.#live) throw new Error("stopped");
        for (const [name, value] of Object.entries(server.headers())) request.setHeader(name, value);
      },
      onAfterResponse: (request, response) => this.#answered(request, response),
      onUploadUrlAvailable: () => this.#located(),
      onProgress: (offset) => this.#live && this.#on.sent(offset),
      onChunkComplete: (_size, offset) => this.#acknowledge(offset),
      onSuccess: () => this.#end(() => this.#on.finished({ duplicate: false })),
      onError: (error) => this.#fail(error),
    };
  }

  async start() {
    try {
      const [{ Upload }, arrived] = await Promise.all([library(), this.#goesAlong ? this.#arrived() : this.#digest()]);
      if (!this.#live) return;
      if (arrived) return this.#isFound(arrived);
      this.#upload = new Upload(this.#file, { ...this.#options, metadata: metadata(this.#of) });
      this.#upload.start();
    } catch {
      this.#end(() => this.#on.failed(unreachable()));
    }
  }

  /** The URL it has, if it came through at the last try, whose answer did not. */
  async #arrived() {
    const { sentAlongAt } = this.#of;
    this.#of.sentAlongAt ??= performance.now();
    return sentAlongAt === null ? null : arrivedSince(sentAlongAt, this.#of, this.#server);
  }

  #isFound(url) {
    this.#on.located(url);
    this.#end(() => this.#on.finished({ duplicate: false }));
  }

  stop() {
    this.#live = false;
    // A creation under way is let finish: its answer names an upload that would otherwise be orphaned.
    if (!this.#creating) this.#upload?.abort();
  }

  /** Have whoever begins from now on send less at once than this one did; false if that was the least already. */
  shrink() {
    const refused = Math.min(this.#chunkSize, this.#file.size - this.#offset);
    if (refused <= SMALLEST_CHUNK) return false;
    chunkSize = Math.min(chunkSize, Math.max(SMALLEST_CHUNK, Math.floor(refused / 2)));
    return true;
  }

  #answered(request, response) {
    const offset = Number(response.getHeader("Upload-Offset") ?? NaN);
    if (request.getMethod() === "HEAD") this.#acknowledge(offset);
    // The digest that was announced is that of a file that we have there: nothing has to be sent.
    this.#isThere = !this.#goesAlong && request.getMethod() === "POST" && this.#file.size > 0 && offset === this.#file.size;
  }

  #located() {
    this.#creating = false;
    // The page may live below a path that the server does not know of: the id counts, not the prefix.
    const id = new URL(this.#upload.url, this.#server.base).pathname.replace(/\/+$/, "").split("/").pop();
    this.#upload.url = this.#server.url(`uploads/${id}`);
    if (!this.#live || this.#isThere) this.#upload.abort();
    this.#on.located(this.#upload.url);
    if (this.#isThere) this.#end(() => this.#on.finished({ duplicate: true }));
  }

  #acknowledge(offset) {
    if (!this.#live || !Number.isFinite(offset)) return;
    this.#offset = offset;
    this.#on.acknowledged(offset);
  }

  #end(tell) {
    if (!this.#live) return;
    this.#live = false;
    tell();
  }

  #fail(error) {
    this.#end(() => this.#on.failed(this.#problemOf(error)));
  }

  #problemOf({ originalRequest: request, originalResponse: response }) {
    const midway = request?.getMethod() === "PATCH";
    if (!response) return Object.assign(unreachable(), { midway });
    const { code, detail } = explanation(response);
    const ours = Boolean(response.getHeader("Tus-Resumable") || code);
    const status = response.getStatus();
    this.#server.heed(status, response.getHeader("WWW-Authenticate"));
    // Ours is about the file; a proxy's is about one request, so there is a way on.
    if (status === 413 && !ours && midway && this.shrink()) return inSmallerChunks();
    const limit = Number(response.getHeader("Tus-Max-Size"));
    const requestId = response.getHeader("X-Request-Id") ?? "";
    return Object.assign(fromStatus(status, { code, detail, limit, ours }), { retryAfter: retryAfter(response), requestId });
  }
}

/** `lastModified` lets another browser of the same person recognise the file, not only its name and size. */
function metadata({ name, type, path, lastModified, sha256 }) {
  return {
    filename: name,
    ...(sha256 && { sha256 }),
    ...(type && { filetype: type }),
    ...(lastModified !== null && { lastModified }),
    ...(path && { relativePath: `${path}/${name}` }),
  };
}

/** In seconds; RFC 9110 §10.2.3: it is a number of them, or a date. Null where nothing is said. */
function retryAfter(response) {
  const said = response.getHeader("Retry-After") ?? "";
  const seconds = /^[0-9]+$/.test(said) ? Number(said) : (Date.parse(said) - Date.now()) / 1000;
  return seconds > 0 ? seconds : null;
}

/** The server's own code and sentence out of an RFC 9457 body, if it sent one. */
function explanation(response) {
  try {
    const { code, detail } = JSON.parse(response.getBody());
    return { code: String(code ?? ""), detail: String(detail ?? "") };
  } catch {
    return {};
  }
}

/** tus-js-client's URL storage: the upload's own record, as the page keeps it anyway. */
class RecordUrls {
  #upload;
  #save;

  constructor(upload, save) {
    this.#upload = upload;
    this.#save = save;
  }

  async findAllUploads() {
    return this.#upload.url ? [{ uploadUrl: this.#upload.url, urlStorageKey: this.#upload.key }] : [];
  }

  async findUploadsByFingerprint(fingerprint) {
    return fingerprint === this.#upload.key ? this.findAllUploads() : [];
  }

  async addUpload(fingerprint, { uploadUrl }) {
    this.#upload.url = uploadUrl;
    await this.#save(); // the first byte is sent only after the way back is on disk
    return fingerprint;
  }

  async removeUpload() {
    this.#upload.url = null;
    await this.#save();
  }
}

/** Tell the server to throw an upload away; an upload that is gone already is fine. Rejects when unreachable. */
export async function terminate(url, server) {
  const answer = await fetch(url, { method: "DELETE", headers: { ...TUS, ...server.headers() } });
  if (!answer.ok && answer.status !== 404 && answer.status !== 410) throw new Error(`DELETE: ${answer.status}`);
}
