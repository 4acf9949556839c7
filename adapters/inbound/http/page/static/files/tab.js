/** The second tab: what is stored, as a gallery or a list; looked at, shared, made public, deleted and brought back. */

import { html, useEffect, useMemo, useRef, useSignal } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";
import { More } from "../lib/growing.js";
import { sentence } from "../lib/server.js";
import { Card } from "./card.js";
import { Chosen } from "./chosen.js";
import { Filters } from "./filters.js";
import { Preview } from "./preview.js";
import { Share } from "./share.js";
import { StoredFiles } from "./stored.js";
import { Thumbnails } from "./thumbnails.js";
import { Undo } from "./undo.js";

export const styles = ["board", "files", "preview"];

const AT_FIRST = 60;
/** An upload that is through is looked for a moment later, with those that end together. */
const GATHER = 400;

export function Tab({ page }) {
  const files = useMemo(() => new StoredFiles(page.server), []);
  const thumbnails = useMemo(() => new Thumbnails(page), []);
  const isList = useSignal(false);
  const previewed = useSignal(null);
  const shared = useSignal(null);
  const chosen = useSignal(new Set());
  const deleted = useSignal(null);
  const title = useRef(null);
  useEffect(() => {
    files.look({ owner: (!page.me.opensForAll && page.filesOf) || "" });
    page.filesOf = "";
    return followed(page.uploads, () => files.look());
  }, []);

  const items = files.items.value;
  const remove = async (some) => {
    const { gone, restorable } = await files.delete(some);
    chosen.value = new Set([...chosen.value].filter((id) => !gone.some((file) => file.id === id)));
    if (gone.length < some.length) page.tell(t("Not all could be deleted."));
    if (gone.length === 0) return;
    deleted.value = restorable.length > 0 ? restorable : null;
    page.say(gone.length === 1 ? t("{name} is deleted.", gone[0]) : tn("{n} file is deleted.", "{n} files are deleted.", gone.length));
  };
  const show = async (file, visibility) => {
    const answer = await files.change(file, { visibility });
    if (!answer.ok) page.tell(sentence(answer));
    else page.say(t(visibility === "public" ? "{name} is public now." : "{name} is private now.", file));
  };
  const actions = {
    open: (file) => (previewed.value = file.id),
    share: (file) => (shared.value = file),
    toggle: (file) => show(file, file.visibility === "public" ? "private" : "public"),
    async remove(file) {
      const at = items.indexOf(file);
      await remove([file]);
      const cards = title.current?.parentElement.querySelectorAll(".card-open");
      (cards?.[Math.min(at, cards.length - 1)] ?? title.current)?.focus();
    },
    choose(file) {
      const next = new Set(chosen.value);
      if (!next.delete(file.id)) next.add(file.id);
      chosen.value = next;
    },
  };
  const some = items.filter(({ id }) => chosen.value.has(id));
  const at = items.findIndex(({ id }) => id === previewed.value);
  const turn = (by) => (previewed.value = items[(at + by + items.length) % items.length].id);
  return html`<div class="tab wide">
    <h1 tabindex="-1" ref=${title}>${t("Files")}</h1>
    <${Filters} files=${files} isList=${isList} seesAll=${page.me.isAdmin && !page.me.opensForAll} />
    ${some.length > 0 && html`<${Chosen} some=${some} page=${page} remove=${remove} show=${show} all=${some.length < items.length && (() => (chosen.value = new Set(items.map(({ id }) => id))))} clear=${() => (chosen.value = new Set())} />`}
    ${files.trouble.value && html`<p class="trouble" role="alert">${sentence(files.trouble.value)} <button class="button small" type="button" onClick=${() => files.look()}>${t("Retry")}</button></p>`}
    <${More} items=${items} step=${AT_FIRST} more=${files.cursor.value ? () => files.more() : null}>
      ${(cards) => html`<ul class=${isList.value ? "lines" : "gallery"} role="list" aria-busy=${files.isLoading.value}>
        ${cards.map((file) => html`<${Card} key=${file.id} file=${file} page=${page} thumbnails=${thumbnails} actions=${actions} isChosen=${chosen.value.has(file.id)} isList=${isList.value} />`)}
      </ul>`}
    <//>
    ${!files.isLoading.value && items.length === 0 && !files.trouble.value && html`<${Nothing} files=${files} />`}
    ${at >= 0 && html`<${Preview} file=${items[at]} page=${page} turn=${turn} close=${() => (previewed.value = null)} />`}
    ${shared.value && html`<${Share} file=${shared.value} page=${page} close=${() => (shared.value = null)} />`}
    ${deleted.value && html`<${Undo} key=${deleted.value[0].id} deleted=${deleted.value} files=${files} page=${page} over=${() => (deleted.value = null)} />`}
  </div>`;
}

/** There may be nothing at all, or only nothing that is looked for. */
function Nothing({ files }) {
  const { find, media_type: kind } = files.query.value;
  if (find || kind) return html`<p class="nothing">${t("No file here is like that.")}</p>`;
  return html`<p class="nothing">${t("Nothing is stored here yet.")} <a href="#upload">${t("Upload files")}</a></p>`;
}

/** Have `look` called when uploads have ended; returns how to stop. */
function followed(uploads, look) {
  let timer = null;
  const ended = ({ detail: { upload } }) => {
    if (upload.state === "done") timer ??= setTimeout(() => ((timer = null), look()), GATHER);
  };
  uploads.addEventListener("state", ended);
  return () => {
    clearTimeout(timer);
    uploads.removeEventListener("state", ended);
  };
}
