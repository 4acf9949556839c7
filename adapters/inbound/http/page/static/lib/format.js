/** Sizes, speeds, times and names, as people read them. */

import { language, number, t, tn } from "./i18n.js";

/** Keeps a number and its unit on one line. */
export const NBSP = "\u00a0";

const UNITS = { en: ["B", "kB", "MB", "GB", "TB", "PB"], ru: ["Б", "кБ", "МБ", "ГБ", "ТБ", "ПБ"] };

/** Decimal units, as file managers and disk makers count: 73400320 → "73.4 MB". */
export function bytes(count) {
  const [value, unit] = scaled(count);
  return measured(value, unit, unit === 0 || value >= 99.95 ? 0 : 1);
}

/** The size of a whole file: "40 MB" rather than "40.0 MB", as it does not move. */
export function wholeBytes(count) {
  const [value, unit] = scaled(count);
  return measured(value, unit, unit === 0 || value >= 99.95 || Math.round(value * 10) % 10 === 0 ? 0 : 1);
}

function scaled(count) {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.en.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return [value, unit];
}

const measured = (value, unit, digits) => `${number(value, digits)}${NBSP}${(UNITS[language.value] ?? UNITS.en)[unit]}`;

export const speed = (bytesPerSecond) => t("{amount}/s", { amount: bytes(bytesPerSecond) });

/** Rounded on purpose: a time left that jumps every second helps nobody. */
export function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 5) return t("a few seconds left");
  if (seconds < 55) return t("{n}\u00a0s left", { n: Math.ceil(seconds / 5) * 5 });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("{n}\u00a0min left", { n: Math.max(1, minutes) });
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return tn("{n} day left", "{n} days left", Math.round(hours / 24));
  return minutes % 60 ? t("{h} h {m} min left", { h: hours, m: minutes % 60 }) : t("{h} h left", { h: hours });
}

export const sentenceCase = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function percent(part, whole) {
  return whole === 0 ? 0 : Math.min(100, (100 * part) / whole);
}

/** Up to four letters for the tile beside a name. */
export function extension(name) {
  const found = /[^.]\.([A-Za-z0-9]{1,4})$/.exec(name);
  return found ? found[1].toUpperCase() : "";
}

const PICTURE_TYPE = /^image\/(jpeg|pjpeg|png|apng|webp|gif|hei[cf](-sequence)?|avif)$/i;
const PICTURE_NAME = /[^.]\.(jpe?g|jpe|jfif|png|apng|webp|gif|heics?|heifs?|hif|avif)$/i;

/** Whether it may be one that the server draws; what it really is, only the server sees. */
export const isPicture = ({ type, name }) => PICTURE_TYPE.test(type) || PICTURE_NAME.test(name);
