/** Polygons from files. */

import type { Position } from "../service/types";

/** The outer ring of the first polygon of a GeoJSON text. */
export function ringOfGeoJson(text: string | undefined): Position[] | null {
  try {
    let value = JSON.parse(text ?? "") as {
      type?: string;
      features?: unknown[];
      geometry?: unknown;
      coordinates?: unknown;
    };
    if (value.type === "FeatureCollection") value = (value.features?.[0] ?? {}) as typeof value;
    if (value.type === "Feature") value = (value.geometry ?? {}) as typeof value;
    const rings =
      value.type === "MultiPolygon"
        ? (value.coordinates as Position[][][])[0]
        : value.type === "Polygon"
          ? (value.coordinates as Position[][])
          : null;
    const ring = rings?.[0]?.map(([x, y]) => [Number(x), Number(y)] as Position);
    return ring && ring.length >= 4 && ring.flat().every(Number.isFinite) ? ring.slice(0, -1) : null;
  } catch {
    return null;
  }
}
