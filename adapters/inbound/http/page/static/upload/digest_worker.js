/** A worker that is sent `{number, file}` and answers `{number, digest}`; "" if the file can't be read. */

import { Sha256 } from "./sha256.js";

/** What the browser digests itself, which is many times as fast, has to be in memory as a whole. */
const AT_ONCE = 32 * 1024 ** 2;
const PIECE = 4 * 1024 ** 2;

let queue = Promise.resolve();

addEventListener("message", ({ data: { number, file } }) => {
  queue = queue.then(async () => postMessage({ number, digest: await digestOf(file).catch(() => "") }));
});

async function digestOf(file) {
  if (self.crypto?.subtle && file.size <= AT_ONCE) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  const sha256 = new Sha256();
  for (let at = 0; at < file.size; at += PIECE) {
    sha256.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
  }
  return sha256.digest();
}
