/** One stored file: a card of the gallery or a line of the list, with what can be done to it. */

import { extension, wholeBytes } from "../lib/format.js";
import { html } from "../lib/html.js";
import { moment, t } from "../lib/i18n.js";
import { Icon } from "../lib/icons.js";
import { Thumbnail } from "../lib/thumbnail.js";
import { thumbnailPath } from "../upload/pictures.js";

/** `actions`: `open`, `share`, `toggle` (public or private), `remove`, `choose`; each takes the file. */
export function Card({ file, page, thumbnails, actions, isChosen, isList }) {
  const state = thumbnails.of(file);
  const { name, path, size, visibility, created_at: createdAt } = file;
  const isPublic = visibility === "public";
  const folder = path ? path.slice(0, path.lastIndexOf("/") + 1) : "";
  const act = (kind, label, icon) =>
    html`<button class="icon-button ${kind}" type="button" title=${label} aria-label=${`${label}: ${name}`} onClick=${() => actions[kind](file)}><${Icon} name=${icon} /></button>`;
  return html`<li class="card" aria-label=${name} data-id=${file.id} data-thumbnail=${state.value || "asked"}>
    <input class="card-check" type="checkbox" aria-label=${t("Select {name}", { name })} checked=${isChosen} onChange=${() => actions.choose(file)} />
    <button class="card-face" type="button" tabindex="-1" aria-label=${t("Preview of {name}", { name })} onClick=${() => actions.open(file)}>
      <span class="card-word" aria-hidden="true">${extension(name) || t("FILE")}</span>
      ${state.value === "ready" && html`<${Thumbnail} server=${page.server} path=${(box) => thumbnailPath(file.id, box)} alt="" large=${!isList} />`}
    </button>
    <button class="card-open" type="button" title=${path || name} aria-haspopup="dialog" onClick=${() => actions.open(file)}>
      <bdi class="card-name ${folder && "in-folder"}">${folder && html`<span class="card-folder">${folder}</span>`}${name}</bdi>
    </button>
    <p class="card-line">
      <span>${wholeBytes(size)}</span>
      <span class="badge ${isPublic ? "public" : ""}">${isPublic ? t("public") : t("private")}</span>
      <span class="card-date">${moment(createdAt)}</span>
      ${file.owner && html`<span class="card-owner">${file.owner}</span>`}
      ${file.expires_at && html`<span class="card-end">${t("until {when}", { when: moment(file.expires_at) })}</span>`}
    </p>
    <div class="card-acts">
      ${act("share", t("Share"), "share")}
      ${act("toggle", isPublic ? t("Make private") : t("Make public"), isPublic ? "lock" : "globe")}
      ${act("remove", t("Delete"), "trash")}
    </div>
  </li>`;
}
