/** The fourth tab: what moves right now, the person's own and, where everything is everyone's, that of others. */

import { bytes, percent, sentenceCase, speed, timeLeft, wholeBytes } from "../lib/format.js";
import { html, useEffect, useMemo } from "../lib/html.js";
import { percentage, t } from "../lib/i18n.js";
import { Chart } from "./chart.js";
import { Traffic } from "./traffic.js";

export const styles = ["rows", "board", "tables"];

const WORDS = {
  PENDING: "begun",
  RECEIVING: "being received",
  ASSEMBLING: "being put together",
  COMPLETED: "stored",
  FAILED: "could not be put together",
  ABORTED: "cancelled",
  EXPIRED: "expired",
};

export function Tab({ page }) {
  const traffic = useMemo(() => new Traffic(page.feed), []);
  useEffect(() => traffic.begin(), []);
  const moving = traffic.moving.value;
  return html`<div class="tab wide">
    <h1>${t("Activity")}</h1>
    <p class="lede">${t("Uploads that are under way, from wherever they are sent.")}</p>
    <section class="panel" aria-label=${t("Throughput")}><${Chart} history=${traffic.history} /></section>
    <ul class="rows moving" role="list">
      ${moving.map((event) => html`<${Moving} key=${event.upload_id} event=${event} />`)}
    </ul>
    ${traffic.isAway.value
      ? html`<p class="trouble" role="alert">${t("The server can’t be reached.")} ${t("Trying again…")}</p>`
      : moving.length === 0 && html`<p class="nothing">${t("Nothing is under way.")}</p>`}
  </div>`;
}

function Moving({ event: { filename, offset, length, state, bytes_per_second: rate, eta_seconds: eta } }) {
  const name = filename || t("Unnamed file");
  const share = length ? percent(offset, length) : 0;
  const isOver = state === "COMPLETED" || state === "ABORTED" || state === "EXPIRED";
  const amount = length === null ? bytes(offset) : t("{part} of {whole} stored", { part: bytes(offset), whole: wholeBytes(length) });
  const pace = [length && percentage(share), !isOver && rate ? speed(rate) : "", !isOver && eta != null ? timeLeft(eta) : ""];
  return html`<li class="row" data-state=${state === "COMPLETED" ? "done" : "sending"} aria-label=${name}>
    <span class="tile"><span class="tile-word" aria-hidden="true">${length ? percentage(share) : "…"}</span></span>
    <div class="row-main">
      <p class="row-title" title=${name}><bdi class="name">${name}</bdi></p>
      <div class="bar" role="progressbar" aria-label=${name} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.floor(share)}>
        <span class="bar-stored" style=${{ transform: `translateX(${(share - 100).toFixed(1)}%)` }}></span>
      </div>
      <div class="row-foot">
        <p class="row-line"><span class="words">${sentenceCase(t(WORDS[state] ?? state))} · ${amount}</span> <span class="pace">${pace.filter(Boolean).join(" · ")}</span></p>
      </div>
    </div>
  </li>`;
}
