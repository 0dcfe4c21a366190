/** A search as one value, and the address that says it: a link is a search. */

import type { Bounds, Polygon, Position, SearchRequest, TermRequest } from "../service/types";

export type TermKind = "text" | "item" | "image" | "saved";

export interface Term {
  readonly kind: TermKind;
  /** The words, the id of a tile, the token of a picture, or a saved query as JSON. */
  readonly value: string;
  /** From -4 to 4; below 0 means "less of this". */
  readonly weight: number;
}

export interface SearchState {
  readonly terms: readonly Term[];
  readonly within: Bounds | null;
  readonly polygon: readonly Position[] | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly sources: readonly string[];
  readonly gsd: readonly [number | null, number | null];
  readonly words: string;
  readonly right: readonly string[];
  readonly wrong: readonly string[];
  /** Hits with a lower score are dimmed. */
  readonly cut: number | null;
  /** Longitude, latitude and zoom of the map. */
  readonly view: readonly [number, number, number] | null;
  /** The hit that is looked at. */
  readonly hit: string | null;
}

export const WEIGHT_LIMIT = 4;
export const PAGE_LENGTH = 60;
/** Metres per pixel; nothing that is searched is coarser. */
const COARSEST = 1e6;

export const EMPTY_SEARCH: SearchState = {
  terms: [],
  within: null,
  polygon: null,
  from: null,
  to: null,
  sources: [],
  gsd: [null, null],
  words: "",
  right: [],
  wrong: [],
  cut: null,
  view: null,
  hit: null,
};

const KINDS: readonly string[] = ["text", "item", "image", "saved"];
const TERM = /^(?:(-?\d+(?:\.\d+)?)\*)?([a-z]+):([\s\S]*)$/;

/** `2*text:harbour`; the weight is left out where it is 1. */
export function writeTerm(term: Term): string {
  const weight = term.weight === 1 ? "" : `${trim(term.weight, 2)}*`;
  return `${weight}${term.kind}:${term.value}`;
}

/** The term that an address says; words without a kind are words. `null` for what makes no sense. */
export function readTerm(written: string): Term | null {
  const found = TERM.exec(written);
  if (!found || !KINDS.includes(found[2] ?? "")) return written.trim() ? term("text", written.trim()) : null;
  const value = found[3] ?? "";
  return value.trim() ? term(found[2] as TermKind, value, found[1] === undefined ? 1 : Number(found[1])) : null;
}

export function term(kind: TermKind, value: string, weight = 1): Term {
  return { kind, value, weight: Math.max(-WEIGHT_LIMIT, Math.min(WEIGHT_LIMIT, weight)) };
}

/** What a user types: a leading minus means "less of this", a leading plus is dropped. */
export function typedTerm(typed: string): Term | null {
  const found = /^\s*([+\-−])?\s*([\s\S]*?)\s*$/.exec(typed);
  const words = found?.[2] ?? "";
  return words ? term("text", words, found?.[1] && found[1] !== "+" ? -1 : 1) : null;
}

export function writeSearch(state: SearchState): string {
  const written = new URLSearchParams();
  for (const each of state.terms) written.append("t", writeTerm(each));
  if (state.within) written.set("box", state.within.map((number) => trim(number, 6)).join(","));
  if (state.polygon) written.set("polygon", state.polygon.map(([x, y]) => `${trim(x, 6)},${trim(y, 6)}`).join(";"));
  if (state.from) written.set("from", state.from);
  if (state.to) written.set("to", state.to);
  for (const source of state.sources) written.append("source", source);
  if (state.gsd[0] !== null || state.gsd[1] !== null) written.set("gsd", state.gsd.map((g) => g ?? "").join(","));
  if (state.words) written.set("words", state.words);
  if (state.right.length) written.set("right", state.right.join(","));
  if (state.wrong.length) written.set("wrong", state.wrong.join(","));
  if (state.cut !== null) written.set("cut", trim(state.cut, 4));
  if (state.view) written.set("at", `${trim(state.view[0], 5)},${trim(state.view[1], 5)},${trim(state.view[2], 2)}`);
  if (state.hit) written.set("hit", state.hit);
  return readable(written.toString());
}

export function readSearch(query: string): SearchState {
  const written = new URLSearchParams(query);
  const at = numbers(written.get("at"), 3);
  const box = numbers(written.get("box"), 4);
  const gsd = (written.get("gsd") ?? ",").split(",");
  return {
    terms: written.getAll("t").flatMap((each) => readTerm(each) ?? []),
    within: box && validBox(box) ? (box as Bounds) : null,
    polygon: readRing(written.get("polygon")),
    from: readDate(written.get("from")),
    to: readDate(written.get("to")),
    sources: written.getAll("source").filter(Boolean),
    gsd: [positive(gsd[0]), positive(gsd[1])],
    words: written.get("words") ?? "",
    right: ids(written.get("right")),
    wrong: ids(written.get("wrong")),
    cut: finite(written.get("cut")),
    view: at ? [at[0] ?? 0, at[1] ?? 0, at[2] ?? 0] : null,
    hit: written.get("hit"),
  };
}

/** Whether there is anything to search by. */
export function asksSomething(state: SearchState): boolean {
  return state.terms.length > 0 || state.words.trim() !== "" || state.right.length > 0;
}

/** What decides the answer: not the view of the map, the cut-off or the hit that is open. */
export function searchKey(state: SearchState): string {
  return writeSearch({ ...state, cut: null, view: null, hit: null });
}

export function toRequest(state: SearchState, offset = 0, k = PAGE_LENGTH): SearchRequest {
  return {
    terms: state.terms.map(termRequest),
    within: state.within,
    polygon: state.polygon ? closedRing(state.polygon) : null,
    time_from: state.from,
    time_to: state.to,
    sources: [...state.sources],
    gsd: state.gsd[0] === null && state.gsd[1] === null ? null : [state.gsd[0] ?? 0, state.gsd[1] ?? COARSEST],
    words: state.words.trim() || null,
    right: [...state.right],
    wrong: [...state.wrong],
    k,
    offset,
  };
}

function termRequest(term: Term): TermRequest {
  switch (term.kind) {
    case "text":
      return { text: term.value, weight: term.weight };
    case "item":
      return { item: term.value, weight: term.weight };
    case "image":
      return { image: term.value, weight: term.weight };
    case "saved":
      return { vector_of: parsed(term.value), weight: term.weight };
  }
}

export function closedRing(ring: readonly Position[]): Polygon {
  const first = ring[0];
  const last = ring[ring.length - 1];
  const closed = first && last && (first[0] !== last[0] || first[1] !== last[1]) ? [...ring, first] : [...ring];
  return { type: "Polygon", coordinates: [closed] };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function readRing(written: string | null): Position[] | null {
  const ring = (written ?? "").split(";").flatMap((pair) => {
    const found = numbers(pair, 2);
    return found ? [[found[0], found[1]] as Position] : [];
  });
  return ring.length >= 3 ? ring : null;
}

function validBox([west, south, east, north]: readonly number[]): boolean {
  return (
    [west, east].every((x) => Math.abs(x ?? 999) <= 180) &&
    -90 <= (south ?? -99) &&
    (south ?? 0) < (north ?? 0) &&
    (north ?? 99) <= 90
  );
}

function readDate(written: string | null): string | null {
  return written && /^\d{4}(-\d{2}(-\d{2})?)?$/.test(written) ? written : null;
}

function numbers(written: string | null, count: number): number[] | null {
  const found = (written ?? "").split(",").map((part) => (part.trim() ? Number(part) : Number.NaN));
  return found.length === count && found.every(Number.isFinite) ? found : null;
}

function ids(written: string | null): string[] {
  return [...new Set((written ?? "").split(",").filter((id) => /^[0-9a-f]{8,64}$/.test(id)))];
}

function finite(written: string | null): number | null {
  const number = written ? Number(written) : Number.NaN;
  return Number.isFinite(number) ? number : null;
}

function positive(written: string | undefined): number | null {
  const number = finite(written ?? null);
  return number !== null && number > 0 ? number : null;
}

function trim(number: number, digits: number): string {
  return String(Number(number.toFixed(digits)));
}

/** An address that people can read: what a browser accepts in a fragment stays as it is. */
function readable(query: string): string {
  return query.replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%3B", ";").replaceAll("%2F", "/");
}
