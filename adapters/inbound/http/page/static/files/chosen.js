/** What can be done to all files that are chosen. */

import { saveArchive } from "../lib/archive.js";
import { wholeBytes } from "../lib/format.js";
import { html, useSignal } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";

export function Chosen({ some, page, remove, show, all, clear }) {
  const isBusy = useSignal(false);
  const size = some.reduce((sum, file) => sum + file.size, 0);
  const once = (act) => async () => {
    isBusy.value = true;
    await act();
    isBusy.value = false;
  };
  const each = (visibility) =>
    once(async () => {
      for (const file of some) await show(file, visibility);
    });
  const zip = once(() => saveArchive(page, some.map(({ id }) => id)));
  const work = () => {
    page.forWork = some;
    location.hash = "work";
  };
  const button = (label, act, more = "") =>
    html`<button class="button small ${more}" type="button" disabled=${isBusy.value} onClick=${act}>${label}</button>`;
  return html`<div class="chosen" role="group" aria-label=${t("Selection")}>
    <p>${tn("{n} file selected", "{n} files selected", some.length)} · ${wholeBytes(size)}</p>
    ${all && button(t("Select all"), all, "quiet")} ${button(t("Select none"), clear, "quiet")}
    ${button(t("Download as ZIP"), zip)} ${button(t("Work on them"), work)} ${button(t("Make public"), each("public"))}
    ${button(t("Make private"), each("private"))} ${button(t("Delete"), once(() => remove(some)), "danger")}
  </div>`;
}
