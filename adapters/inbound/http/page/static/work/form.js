/** What is to be done, and to which pictures. */

import { sentenceCase } from "../lib/format.js";
import { html, useRef, useSignal } from "../lib/html.js";
import { t, tn } from "../lib/i18n.js";

export function NewBatch({ work, page }) {
  const chosen = useSignal("images/compress");
  const files = useSignal([]);
  const stored = useSignal(page.forWork ?? []);
  const isBusy = useSignal(false);
  const form = useRef(null);
  page.forWork = null;
  const products = work.products.value;
  const product = products.find(({ key }) => key === chosen.value) ?? products[0];
  if (!product) return null;
  const count = files.value.length + stored.value.length;
  const begin = async (event) => {
    event.preventDefault();
    isBusy.value = true;
    // What was taken is not to be taken twice, and what was refused for good would be again.
    const left = await work.make(product, parametersIn(form.current, product), { files: files.value, stored: stored.value });
    isBusy.value = false;
    files.value = left.files;
    stored.value = left.stored;
    if (work.trouble.value) return;
    form.current.reset();
    if (work.refused.value.length < count) page.say(t("Begun."));
  };
  return html`<form class="batch-form" ref=${form} onSubmit=${begin}>
    <label>${t("What to do")}
      <select onChange=${({ target }) => (chosen.value = target.value)}>
        ${products.map(({ key, name }) => html`<option key=${key} value=${key} selected=${key === product.key}>${t(name)}</option>`)}
      </select></label>
    ${product.parameters.map((parameter) => html`<${Field} key=${`${product.key} ${parameter.name}`} ...${parameter} />`)}
    <div class="pick">
      <input id="work-files" class="visually-hidden" type="file" multiple accept=${product.limits.mime_types.join(",")} onChange=${({ target }) => (files.value = [...target.files])} />
      <label class="button" for="work-files">${t("Choose pictures")}</label>
      <span>${files.value.length > 0 && tn("{n} picture chosen", "{n} pictures chosen", files.value.length)}</span>
    </div>
    ${stored.value.length > 0 &&
    html`<p>${tn("and {n} stored file", "and {n} stored files", stored.value.length)} <button class="button small quiet" type="button" onClick=${() => (stored.value = [])}>${t("Without them")}</button></p>`}
    <button class="button primary" type="submit" disabled=${count === 0 || isBusy.value}>${isBusy.value ? t("One moment…") : t("Begin")}</button>
  </form>`;
}

function Field({ name, type, default: usual, minimum, maximum, choices }) {
  const label = sentenceCase(t(name.replaceAll("_", " ")));
  if (choices) {
    return html`<label>${label} <select name=${name}>${choices.map((choice) => html`<option key=${choice} value=${choice} selected=${choice === usual}>${choice}</option>`)}</select></label>`;
  }
  if (type === "boolean") return html`<label class="check"><input type="checkbox" name=${name} defaultChecked=${usual} /> ${label}</label>`;
  return html`<label>${label} <input type=${type === "integer" ? "number" : "text"} name=${name} min=${minimum} max=${maximum} defaultValue=${usual ?? ""} /></label>`;
}

/** Those that the person filled in, as the product wants them. */
function parametersIn(form, { parameters }) {
  const found = {};
  for (const { name, type, choices } of parameters) {
    const field = form.elements.namedItem(name);
    if (type === "boolean") found[name] = field.checked;
    else if (field.value !== "") found[name] = type === "integer" ? Number(field.value) : field.value;
    if (choices && type === "integer") found[name] = Number(field.value);
  }
  return found;
}
