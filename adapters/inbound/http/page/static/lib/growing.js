/** Long lists: some at first, more as the end comes into sight. What is out of sight costs nothing (css: content-visibility). */

import { html, useEffect, useRef, useSignal } from "./html.js";
import { t, tn } from "./i18n.js";

/** `children` is a function that renders so many of `items`; `more()` is called where there are no more of them here. */
export function More({ items, step, children, more = null }) {
  const count = useSignal(step);
  const end = useRef(null);
  const left = Math.max(0, items.length - count.value);
  const grow = () => (left > 0 ? (count.value += step) : more?.());
  const latest = useRef(grow);
  latest.current = grow;
  useEffect(() => {
    if (!end.current) return undefined;
    const seen = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && latest.current(), {
      rootMargin: "600px",
    });
    seen.observe(end.current);
    return () => seen.disconnect();
  }, [left > 0, items.length, count.value]);
  const isMore = left > 0 || more !== null;
  return html`${children(left > 0 ? items.slice(0, count.value) : items)}
    ${isMore &&
    html`<p class="growing" ref=${end}>
      <button class="button quiet" type="button" onClick=${grow}>${left > 0 ? tn("Show {n} more", "Show {n} more", left) : t("Show more")}</button>
    </p>`}`;
}
