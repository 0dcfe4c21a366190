/** Outlined things and what the reader thinks of them. */

import type { Bounds, Position, RegionFeature } from "../service/types";

export type Judgement = "kept" | "erased";

export interface Region {
  readonly id: string;
  readonly feature: RegionFeature;
  readonly judgement: Judgement | null;
}

/** The features of a result, numbered; ids stay the same while the phrase does. */
export function regionsOf(features: readonly RegionFeature[]): Region[] {
  return features.map((feature, i) => ({ id: `${feature.properties.phrase}/${i}`, feature, judgement: null }));
}

export function judge(regions: readonly Region[], id: string, judgement: Judgement | null): Region[] {
  return regions.map((region) => (region.id === id ? { ...region, judgement } : region));
}

/** What is taken along: all that was not erased, or only what was kept once something was. */
export function takenAlong(regions: readonly Region[]): Region[] {
  const kept = regions.filter((region) => region.judgement === "kept");
  return kept.length ? kept : regions.filter((region) => region.judgement !== "erased");
}

export function asGeoJson(regions: readonly Region[]): string {
  const features = takenAlong(regions).map(({ feature, judgement }) => ({
    ...feature,
    properties: { ...feature.properties, judgement: judgement ?? "not looked at" },
  }));
  return JSON.stringify({ type: "FeatureCollection", features });
}

export function boundsOfRegion(region: Region): Bounds {
  const points = (region.feature.geometry.coordinates as unknown[]).flat(
    region.feature.geometry.type === "Polygon" ? 1 : 2,
  ) as Position[];
  return points.reduce<Bounds>(
    (box, [x, y]) => [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

/** The regions nearest to a place first. */
export function nearest(regions: readonly Region[], [x, y]: Position): Region[] {
  const distance = (region: Region) => {
    const [west, south, east, north] = boundsOfRegion(region);
    return Math.hypot(Math.max(west - x, 0, x - east), Math.max(south - y, 0, y - north));
  };
  return [...regions].sort((a, b) => distance(a) - distance(b));
}
