/** Reads files for their SHA-256 in a worker, one after the other: the page stays free, the disk is read in order. */

/** A larger one is sent as it is: to read it twice would cost more than the chance that it is here already. */
export const DIGEST_LIMIT = 512 * 1024 ** 2;

export class Digester {
  #worker = null;
  #waiting = new Map();
  #asked = 0;

  /** The digest in hexadecimal digits; "" where it is not worth it, or the file can't be read. */
  of(file) {
    if (file.size === 0 || file.size > DIGEST_LIMIT || typeof Worker === "undefined") return Promise.resolve("");
    const worker = this.#start();
    if (!worker) return Promise.resolve("");
    return new Promise((resolve) => {
      const number = (this.#asked += 1);
      this.#waiting.set(number, resolve);
      worker.postMessage({ number, file });
    });
  }

  #start() {
    if (this.#worker) return this.#worker;
    const url = new URL("./digest_worker.js", import.meta.url);
    try {
      this.#worker = new Worker(sameOrigin(url), { type: "module" });
    } catch {
      return null; // somebody else's page may allow none
    }
    this.#worker.onmessage = ({ data: { number, digest } }) => this.#tell(number, digest);
    this.#worker.onerror = () => {
      for (const number of [...this.#waiting.keys()]) this.#tell(number, "");
    };
    return this.#worker;
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
