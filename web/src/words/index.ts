/** The words of the page in the four languages, and numbers, dates and sizes as people write them there. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Language } from "../service/types";
import { ar } from "./ar";
import { en } from "./en";
import { fr } from "./fr";
import { it } from "./it";

export type Word = keyof typeof en;
export type Dictionary = Record<Word, string>;

export const DICTIONARIES: Record<Language, Dictionary> = { en, ar, fr, it };
export const LANGUAGES = Object.keys(DICTIONARIES) as Language[];
export const LANGUAGE_NAMES: Record<Language, string> = {
  en: "English",
  ar: "العربية",
  fr: "Français",
  it: "Italiano",
};

export interface Words {
  readonly language: Language;
  readonly direction: "ltr" | "rtl";
  /** The words for a key, with `{name}` replaced. */
  readonly t: (key: Word, values?: Record<string, string | number>) => string;
  readonly number: (value: number, digits?: number) => string;
  readonly date: (time: string) => string;
  readonly bytes: (value: number) => string;
  readonly metres: (value: number) => string;
  readonly duration: (seconds: number) => string;
}

export function wordsFor(language: Language): Words {
  // Western digits in Arabic too: they are the ones in file names, scores and coordinates.
  const locale = `${language}-u-nu-latn`;
  const number = (value: number, digits = 0) =>
    value.toLocaleString(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const t = (key: Word, values: Record<string, string | number> = {}) =>
    fill(DICTIONARIES[language][key], values, (value) => value.toLocaleString(locale));
  return {
    language,
    direction: language === "ar" ? "rtl" : "ltr",
    t,
    number,
    date: (time) => formatDate(time, locale),
    bytes: (value) => formatBytes(value, number),
    metres: (value) => `\u2066${value < 10 ? number(value, value < 1 ? 2 : 1) : number(value)} m\u2069`,
    duration: (seconds) =>
      seconds < 90 ? `${number(Math.ceil(seconds))} s` : `${number(seconds / 60, seconds < 600 ? 1 : 0)} min`,
  };
}

export function fill(
  template: string,
  values: Record<string, string | number>,
  write: (value: number) => string,
): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? write(value) : value;
  });
}

function formatDate(time: string, locale: string): string {
  const day = new Date(time);
  return Number.isNaN(day.getTime())
    ? time
    : day.toLocaleDateString(locale, { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
}

function formatBytes(value: number, number: (value: number, digits?: number) => string): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  let size = value;
  while (size >= 1000 && power < units.length - 1) {
    size /= 1000;
    power += 1;
  }
  return `${number(size, power && size < 10 ? 1 : 0)} ${units[power]}`;
}

/** The reader's language: chosen before, or the browser's, or English. */
export function preferredLanguage(): Language {
  const asked = [remembered("geoglot.language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return (asked.find((code) => LANGUAGES.includes(code as Language)) as Language | undefined) ?? "en";
}

export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // a browser that keeps nothing: the choice lasts as long as the page
  }
}

export const WordsContext = createContext<Words>(wordsFor("en"));
export const useWords = (): Words => useContext(WordsContext);
