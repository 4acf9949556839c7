/**
 * `<longshore-uploader endpoint="https://files.example.org/" token="…">`: the uploads of our page on somebody else's.
 *
 * One script tag of type module brings it. The server has to name that page in CORS_ORIGINS. `endpoint` is where the
 * server is (else where this script came from), `token` says who uploads, `lang` is `en` or `ru`. It fires
 * `longshore-stored` with `{id, name, size, url}` for each file, and `longshore-sign-in` where a token is wanted.
 */

import { html, render, signal } from "./lib/html.js";
import { Questions } from "./lib/dialog.js";
import { speak } from "./lib/i18n.js";
import { GivenIdentity } from "./lib/identity.js";
import { Server } from "./lib/server.js";
import { withStyle } from "./lib/style.js";
import { Caller } from "./shell/caller.js";
import { Announcements } from "./shell/announcements.js";
import { Engine } from "./upload/begin.js";
import { UploadPanel } from "./upload/panel.js";

const STYLES = ["base", "upload", "dialogs", "element"];

class LongshoreUploader extends HTMLElement {
  static observedAttributes = ["token"];
  #page = null;

  async connectedCallback() {
    if (this.#page) return;
    const root = this.attachShadow({ mode: "open" });
    const base = new URL(this.getAttribute("endpoint") || new URL("../", import.meta.url), document.baseURI).href;
    const server = new Server(base.endsWith("/") ? base : `${base}/`, new GivenIdentity());
    const page = { server, me: new Caller(server), questions: new Questions(), announcement: signal(""), root, target: this };
    this.#page = page;
    page.say = (text) => (page.announcement.value = text);
    this.#signIn();
    page.engine = new Engine(page, `longshore:${server.base}`);
    page.engine.uploads.subscribe((uploads) => uploads && this.#tell(uploads));
    const [isRemembered] = await Promise.all([
      page.engine.isRemembered(),
      page.me.ask(),
      speak((this.lang || document.documentElement.lang || "en").slice(0, 2)),
      ...STYLES.map((name) => withStyle(name, root)),
    ]);
    const place = document.createElement("div");
    root.append(place);
    render(html`<${UploadPanel} page=${page} /><${Announcements} page=${page} /><${page.questions.Place} />`, place);
    server.wantsToKnow.subscribe((wants) => wants && this.#fire("longshore-sign-in", {}));
    if (isRemembered) page.engine.load();
  }

  /** With a new token what failed for the old one goes on. */
  attributeChangedCallback() {
    if (!this.#page) return;
    this.#signIn();
    this.#page.me.ask();
    this.#page.engine.uploads.value?.signedIn();
  }

  #signIn() {
    this.#page.server.signIn(this.getAttribute("token") ?? "");
  }

  #tell(uploads) {
    uploads.addEventListener("state", ({ detail: { upload } }) => {
      if (upload.state !== "done") return;
      const { id, name, size } = upload;
      this.#fire("longshore-stored", { id, name, size, url: this.#page.server.url(`files/${id}/content`) });
    });
  }

  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

customElements.define("longshore-uploader", LongshoreUploader);
