/** The third tab: what is done to pictures, as batches with the state of each file. */

import { html, useEffect, useMemo } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { sentence } from "../lib/server.js";
import { Batch } from "./batch.js";
import { NewBatch } from "./form.js";
import { Instructions } from "./instructions.js";

export const styles = ["tables"];

export function Tab({ page }) {
  const work = useMemo(() => new Instructions(page), []);
  useEffect(() => work.begin(), []);
  const { value: batches } = work.batches;
  const trouble = work.trouble.value;
  const isKnown = work.isKnown.value;
  return html`<div class="tab wide">
    <h1>${t("Work")}</h1>
    <p class="lede">${t("Have pictures compressed, converted or resized, many at once. Each file is worked on by itself.")}</p>
    <${NewBatch} work=${work} page=${page} />
    ${trouble && html`<p class="trouble" role="alert">${trouble.name && html`<bdi>${trouble.name}</bdi>: `}${sentence(trouble) || t("The server can’t be reached.")}${!isKnown && html` <button class="button small" type="button" onClick=${() => work.load()}>${t("Retry")}</button>`}</p>`}
    ${batches.map((batch, at) => html`<${Batch} key=${batch.instruction.id} batch=${batch} work=${work} page=${page} isOpen=${at === 0} />`)}
    ${isKnown && batches.length === 0 && html`<p class="nothing">${t("Nothing has been asked for yet.")}</p>`}
  </div>`;
}
