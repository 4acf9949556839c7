/** A look at a file without leaving the page. Nothing of it runs here: text is text, a PDF is the browser's own viewer's. */

import { Dialog } from "../lib/dialog.js";
import { wholeBytes } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/html.js";
import { number, t } from "../lib/i18n.js";
import { openable } from "../lib/links.js";
import { thumbnailPath } from "../upload/pictures.js";

const SHOWN_BY_BROWSERS = /^image\/(jpeg|png|webp|gif|avif)$/;
const DRAWN_HERE = /^image\/hei[cf]/;
const TEXT = /^(text\/|application\/(json|xml|x-ndjson|javascript|x-yaml|toml|sql))|\+(json|xml)$/;
const TEXT_NAME = /\.(txt|md|csv|log|json|ya?ml|toml|ini|xml|py|js|ts|css|sh|sql)$/i;
const TEXT_BYTES = 256 * 1024;
const PDF_BYTES = 64 * 1024 ** 2;
/** What is read here is to come from the server itself, which by this does not send us on to a bucket elsewhere. */
const BY_THE_SERVER = { "If-Range": '""' };

/** Which kind of preview there is; "" where there is none. */
export function kindOf({ media_type: type = "", name, size }) {
  if (SHOWN_BY_BROWSERS.test(type)) return "picture";
  if (DRAWN_HERE.test(type) || /\.hei[cf]$/i.test(name)) return "drawn";
  if (type === "application/pdf") return size <= PDF_BYTES ? "pdf" : "";
  if (type.startsWith("video/")) return "video";
  if (type.startsWith("audio/")) return "audio";
  return TEXT.test(type) || TEXT_NAME.test(name) ? "text" : "";
}

/** `turn(by)` goes to the next file, or the one before. */
export function Preview({ file, page, close, turn }) {
  const [link, setLink] = useState(null);
  const { server, me } = page;
  useEffect(() => {
    setLink(null);
    openable(server, file.id, me, file).then(setLink, () => setLink(""));
  }, [file.id]);
  const keys = ({ key, target }) => {
    if (target.closest("audio, video, pre")) return; // they have a use for these keys
    if (key === "ArrowLeft") turn(-1);
    if (key === "ArrowRight") turn(1);
  };
  return html`<${Dialog} title=${file.name} class="preview" onClose=${close}>
    <div class="preview-body" onKeyDown=${keys}>
      ${link === null ? html`<p class="waiting">${t("One moment…")}</p>` : html`<${Shown} key=${file.id} file=${file} page=${page} link=${link} />`}
      <div class="dialog-acts">
        <span class="preview-size">${wholeBytes(file.size)}</span>
        <button class="button small" type="button" onClick=${() => turn(-1)}>${t("Previous")}</button>
        <button class="button small" type="button" onClick=${() => turn(1)}>${t("Next")}</button>
        <a class="button small" href=${link || undefined} download=${file.name}>${t("Save")}</a>
        <form method="dialog"><button class="button small primary" autofocus>${t("Close")}</button></form>
      </div>
    </div>
  <//>`;
}

function Shown({ file, page, link }) {
  const { server } = page;
  const fails = useState(false);
  const failed = () => fails[1](true);
  if (fails[0] || link === "") return html`<p class="no-preview">${t("It can’t be shown here. Save it to look at it.")}</p>`;
  switch (kindOf(file)) {
    case "picture":
      return html`<img class="preview-picture" src=${link} alt=${file.name} onError=${failed} />`;
    case "drawn":
      return html`<${Fetched} path=${thumbnailPath(file.id, 1200)} server=${server} failed=${failed}>${(url) => html`<img class="preview-picture" src=${url} alt=${file.name} />`}<//>`;
    case "pdf":
      return html`<${Fetched} path=${`files/${file.id}/content`} type="application/pdf" server=${server} failed=${failed}>${(url) => html`<iframe class="preview-frame" src=${url} title=${file.name}></iframe>`}<//>`;
    case "video":
      return html`<video class="preview-picture" src=${link} controls onError=${failed}></video>`;
    case "audio":
      return html`<audio class="preview-audio" src=${link} controls onError=${failed}></audio>`;
    case "text":
      return html`<${Text} file=${file} server=${server} failed=${failed} />`;
    default:
      return html`<p class="no-preview">${t("There is no preview of such files. Save it to look at it.")}</p>`;
  }
}

/** What the browser can't ask for with a name is fetched, and shown as `type` whatever it calls itself. */
function Fetched({ path, type = null, server, failed, children }) {
  const [url, setUrl] = useState(null);
  useEffect(() => {
    let made = null;
    let isLeft = false;
    fetch(server.url(path), { headers: { ...server.headers(), ...BY_THE_SERVER } })
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`GET: ${answer.status}`);
        const blob = await answer.blob();
        if (isLeft) return;
        made = URL.createObjectURL(type ? new Blob([blob], { type }) : blob);
        setUrl(made);
      })
      .catch(failed);
    return () => {
      isLeft = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [path]);
  return url ? children(url) : html`<p class="waiting">${t("One moment…")}</p>`;
}

function Text({ file, server, failed }) {
  const [text, setText] = useState(null);
  useEffect(() => {
    fetch(server.url(`files/${file.id}/content`), { headers: { ...server.headers(), ...BY_THE_SERVER } })
      .then(async (answer) => (answer.ok ? setText(await beginning(answer.body, TEXT_BYTES)) : failed()))
      .catch(failed);
  }, [file.id]);
  if (text === null) return html`<p class="waiting">${t("One moment…")}</p>`;
  const cut = file.size > TEXT_BYTES;
  return html`<pre class="preview-text" tabindex="0">${text}</pre>
    ${cut && html`<p>${t("Only the first {n} kB are shown.", { n: number(TEXT_BYTES / 1024) })}</p>`}`;
}

/** So much of it as text; the rest is not even sent. */
async function beginning(stream, most) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let read = 0; read < most; ) {
    const { value, done } = await reader.read();
    if (done) return text;
    text += decoder.decode(value.subarray(0, most - read), { stream: true });
    read += value.length;
  }
  reader.cancel().catch(() => {});
  return text;
}
