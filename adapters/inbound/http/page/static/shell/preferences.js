/** Language and theme: the browser's, until the person wants another. Only then something is kept. */

import { html, signal } from "../lib/html.js";
import { language, LANGUAGES, speak, t } from "../lib/i18n.js";

const kept = (name) => {
  try {
    return localStorage.getItem(`longshore.${name}`) ?? "";
  } catch {
    return ""; // storage is off
  }
};

function keep(name, value) {
  try {
    if (value) localStorage.setItem(`longshore.${name}`, value);
    else localStorage.removeItem(`longshore.${name}`);
  } catch {
    // then it holds for this page
  }
}

const theme = signal("");

/** The server has chosen by Accept-Language what stands in the document; what the person chose comes before that. */
export async function beginPreferences() {
  show(kept("theme"));
  const wanted = kept("language") || document.documentElement.lang;
  await use(wanted in LANGUAGES ? wanted : "en");
}

async function use(code) {
  await speak(code);
  document.documentElement.lang = language.value === "en" ? "en-GB" : language.value;
}

function show(name) {
  theme.value = name;
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
}

export function Preferences() {
  const choose = (code) => {
    keep("language", code);
    use(code);
  };
  const wear = (name) => {
    keep("theme", name);
    show(name);
  };
  const themes = { "": t("As the system"), light: t("Light"), dark: t("Dark") };
  return html`<div class="preferences">
    <${Choice} id="language" label=${t("Language")} value=${language.value} options=${LANGUAGES} choose=${choose} />
    <${Choice} id="theme" label=${t("Theme")} value=${theme.value} options=${themes} choose=${wear} />
  </div>`;
}

function Choice({ id, label, value, options, choose }) {
  return html`<label class="choice" for=${id}>${label}
    <select id=${id} onChange=${({ target }) => choose(target.value)}>
      ${Object.entries(options).map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value} lang=${id === "language" ? key : undefined}>${text}</option>`)}
    </select>
  </label>`;
}
