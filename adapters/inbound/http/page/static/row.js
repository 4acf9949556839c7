/** One upload as a list item. Built once, then changed in place, so that focus and reading position stay. */

import { isSignedIn, openable, showable } from "./identity.js";
import { Phase, thumbnailLink } from "./pictures.js";
import { State } from "./upload.js";
import { bytes, extension, NBSP, percent, timeLeft, wholeBytes } from "./words.js";

const ICONS = {
  [State.DONE]: "check",
  [State.FAILED]: "alert",
  [State.WAITING]: "clock",
  [State.PAUSED]: "pause",
  [State.MISSING]: "ask",
};

export class Row {
  #drawn = {};

  /** `actions` has a method for each thing a row can ask for; each takes the upload. */
  constructor(upload, actions) {
    this.upload = upload;
    this.node = document.getElementById("row").content.firstElementChild.cloneNode(true);
    const part = (name) => this.node.querySelector(`.${name}`);
    this.name = part("name");
    this.word = part("tile-word");
    this.icon = part("tile-icon");
    this.thumbnail = part("thumbnail");
    this.thumbnail.addEventListener("error", () => (this.thumbnail.hidden = true));
    this.thumbnail.addEventListener("load", () => URL.revokeObjectURL(this.thumbnail.src)); // if it is one
    this.bar = part("bar");
    this.barSent = part("bar-sent");
    this.barStored = part("bar-stored");
    this.words = part("words");
    this.pace = part("pace");
    this.buttons = Object.fromEntries(
      ["toggle", "retry", "pick", "open", "copy", "remove"].map((name) => [name, part(name)]),
    );
    for (const [name, button] of Object.entries(this.buttons)) {
      if (name !== "open") button.addEventListener("click", () => actions[name](upload, this));
    }
    this.buttons.open.addEventListener("click", (event) => isSignedIn() && this.#open(event));
    const fullName = upload.path ? `${upload.path}/${upload.name}` : upload.name;
    this.name.textContent = fullName;
    this.name.parentElement.title = fullName;
    this.word.textContent = extension(upload.name) || "FILE";
    this.bar.setAttribute("aria-label", upload.name);
    this.draw();
  }

  draw() {
    const { upload } = this;
    this.#set("state", upload.state, (state) => (this.node.dataset.state = state));
    this.#set("tone", toneOf(upload), (tone) => (this.node.dataset.tone = tone));
    this.#set("icon", ICONS[upload.state] ?? "", (icon) => this.#drawIcon(icon));
    this.#set("thumbnail", upload.picture?.phase === Phase.READY, (shown) => this.#drawThumbnail(shown));
    this.#drawBar();
    this.#set("words", wordsOf(upload), (words) => (this.words.textContent = words));
    this.#set("pace", paceOf(upload), (pace) => (this.pace.textContent = pace));
    this.#keepFocus(() => this.#drawButtons());
  }

  #drawIcon(icon) {
    this.icon.toggleAttribute("hidden", !icon);
    this.word.hidden = Boolean(icon);
    if (icon) this.icon.firstElementChild.setAttribute("href", `#i-${icon}`);
  }

  /** It lies over the tile, so nothing moves. */
  #drawThumbnail(shown) {
    const { thumbnail, upload } = this;
    thumbnail.hidden = !shown;
    if (!shown) return;
    thumbnail.alt = `Thumbnail of ${upload.name}`;
    if (isSignedIn()) {
      showable(thumbnailLink(upload, 300)).then(
        (url) => (thumbnail.src = url),
        () => (thumbnail.hidden = true),
      );
      return;
    }
    thumbnail.srcset = `${thumbnailLink(upload, 300)} 2x`;
    thumbnail.src = thumbnailLink(upload, 100);
  }

  async #open(event) {
    event.preventDefault();
    location.assign(await openable(contentLink(this.upload)));
  }

  #drawBar() {
    const { upload } = this;
    this.bar.hidden = upload.state === State.DONE;
    const stored = percent(upload.stored, upload.size);
    const sent = percent(upload.sent, upload.size);
    this.#set("stored", stored.toFixed(1), (at) => (this.barStored.style.transform = `translateX(${at - 100}%)`));
    this.#set("sent", sent.toFixed(1), (at) => (this.barSent.style.transform = `translateX(${at - 100}%)`));
    this.#set("value", `${Math.floor(stored)} percent stored, ${Math.floor(sent)} percent sent`, (text) => {
      this.bar.setAttribute("aria-valuenow", Math.floor(stored));
      this.bar.setAttribute("aria-valuetext", text);
    });
  }

  #drawButtons() {
    const { upload } = this;
    const { state, name } = upload;
    const paused = state === State.PAUSED;
    const pausable = upload.isUnderWay || state === State.QUEUED;
    const done = state === State.DONE;
    this.#button("toggle", pausable || paused, paused ? "Resume" : "Pause", paused ? "resume" : "pause");
    this.#button("retry", state === State.FAILED || state === State.WAITING, retryWord(upload));
    this.#button("pick", state === State.MISSING, upload.handle && !upload.problem ? "Continue" : "Pick the file");
    this.#button("open", done, "Open");
    this.#button("copy", done, "Copy link");
    this.#button("remove", state !== State.ELSEWHERE, done ? "Remove from list" : "Cancel");
    if (done) this.buttons.open.href = contentLink(upload);
    this.node.setAttribute("aria-label", name);
  }

  #button(name, shown, label, icon) {
    const button = this.buttons[name];
    this.#set(name, `${shown} ${label}`, () => {
      button.hidden = !shown;
      button.setAttribute("aria-label", `${label}: ${this.upload.name}`);
      if (!button.classList.contains("icon-button")) {
        button.textContent = label;
        return;
      }
      button.title = label;
      if (icon) button.querySelector("use").setAttribute("href", `#i-${icon}`);
    });
  }

  /** The copy button says for a moment what it did. */
  copied(worked) {
    const { copy } = this.buttons;
    copy.textContent = worked ? "Copied" : "Not copied";
    setTimeout(() => (copy.textContent = "Copy link"), 2000);
  }

  /** When the focused button disappears, its row's next one takes over. */
  #keepFocus(change) {
    const focused = document.activeElement;
    const ours = this.node.contains(focused);
    change();
    if (ours && focused.hidden) this.focusable()?.focus();
  }

  focusable() {
    return Object.values(this.buttons).find((button) => !button.hidden) ?? null;
  }

  /** Touch the document only where something changed: most of the time only the numbers do. */
  #set(what, value, apply) {
    if (this.#drawn[what] === value) return;
    this.#drawn[what] = value;
    apply(value);
  }
}

/** Relative to the page, so it works below a proxy's path. */
export function contentLink(upload) {
  return new URL(`files/${upload.id}/content`, document.baseURI).href;
}

function toneOf(upload) {
  if (upload.state === State.FAILED || upload.problem?.kind === "other-file") return "danger";
  return upload.state === State.WAITING || upload.state === State.MISSING ? "notice" : "";
}

function retryWord(upload) {
  if (upload.problem?.restart) return "Start again";
  return upload.state === State.WAITING ? "Retry now" : "Retry";
}

function wordsOf(upload) {
  const { state, stored, size, problem } = upload;
  const amount = `${bytes(stored)} of ${wholeBytes(size)} stored`;
  switch (state) {
    case State.QUEUED:
      return stored > 0 ? `Waiting for its turn · ${amount}` : `Waiting for its turn · ${wholeBytes(size)}`;
    case State.SENDING:
      if (problem) return "Trying again…";
      if (size > 0 && stored >= size) return "Finishing…";
      return upload.sent === 0 ? `Starting… · ${wholeBytes(size)}` : amount;
    case State.WAITING:
      return `${problem.text} ${againIn(upload.retryAt)}`;
    case State.PAUSED:
      return `Paused · ${amount}`;
    case State.FAILED:
      return problem.text;
    case State.MISSING:
      return problem?.text ?? missingWords(upload, amount);
    case State.ELSEWHERE:
      return `Being sent from another ${upload.known ? "tab" : "place"} · ${amount}`;
    default:
      return [`${wholeBytes(size)} stored`, pictureWords(upload.picture)].filter(Boolean).join(" · ");
  }
}

function pictureWords(picture) {
  switch (picture?.phase) {
    case Phase.CHECKING:
      return "Checking the picture…";
    case Phase.DRAWING:
      return "Making a thumbnail…";
    default:
      return picture?.words ?? "";
  }
}

function missingWords(upload, amount) {
  if (upload.handle) return `${amount}. Your browser wants your leave to read the file again.`;
  return `${upload.known ? "" : "Begun in another browser. "}${amount}. Pick the file to continue.`;
}

function againIn(at) {
  const seconds = Math.max(1, Math.ceil((at - Date.now()) / 1000));
  return `Trying again in ${seconds}${NBSP}s.`;
}

function paceOf(upload) {
  if (upload.state !== State.SENDING || upload.problem) return "";
  const rate = upload.pace.rate(upload.sent);
  if (!rate || upload.stored >= upload.size) return "";
  return [`${bytes(rate)}/s`, timeLeft((upload.size - upload.stored) / rate)].filter(Boolean).join(" · ");
}
