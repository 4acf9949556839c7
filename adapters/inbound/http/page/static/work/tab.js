/** The third tab: what is done to pictures, as batches with the state of each file. */

import { html, useEffect, useMemo } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";
import { sentence } from "../lib/server.js";
import { Batch } from "./batch.js";
import { NewBatch } from "./form.js";
import { Instructions } from "./instructions.js";

export const styles = ["tables"];

/** So many of those that were refused are told one by one. */
const TOLD = 10;

export function Tab({ page }) {
  const work = useMemo(() => new Instructions(page), []);
  useEffect(() => work.begin(), []);
  const { value: batches } = work.batches;
  const trouble = work.trouble.value;
  const refused = work.refused.value;
  const isKnown = work.isKnown.value;
  return html`<div class="tab wide">
    <h1>${t("Work")}</h1>
    <p class="lede">${t("Have pictures compressed, converted or resized, many at once. Each file is worked on by itself.")}</p>
    <${NewBatch} work=${work} page=${page} />
    ${trouble && html`<p class="trouble" role="alert">${sentence(trouble)}${!isKnown && html` <button class="button small" type="button" onClick=${() => work.load()}>${t("Retry")}</button>`}</p>`}
    ${refused.length > 0 && html`<${Refused} refused=${refused} />`}
    ${batches.map((batch, at) => html`<${Batch} key=${batch.instruction.id} batch=${batch} work=${work} page=${page} isOpen=${at === 0} />`)}
    ${isKnown && batches.length === 0 && html`<p class="nothing">${t("Nothing has been asked for yet.")}</p>`}
  </div>`;
}

function Refused({ refused }) {
  return html`<div class="trouble" role="alert">
    <p>${tn("{n} file was refused.", "{n} files were refused.", refused.length)}</p>
    ${refused.slice(0, TOLD).map((answer, at) => html`<p key=${at}><bdi>${answer.name}</bdi>: ${sentence(answer, answer.name)}</p>`)}
  </div>`;
}
