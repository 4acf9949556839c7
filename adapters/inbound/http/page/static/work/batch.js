/** One instruction as a table: each file, what has become of it, and its result. */

import { saveArchive } from "../lib/archive.js";
import { wholeBytes } from "../lib/format.js";
import { html, useEffect } from "../lib/html.js";
import { moment, number, t, told, tn } from "../lib/i18n.js";
import { signed } from "../lib/links.js";

const WORDS = { PENDING: "waiting", PROCESSING: "being worked on", DONE: "done", FAILED: "failed" };

export const stateWord = (status) => t(WORDS[status] ?? status);

export function Batch({ batch: { instruction, details }, work, page, isOpen }) {
  const { id, product_key: key, parameters, status, created_at: createdAt } = instruction;
  const told = Object.entries(parameters ?? {}).map(([name, value]) => `${t(name.replaceAll("_", " "))} ${value}`);
  const look = (event) => event.target.open && details === null && work.look(id);
  const over = details?.filter(({ input }) => input.status === "DONE" || input.status === "FAILED").length;
  useEffect(() => {
    if (isOpen && details === null) work.look(id);
  }, []);
  return html`<details class="batch" open=${isOpen} onToggle=${look} data-status=${status}>
    <summary>
      <span class="batch-name">${t(work.products.value.find((product) => product.key === key)?.name ?? key)}</span> <span class="batch-told">${told.join(", ")}</span>
      <span class="state" data-status=${status}>${stateWord(status)}</span>
      ${details && html`<span class="batch-count">${t("{n} of {all}", { n: number(over), all: number(details.length) })}</span>`}
      <time datetime=${createdAt}>${moment(createdAt)}</time>
    </summary>
    ${details === null
      ? html`<p class="waiting">${t("One moment…")}</p>`
      : html`<${Table} details=${details} page=${page} />`}
  </details>`;
}

function Table({ details, page }) {
  const results = details.filter(({ output }) => output?.status === "DONE" && output.file_id);
  const save = async ({ output }) => {
    const { url } = await signed(page.server, output.file_id, { isSaved: true }).catch(() => ({ url: null }));
    if (url) location.assign(url);
    else page.tell(t("The file is no longer there."));
  };
  return html`<div class="table-frame" tabindex="0" role="region" aria-label=${t("Files of this batch")}>
      <table>
        <thead><tr><th scope="col">${t("File")}</th><th scope="col">${t("State")}</th><th scope="col">${t("Before")}</th><th scope="col">${t("After")}</th><th scope="col">${t("Result")}</th></tr></thead>
        <tbody>
          ${details.map(
            ({ input, output }) => html`<tr key=${input.id} data-status=${input.status}>
              <th scope="row"><bdi>${input.file_name}</bdi></th>
              <td><span class="state" data-status=${input.status}>${stateWord(input.status)}</span>${input.error && html`<span class="why">${told(input.error)}</span>`}</td>
              <td class="number">${wholeBytes(input.file_size)}</td>
              <td class="number">${output?.file_size != null ? wholeBytes(output.file_size) : ""}</td>
              <td>${output?.status === "DONE" && html`<button class="button small" type="button" aria-label=${`${t("Save")}: ${output.file_name}`} onClick=${() => save({ output })}>${t("Save")}</button>`}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${results.length > 1 && html`<p class="batch-foot"><button class="button small" type="button" onClick=${() => saveArchive(page, results.map(({ output }) => output.file_id))}>${tn("Download {n} result as ZIP", "Download {n} results as ZIP", results.length)}</button></p>`}`;
}
