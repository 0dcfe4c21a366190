import { describe, expect, it } from "vitest";
import { withoutTwins } from "../src/map/draw";
import {
  boundsOfRing,
  boxOf,
  centre,
  clusterPoints,
  gridLines,
  gridStep,
  ringHolds,
  ringOfBounds,
  unionBounds,
} from "../src/map/shapes";
import type { Position } from "../src/service/types";

describe("shapes", () => {
  it("groups points that lie close, the best first, and loses none", () => {
    const points = [
      { id: "a", x: 0, y: 0 },
      { id: "b", x: 100, y: 0 },
      { id: "c", x: 10, y: 0 },
    ];
    const groups = clusterPoints(points, 30);
    expect(groups.map((group) => group.ids)).toEqual([["a", "c"], ["b"]]);
    expect(groups[0]?.x).toBe(5);
  });

  it("makes a box of any two corners", () => {
    expect(boxOf([3, 1], [-1, 4])).toEqual([-1, 1, 3, 4]);
  });

  it("finds the centre over 180 degrees", () => {
    expect(centre([178, 0, -178, 2])).toEqual([180, 1]);
    expect(centre([179, 0, -177, 2])).toEqual([-179, 1]);
  });

  it("joins boxes and skips what has no place", () => {
    expect(unionBounds([null, [0, 0, 1, 1], [2, -1, 3, 0.5]])).toEqual([0, -1, 3, 1]);
    expect(unionBounds([null])).toBeNull();
    expect(boundsOfRing(ringOfBounds([0, 1, 2, 3]))).toEqual([0, 1, 2, 3]);
  });

  it("knows what lies in a ring", () => {
    const notch: Position[] = [
      [0, 0],
      [4, 0],
      [4, 4],
      [2, 1],
      [0, 4],
    ];
    expect(ringHolds(notch, [1, 1])).toBe(true);
    expect(ringHolds(notch, [2, 3])).toBe(false);
  });

  it("draws a grid of about six lines, never one that fills the memory", () => {
    expect(gridStep(0.06)).toBe(0.01);
    expect(gridStep(360)).toBe(30);
    expect(gridLines([-180, -90, 180, 90]).length).toBeLessThan(30);
    expect(gridLines([0, 0, 1e-9, 1e-9]).length).toBeLessThan(400);
  });

  it("drops the second point of a double click", () => {
    expect(
      withoutTwins([
        [0, 0],
        [1, 1],
        [1, 1],
        [2, 2],
      ]),
    ).toHaveLength(3);
  });
});
