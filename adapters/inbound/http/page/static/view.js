/** The board: rows, the overall line, the window's title, and what each button asks of the uploads. */

import { fromInput } from "./files.js";
import { openable } from "./identity.js";
import { contentLink, Row } from "./row.js";
import { summary } from "./summary.js";
import { State } from "./upload.js";
import { bytes } from "./words.js";

const REDRAW_EVERY = 250;

const byId = (id) => document.getElementById(id);

export class View {
  #uploads;
  #say;
  #rows = new Map();
  #stale = new Set();
  #pickingFor = null;
  #boardIsStale = false;

  /** `say(text)` reaches people who cannot see the page. */
  constructor(uploads, say) {
    this.#uploads = uploads;
    this.#say = say;
    uploads.addEventListener("added", ({ detail }) => this.#add(detail.upload, detail.next));
    uploads.addEventListener("removed", ({ detail }) => this.#remove(detail.upload));
    uploads.addEventListener("progress", ({ detail }) => this.#stale.add(detail.upload));
    for (const event of ["state", "picture"]) {
      uploads.addEventListener(event, ({ detail }) => this.#redraw(detail.upload));
    }
    setInterval(() => this.#redrawStale(), REDRAW_EVERY);
    setInterval(() => this.#tick(), 1000);
    this.#listen();
  }

  #listen() {
    byId("pause-all").addEventListener("click", () => this.#uploads.pauseAll());
    byId("resume-all").addEventListener("click", () => this.#uploads.resumeAll());
    byId("clear-done").addEventListener("click", () => this.#clearDone());
    byId("again").addEventListener("change", ({ target }) => {
      const [pick] = fromInput(target);
      target.value = ""; // picking the same file twice must fire twice
      if (pick && this.#pickingFor) this.#uploads.provide(this.#pickingFor, pick);
    });
  }

  #add(upload, next) {
    const row = new Row(upload, {
      toggle: () => (upload.state === State.PAUSED ? this.#uploads.resume(upload) : this.#uploads.pause(upload)),
      retry: () => this.#uploads.retry(upload),
      pick: () => this.#pick(upload),
      copy: () => this.#copy(upload, row),
      remove: () => this.#askToRemove(upload),
    });
    this.#rows.set(upload, row);
    byId("rows").insertBefore(row.node, this.#rows.get(next)?.node ?? null);
    this.#drawBoardSoon();
  }

  #remove(upload) {
    const { node } = this.#rows.get(upload);
    const hadFocus = node.contains(document.activeElement) || document.activeElement === document.body;
    const neighbour = node.nextElementSibling ?? node.previousElementSibling;
    node.remove();
    this.#rows.delete(upload);
    this.#stale.delete(upload);
    this.#drawBoard();
    if (hadFocus) this.#focusNear(neighbour);
  }

  #focusNear(node) {
    const row = [...this.#rows.values()].find((candidate) => candidate.node === node);
    (row?.focusable() ?? (this.#rows.size ? byId("board-title") : byId("files"))).focus();
  }

  #redraw(upload) {
    this.#stale.delete(upload);
    this.#rows.get(upload)?.draw();
    this.#drawBoardSoon();
  }

  #redrawStale() {
    if (this.#stale.size === 0) return;
    for (const upload of this.#stale) this.#rows.get(upload)?.draw();
    this.#stale.clear();
    this.#drawBoard();
  }

  /** Countdowns and speeds move even while no byte does. */
  #tick() {
    for (const upload of this.#uploads) if (upload.isUnderWay) this.#stale.add(upload);
  }

  /** Once for all that happens together: a folder may bring thousands of files. */
  #drawBoardSoon() {
    if (this.#boardIsStale) return;
    this.#boardIsStale = true;
    queueMicrotask(() => this.#drawBoard());
  }

  #drawBoard() {
    this.#boardIsStale = false;

    const all = [...this.#uploads];
    const some = (test) => all.some(test);
    const movable = (upload) => upload.isUnderWay || upload.state === State.QUEUED;
    byId("board").hidden = all.length === 0;
    document.body.classList.toggle("busy", all.length > 0);
    byId("legend").hidden = !some((upload) => upload.state !== State.DONE);
    byId("pause-all").hidden = !some(movable);
    byId("resume-all").hidden = some(movable) || !some((upload) => upload.state === State.PAUSED);
    byId("clear-done").hidden = !some((upload) => upload.state === State.DONE);
    const overall = summary(all);
    byId("overall").textContent = overall.text;
    document.title = overall.moving ? `${overall.percent}% · Longshore` : "Longshore";
  }

  #clearDone() {
    for (const upload of [...this.#uploads]) if (upload.state === State.DONE) this.#uploads.clear(upload);
    (this.#rows.size ? byId("board-title") : byId("files")).focus();
    this.#say("Finished uploads are off the list.");
  }

  async #pick(upload) {
    // A kept handle only needs leave; its question must come straight from the click.
    if (upload.handle && !upload.problem && (await this.#uploads.reopen(upload))) return;
    this.#pickingFor = upload;
    byId("again").click();
  }

  async #copy(upload, row) {
    const link = await openable(contentLink(upload)).catch(() => null);
    const worked = link !== null && (await copyText(link));
    row.copied(worked);
    this.#say(worked ? "Link copied." : "The link could not be copied.");
  }

  async #askToRemove(upload) {
    if (upload.state === State.DONE) {
      this.#uploads.clear(upload);
    } else if (upload.stored === 0 || (await confirmCancel(upload))) {
      if (upload.state === State.DONE) return; // it finished while we asked
      this.#uploads.cancel(upload);
      this.#say(`${upload.name}: cancelled.`);
    }
  }
}

function confirmCancel(upload) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent =
    `${bytes(upload.stored)} of “${upload.name}” are stored on the server and would be deleted there.`;
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "cancel"), { once: true });
  });
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // plain http on a LAN address has no clipboard interface
  }
}

function copyBySelection(text) {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const worked = document.execCommand("copy");
  field.remove();
  before?.focus();
  return worked;
}
