/** Files that are no pictures, whatever their names say: kept by this tab, so that a reload does not ask again. */

const KEY = "longshore.no-pictures";
const MOST = 500;

export class Refused {
  #ids = new Set(kept());

  has(id) {
    return this.#ids.has(id);
  }

  add(id) {
    this.#ids.add(id);
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...this.#ids].slice(-MOST)));
    } catch {
      // storage is off, or full: then it holds for this page
    }
  }
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}
