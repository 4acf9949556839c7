/** The page's frame: brand, tabs, the tab that is open, what screen readers are told, the foot. */

import { html, useEffect, useSignal } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { UploadTab } from "../upload/tab.js";
import { Announcements } from "./announcements.js";
import { Later } from "./later.js";
import { Notice } from "./notice.js";
import { Preferences } from "./preferences.js";
import { SignIn } from "./sign_in.js";

/** Those that are not there at once are fetched when they are opened first. */
const TABS = {
  upload: { title: () => t("Upload") },
  files: { title: () => t("Files"), load: () => import("../files/tab.js") },
  work: { title: () => t("Work"), load: () => import("../work/tab.js") },
  activity: { title: () => t("Activity"), load: () => import("../activity/tab.js") },
  admin: { title: () => t("Admin"), load: () => import("../admin/tab.js"), isFor: (me) => me.isAdmin },
};

const opened = () => location.hash.slice(1).split("?")[0] || "upload";

export function Shell({ page }) {
  const { me, server } = page;
  const tab = useSignal(opened());
  useEffect(() => {
    const follow = () => (tab.value = opened());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const mine = Object.entries(TABS).filter(([, { isFor }]) => !isFor || isFor(me));
  const current = mine.some(([name]) => name === tab.value) ? tab.value : "upload";
  return html`
    <header class="mast">
      <a class="brand" href="#upload"><${Mark} />Longshore</a>
      <nav class="tabs" aria-label=${t("Sections")}>
        ${mine.map(([name, { title }]) => html`<a key=${name} href=${`#${name}`} aria-current=${name === current ? "page" : undefined}>${title()}</a>`)}
      </nav>
    </header>
    <main>
      ${server.wantsToKnow.value && html`<${SignIn} page=${page} />`}
      <${UploadTab} page=${page} isOpen=${current === "upload"} />
      ${mine.map(([name, { load }]) => load && html`<${Later} key=${name} load=${load} page=${page} isOpen=${current === name} />`)}
    </main>
    <${Announcements} page=${page} />
    <${Notice} page=${page} />
    <${page.questions.Place} />
    <${Foot} page=${page} />
  `;
}

const Mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
  <rect class="mark-ground" width="32" height="32" rx="8" />
  <path class="mark-quay" d="M10.5 7.5v11.25H22" />
  <path class="mark-wave" d="M6.5 25q2.4-2.4 4.75 0t4.75 0 4.75 0 4.75 0" />
</svg>`;

function Foot({ page: { server } }) {
  const put = server.url("upload/");
  void server.wantsToKnow.value; // who signs in may sign out
  const leave = () => {
    server.signOut();
    location.reload();
  };
  return html`<footer class="foot">
    <p>${t("For programs:")} tus 1.0 ${t("at")} <code>/uploads</code>, <code>curl -T <i>${t("file")}</i> <span id="put-base">${put}</span></code>, <a href="docs">${t("all routes")}</a></p>
    <${Preferences} />
    ${server.isSignedIn && html`<button class="button small quiet" type="button" onClick=${leave}>${t("Sign out")}</button>`}
  </footer>`;
}
