/** Where files come in: chosen, photographed, pasted, or dropped anywhere on the page. */

import { html, useEffect, useRef, useSignal } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { fromClipboard, fromDrop, fromInput } from "./picks.js";

/** `chooser` is a ref that is given the field of the file chooser; `target` is what files may be dropped on. */
export function DropZone({ add, chooser, target }) {
  const folder = useRef(null);
  const camera = useRef(null);
  const isOver = useSignal(false);
  const latest = useRef(add);
  latest.current = add;
  useEffect(() => listenOn(target, (picks) => latest.current(picks), (over) => (isOver.value = over)), []);
  const picked = ({ target: input }) => {
    add(fromInput(input));
    input.value = ""; // picking the same file twice must fire twice
  };
  const hasCamera = matchMedia("(pointer: coarse)").matches;
  return html`<section class="drop" aria-label=${t("Add files")}>
      <input id="files" class="visually-hidden" type="file" multiple ref=${chooser} onChange=${picked} />
      <label class="drop-area" for="files">
        <svg class="drop-icon" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
          <path class="drop-arrow" d="M24 30V9M15.5 17L24 8.5l8.5 8.5" />
          <path class="drop-shore" d="M7 39q4.25-4.2 8.5 0t8.5 0 8.5 0 8.5 0" />
        </svg>
        <span class="button primary">${t("Choose files")}</span>
        <span class="drop-hint">${target === window ? t("or drop or paste them anywhere on this page") : t("or drop them here")}</span>
      </label>
      <div class="drop-more">
        <input id="folder" type="file" webkitdirectory multiple hidden ref=${folder} onChange=${picked} />
        <input id="camera" type="file" accept="image/*,video/*" capture="environment" hidden ref=${camera} onChange=${picked} />
        <button id="choose-folder" class="button quiet" type="button" hidden=${!("webkitdirectory" in HTMLInputElement.prototype)} onClick=${() => folder.current.click()}>${t("Choose a folder")}</button>
        <button id="take-photo" class="button quiet" type="button" hidden=${!hasCamera} onClick=${() => camera.current.click()}>${t("Take a photo")}</button>
      </div>
    </section>
    <div class="veil ${isOver.value ? "dropping" : ""}" aria-hidden="true"><p>${t("Drop to upload")}</p></div>`;
}

function listenOn(target, add, veil) {
  let depth = 0; // enter and leave fire for every element under the pointer
  const change = (by) => {
    depth = Math.max(0, depth + by);
    veil(depth > 0);
  };
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const heard = {
    paste: (event) => add(fromClipboard(event)),
    dragenter: (event) => carriesFiles(event) && change(1),
    dragleave: (event) => carriesFiles(event) && change(-1),
    dragover: (event) => carriesFiles(event) && event.preventDefault(),
    drop: async (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      change(-depth);
      add(await fromDrop(event));
    },
  };
  for (const [type, listener] of Object.entries(heard)) target.addEventListener(type, listener);
  return () => {
    for (const [type, listener] of Object.entries(heard)) target.removeEventListener(type, listener);
  };
}
