/**
 * Reads files for their SHA-256 in workers: the page stays free. One after the other, so that the disk is read in order;
 * but large ones have a worker of their own, for others would wait for them.
 */

/** A larger one is sent as it is: to read it twice would cost more than the chance that it is here already. */
export const DIGEST_LIMIT = 512 * 1024 ** 2;
const LARGE = 32 * 1024 ** 2;

export class Digester {
  #workers = { small: null, large: null };
  #waiting = new Map();
  #asked = 0;

  /** The digest in hexadecimal digits; "" where it is not worth it, or the file can't be read. */
  of(file) {
    if (file.size === 0 || file.size > DIGEST_LIMIT || typeof Worker === "undefined") return Promise.resolve("");
    const worker = this.#start(file.size > LARGE ? "large" : "small");
    if (!worker) return Promise.resolve("");
    return new Promise((resolve) => {
      const number = (this.#asked += 1);
      this.#waiting.set(number, resolve);
      worker.postMessage({ number, file });
    });
  }

  #start(size) {
    if (this.#workers[size]) return this.#workers[size];
    const url = new URL("./digest_worker.js", import.meta.url);
    let worker;
    try {
      worker = new Worker(sameOrigin(url), { type: "module" });
    } catch {
      return null; // somebody else's page may allow none
    }
    worker.onmessage = ({ data: { number, digest } }) => this.#tell(number, digest);
    worker.onerror = () => {
      for (const number of [...this.#waiting.keys()]) this.#tell(number, "");
    };
    this.#workers[size] = worker;
    return worker;
  }

  #tell(number, digest) {
    this.#waiting.get(number)?.(digest);
    this.#waiting.delete(number);
  }
}

/** A worker has to be of the page's own origin; of an element on somebody else's page it is a blob that imports ours. */
function sameOrigin(url) {
  if (url.origin === location.origin) return url;
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(url.href)};`], { type: "text/javascript" }));
}
