/** The page at `/`: puts the parts together. uploads.js has the rules, view.js what one sees. */

import { Announcer } from "./announcer.js";
import { fromClipboard, fromDrop, fromInput } from "./files.js";
import { listenForToken } from "./identity.js";
import { Ownership } from "./ownership.js";
import { ProgressFeed } from "./progress.js";
import { Pictures } from "./pictures.js";
import { openStore } from "./store.js";
import { Uploads } from "./uploads.js";
import { View } from "./view.js";
import { count } from "./words.js";

const byId = (id) => document.getElementById(id);

// Everything hangs on where the page itself lives, so it works below a proxy's path.
const base = new URL("./", document.baseURI);
const endpoint = new URL("uploads", base).href;

function socketUrl() {
  const url = new URL("ws/progress", base);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

function listenForFiles(add) {
  for (const id of ["files", "folder"]) {
    byId(id).addEventListener("change", ({ target }) => {
      add(fromInput(target));
      target.value = ""; // picking the same file twice must fire twice
    });
  }
  byId("choose-folder").addEventListener("click", () => byId("folder").click());
  byId("choose-folder").hidden = !("webkitdirectory" in byId("folder"));
  addEventListener("paste", (event) => add(fromClipboard(event)));
  listenForDrops(add);
}

function listenForDrops(add) {
  let depth = 0; // enter and leave fire for every element under the pointer
  const veil = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dropping", depth > 0);
  };
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => carriesFiles(event) && veil(1));
  addEventListener("dragleave", (event) => carriesFiles(event) && veil(-1));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    veil(-depth);
    add(await fromDrop(event));
  });
}

function warnBeforeLoss(uploads) {
  addEventListener("beforeunload", (event) => {
    if ([...uploads].some((upload) => upload.wouldBeLost)) event.preventDefault();
  });
}

function told({ added, continued, already }) {
  return [
    added && `${count(added, "file")} added.`,
    continued && `${count(continued, "upload")} continued.`,
    already && `${count(already, "file")} already on the list.`,
  ]
    .filter(Boolean)
    .join(" ");
}

async function start() {
  const feed = new ProgressFeed(socketUrl(), new URL("tickets", base).href);
  const name = `longshore:${base.pathname}`;
  const store = await openStore(name);
  const uploads = new Uploads({ store, feed, endpoint, ownership: new Ownership(`${name}:`) });
  const announcer = new Announcer(byId("announcements"), uploads);
  new Pictures({ uploads, feed, endpoint: new URL("images", base).href });
  new View(uploads, (text) => announcer.say(text));
  byId("put-base").textContent = new URL("upload/", base).href;
  warnBeforeLoss(uploads);
  await uploads.restore().catch((error) => console.warn("What was here before could not be read.", error));
  listenForFiles((picks) => picks.length && announcer.say(told(uploads.add(picks))));
  listenForToken(() => {
    uploads.signedIn();
    uploads.discover();
  });
  byId("app").hidden = false;
  await uploads.discover();
  uploads.begin();
}

start();
