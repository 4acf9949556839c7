/** The page at `/`: puts the parts together. shell/ has its frame, each tab a folder of its own. */

import { html, render, signal } from "./lib/html.js";
import { TabIdentity } from "./lib/identity.js";
import { Server } from "./lib/server.js";
import { Questions } from "./lib/dialog.js";
import { beginPreferences } from "./shell/preferences.js";
import { Caller } from "./shell/caller.js";
import { Shell } from "./shell/shell.js";
import { Engine } from "./upload/begin.js";

// Everything hangs on where the page itself lives, so it works below a proxy's path.
const base = new URL("./", document.baseURI);

async function start() {
  const server = new Server(base.href, new TabIdentity());
  /** What every view is given; `uploads` and `feed` are there once the engine is (upload/making.js). */
  const page = { server, me: new Caller(server), questions: new Questions(), announcement: signal(""), notice: signal("") };
  Object.assign(page, { root: document.head, target: window });
  page.say = (text) => (page.announcement.value = text);
  page.tell = (text) => {
    page.notice.value = text;
    page.say(text);
  };
  page.engine = new Engine(page, `longshore:${base.pathname}`);
  const [isRemembered] = await Promise.all([page.engine.isRemembered(), beginPreferences(), page.me.ask()]);
  if (isRemembered) await page.engine.load();
  const root = document.getElementById("app");
  render(html`<${Shell} page=${page} />`, root);
  root.hidden = false;
  if (!isRemembered && (await page.engine.isAwaited())) await page.engine.load();
}

start();
