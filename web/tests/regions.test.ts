import { describe, expect, it } from "vitest";
import { failureOf } from "../src/archive/failure";
import { tablesOf, valueAt } from "../src/models/results_tables";
import { asGeoJson, boundsOfRegion, judge, nearest, regionsOf, takenAlong } from "../src/scene/regions";
import { ringOfGeoJson } from "../src/search/geojson";
import type { Position, RegionFeature } from "../src/service/types";

const square = (x: number, y: number): RegionFeature => ({
  type: "Feature",
  geometry: {
    type: "Polygon",
    coordinates: [
      [
        [x, y],
        [x + 1, y],
        [x + 1, y + 1],
        [x, y],
      ] as Position[],
    ],
  },
  properties: { phrase: "tank", score: 0.8, area_m2: 12, pixels: 48 },
});

describe("outlines", () => {
  const regions = regionsOf([square(0, 0), square(10, 0), square(20, 0)]);
  const [first, second] = regions;

  it("are all taken along until one is kept, but never what was erased", () => {
    expect(takenAlong(regions)).toHaveLength(3);
    const erased = judge(regions, first?.id ?? "", "erased");
    expect(takenAlong(erased).map((each) => each.id)).toEqual(regions.slice(1).map((each) => each.id));
    const kept = judge(erased, second?.id ?? "", "kept");
    expect(takenAlong(kept).map((each) => each.id)).toEqual([second?.id]);
    expect(JSON.parse(asGeoJson(kept)).features[0].properties.judgement).toBe("kept");
  });

  it("are found by the place that was clicked", () => {
    expect(boundsOfRegion(regions[1] as never)).toEqual([10, 0, 11, 1]);
    expect(nearest(regions, [12, 0]).map((each) => each.id)).toEqual([regions[1]?.id, regions[2]?.id, regions[0]?.id]);
  });

  it("of two parts have one box", () => {
    const feature: RegionFeature = {
      ...square(0, 0),
      geometry: {
        type: "MultiPolygon",
        coordinates: [
          square(0, 0).geometry.coordinates as Position[][],
          square(5, 5).geometry.coordinates as Position[][],
        ],
      },
    };
    expect(boundsOfRegion(regionsOf([feature])[0] as never)).toEqual([0, 0, 6, 6]);
  });
});

describe("files that users hand in", () => {
  const ring = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 0],
  ];
  it.each([
    { type: "Polygon", coordinates: [ring] },
    { type: "Feature", geometry: { type: "Polygon", coordinates: [ring] } },
    {
      type: "FeatureCollection",
      features: [{ type: "Feature", geometry: { type: "MultiPolygon", coordinates: [[ring]] } }],
    },
  ])("a polygon as $type", (value) => {
    expect(ringOfGeoJson(JSON.stringify(value))).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
    ]);
  });

  it.each([
    "",
    "no json",
    "null",
    '{"type":"Point","coordinates":[1,2]}',
    '{"type":"Polygon","coordinates":[[[0,"x"],[1,0],[1,1],[0,0]]]}',
  ])("no polygon: %j", (text) => {
    expect(ringOfGeoJson(text)).toBeNull();
  });

  it("a failure says its cause and remedy", () => {
    expect(failureOf('{"file":"x","cause":"is text, not pixels","remedy":"use GeoTIFF"}')).toBe(
      "is text, not pixels — use GeoTIFF",
    );
    expect(failureOf("plain words")).toBe("plain words");
    expect(failureOf(null)).toBeNull();
  });
});

describe("result tables", () => {
  it("take known measures, best first, and leave out runs without them", () => {
    const run = (title: string, en: number) => ({
      title,
      dataset: "ucm",
      languages: { en: { plain: { mR: { mean: en, spread: null } } } },
    });
    const [table] = tablesOf({
      leaderboard: { a: run("A", 10.5), b: run("B", 20), c: { title: "C" } },
      bench: { x: { mR: 1 } },
    });
    expect(table?.columns.slice(2)).toEqual(["mR en", "mR ar", "mR fr", "mR it"]);
    expect(table?.rows).toEqual([
      ["B", "ucm", 20, null, null, null],
      ["A", "ucm", 10.5, null, null, null],
    ]);
  });

  it("find the famous measures of a task that is not known", () => {
    const [table] = tablesOf({
      segmentation: { lavt: { method: "lavt", dataset: "refsegrs", test: { oIoU: { value: 71.9 }, mIoU: 47.4 } } },
    });
    expect(table?.columns).toEqual(["", "", "oIoU", "mIoU"]);
    expect(table?.rows).toEqual([["lavt", "refsegrs", 71.9, 47.4]]);
    expect(valueAt({ a: [{ b: 2 }] }, ["a", "0", "b"])).toBe(2);
    expect(valueAt(null, ["a"])).toBeNull();
  });
});
