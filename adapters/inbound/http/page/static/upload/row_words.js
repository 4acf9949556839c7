/** What a row says of its upload, and in which tone. */

import { bytes, percent, speed, timeLeft, wholeBytes } from "../lib/format.js";
import { percentage, t } from "../lib/i18n.js";
import { pictureWords } from "./pictures.js";
import { State } from "./upload.js";

export function toneOf({ state, problem }) {
  if (state === State.FAILED || problem?.kind === "other-file") return "danger";
  return state === State.WAITING || state === State.MISSING ? "notice" : "";
}

export function retryWord({ state, problem }) {
  if (problem?.restart) return t("Start again");
  return state === State.WAITING ? t("Retry now") : t("Retry");
}

export function wordsOf(upload) {
  const { state, stored, size, problem } = upload;
  const amount = t("{part} of {whole} stored", { part: bytes(stored), whole: wholeBytes(size) });
  switch (state) {
    case State.QUEUED:
      return `${t("Waiting for its turn")} · ${stored > 0 ? amount : wholeBytes(size)}`;
    case State.SENDING:
      return problem ? t("Trying again…") : sendingWords(upload, amount);
    case State.WAITING:
      return `${problem.text} ${againIn(upload.retryAt)}`;
    case State.PAUSED:
      return `${t("Paused")} · ${amount}`;
    case State.FAILED:
      return problem.text;
    case State.MISSING:
      return problem?.text ?? missingWords(upload);
    case State.ELSEWHERE:
      return `${upload.known ? t("Being sent from another tab") : t("Being sent from another place")} · ${amount}`;
    default:
      return [upload.duplicate ? t("Was here already, nothing had to be sent") : "", storedWords(upload)].filter(Boolean).join(" · ");
  }
}

const storedWords = ({ size, picture }) =>
  [t("{size} stored", { size: wholeBytes(size) }), pictureWords(picture)].filter(Boolean).join(" · ");

function sendingWords(upload, amount) {
  const { digesting, stored, size, remoteState } = upload;
  if (digesting && upload.sent === 0) return `${t("Looking whether it is here already…")} · ${wholeBytes(size)}`;
  if (size > 0 && stored >= size) return remoteState === "ASSEMBLING" ? t("Being put together…") : t("Finishing…");
  if (size > 0 && upload.sent >= size) return `${t("All sent, being stored…")} · ${amount}`;
  return upload.sent === 0 ? `${t("Starting…")} · ${wholeBytes(size)}` : amount;
}

function missingWords({ stored, size, handle, known }) {
  const amount = t("{part} of {whole} stored.", { part: bytes(stored), whole: wholeBytes(size) });
  if (handle) return `${amount} ${t("Your browser wants your leave to read the file again.")}`;
  const begun = known ? "" : `${t("Begun in another browser.")} `;
  return `${begun}${amount} ${t("Pick the file to continue.")}`;
}

function againIn(at) {
  return t("Trying again in {n}\u00a0s.", { n: Math.max(1, Math.ceil((at - Date.now()) / 1000)) });
}

/** Per cent, speed and time left, as far as there are any. */
export function paceOf(upload) {
  const { state, stored, sent, size, problem } = upload;
  if (state !== State.SENDING && state !== State.ELSEWHERE) return "";
  const done = size > 0 && stored > 0 ? percentage(percent(stored, size)) : "";
  const rate = problem || stored >= size ? null : upload.pace.rate(sent);
  return [rate ? speed(rate) : "", done, rate ? timeLeft((size - stored) / rate) : ""].filter(Boolean).join(" · ");
}
