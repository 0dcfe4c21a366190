/** What the service says and hears: the shapes of /v1, as the page uses them. */

export type Language = "en" | "ar" | "fr" | "it";
export type Band = "likely" | "uncertain" | "background";
/** West, south, east, north in degrees; west > east crosses 180 degrees. */
export type Bounds = [number, number, number, number];
export type Position = [number, number];

export interface Polygon {
  type: "Polygon";
  coordinates: Position[][];
}

export interface Hit {
  rank: number;
  score: number;
  band: Band;
  id: string;
  source: string;
  name: string;
  window: [number, number, number, number];
  level: number;
  bounds: Bounds | null;
  footprint: Polygon | null;
  time: string | null;
  gsd_m: number | null;
  merged: number;
  caption: string | null;
  caption_language?: string | null;
  thumbnail: string;
}

export interface TermRequest {
  text?: string;
  item?: string;
  image?: string;
  vector_of?: unknown;
  language?: string;
  weight: number;
}

export interface SearchRequest {
  terms: TermRequest[];
  within: Bounds | null;
  polygon: Polygon | null;
  time_from: string | null;
  time_to: string | null;
  sources: string[];
  gsd: [number, number] | null;
  words: string | null;
  right: string[];
  wrong: string[];
  k: number;
  offset: number;
  rerank?: string | null;
}

export interface TermAnswer {
  label: string;
  text: string | null;
  weight: number;
  language: Language | null;
  unknown_words: string[];
}

export interface Histogram {
  edges: number[];
  counts: number[];
  /** Whether every tile was counted; else a sample stands for all. */
  exact: boolean;
}

/** Least scores of hits that are likely, and at least uncertain; null where there are none. */
export interface Thresholds {
  likely: number | null;
  uncertain: number | null;
}

export interface SearchAnswer {
  hits: Hit[];
  terms: TermAnswer[];
  histogram: Histogram;
  thresholds: Thresholds;
  no_likely: boolean;
  total: number;
  milliseconds: number;
  command: string;
  /** The question, to be saved as a file. */
  query: Record<string, unknown>;
  /** The same, settled into one vector: it needs none of the tiles. */
  saved: Record<string, unknown>;
  notes: string[];
}

/** RFC 9457: what went wrong, why, and what to do. */
export interface Problem {
  title: string;
  detail?: string;
  remedy?: string;
  status?: number;
}

export interface ArchiveModel {
  id: string;
  languages: string[];
  licence: string | null;
  size_bytes: number;
  /** Measured recall in percent by language, as the model's card says. */
  recall: Record<string, unknown>;
}

export interface CoverageFeature {
  type: "Feature";
  id?: string | number;
  geometry: { type: string; coordinates: unknown } | null;
  properties: { source?: string; name?: string; tiles?: number };
}

export interface ArchiveFacts {
  name: string;
  tiles: number;
  sources: number;
  failed_sources: number;
  bounds: Bounds | null;
  located_share: number;
  time_range: [string, string] | null;
  gsd_range: [number, number] | null;
  storage_bytes: Record<string, number>;
  model: ArchiveModel;
  captions: Record<string, number>;
  codes: string;
  created: string;
  coverage: { type: "FeatureCollection"; features: CoverageFeature[] };
  basemap: string | null;
  can_index: boolean;
  features: string[];
}

export interface Item extends Omit<Hit, "rank" | "score" | "band" | "merged" | "caption"> {
  captions: Record<string, string>;
}

export interface Source {
  id: string;
  name: string;
  kind: string | null;
  state: string;
  tiles: number;
  bytes: number;
  error: string | null;
  bounds: Bounds | null;
  times: string[] | null;
  gsd_m: number[] | null;
}

/** One file, opened: what it says of itself. */
export interface Scene extends Source {
  width: number;
  height: number;
  bands: number;
  dtype: string;
  crs: string | null;
  picture: string;
  map_tiles: string | null;
}

export interface SourcePage {
  sources: Source[];
  total: number;
  states: Record<string, number>;
}

export type JobKind = "index" | "caption" | "segment" | "locate";
export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  job: string;
  kind: JobKind;
  state: JobState;
  progress?: { done: number; total: number | null; [more: string]: unknown } | null;
  created?: string;
  finished?: string | null;
  subject?: string | null;
  error?: Problem | null;
  result?: Record<string, unknown> | null;
}

export interface ImageAnswer {
  image: string;
  thumbnail: string;
}

export type ExportFormat = "geojson" | "gpkg" | "geoparquet" | "csv";

export interface ModelCard {
  id: string;
  kind: string;
  [more: string]: unknown;
}

export interface ResultTable {
  title: string;
  columns: string[];
  rows: (string | number | null)[][];
  note?: string | null;
}
