/** A server that nobody could reach is looked for, so that uploads are tried the moment it is back. */

import { State } from "./upload.js";

const LOOK_EVERY = 1000;
const ANSWERS_WITHIN = 3000;
/** Troubles that mean that it was not even there; one that answers is asked again when it says. */
const UNSEEN = ["offline", "network"];

export function lookOut(uploads, server, isBack) {
  let isLooking = false;
  setInterval(async () => {
    const isUnseen = ({ state, problem }) => state === State.WAITING && UNSEEN.includes(problem.kind);
    if (isLooking || navigator.onLine === false || !uploads.find(isUnseen)) return;
    isLooking = true;
    const { ok } = await server.ask("health", { within: ANSWERS_WITHIN });
    isLooking = false;
    if (ok) isBack();
  }, LOOK_EVERY);
}
