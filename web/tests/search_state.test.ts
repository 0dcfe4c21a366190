import { describe, expect, it } from "vitest";
import {
  asksSomething,
  closedRing,
  EMPTY_SEARCH,
  readSearch,
  readTerm,
  type SearchState,
  searchKey,
  term,
  toRequest,
  typedTerm,
  writeSearch,
  writeTerm,
} from "../src/address/search_state";

const FULL: SearchState = {
  terms: [
    term("text", "ملاعب تنس: & more = #1"),
    term("text", "snow", -0.5),
    term("item", "0f3b6c9a5d1e47f28a9b0c1d2e3f4a5b", 2),
    term("image", "aa3b6c9a5d1e47f28a9b0c1d2e3f4a5b"),
    term("saved", '{"format":"geoglot-query","version":1,"name":"a+b"}'),
  ],
  within: [5, 43.2, 5.6, 43.6],
  polygon: [
    [1, 2],
    [3, 4],
    [5, 2.5],
  ],
  from: "2021",
  to: "2022-06-30",
  sources: ["4521ee3da23ee42e", "c6e520bf22b20eac"],
  gsd: [0.25, null],
  words: '"tennis court" -parking',
  right: ["0f3b6c9a5d1e47f28a9b0c1d2e3f4a5b"],
  wrong: ["1f3b6c9a5d1e47f28a9b0c1d2e3f4a5b", "2f3b6c9a5d1e47f28a9b0c1d2e3f4a5b"],
  cut: 0.4321,
  view: [13.4, 52.51, 13.5],
  hit: "0f3b6c9a5d1e47f28a9b0c1d2e3f4a5b",
};

describe("a search and its address", () => {
  it("comes back whole from its address", () => {
    expect(readSearch(writeSearch(FULL))).toEqual(FULL);
  });

  it("says nothing where nothing was asked", () => {
    expect(writeSearch(EMPTY_SEARCH)).toBe("");
    expect(readSearch("")).toEqual(EMPTY_SEARCH);
  });

  it("can be read and written by hand", () => {
    expect(writeSearch({ ...EMPTY_SEARCH, terms: [term("text", "two planes"), term("text", "snow", -0.5)] })).toBe(
      "t=text:two+planes&t=-0.5*text:snow",
    );
    expect(readSearch("t=two planes&t=-1*text:snow").terms).toEqual([
      term("text", "two planes"),
      term("text", "snow", -1),
    ]);
  });

  it.each([
    ["box=5,43,5", "within"],
    ["box=5,44,6,43", "within"],
    ["box=200,43,210,44", "within"],
    ["box=5,,6,44", "within"],
    ["polygon=1,2;3,4", "polygon"],
    ["from=yesterday", "from"],
    ["cut=high", "cut"],
    ["at=1,2", "view"],
  ] as const)("leaves out what makes no sense: %s", (query, name) => {
    expect(readSearch(query)[name]).toBeNull();
  });

  it("takes only identifiers as marks, each once", () => {
    expect(readSearch("right=0f3b6c9a,0f3b6c9a,<script>,../etc").right).toEqual(["0f3b6c9a"]);
  });

  it("keeps a box over 180 degrees", () => {
    expect(readSearch("box=179,-17,-179,-16").within).toEqual([179, -17, -179, -16]);
  });

  it("has one key for one answer, wherever the map stands and whichever hit is open", () => {
    expect(searchKey(FULL)).toBe(searchKey({ ...FULL, view: null, cut: null, hit: null }));
    expect(searchKey(FULL)).not.toBe(searchKey({ ...FULL, to: null }));
  });
});

describe("terms", () => {
  it("are read as they are written", () => {
    for (const each of FULL.terms) expect(readTerm(writeTerm(each))).toEqual(each);
  });

  it("keep a colon or an asterisk in words", () => {
    expect(readTerm("ratio 2*3: planes")).toEqual(term("text", "ratio 2*3: planes"));
    expect(readTerm("text:a:b")).toEqual(term("text", "a:b"));
  });

  it("are held within their weights", () => {
    expect(term("text", "x", 9).weight).toBe(4);
    expect(readTerm("-9*text:x")?.weight).toBe(-4);
  });

  it.each([
    ["planes", 1, "planes"],
    ["-snow", -1, "snow"],
    ["− neige ", -1, "neige"],
    ["+ harbour", 1, "harbour"],
    ["north-south road", 1, "north-south road"],
  ])("typed as %j", (typed, weight, words) => {
    expect(typedTerm(typed)).toEqual(term("text", words, weight));
  });

  it.each(["", "   ", "-", " + "])("typed as %j say nothing", (typed) => {
    expect(typedTerm(typed)).toBeNull();
  });
});

describe("the request", () => {
  it("says each kind of term by its own name", () => {
    const { terms } = toRequest(FULL);
    expect(terms.map((each) => Object.keys(each)[0])).toEqual(["text", "text", "item", "image", "vector_of"]);
    expect(terms[4]?.vector_of).toEqual({ format: "geoglot-query", version: 1, name: "a+b" });
  });

  it("closes the ring, and only once", () => {
    const ring = closedRing([
      [0, 0],
      [1, 0],
      [1, 1],
    ]).coordinates[0];
    expect(ring).toHaveLength(4);
    expect(ring?.[0]).toEqual(ring?.[3]);
    expect(closedRing(ring ?? []).coordinates[0]).toHaveLength(4);
  });

  it("opens an end of the resolution that was not given", () => {
    expect(toRequest(FULL).gsd).toEqual([0.25, 1e6]);
    expect(toRequest(EMPTY_SEARCH).gsd).toBeNull();
  });

  it("is made when there is something to look for", () => {
    expect(asksSomething(EMPTY_SEARCH)).toBe(false);
    expect(asksSomething({ ...EMPTY_SEARCH, within: [0, 0, 1, 1] })).toBe(false);
    expect(asksSomething({ ...EMPTY_SEARCH, words: "tennis" })).toBe(true);
    expect(asksSomething({ ...EMPTY_SEARCH, terms: [term("text", "x")] })).toBe(true);
  });
});
