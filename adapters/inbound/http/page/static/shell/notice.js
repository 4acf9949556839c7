/** A word to everybody, seen as well as heard, about what the person has just asked for: mostly that it did not work. */

import { html, useEffect } from "../lib/html.js";
import { t } from "../lib/i18n.js";

const SHOWN_FOR = 10_000;

export function Notice({ page: { notice } }) {
  const text = notice.value;
  useEffect(() => {
    if (!text) return undefined;
    const over = setTimeout(() => (notice.value = ""), SHOWN_FOR);
    return () => clearTimeout(over);
  }, [text]);
  return (
    text &&
    html`<div class="toast notice">
      <p>${text}</p>
      <button class="button small quiet" type="button" onClick=${() => (notice.value = "")}>${t("Close")}</button>
    </div>`
  );
}
