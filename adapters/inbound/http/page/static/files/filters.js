/** What of the stored files is shown, in which order and how. */

import { html, useRef } from "../lib/html.js";
import { t } from "../lib/i18n.js";

const TYPED_FOR = 250;

/** `seesAll`: an administrator, where files are somebody's. */
export function Filters({ files, isList, seesAll }) {
  const typing = useRef(null);
  const type = (key) => ({ target }) => {
    clearTimeout(typing.current);
    typing.current = setTimeout(() => files.look({ [key]: target.value.trim() }), TYPED_FOR);
  };
  const { media_type: mediaType, sort, owner } = files.query.value;
  const kinds = {
    "": t("All kinds"),
    "image/": t("Pictures"),
    "video/": t("Films"),
    "audio/": t("Sound"),
    "text/": t("Texts"),
    "application/pdf": "PDF",
  };
  const orders = {
    "-created_at": t("Newest first"),
    created_at: t("Oldest first"),
    name: t("By name"),
    "-size": t("Largest first"),
    size: t("Smallest first"),
  };
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <input type="search" placeholder=${t("Find by name or folder")} aria-label=${t("Find files by name or folder")} onInput=${type("find")} />
    <${Pick} label=${t("Kind")} options=${kinds} value=${mediaType} choose=${(value) => files.look({ media_type: value })} />
    <${Pick} label=${t("Order")} options=${orders} value=${sort} choose=${(value) => files.look({ sort: value })} />
    ${seesAll && html`<${Pick} label=${t("Owner")} options=${{ "": t("My files"), "*": t("Everybody’s files") }} value=${owner} choose=${(value) => files.look({ owner: value })} />`}
    <button class="button small" type="button" aria-pressed=${isList.value} onClick=${() => (isList.value = !isList.value)}>${t("As a list")}</button>
  </form>`;
}

function Pick({ label, options, value, choose }) {
  return html`<select aria-label=${label} onChange=${({ target }) => choose(target.value)}>
    ${Object.entries(options).map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
  </select>`;
}
