/** A tab whose modules and styles are fetched when it is opened first. */

import { html, useEffect, useSignal } from "../lib/html.js";
import { learnTabs, t } from "../lib/i18n.js";
import { withStyle } from "../lib/style.js";

export function Later({ load, page, isOpen }) {
  const Tab = useSignal(null);
  const failed = useSignal(false);
  const fetchIt = async () => {
    failed.value = false;
    try {
      const [{ Tab: loaded, styles = [] }] = await Promise.all([load(), page.engine.load(), learnTabs()]);
      await Promise.all(styles.map((name) => withStyle(name, page.root)));
      Tab.value = () => loaded;
    } catch {
      failed.value = true;
    }
  };
  useEffect(() => {
    if (isOpen && !Tab.value) fetchIt();
  }, [isOpen]);
  if (!isOpen) return null;
  if (failed.value) {
    return html`<p class="trouble" role="alert">${t("The server can’t be reached.")} <button class="button small" type="button" onClick=${fetchIt}>${t("Retry")}</button></p>`;
  }
  return Tab.value ? html`<${Tab.value()} page=${page} />` : html`<p class="waiting" role="status">${t("One moment…")}</p>`;
}
