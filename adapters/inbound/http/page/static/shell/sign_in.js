/** The form that comes up where the server wants to know who calls. */

import { html, useRef } from "../lib/html.js";
import { t } from "../lib/i18n.js";

export function SignIn({ page: { server, me, engine } }) {
  const field = useRef(null);
  const signIn = async (event) => {
    event.preventDefault();
    server.signIn(field.current.value.trim());
    await me.ask();
    if (server.wantsToKnow.value) return;
    const uploads = await engine.load();
    uploads.signedIn();
    uploads.watcher.discover();
  };
  if (me.told.value.auth_mode === "gateway") {
    return html`<p id="sign-in" class="plain" role="alert">${t("The gateway in front of this server did not say who you are. Sign in there, then load this page again.")}</p>`;
  }
  return html`<form id="sign-in" class="plain" onSubmit=${signIn}>
    ${server.isRefused.value && html`<p role="alert">${t("This server does not take that token, or no longer. Paste another.")}</p>`}
    <p role="status">${t("This server wants to know who you are. Paste the token that you were given; it is kept in this tab, until you close it.")}</p>
    <p><label for="token">${t("Token")}</label> <input id="token" ref=${field} type="password" autocomplete="off" spellcheck=${false} required /></p>
    <p><button class="button primary" type="submit">${t("Sign in")}</button></p>
  </form>`;
}
