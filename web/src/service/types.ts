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

export interface JobProgress {
  done: number;
  total: number;
  words: string;
  seconds: number;
  left_seconds: number | null;
}

export interface Job {
  id: string;
  kind: JobKind;
  title: string;
  state: JobState;
  created: string;
  finished: string | null;
  progress: JobProgress | null;
  result: Record<string, unknown> | null;
  problem: Problem | null;
}

/** What a heat-map job tells: a picture, its corners on Earth, its peaks. */
export interface HeatResult {
  query: string;
  corners: [Position, Position, Position, Position] | null;
  low: number;
  high: number;
  places: {
    rank: number;
    score: number;
    window: [number, number, number, number];
    longitude: number | null;
    latitude: number | null;
  }[];
  notes: string[];
}

export interface RegionFeature {
  type: "Feature";
  geometry: { type: "Polygon" | "MultiPolygon"; coordinates: Position[][] | Position[][][] };
  properties: { phrase: string; score: number; area_m2: number | null; pixels: number; [more: string]: unknown };
}

export interface ImageAnswer {
  image: string;
  thumbnail: string;
}

export type ExportFormat = "geojson" | "gpkg" | "geoparquet" | "csv";

export interface ModelCard {
  name: string;
  id: string;
  kind: string;
  languages: string[];
  megabytes: number;
  side_px: number | null;
  licence: string | null;
  validation_mean_recall_percent: Record<string, Record<string, number>> | null;
}
