/** The fifth tab, for administrators: how the server is, what failed for good, what cleanup would do, whose uploads there are. */

import { html, useEffect, useSignal } from "../lib/html.js";
import { moment, number, relative, t, tn } from "../lib/i18n.js";
import { bytes, percent, wholeBytes } from "../lib/format.js";
import { sentence } from "../lib/server.js";

export const styles = ["board", "tables"];

const LOOK_EVERY = 5000;

export function Tab({ page }) {
  const { server } = page;
  const told = useSignal(null);
  const health = useSignal(null);
  const trouble = useSignal(null);
  const look = async () => {
    const [one, other] = await Promise.all([server.ask("admin"), server.ask("health")]);
    trouble.value = one.ok ? null : one;
    if (one.ok) told.value = one.data;
    if (other.status) health.value = other.data;
  };
  useEffect(() => {
    look();
    const looking = setInterval(() => document.hidden || look(), LOOK_EVERY);
    return () => clearInterval(looking);
  }, []);
  const retry = async (job) => {
    const answer = await server.ask(`admin/jobs/${job.id}/retry`, { method: "POST" });
    page.tell(answer.ok ? t("It is tried again.") : sentence(answer));
    look();
  };
  const cancel = async (upload) => {
    const sure = { title: t("Cancel this upload?"), text: `${upload.filename} · ${upload.owner}`, keep: t("Keep it"), act: t("Cancel the upload") };
    if (!(await page.questions.ask(sure))) return;
    const { ok } = await server.ask(`uploads/${upload.id}`, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } });
    page.tell(ok ? t("{name}: cancelled.", { name: upload.filename }) : t("It could not be cancelled."));
    look();
  };
  const all = () => {
    page.filesOf = "*";
    location.hash = "files";
  };
  return html`<div class="tab wide">
    <h1>${t("Admin")}</h1>
    ${trouble.value && html`<p class="trouble" role="alert">${sentence(trouble.value)}</p>`}
    ${!told.value && !trouble.value && html`<p class="waiting">${t("One moment…")}</p>`}
    ${told.value &&
    html`<div class="panels">
        <${Health} health=${health.value} />
        <${Room} disks=${told.value.disks} usage=${told.value.usage} quota=${told.value.quota} />
        <${Cleanup} server=${server} />
        <${Jobs} counts=${told.value.jobs} />
      </div>
      <${Dead} jobs=${told.value.dead_jobs} retry=${retry} />
      <${Open} uploads=${told.value.open_uploads} cancel=${cancel} all=${all} />`}
  </div>`;
}

const Panel = ({ title, children }) => html`<section class="panel"><h2>${title}</h2>${children}</section>`;

const Figures = ({ pairs }) =>
  html`<dl class="figures">${pairs.map(([what, value]) => html`<dt key=${what}>${what}</dt><dd>${value}</dd>`)}</dl>`;

function Health({ health }) {
  if (!health) return null;
  const is = { healthy: t("well"), unhealthy: t("not well"), draining: t("going down") };
  return html`<${Panel} title=${t("Health")}>
    <p><span class="state" data-status=${health.status}>${is[health.status] ?? health.status}</span> ${health.full && t("There is no room for more bytes.")}</p>
    <${Figures} pairs=${Object.entries(health.services ?? {}).map(([name, works]) => [t(name), works ? t("works") : t("away")])} />
  <//>`;
}

function Room({ disks, usage, quota }) {
  const used = ({ size, free }) => percent(size - free, size);
  return html`<${Panel} title=${t("Disk and quota")}>
    ${different(disks).map(
      (disk) => html`<div key=${disk.name}>
        <${Figures} pairs=${[[t(disk.name), t("{free} of {size} free", { free: bytes(disk.free), size: wholeBytes(disk.size) })]]} />
        <div class="meter" role="img" aria-label=${t("{n} percent used", { n: Math.round(used(disk)) })}><span style=${{ transform: `scaleX(${used(disk) / 100})` }}></span></div>
      </div>`,
    )}
    <${Figures} pairs=${[
      [t("My files"), limited(number(usage.files), quota.files && number(quota.files))],
      [t("My bytes"), limited(bytes(usage.bytes), quota.bytes && wholeBytes(quota.bytes))],
      [t("My open uploads"), limited(number(usage.open_uploads), quota.open_uploads && number(quota.open_uploads))],
    ]} />
  <//>`;
}

/** Data and storage are often on one disk. */
function different(disks) {
  const key = ({ size, free }) => `${size} ${Math.round(free / 1e6)}`;
  return disks.filter((disk, at) => disks.findIndex((other) => key(other) === key(disk)) === at);
}

const limited = (held, most) => (most ? t("{n} of {all}", { n: held, all: most }) : held);

/** It looks through all that is staged, so it is asked for. */
function Cleanup({ server }) {
  const foreseen = useSignal(null);
  const look = async () => {
    const { ok, data } = await server.ask("admin/cleanup");
    if (ok) foreseen.value = data;
  };
  return html`<${Panel} title=${t("What cleanup would do now")}>
    <p><button class="button small" type="button" onClick=${look}>${t("Look")}</button></p>
    ${foreseen.value && figuresOf(foreseen.value)}
  <//>`;
}

function figuresOf(foreseen) {
  return html`<${Figures} pairs=${[
      [t("End expired uploads"), number(foreseen.expired_uploads)],
      [t("Remove bytes of nobody"), number(foreseen.orphans)],
      [t("Delete bytes of deleted files"), number(foreseen.deleted_blobs)],
      [t("Forget uploads that ended"), number(foreseen.forgotten_uploads)],
      [t("Remove inputs of instructions"), number(foreseen.instruction_inputs)],
    ]} />`;
}

const Jobs = ({ counts }) => html`<${Panel} title=${t("Jobs")}>
  <${Figures} pairs=${[
    [t("waiting"), number(counts.queued)],
    [t("being done"), number(counts.running)],
    [t("failed for good"), number(counts.dead)],
  ]} />
<//>`;

function Dead({ jobs, retry }) {
  if (jobs.length === 0) return null;
  return html`<section class="panel"><h2>${t("Failed for good")}</h2>
    <div class="table-frame" tabindex="0" role="region" aria-label=${t("Failed for good")}><table>
      <thead><tr><th scope="col">${t("Job")}</th><th scope="col">${t("Attempts")}</th><th scope="col">${t("Why")}</th><th scope="col">${t("Since")}</th><th scope="col">${t("Retry")}</th></tr></thead>
      <tbody>${jobs.map((job) => html`<tr key=${job.id}>
        <th scope="row">${job.kind}</th><td class="number">${number(job.attempts)}</td><td>${job.error}</td><td>${moment(job.created_at)}</td>
        <td><button class="button small" type="button" aria-label=${`${t("Retry")}: ${job.kind} ${job.subject}`} onClick=${() => retry(job)}>${t("Retry")}</button></td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

function Open({ uploads, cancel, all }) {
  return html`<section class="panel"><h2>${t("Open uploads of all owners")}</h2>
    <p class="overall">${uploads.length > 0 ? tn("{n} upload, the next to expire first", "{n} uploads, the next to expire first", uploads.length) : t("None is open.")}</p>
    ${uploads.length > 0 &&
    html`<div class="table-frame" tabindex="0" role="region" aria-label=${t("Open uploads of all owners")}><table>
      <thead><tr><th scope="col">${t("File")}</th><th scope="col">${t("Owner")}</th><th scope="col">${t("Stored")}</th><th scope="col">${t("Ends")}</th><th scope="col">${t("Cancel")}</th></tr></thead>
      <tbody>${uploads.map((upload) => html`<tr key=${upload.id}>
        <th scope="row"><bdi>${upload.filename || t("Unnamed file")}</bdi></th><td>${upload.owner}</td>
        <td class="number">${upload.length === null ? bytes(upload.offset) : t("{part} of {whole}", { part: bytes(upload.offset), whole: wholeBytes(upload.length) })}</td>
        <td>${relative(upload.expires_at)}</td>
        <td><button class="button small" type="button" aria-label=${`${t("Cancel")}: ${upload.filename}`} onClick=${() => cancel(upload)}>${t("Cancel")}</button></td>
      </tr>`)}</tbody>
    </table></div>`}
    <p class="panel-foot"><button class="button small" type="button" onClick=${all}>${t("Show the stored files of everybody")}</button></p>
  </section>`;
}
