/** What screen readers are told. */

import { html, useRef, useSignalEffect } from "../lib/html.js";

/** Written by hand: what screen readers look for is a new text, not a changed one. */
export function Announcements({ page: { announcement } }) {
  const node = useRef(null);
  useSignalEffect(() => {
    if (node.current) node.current.textContent = announcement.value;
    else void announcement.value;
  });
  return html`<p id="announcements" class="visually-hidden" role="status" aria-live="polite" ref=${node}></p>`;
}
