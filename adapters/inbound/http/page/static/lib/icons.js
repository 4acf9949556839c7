/** The few pictures that buttons and tiles wear. */

import { html } from "./html.js";

const PATHS = {
  pause: "M7 5v10M13 5v10",
  resume: "M7 4.5v11l8.5-5.5z",
  close: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  check: "M4.5 10.5l3.8 3.8 7.2-8.3",
  alert: "M10 4.5v7M10 15.2v.1",
  clock: "M10 5.5V10l3 2M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0z",
  ask: "M10 13.5v-9M6.2 8.2L10 4.4l3.8 3.8M4.5 16h11",
  trash: "M4.5 6h11M8 6V4h4v2M6 6l.7 10h6.6L14 6M8.7 8.8v4.6M11.3 8.8v4.6",
  share: "M13.5 6.5L10 3 6.5 6.5M10 3v9M5 10v6h10v-6",
  lock: "M6 9h8v7H6zM7.5 9V6.5a2.5 2.5 0 0 1 5 0V9",
  globe: "M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0zM3 10h14M10 3c2.6 2.6 2.6 11.4 0 14M10 3c-2.6 2.6-2.6 11.4 0 14",
  save: "M10 3.5v9M6.2 8.8l3.8 3.700 3.8-3.700M4.5 16h11",
};

export const Icon = ({ name, class: more = "" }) =>
  html`<svg class="icon ${more}" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
