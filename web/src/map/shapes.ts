/** Plane geometry of the map page: bounds, centres, circles of hits that lie too close, a polygon being drawn. */

import type { Bounds, Position } from "../service/types";

export interface Placed {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

export interface Cluster {
  readonly x: number;
  readonly y: number;
  readonly ids: readonly string[];
}

/** Groups of points whose centre lies within a radius (pixels), best first; a lone point is a group of one. */
export function clusterPoints(points: readonly Placed[], radius: number): Cluster[] {
  const groups: { x: number; y: number; ids: string[] }[] = [];
  for (const point of points) {
    const near = groups.find((group) => Math.hypot(group.x - point.x, group.y - point.y) <= radius);
    if (!near) groups.push({ x: point.x, y: point.y, ids: [point.id] });
    else {
      const before = near.ids.length;
      near.x = (near.x * before + point.x) / (before + 1);
      near.y = (near.y * before + point.y) / (before + 1);
      near.ids.push(point.id);
    }
  }
  return groups;
}

export function centre([west, south, east, north]: Bounds): Position {
  const width = east >= west ? east - west : east + 360 - west;
  const x = west + width / 2;
  return [x > 180 ? x - 360 : x, (south + north) / 2];
}

/** The smallest box round all boxes, none of which crosses 180 degrees. */
export function unionBounds(all: readonly (Bounds | null)[]): Bounds | null {
  let union: Bounds | null = null;
  for (const box of all) {
    if (!box) continue;
    union = union
      ? [Math.min(union[0], box[0]), Math.min(union[1], box[1]), Math.max(union[2], box[2]), Math.max(union[3], box[3])]
      : [...box];
  }
  return union;
}

export function boxOf(a: Position, b: Position): Bounds {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
}

export function ringOfBounds([west, south, east, north]: Bounds): Position[] {
  const right = east < west ? east + 360 : east;
  return [
    [west, south],
    [right, south],
    [right, north],
    [west, north],
    [west, south],
  ];
}

export function boundsOfRing(ring: readonly Position[]): Bounds | null {
  return unionBounds(ring.map(([x, y]) => [x, y, x, y]));
}

/** Whether a ring (closed or not) holds a point: even-odd rule. */
export function ringHolds(ring: readonly Position[], [x, y]: Position): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[i] as Position;
    const [bx, by] = ring[j] as Position;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

const STEPS = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/** The step of a quiet grid: about six lines over the width that is seen. */
export function gridStep(degrees: number): number {
  return STEPS.find((step) => degrees / step >= 5) ?? 0.001;
}

/** Meridians and parallels over a box, as polylines. */
export function gridLines([west, south, east, north]: Bounds): Position[][] {
  const step = gridStep(Math.max(east - west, 1e-6));
  const low = Math.max(-85, south);
  const high = Math.min(85, north);
  const lines: Position[][] = [];
  for (let x = Math.ceil(west / step) * step; x <= east && lines.length < 200; x += step)
    lines.push([
      [x, low],
      [x, high],
    ]);
  for (let y = Math.ceil(low / step) * step; y <= high && lines.length < 400; y += step)
    lines.push([
      [west, y],
      [east, y],
    ]);
  return lines;
}
