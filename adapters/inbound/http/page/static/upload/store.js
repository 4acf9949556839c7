/**
 * What outlives the page: one record per upload, and its bytes where there is room. IndexedDB only.
 *
 * Browsers copy a File that is put here, so it can be read after a crash even if the original is gone. A file too
 * large to copy is kept as a handle (where the browser gave one) or has to be picked again.
 */

const RECORDS = "records";
const BYTES = "bytes";

/** Copying is only worth it up to here; it costs disk space and time on the person's device. */
export const COPY_LIMIT = 2 * 1024 ** 3;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const committed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });

class Store {
  #database;

  constructor(database) {
    this.#database = database;
    // A newer page in another tab may want to change the schema: do not stand in its way.
    database.onversionchange = () => database.close();
  }

  records() {
    return done(this.#database.transaction(RECORDS).objectStore(RECORDS).getAll());
  }

  record(key) {
    return done(this.#database.transaction(RECORDS).objectStore(RECORDS).get(key));
  }

  /** All saves survive a crash of the browser; a `strict` one, for the price of an fsync, one of the machine. */
  async save(record, { strict = false } = {}) {
    const durability = strict ? "strict" : "relaxed";
    const transaction = this.#database.transaction(RECORDS, "readwrite", { durability });
    transaction.objectStore(RECORDS).put(record);
    await committed(transaction);
  }

  async forget(key) {
    // Two transactions: one over both stores would wait for a copy under way, and hold up every later record.
    const transaction = this.#database.transaction(RECORDS, "readwrite");
    transaction.objectStore(RECORDS).delete(key);
    await committed(transaction);
    await this.dropBytes(key);
  }

  /** The File as it was when it was kept, or null. Cheap: the bytes stay on disk until they are read. */
  async bytes(key) {
    return (await done(this.#database.transaction(BYTES).objectStore(BYTES).get(key))) ?? null;
  }

  /** Copy `file`; false when it is too large or there is no room. */
  async keepBytes(key, file) {
    if (file.size > COPY_LIMIT || !(await hasRoomFor(file.size))) return false;
    try {
      const transaction = this.#database.transaction(BYTES, "readwrite");
      transaction.objectStore(BYTES).put(file, key);
      await committed(transaction);
      return true;
    } catch {
      return false; // out of room after all, or the file can no longer be read
    }
  }

  async dropBytes(key) {
    const transaction = this.#database.transaction(BYTES, "readwrite");
    transaction.objectStore(BYTES).delete(key);
    await committed(transaction);
  }
}

/** Stands in where the browser refuses IndexedDB (some private windows): nothing outlives the page. */
class ForgetfulStore {
  async records() {
    return [];
  }
  async record() {
    return undefined;
  }
  async save() {}
  async forget() {}
  async bytes() {
    return null;
  }
  async keepBytes() {
    return false;
  }
  async dropBytes() {}
}

async function hasRoomFor(size) {
  const { quota = 0, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  return quota === 0 || size < (quota - usage) * 0.8;
}

export async function openStore(name) {
  try {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore(RECORDS, { keyPath: "key" });
      opening.result.createObjectStore(BYTES);
    };
    return new Store(await done(opening));
  } catch {
    return new ForgetfulStore();
  }
}
