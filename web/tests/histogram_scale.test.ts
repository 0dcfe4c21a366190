import { describe, expect, it } from "vitest";
import { axisOf, bandOf, barsOf, countAbove, toScore, toShare } from "../src/search/histogram_scale";

const HISTOGRAM = { edges: [0, 0.25, 0.5, 0.75, 1], counts: [100, 25, 4, 1], exact: true };
const THRESHOLDS = { likely: 0.8, uncertain: 0.6 };

describe("the histogram", () => {
  it("bands a score by its thresholds, and never calls it likely where there are none", () => {
    expect([0.9, 0.8, 0.7, 0.6, 0.1].map((score) => bandOf(score, THRESHOLDS))).toEqual([
      "likely",
      "likely",
      "uncertain",
      "uncertain",
      "background",
    ]);
    expect(bandOf(0.9, { likely: null, uncertain: null })).toBe("background");
  });

  it("draws heights as roots: 1 of 100 is a tenth, not a hundredth", () => {
    expect(barsOf(HISTOGRAM, THRESHOLDS).map((bar) => bar.height)).toEqual([1, 0.5, 0.2, 0.1]);
    expect(barsOf(HISTOGRAM, THRESHOLDS).map((bar) => bar.band)).toEqual([
      "background",
      "background",
      "uncertain",
      "likely",
    ]);
  });

  it("shows all that holds something, and the thresholds", () => {
    const [low, high] = axisOf({ ...HISTOGRAM, counts: [0, 25, 4, 0] }, { likely: 0.9, uncertain: null });
    expect(low).toBeCloseTo(0.25 - 0.65 * 0.03);
    expect(high).toBeCloseTo(0.9 + 0.65 * 0.03);
    expect(axisOf({ edges: [], counts: [], exact: true }, { likely: null, uncertain: null })).toEqual([0, 1]);
  });

  it("goes from score to place and back", () => {
    const axis = [-0.2, 0.8] as const;
    expect(toShare(0.3, axis)).toBeCloseTo(0.5);
    expect(toScore(toShare(0.37, axis), axis)).toBeCloseTo(0.37);
    expect(toShare(5, axis)).toBe(1);
    expect(toScore(-1, axis)).toBe(-0.2);
  });

  it("counts what lies above: whole bars and the share of the one that is cut", () => {
    expect(countAbove(HISTOGRAM, 0.5)).toBe(5);
    // half of the bar from 0.25 to 0.5: 12.5 of 25, and 5 above it
    expect(countAbove(HISTOGRAM, 0.375)).toBe(18);
    expect(countAbove(HISTOGRAM, -1)).toBe(130);
    expect(countAbove(HISTOGRAM, 1.1)).toBe(0);
  });
});
