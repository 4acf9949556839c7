/** Where files come in, and below it the list of them: of our own page, or of an element on somebody else's. */

import { html, useRef, useSignal, useSignalEffect } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";
import { withStyle } from "../lib/style.js";
import { DropZone } from "./drop_zone.js";

/** `begun()` is called as files come. */
export function UploadPanel({ page, begun = () => {} }) {
  const { engine } = page;
  const Board = useSignal(null);
  const chooser = useRef(null);
  const isBusy = useSignal(false);
  const add = async (picks) => {
    if (picks.length === 0) return;
    begun();
    const uploads = await engine.load();
    page.say(told(await uploads.add(picks)));
  };
  useSignalEffect(() => {
    const uploads = engine.uploads.value;
    if (!uploads) return;
    // The list is fetched with the first upload.
    const look = async () => {
      isBusy.value = uploads.length > 0;
      if (!isBusy.value || Board.peek()) return;
      const styles = ["board", "rows"].map((name) => withStyle(name, page.root));
      const [loaded] = await Promise.all([import("./board.js"), ...styles]);
      Board.value = () => loaded.Board;
    };
    for (const type of ["added", "removed"]) uploads.addEventListener(type, look);
    look();
  });
  return html`<div class=${isBusy.value ? "busy" : ""}>
    <${DropZone} add=${add} chooser=${chooser} target=${page.target} />
    ${engine.isStuck.value && html`<p class="trouble" role="alert">${t("The server can’t be reached.")} ${t("Trying again…")}</p>`}
    ${Board.value && html`<${Board.value()} page=${page} focusChooser=${() => chooser.current.focus()} />`}
  </div>`;
}

function told({ added, continued, already, elsewhere }) {
  return [
    added && tn("{n} file added.", "{n} files added.", added),
    continued && tn("{n} upload continued.", "{n} uploads continued.", continued),
    already && tn("{n} file already on the list.", "{n} files already on the list.", already),
    elsewhere && tn("{n} file is being sent from another tab.", "{n} files are being sent from another tab.", elsewhere),
  ]
    .filter(Boolean)
    .join(" ");
}
