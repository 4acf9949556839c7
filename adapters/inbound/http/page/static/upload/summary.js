/** All uploads of the page in one line. */

import { bytes, percent, speed, timeLeft, wholeBytes } from "../lib/format.js";
import { number, percentage, t, tn } from "../lib/i18n.js";
import { State } from "./upload.js";

/** Rows that wait for a file to be picked are not counted as work. */
export function summary(all) {
  const work = all.filter((upload) => upload.state !== State.MISSING && upload.state !== State.ELSEWHERE);
  const finished = work.filter((upload) => upload.state === State.DONE).length;
  const size = work.reduce((sum, upload) => sum + upload.size, 0);
  const stored = work.reduce((sum, upload) => sum + upload.stored, 0);
  const moving = work.some((upload) => upload.isUnderWay);
  const sending = work.filter((upload) => upload.state === State.SENDING);
  const rate = sending.reduce((sum, { pace, sent }) => sum + (pace.rate(sent) ?? 0), 0);
  const left = work.length - finished;
  const parts = [
    left === 0
      ? tn("{n} file stored", "{n} files stored", work.length)
      : tn("{done} of {n} file stored", "{done} of {n} files stored", work.length, { done: number(finished) }),
  ];
  if (left > 0) parts.push(t("{part} of {whole}", { part: bytes(stored), whole: wholeBytes(size) }));
  if (left > 0) parts.push(percentage(percent(stored, size)));
  if (moving && rate > 0) parts.push(speed(rate));
  if (moving && rate > 0 && work.length > 1) parts.push(timeLeft((size - stored) / rate));
  return {
    text: work.length ? parts.join(" · ") : "",
    percent: Math.floor(percent(stored, size)),
    moving,
    unfinished: left,
  };
}
