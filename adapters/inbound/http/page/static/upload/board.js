/** The list of uploads: rows in the order of need, the overall line, and what can be done to all of them at once. */

import { html, useEffect, useLayoutEffect, useMemo, useRef, useSignal } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";
import { More as Growing } from "../lib/growing.js";
import { fromInput } from "./picks.js";
import { focusIn, Row } from "./row.js";
import { actionsOf } from "./row_actions.js";
import { summary } from "./summary.js";
import { State } from "./upload.js";

const REDRAW_EVERY = 250;
/** From so many on there is a field to find some by their names. */
const FILTER_FROM = 9;
const AT_FIRST = 20;

/** What wants the person comes first, then what moves, what waits, and last what is over. */
const NEED = {
  [State.MISSING]: 0,
  [State.FAILED]: 0,
  [State.SENDING]: 1,
  [State.WAITING]: 1,
  [State.ELSEWHERE]: 1,
  [State.QUEUED]: 2,
  [State.PAUSED]: 2,
  [State.DONE]: 3,
};

export function Board({ page, focusChooser }) {
  const { uploads, server, questions } = page;
  const changes = useSignal(0);
  const ticks = useSignal(0);
  const filter = useSignal("");
  const pickingFor = useRef(null);
  const again = useRef(null);
  const title = useRef(null);
  const list = useRef(null);
  useEffect(() => followed(uploads, changes, ticks), []);
  void changes.value;

  const all = [...uploads].sort((a, b) => NEED[a.state] - NEED[b.state]);
  const sought = filter.value.trim().toLowerCase();
  const shown = sought ? all.filter(({ fullName }) => fullName.toLowerCase().includes(sought)) : all;
  useKeptFocus(list, title, focusChooser, all.length);

  const actions = useMemo(() => actionsOf(page, (upload) => ((pickingFor.current = upload), again.current.click())), []);
  const picked = ({ target }) => {
    const [pick] = fromInput(target);
    target.value = ""; // picking the same file twice must fire twice
    if (pick && pickingFor.current) uploads.provide(pickingFor.current, pick);
  };
  return html`<section id="board" aria-labelledby="board-title" hidden=${all.length === 0}>
    <div class="board-head">
      <h2 id="board-title" tabindex="-1" ref=${title}>${t("Uploads")}</h2>
      <${ForAll} uploads=${uploads} all=${all} questions=${questions} say=${page.say} focus=${() => (uploads.length ? title.current.focus() : focusChooser())} />
    </div>
    <${Overall} uploads=${uploads} all=${all} ticks=${ticks} />
    <p id="legend" class="legend" hidden=${all.every(({ state }) => state === State.DONE)}>
      <span><span class="swatch stored"></span> ${t("stored on the server")}</span>
      <span><span class="swatch sent"></span> ${t("sent by this browser")}</span>
    </p>
    ${all.length >= FILTER_FROM &&
    html`<p class="filter"><input type="search" placeholder=${t("Find by name")} aria-label=${t("Find uploads by name")} value=${filter.value} onInput=${({ target }) => (filter.value = target.value)} /></p>`}
    <${Growing} key=${sought} items=${shown} step=${AT_FIRST}>
      ${(rows) => html`<ul id="rows" class="rows" role="list" ref=${list}>
        ${rows.map((upload) => html`<${Row} key=${upload.key} upload=${upload} server=${server} actions=${actions} />`)}
      </ul>`}
    <//>
    <input id="again" type="file" hidden ref=${again} onChange=${picked} />
  </section>`;
}

/** Drawn anew with every tick; the list is only with what changes it. */
function Overall({ uploads, ticks }) {
  void ticks.value;
  return html`<p id="overall" class="overall">${summary([...uploads]).text}</p>`;
}

function ForAll({ uploads, all, questions, say, focus }) {
  const some = (test) => all.some(test);
  const movable = ({ isUnderWay, state }) => isUnderWay || state === State.QUEUED;
  const open = all.filter(({ state }) => state !== State.DONE && state !== State.ELSEWHERE);
  const clear = () => {
    for (const upload of all) if (upload.state === State.DONE) uploads.clear(upload);
    focus();
    say(t("Finished uploads are off the list."));
  };
  const cancel = async () => {
    const question = {
      title: t("Cancel all uploads?"),
      text: tn("{n} unfinished upload would be deleted on the server.", "{n} unfinished uploads would be deleted on the server.", open.length),
      keep: t("Keep them"),
      act: t("Cancel them all"),
    };
    if (await questions.ask(question)) uploads.cancelAll();
  };
  const button = (id, shown, act, label) =>
    html`<button id=${id} class="button quiet" type="button" hidden=${!shown} onClick=${act}>${label}</button>`;
  return html`<div class="board-acts">
    ${
      // One element, which keeps the focus as its word turns.
      some(movable)
        ? button("pause-all", true, () => uploads.pauseAll(), t("Pause all"))
        : button("resume-all", some(({ state }) => state === State.PAUSED), () => uploads.resumeAll(), t("Resume all"))
    }
    ${button("retry-all", some(({ state }) => state === State.FAILED), () => uploads.retryAll(), t("Retry all"))}
    ${button("cancel-all", open.length > 1, cancel, t("Cancel all"))}
    ${button("clear-done", some(({ state }) => state === State.DONE), clear, t("Clear finished"))}
  </div>`;
}

/** Have rows drawn anew where something happened, and the list where its order may have changed; returns how to stop. */
function followed(uploads, changes, ticks) {
  const stale = new Set();
  let isDue = false;
  const soon = () => {
    if (isDue) return;
    isDue = true;
    // Few are drawn at once; of thousands that finish by the dozen, nobody sees more than some a second.
    const draw = () => {
      isDue = false;
      changes.value += 1;
    };
    if (uploads.length < 100) queueMicrotask(draw);
    else setTimeout(draw, REDRAW_EVERY);
  };
  const redraw = ({ detail: { upload } }) => {
    stale.delete(upload);
    upload.news.value += 1;
    soon();
  };
  const later = ({ detail: { upload } }) => stale.add(upload);
  const heard = { added: soon, removed: soon, state: redraw, picture: redraw, progress: later };
  for (const [type, listener] of Object.entries(heard)) uploads.addEventListener(type, listener);
  for (const upload of uploads) stale.add(upload); // something may have happened since they were drawn first
  soon(); // and some may have come
  const drawing = setInterval(() => {
    if (stale.size > 0) ticks.value += 1;
    for (const upload of stale) upload.news.value += 1;
    stale.clear();
  }, REDRAW_EVERY);
  // Countdowns and speeds move even while no byte does.
  const ticking = setInterval(() => uploads.filter(({ isUnderWay }) => isUnderWay).forEach((one) => stale.add(one)), 1000);
  return () => {
    for (const [type, listener] of Object.entries(heard)) uploads.removeEventListener(type, listener);
    clearInterval(drawing);
    clearInterval(ticking);
  };
}

/** A row that had the focus and went, or was moved, hands it to its neighbour or takes it along. */
function useKeptFocus(list, title, focusChooser, count) {
  const had = useRef(null);
  const root = list.current?.getRootNode();
  const row = root?.activeElement?.closest?.(".row");
  if (row && list.current.contains(row)) had.current = { row, button: root.activeElement, at: [...list.current.children].indexOf(row) };
  useLayoutEffect(() => {
    const before = had.current;
    had.current = null;
    if (!before || !root || (root.activeElement && root.activeElement !== document.body && root.activeElement.isConnected)) return;
    if (before.button.isConnected && !before.button.hidden) before.button.focus();
    else {
      const next = list.current?.children[Math.min(before.at, list.current.children.length - 1)];
      if (!(next && focusIn(next))) (count ? title.current?.focus() : focusChooser());
    }
  });
}
