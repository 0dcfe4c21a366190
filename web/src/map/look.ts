/** The map's style: a quiet ground, a grid, what the archive covers, the area asked for and the hits. */

import type { StyleSpecification } from "maplibre-gl";

export interface MapColours {
  ground: string;
  grid: string;
  cover: string;
  accent: string;
  likely: string;
  uncertain: string;
  background: string;
}

const EMPTY = { type: "FeatureCollection" as const, features: [] };

/** The colours of the page, read from its style sheet: one place says how light and dark look. */
export function pageColours(): MapColours {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(`--map-${name}`).trim() || "#888";
  return {
    ground: read("ground"),
    grid: read("grid"),
    cover: read("cover"),
    accent: read("accent"),
    likely: read("likely"),
    uncertain: read("uncertain"),
    background: read("background"),
  };
}

const lit = (yes: unknown, no: unknown) =>
  [
    "case",
    ["any", ["boolean", ["feature-state", "hover"], false], ["boolean", ["feature-state", "chosen"], false]],
    yes,
    no,
  ] as never;

export function mapStyle(colours: MapColours, basemap: string | null): StyleSpecification {
  const ofBand = [
    "match",
    ["get", "band"],
    "likely",
    colours.likely,
    "uncertain",
    colours.uncertain,
    colours.background,
  ] as never;
  return {
    version: 8,
    sources: {
      ...(basemap ? { basemap: { type: "raster" as const, tiles: [basemap], tileSize: 256 } } : {}),
      grid: { type: "geojson", data: EMPTY },
      cover: { type: "geojson", data: EMPTY },
      area: { type: "geojson", data: EMPTY },
      hits: { type: "geojson", data: EMPTY, promoteId: "id" },
      draft: { type: "geojson", data: EMPTY },
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colours.ground } },
      ...(basemap ? [{ id: "basemap", type: "raster" as const, source: "basemap" }] : []),
      { id: "grid", type: "line", source: "grid", paint: { "line-color": colours.grid, "line-width": 1 } },
      { id: "cover-fill", type: "fill", source: "cover", paint: { "fill-color": colours.cover, "fill-opacity": 0.14 } },
      {
        id: "cover-line",
        type: "line",
        source: "cover",
        paint: { "line-color": colours.cover, "line-width": 1.2, "line-dasharray": [3, 2] },
      },
      {
        id: "area-line",
        type: "line",
        source: "area",
        paint: { "line-color": colours.accent, "line-width": 2.2, "line-dasharray": [2, 1.4] },
      },
      {
        id: "hits-fill",
        type: "fill",
        source: "hits",
        paint: {
          "fill-color": ofBand,
          "fill-opacity": lit(0.42, ["case", ["get", "kept"], 0.1, 0.02]),
        },
      },
      {
        id: "hits-halo",
        type: "line",
        source: "hits",
        paint: {
          "line-color": "#08110f",
          "line-width": lit(7, 3.6),
          "line-opacity": ["case", ["get", "kept"], 0.38, 0.1] as never,
          "line-blur": 1.4,
        },
      },
      {
        id: "hits-line",
        type: "line",
        source: "hits",
        paint: {
          "line-color": lit("#ffffff", ofBand),
          "line-width": lit(3.4, 2),
          "line-opacity": lit(1, ["case", ["get", "kept"], 1, 0.35]),
        },
      },
      {
        id: "draft-fill",
        type: "fill",
        source: "draft",
        paint: { "fill-color": colours.accent, "fill-opacity": 0.16 },
      },
      { id: "draft-line", type: "line", source: "draft", paint: { "line-color": colours.accent, "line-width": 2 } },
      {
        id: "draft-points",
        type: "circle",
        source: "draft",
        filter: ["==", ["geometry-type"], "Point"],
        paint: {
          "circle-radius": 5,
          "circle-color": "#fff",
          "circle-stroke-color": colours.accent,
          "circle-stroke-width": 2,
        },
      },
    ],
  };
}
