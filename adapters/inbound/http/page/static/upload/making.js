/** Makes the uploads of a page and all that goes with them. */

import { ProgressFeed } from "../lib/feed.js";
import { Announcer } from "./announcer.js";
import { Ownership } from "./ownership.js";
import { openStore } from "./store.js";
import { summary } from "./summary.js";
import { Uploads } from "./uploads.js";
import { withPictures } from "./pictures.js";

/** Gives the page `uploads` and `feed`, and a voice that gathers what it says; shows what was here before. */
export async function makeUploads(page, name) {
  const { server } = page;
  const feed = new ProgressFeed(server);
  const store = await openStore(name);
  const uploads = new Uploads({ server, feed, store, ownership: new Ownership(`${name}:`) });
  const announcer = new Announcer((text) => (page.announcement.value = text), uploads);
  page.say = (text) => announcer.say(text);
  Object.assign(page, { uploads, feed });
  withPictures(uploads, { server, feed });
  if (page.target === window) tellInTheTitle(uploads);
  warnBeforeLoss(uploads);
  await uploads.keeper.restore().catch((error) => console.warn("What was here before could not be read.", error));
  return uploads;
}

function tellInTheTitle(uploads) {
  setInterval(() => {
    const { moving, percent } = summary([...uploads]);
    document.title = moving ? `${percent}% · Longshore` : "Longshore";
  }, 500);
}

function warnBeforeLoss(uploads) {
  addEventListener("beforeunload", (event) => {
    if (uploads.find(({ wouldBeLost }) => wouldBeLost)) event.preventDefault();
  });
}
