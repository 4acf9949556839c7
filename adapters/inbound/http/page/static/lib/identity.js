/** Who uploads, where the server wants to know (AUTH_MODE=jwt): a token that the person pastes, or whoever embeds us. */

const KEY = "longshore.token";

/** Of our own page: for this tab alone, and gone with it. */
export class TabIdentity {
  token() {
    try {
      return sessionStorage.getItem(KEY) ?? "";
    } catch {
      return ""; // storage is off: then the person is asked, in vain
    }
  }

  keep(token) {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  }
}

/** Of an element on somebody else's page, which says it in an attribute. */
export class GivenIdentity {
  #token = "";

  token() {
    return this.#token;
  }

  keep(token) {
    this.#token = token;
  }
}
