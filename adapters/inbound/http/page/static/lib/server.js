/** The server that a page, or an element on somebody else's page, belongs to: where it is, and who calls it. */

import { signal } from "./html.js";
import { t, told } from "./i18n.js";

const ANSWERS_WITHIN = 30_000;

export class Server {
  #identity;
  /** Whether it has said that it wants to know who calls. */
  wantsToKnow = signal(false);
  /** And that the token that was shown is not good, or no longer. */
  isRefused = signal(false);

  /** `base` ends with a slash: all paths are below it, so a proxy's prefix does not matter. */
  constructor(base, identity) {
    this.base = base;
    this.#identity = identity;
  }

  url(path) {
    return new URL(path, this.base).href;
  }

  /** The headers that say who it is. */
  headers() {
    const token = this.#identity.token();
    return token ? { Authorization: `Bearer ${token}` } : {};
  }

  /** Whether calls carry a token: then what the browser fetches by itself (pictures, links) opens by a signed link only. */
  get isSignedIn() {
    return Boolean(this.#identity.token());
  }

  signIn(token) {
    this.#identity.keep(token);
    this.wantsToKnow.value = this.isRefused.value = false;
  }

  signOut() {
    this.#identity.keep("");
  }

  /**
   * To be told of every answer that came some other way than by `ask`. `wayIn` is its WWW-Authenticate: a token is asked
   * for where the server says that it wants one.
   *
   * @param {number} status
   * @param {string | null | undefined} wayIn
   */
  heed(status, wayIn) {
    if (status !== 401 || !/^Bearer\b/i.test(wayIn ?? "")) return;
    if (this.isSignedIn) this.isRefused.value = true;
    this.signOut();
    this.wantsToKnow.value = true;
  }

  /**
   * Never throws: `status` is 0 where no answer came. `json` is sent as such; `data` is the answer's JSON, or `{}`;
   * `requestId` what the server's log knows the request by; `date` when it answered, by its own clock (NaN: untold).
   *
   * @param {string} path
   * @param {{method?: string, json?: object, body?: BodyInit, headers?: Record<string, string>, within?: number}} [how]
   * @returns {Promise<{status: number, ok: boolean, data: any, requestId: string, date: number}>}
   */
  async ask(path, { method = "GET", json, body, headers = {}, within = ANSWERS_WITHIN } = {}) {
    try {
      const answer = await fetch(this.url(path), {
        method,
        headers: { ...(json && { "Content-Type": "application/json" }), ...headers, ...this.headers() },
        body: json ? JSON.stringify(json) : body,
        signal: AbortSignal.timeout(within),
      });
      this.heed(answer.status, answer.headers.get("WWW-Authenticate"));
      const data = await answer.json().catch(() => ({}));
      return { status: answer.status, ok: answer.ok, data, requestId: answer.headers.get("X-Request-Id") ?? "", date: Date.parse(answer.headers.get("Date") ?? "") };
    } catch {
      return { status: 0, ok: false, data: {}, requestId: "", date: NaN };
    }
  }

  /** A socket's URL. It is opened without headers: a ticket, good once, stands in it instead of the token. */
  async socket(path) {
    const url = new URL(path, this.base);
    url.protocol = url.protocol.replace("http", "ws");
    if (!this.isSignedIn) return url.href;
    const { ok, data } = await this.ask("tickets", { method: "POST" });
    if (!ok) throw new Error("no ticket");
    url.searchParams.set("ticket", data.ticket);
    return url.href;
  }

  /** Where a picture can be shown from: an `<img>` sends no headers either. To be revoked by whoever shows it. */
  async showable(path) {
    const answer = await fetch(this.url(path), { headers: this.headers(), signal: AbortSignal.timeout(ANSWERS_WITHIN) });
    if (!answer.ok) throw new Error(`GET: ${answer.status}`);
    return URL.createObjectURL(await answer.blob());
  }
}

/**
 * What to say of an answer that is no success: the server's own sentence, in the page's language where that knows it.
 * `name`: of the file that it is about, which whoever shows it says already.
 */
export function sentence({ data }, name = "") {
  const said = data.detail || data.message || data.title;
  if (!said) return t("The server can’t be reached.");
  return told(name && said.startsWith(`${name}: `) ? said.slice(name.length + 2) : said);
}
