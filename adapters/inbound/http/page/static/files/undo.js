/** For a minute what was deleted can be brought back. */

import { html, useEffect, useState } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";

/** A little less than the server keeps it, so that the offer is never an empty one. */
const SECONDS = 55;

export function Undo({ deleted, files, page, over }) {
  const [left, setLeft] = useState(SECONDS);
  useEffect(() => {
    const end = Date.now() + SECONDS * 1000;
    const ticking = setInterval(() => {
      const seconds = Math.ceil((end - Date.now()) / 1000);
      if (seconds <= 0) over();
      else setLeft(seconds);
    }, 1000);
    return () => clearInterval(ticking);
  }, []);
  const undo = async () => {
    const restored = await files.restore(deleted);
    if (restored === deleted.length) page.say(t("Brought back."));
    else page.tell(t("Not all could be brought back."));
    over();
  };
  const what = deleted.length === 1 ? t("{name} is deleted.", deleted[0]) : tn("{n} file is deleted.", "{n} files are deleted.", deleted.length);
  return html`<div class="toast undo" role="group" aria-label=${t("Deleted")}>
    <p><bdi>${what}</bdi></p>
    <button class="button small primary" type="button" onClick=${undo}>${t("Undo")} · ${left}</button>
    <button class="button small quiet" type="button" onClick=${over}>${t("Close")}</button>
  </div>`;
}
