import { describe, expect, it } from "vitest";
import { DICTIONARIES, fill, LANGUAGES, type Word, wordsFor } from "../src/words";

const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

describe("the words of the page", () => {
  it.each(LANGUAGES)("are all there in %s, with the same holes", (language) => {
    for (const [key, english] of Object.entries(DICTIONARIES.en)) {
      const said = DICTIONARIES[language][key as Word];
      expect(said.trim(), key).not.toBe("");
      expect(holes(said), key).toEqual(holes(english));
    }
  });

  it("are really translated", () => {
    const same = (language: "ar" | "fr" | "it") =>
      Object.entries(DICTIONARIES.en).filter(([key, english]) => DICTIONARIES[language][key as Word] === english)
        .length;
    expect(same("ar")).toBe(0);
    expect(same("fr")).toBeLessThan(8);
    expect(same("it")).toBeLessThan(8);
  });

  it("fill their holes once, and leave an unknown one alone", () => {
    expect(fill("{a} of {b} {c}", { a: 1, b: "{a}" }, String)).toBe("1 of {a} {c}");
  });

  it("mirror for Arabic, and keep the digits of file names and scores", () => {
    const ar = wordsFor("ar");
    expect(ar.direction).toBe("rtl");
    expect(ar.number(1234.5, 1)).toMatch(/^1.234.5$/);
    expect(wordsFor("en").bytes(1_900_000)).toBe("1.9 MB");
    expect(wordsFor("en").duration(30)).toBe("30 s");
    expect(wordsFor("en").date("2024-06-15T23:59:00+00:00")).toBe("Jun 15, 2024");
  });
});
