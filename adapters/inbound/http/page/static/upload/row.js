/** One upload as a list item. Its buttons stay where they are and are hidden, so that the focus can move on to the next. */

import { extension, percent } from "../lib/format.js";
import { html, useLayoutEffect, useRef } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { Icon } from "../lib/icons.js";
import { Thumbnail } from "../lib/thumbnail.js";
import { Phase, thumbnailPath } from "./pictures.js";
import { paceOf, retryWord, toneOf, wordsOf } from "./row_words.js";
import { State } from "./upload.js";

const ICONS = {
  [State.DONE]: "check",
  [State.FAILED]: "alert",
  [State.WAITING]: "clock",
  [State.PAUSED]: "pause",
  [State.MISSING]: "ask",
};

/** `actions` has a method for each thing a row can ask for; each takes the upload. */
export function Row({ upload, server, actions }) {
  void upload.news.value; // whatever else of it is read, this says when
  const node = useRef(null);
  const focused = focusedIn(node.current);
  useLayoutEffect(() => keepFocus(node.current, focused));
  const { name, fullName, state } = upload;
  return html`<li class="row" ref=${node} data-state=${state} data-tone=${toneOf(upload)} aria-label=${name}>
    <span class="tile">
      ${ICONS[state]
        ? html`<${Icon} name=${ICONS[state]} class="tile-icon" />`
        : html`<span class="tile-word" aria-hidden="true">${extension(name) || t("FILE")}</span>`}
      ${upload.picture?.phase === Phase.READY &&
      html`<${Thumbnail} server=${server} path=${(size) => thumbnailPath(upload.id, size)} alt=${t("Thumbnail of {name}", { name })} />`}
    </span>
    <div class="row-main">
      <p class="row-title" title=${fullName}><bdi class="name">${fullName}</bdi></p>
      ${barOf(upload)}
      <div class="row-foot">
        <p class="row-line"><span class="words">${wordsOf(upload)}</span> <span class="pace">${paceOf(upload)}</span></p>
        ${moreOf(upload, server, actions)}
      </div>
    </div>
    ${actsOf(upload, actions)}
  </li>`;
}

// Parts of a row are functions, not components: an upload changes in place, and signals has components skip what looks
// the same.

function barOf({ name, state, stored, sent, size }) {
  const done = percent(stored, size);
  const handed = percent(sent, size);
  const at = (share) => ({ transform: `translateX(${(share - 100).toFixed(1)}%)` });
  const text = t("{stored} percent stored, {sent} percent sent", { stored: Math.floor(done), sent: Math.floor(handed) });
  return html`<div class="bar" role="progressbar" aria-label=${name} aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.floor(done)} aria-valuetext=${text} hidden=${state === State.DONE}>
    <span class="bar-sent" style=${at(handed)}></span><span class="bar-stored" style=${at(done)}></span>
  </div>`;
}

function moreOf(upload, server, actions) {
  const { state, problem } = upload;
  const isDone = state === State.DONE;
  const pickWord = upload.handle && !problem ? t("Continue") : t("Pick the file");
  const button = (name, shown, label) =>
    html`<button class="button small ${name}" type="button" hidden=${!shown} aria-label=${`${label}: ${upload.name}`} onClick=${() => actions[name](upload)}>${label}</button>`;
  return html`<div class="row-more">
    ${button("retry", state === State.FAILED || state === State.WAITING, retryWord(upload))}
    ${button("pick", state === State.MISSING, pickWord)}
    ${button("details", Boolean(problem?.requestId) && state === State.FAILED, upload.copied === "details" ? t("Copied") : t("Copy details"))}
    <a class="button small open" target="_blank" rel="noopener" hidden=${!isDone} href=${isDone ? server.url(`files/${upload.id}/content`) : undefined}
      aria-label=${`${t("Open")}: ${upload.name}`} onClick=${(event) => actions.open(upload, event)}>${t("Open")}</a>
    ${button("copy", isDone, { copy: t("Copied"), failed: t("Not copied") }[upload.copied] ?? t("Copy link"))}
  </div>`;
}

function actsOf(upload, actions) {
  const { name, state } = upload;
  const isPaused = state === State.PAUSED;
  const isPausable = upload.isUnderWay || state === State.QUEUED;
  const toggle = isPaused ? t("Resume") : t("Pause");
  const remove = state === State.DONE ? t("Remove from list") : t("Cancel");
  const button = (kind, shown, label, icon) =>
    html`<button class="icon-button ${kind}" type="button" hidden=${!shown} title=${label} aria-label=${`${label}: ${name}`} onClick=${() => actions[kind](upload)}>
      <${Icon} name=${icon} />
    </button>`;
  return html`<div class="row-acts">
    ${button("toggle", isPausable || isPaused, toggle, isPaused ? "resume" : "pause")}
    ${button("remove", state !== State.ELSEWHERE, remove, "close")}
  </div>`;
}

const FOCUSABLE = ".toggle, .retry, .pick, .details, .open, .copy, .remove";

function focusedIn(node) {
  const focused = node?.getRootNode().activeElement;
  return focused && node.contains(focused) ? focused : null;
}

/** When the button that had the focus disappears, its row's next one takes over; one that was only moved has it again. */
function keepFocus(node, before) {
  if (!before || (focusedIn(node) === before && !before.hidden)) return;
  if (node.contains(before) && !before.hidden) before.focus();
  else focusIn(node);
}

/** Whether there was anything to focus. */
export function focusIn(node) {
  const order = FOCUSABLE.split(", ").map((css) => node.querySelector(css));
  const first = order.find((button) => button && !button.hidden);
  first?.focus();
  return Boolean(first);
}
