/** Every trouble of an upload, in plain words. */

import { wholeBytes } from "../lib/format.js";
import { t } from "../lib/i18n.js";

/**
 * A trouble: `kind` is stable, `text` is for people (in the language of the moment), `auto` says that waiting may cure it,
 * `restart` that only a new upload from the first byte will, `midway` that the bytes themselves met it. `requestId` is
 * what the server's log knows the refused request by.
 */
function problem(kind, say, { auto = false, restart = false } = {}) {
  return {
    kind,
    get text() {
      return say();
    },
    auto,
    restart,
    retryAfter: null,
    midway: false,
    requestId: "",
  };
}

export const unreadable = () =>
  problem("unreadable", () => t("This file was changed, moved or deleted on your device. Pick it again."));

export const otherFile = ({ name, size }) =>
  problem("other-file", () =>
    t("That is a different file, or it has changed. This upload needs “{name}”, {size}.", { name, size: wholeBytes(size) }),
  );

export const unreachable = () =>
  navigator.onLine === false
    ? problem("offline", () => t("You are offline. This goes on by itself when the connection is back."), { auto: true })
    : problem("network", () => t("The server can’t be reached."), { auto: true });

export const gone = () =>
  problem("gone", () => t("The server no longer has this upload: it expired or was deleted. You can start it again."), {
    restart: true,
  });

/** The bytes that arrived are not those that were announced: the file changed as it was read. */
const changed = () =>
  problem("changed", () => t("The file changed while it was sent. You can start it again."), { restart: true });

/** Nobody is told: the same bytes go again at once, in more requests. */
export const inSmallerChunks = () => problem("chunk-too-large", () => "", { auto: true });

/** What a proxy may refuse in the server's name, and means as we say it. */
const ANYBODYS = [401, 403, 408, 429];

/** What something on the way says of a file or an upload it can't know; a server that restarts is often behind it. */
function inBetween(status) {
  if (status === 413) {
    return problem("proxy", () => t("A proxy on the way to the server refuses even small pieces of this file."));
  }
  return problem("in-between", () => t("Something on the way to the server refused this ({status}).", { status }), {
    auto: true,
  });
}

/**
 * `code` and `detail` are the server's own (RFC 9457); its sentence is shown only where we have none.
 * `limit` is the largest upload it takes, where it said so; `ours` whether it was the server who answered.
 */
export function fromStatus(status, { code = "", detail = "", limit = 0, ours = true } = {}) {
  if (!ours && status >= 400 && status < 500 && !ANYBODYS.includes(status)) return inBetween(status);
  switch (status) {
    case 0:
      return unreachable();
    case 400:
      if (code === "body_cut") return problem("network", () => t("The connection was cut."), { auto: true });
      return refused(status, detail);
    case 401:
      return problem("signed-out", () => t("The server wants to know who you are. Sign in, then retry."));
    case 403:
      if (code === "too_many_files") {
        return problem("quota", () => t("You have as many files here as you may. Delete one, then retry."));
      }
      return problem("forbidden", () => t("You are not allowed to do this. Sign in again, then retry."));
    case 404:
    case 410:
      return gone();
    case 408:
      return problem("server", () => t("The connection was too slow for the server."), { auto: true });
    case 409:
    case 423:
      return problem("busy", () => t("Somebody else is sending this file just now."), { auto: true });
    case 413:
      if (code === "quota_exceeded") {
        return problem("quota", () => t("You have no room left on this server for this file."));
      }
      return problem("too-large", () => tooLarge(limit));
    case 429:
      if (code === "too_many_open_uploads") {
        return problem("too-many", () => t("You have too many unfinished uploads on this server."), { auto: true });
      }
      return problem("slow-down", () => t("The server asks us to slow down."), { auto: true });
    case 460:
      return changed();
    case 502:
    case 503:
    case 504:
      return problem("away", () => t("The server is away for a moment."), { auto: true });
    case 507:
      return problem("full", () => t("The server has no room left. Make space there, then retry."));
    default:
      if (status >= 500) return problem("server", () => t("Something went wrong on the server."), { auto: true });
      return refused(status, detail);
  }
}

function tooLarge(limit) {
  if (!limit) return t("This file is too large for this server.");
  return t("This file is too large for this server, which takes up to {limit}.", { limit: wholeBytes(limit) });
}

function refused(status, detail) {
  return problem("refused", () => t("The server refused this file: {why}", { why: detail || `(${status}).` }));
}
