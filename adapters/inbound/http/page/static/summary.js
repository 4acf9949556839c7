/** All uploads of the page in one line. */

import { State } from "./upload.js";
import { bytes, count, percent, timeLeft, wholeBytes } from "./words.js";

/** Rows that wait for a file to be picked are not counted as work. */
export function summary(all) {
  const work = all.filter((upload) => upload.state !== State.MISSING && upload.state !== State.ELSEWHERE);
  const finished = work.filter((upload) => upload.state === State.DONE).length;
  const size = work.reduce((sum, upload) => sum + upload.size, 0);
  const stored = work.reduce((sum, upload) => sum + upload.stored, 0);
  const moving = work.some((upload) => upload.isUnderWay);
  const sending = work.filter((upload) => upload.state === State.SENDING);
  const rate = sending.reduce((sum, { pace, sent }) => sum + (pace.rate(sent) ?? 0), 0);
  const parts = [`${count(work.length, "file")} stored`];
  if (finished < work.length) parts[0] = `${finished} of ${parts[0]}`;
  if (finished < work.length) parts.push(`${bytes(stored)} of ${wholeBytes(size)}`);
  if (moving && rate > 0 && work.length > 1) parts.push(timeLeft((size - stored) / rate));
  return {
    text: work.length ? parts.join(" · ") : "",
    percent: Math.floor(percent(stored, size)),
    moving,
    unfinished: work.length - finished,
  };
}
