/** What the page says: sizes, times, and every trouble in plain words. */

/** Keeps a number and its unit on one line. */
export const NBSP = "\u00a0";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Decimal units, as file managers and disk makers count: 73400320 → "73.4 MB". */
export function bytes(count) {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)}${NBSP}${UNITS[unit]}`;
}

/** The size of a whole file: "40 MB" rather than "40.0 MB", as it does not move. */
export const wholeBytes = (count) => bytes(count).replace(`.0${NBSP}`, NBSP);

/** Rounded on purpose: a time left that jumps every second helps nobody. */
export function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 5) return "a few seconds left";
  if (seconds < 55) return `${Math.ceil(seconds / 5) * 5}${NBSP}s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${Math.max(1, minutes)}${NBSP}min left`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.round(hours / 24)} days left`;
  return minutes % 60 ? `${hours} h ${minutes % 60} min left` : `${hours} h left`;
}

export function percent(part, whole) {
  return whole === 0 ? 0 : Math.min(100, (100 * part) / whole);
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Up to four letters for the tile beside a name. */
export function extension(name) {
  const found = /[^.]\.([A-Za-z0-9]{1,4})$/.exec(name);
  return found ? found[1].toUpperCase() : "";
}

const PICTURE_TYPE = /^image\/(jpeg|pjpeg|png|apng|webp|gif|hei[cf](-sequence)?|avif)$/i;
const PICTURE_NAME = /[^.]\.(jpe?g|jpe|jfif|png|apng|webp|gif|heics?|heifs?|hif|avif)$/i;

/** Whether it may be one that the server draws; what it really is, only the server sees. */
export const isPicture = ({ type, name }) => PICTURE_TYPE.test(type) || PICTURE_NAME.test(name);

export const noThumbnail = ({ code = "", detail = "" }) =>
  code === "invalid_picture" ? "No thumbnail: it can’t be read as a picture." : `No thumbnail: ${detail}.`;

/**
 * A trouble: `kind` is stable, `text` is for people, `auto` says that waiting may cure it,
 * `restart` that only a new upload from the first byte will, `midway` that the bytes themselves met it.
 */
function problem(kind, text, { auto = false, restart = false } = {}) {
  return { kind, text, auto, restart, retryAfter: null, midway: false };
}

export const unreadable = () =>
  problem("unreadable", "This file was changed, moved or deleted on your device. Pick it again.");

export const otherFile = (upload) =>
  problem(
    "other-file",
    `That is a different file, or it has changed. This upload needs “${upload.name}”, ${wholeBytes(upload.size)}.`,
  );

export const unreachable = () =>
  navigator.onLine === false
    ? problem("offline", "You are offline. This goes on by itself when the connection is back.", { auto: true })
    : problem("network", "The server can’t be reached.", { auto: true });

export const gone = () =>
  problem("gone", "The server no longer has this upload: it expired or was deleted. You can start it again.", {
    restart: true,
  });

/** Nobody is told: the same bytes go again at once, in more requests. */
export const inSmallerChunks = () => problem("chunk-too-large", "", { auto: true });

/** What a proxy may refuse in the server's name, and means as we say it. */
const ANYBODYS = [401, 403, 408, 429];

/** What something on the way says of a file or an upload it can't know; a server that restarts is often behind it. */
function inBetween(status) {
  if (status === 413) {
    return problem("proxy", "A proxy on the way to the server refuses even small pieces of this file.");
  }
  return problem("in-between", `Something on the way to the server refused this (${status}).`, { auto: true });
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
      if (code === "body_cut") return problem("network", "The connection was cut.", { auto: true });
      return refused(status, detail);
    case 401:
      return problem("signed-out", "The server wants to know who you are. Sign in, then retry.");
    case 403:
      if (code === "too_many_files") return problem("quota", "You have as many files here as you may. Delete one, then retry.");
      return problem("forbidden", "You are not allowed to do this. Sign in again, then retry.");
    case 404:
    case 410:
      return gone();
    case 408:
      return problem("server", "The connection was too slow for the server.", { auto: true });
    case 409:
    case 423:
      return problem("busy", "Somebody else is sending this file just now.", { auto: true });
    case 413:
      if (code === "quota_exceeded") return problem("quota", "You have no room left on this server for this file.");
      return problem("too-large", `This file is too large for this server${limitWords(limit)}.`);
    case 429:
      if (code === "too_many_open_uploads") {
        return problem("too-many", "You have too many unfinished uploads on this server.", { auto: true });
      }
      return problem("slow-down", "The server asks us to slow down.", { auto: true });
    case 502:
    case 503:
    case 504:
      return problem("away", "The server is away for a moment.", { auto: true });
    case 507:
      return problem("full", "The server has no room left. Make space there, then retry.");
    default:
      if (status >= 500) return problem("server", "Something went wrong on the server.", { auto: true });
      return refused(status, detail);
  }
}

function limitWords(limit) {
  return limit ? `, which takes up to ${wholeBytes(limit)}` : "";
}

function refused(status, detail) {
  return problem("refused", `The server refused this file${detail ? `: ${detail}` : ` (${status}).`}`);
}
