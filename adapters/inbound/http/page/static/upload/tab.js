/** The first tab: a word of welcome, where files come in, and the list of them. */

import { html } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { UploadPanel } from "./panel.js";

export function UploadTab({ page, isOpen }) {
  const show = () => {
    if (!isOpen) location.hash = "upload"; // dropped or pasted while another tab was open
  };
  return html`<div class="tab" hidden=${!isOpen}>
    <h1>${t("Upload files")}</h1>
    <p class="lede">${t("Lose the connection, close the tab, crash the computer: come back to this page and your uploads go on where they stopped.")}</p>
    <${UploadPanel} page=${page} begun=${show} />
  </div>`;
}
