/**
 * Which language the page speaks. The English sentence is its own key, so English needs no dictionary; any other one has
 * its own in i18n/, which is fetched once it is wanted.
 */

import { signal } from "./html.js";

export const LANGUAGES = { en: "English", ru: "Русский" };

/** The code of one of them. */
export const language = signal("en");
const dictionary = signal({});

/** Whether the words of the tabs that are fetched later are wanted, too. */
let wantsTabs = false;

/** Speak `code` from now on; English, should its dictionary not be had. */
export async function speak(code) {
  try {
    const parts = code === "en" ? [] : [import(`../i18n/${code}.js`), wantsTabs && import(`../i18n/${code}_tabs.js`)];
    dictionary.value = Object.assign({}, ...(await Promise.all(parts)).map((part) => part && part.default));
    language.value = code;
  } catch {
    language.value = "en";
  }
}

/** Before the first of the other tabs is shown. */
export function learnTabs() {
  if (wantsTabs) return Promise.resolve();
  wantsTabs = true;
  return speak(language.value);
}

/** `sentence` in the language of the page; `{name}` stands for `values.name`. */
export function t(sentence, values = {}) {
  return filled(dictionary.value[sentence] ?? sentence, values);
}

const FIGURE = /\d(?:[\d.,]*\d)?(?: [KMGT]i?B)?/g;

/** A sentence of the server's, which is known as it is, or with `{1}`, `{2}` in place of the figures in it. */
export function told(sentence) {
  const figures = [""];
  const pattern = sentence.replace(FIGURE, (figure) => `{${figures.push(figure) - 1}}`);
  return sentence in dictionary.value ? t(sentence) : filled(dictionary.value[pattern] ?? sentence, figures);
}

/** As `t`, for what is counted: `{n}` stands for the number. */
export function tn(one, many, n, values = {}) {
  const kind = rules().select(n);
  const forms = dictionary.value[many] ?? { one, other: many };
  return filled(forms[kind] ?? forms.other, { n: number(n), ...values });
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

const made = new Map();

function kept(key, make) {
  if (!made.has(key)) made.set(key, make());
  return made.get(key);
}

const locale = () => (language.value === "en" ? "en-GB" : language.value);
const rules = () => kept(`rules ${locale()}`, () => new Intl.PluralRules(locale()));

export function number(value, digits = 0) {
  const how = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return kept(`number ${locale()} ${digits}`, () => new Intl.NumberFormat(locale(), how)).format(value);
}

/** Never more than there is: 99.9 is 99% still. */
export function percentage(value) {
  return kept(`percent ${locale()}`, () => new Intl.NumberFormat(locale(), { style: "percent" })).format(Math.floor(value) / 100);
}

/** A day and a time of it, as people here write them; the year only if it is not this one. */
export function moment(instant) {
  const date = new Date(instant);
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  /** @type {Intl.DateTimeFormatOptions} */
  const how = { day: "numeric", month: "short", year, hour: "2-digit", minute: "2-digit" };
  return kept(`moment ${locale()} ${year}`, () => new Intl.DateTimeFormat(locale(), how)).format(date);
}

/** To the second. */
export function timeOfDay(instant) {
  return kept(`time ${locale()}`, () => new Intl.DateTimeFormat(locale(), { timeStyle: "medium" })).format(new Date(instant));
}

/** How long ago or until then: "in 3 days", "2 hours ago". */
export function relative(instant) {
  const seconds = (new Date(instant).getTime() - Date.now()) / 1000;
  const [unit, size] = SPANS.find(([, span]) => Math.abs(seconds) >= span) ?? SPANS.at(-1);
  const format = kept(`relative ${locale()}`, () => new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }));
  return format.format(Math.round(seconds / size), unit);
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const SPANS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
