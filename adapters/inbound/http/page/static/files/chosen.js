/** What can be done to all files that are chosen. */

import { wholeBytes } from "../lib/format.js";
import { html, useSignal } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";
import { sentence } from "../lib/server.js";

export function Chosen({ some, page, remove, show, clear }) {
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
  const zip = once(async () => {
    const answer = await page.server.ask("files/archive", { method: "POST", json: { ids: some.map(({ id }) => id) } });
    if (answer.ok) location.assign(page.server.url(answer.data.url.replace(/^\//, "")));
    else page.say(sentence(answer) || t("The server can’t be reached."));
  });
  const work = () => {
    page.forWork = some;
    location.hash = "work";
  };
  const button = (label, act, more = "") =>
    html`<button class="button small ${more}" type="button" disabled=${isBusy.value} onClick=${act}>${label}</button>`;
  return html`<div class="chosen" role="group" aria-label=${t("Selection")}>
    <p>${tn("{n} file selected", "{n} files selected", some.length)} · ${wholeBytes(size)}</p>
    ${button(t("Download as ZIP"), zip)} ${button(t("Work on them"), work)} ${button(t("Make public"), each("public"))}
    ${button(t("Make private"), each("private"))} ${button(t("Delete"), once(() => remove(some)), "danger")}
    ${button(t("Select none"), clear, "quiet")}
  </div>`;
}
