/** Who calls, as the server understands it: what the page may show depends on it. */

import { signal } from "../lib/html.js";

/** Instructions are somebody's also where nobody has to say who calls (AUTH_MODE=open): there everybody is this one. */
const EVERYBODY = "00000000-0000-4000-8000-000000000000";

export class Caller {
  #server;
  /** `{auth_mode, owner, is_admin, max_upload_size, version}`; `owner` is null of one of whom nothing is known. */
  told = signal({ auth_mode: "open", owner: null, is_admin: false });

  constructor(server) {
    this.#server = server;
  }

  /** Find out; an answer that does not come changes nothing. */
  async ask() {
    const { isSignedIn } = this.#server;
    let { ok, data } = await this.#server.ask("me", { within: 5000 });
    const isForgotten = isSignedIn && !this.#server.isSignedIn; // the token is not good: as a stranger, then
    if (isForgotten) ({ ok, data } = await this.#server.ask("me", { within: 5000 }));
    if (!ok) return;
    this.told.value = data;
    if (data.auth_mode === "jwt" && data.owner === null) this.#server.heed(401, "Bearer"); // as any other route would say
  }

  get isAdmin() {
    return this.told.value.is_admin;
  }

  /** Whether plain links to private files open for everybody who gets here. */
  get opensForAll() {
    return this.told.value.auth_mode === "open";
  }

  /** For the routes that want a name in every mode. */
  get name() {
    return this.told.value.auth_mode === "open" ? { "X-User-Id": EVERYBODY } : {};
  }
}
