/** A link for somebody else: it opens the file to whoever has it, until its end; as text and as a QR code. */

import { copyText } from "../lib/clipboard.js";
import { Dialog } from "../lib/dialog.js";
import { html, useEffect, useState } from "../lib/html.js";
import { moment, t } from "../lib/i18n.js";
import { signed } from "../lib/links.js";

const DAY = 24 * 3600;

export function Share({ file, page, close }) {
  const { server, say } = page;
  const isPublic = file.visibility === "public";
  const [seconds, setSeconds] = useState(7 * DAY);
  const [link, setLink] = useState(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    setLink(null);
    if (isPublic) setLink({ url: server.url(`files/${file.id}/content`), expiresAt: null });
    else signed(server, file.id, { seconds }).then(setLink, () => setLink({ url: "", expiresAt: null }));
  }, [seconds]);
  const copy = async () => {
    const worked = await copyText(link.url);
    setCopied(worked);
    say(worked ? t("Link copied.") : t("The link could not be copied."));
  };
  const lives = { 3600: t("1 hour"), [DAY]: t("1 day"), [7 * DAY]: t("7 days") };
  return html`<${Dialog} title=${t("Share “{name}”", file)} class="share" onClose=${close}>
    ${isPublic
      ? html`<p>${t("This file is public: whoever has the link can open it, for as long as the file is there.")}</p>`
      : html`<p>${t("Whoever has this link can open the file, until the link ends.")}</p>
          <p><label class="choice">${t("The link ends after")}
            <select onChange=${({ target }) => setSeconds(Number(target.value))}>
              ${Object.entries(lives).map(([value, text]) => html`<option key=${value} value=${value} selected=${Number(value) === seconds}>${text}</option>`)}
            </select></label></p>`}
    ${link && !link.url && html`<p class="trouble" role="alert">${t("No link could be made.")}</p>`}
    ${link?.url &&
    html`<p><input class="share-link" type="text" readonly aria-label=${t("Link")} value=${link.url} onFocus=${({ target }) => target.select()} /></p>
      ${link.expiresAt && html`<p class="share-end">${t("It ends {when}.", { when: moment(link.expiresAt) })}</p>`}
      <${Qr} text=${link.url} />`}
    <div class="dialog-acts">
      <button class="button" type="button" disabled=${!link?.url} onClick=${copy}>${copied ? t("Copied") : t("Copy link")}</button>
      <form method="dialog"><button class="button primary" autofocus>${t("Close")}</button></form>
    </div>
  <//>`;
}

/** What draws it is fetched with the first one. Black on white in both themes: cameras want it so. */
function Qr({ text }) {
  const [cells, setCells] = useState(null);
  useEffect(() => {
    import("../vendor/uqr/index.mjs").then(({ encode }) => setCells(encode(text, { border: 3 }).data), () => {});
  }, [text]);
  if (!cells) return null;
  const dark = cells.flatMap((row, y) => row.map((is, x) => (is ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return html`<svg class="qr" viewBox=${`0 0 ${cells.length} ${cells.length}`} role="img" aria-label=${t("QR code of the link")} shape-rendering="crispEdges">
    <rect width="100%" height="100%" fill="#fff" /><path d=${dark} fill="#000" />
  </svg>`;
}
