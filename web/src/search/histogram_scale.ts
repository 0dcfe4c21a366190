/** How scores become bars and positions of the histogram, and back. */

import type { Band, Histogram, Thresholds } from "../service/types";

export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Share of the tallest bar, [0, 1]; roots, so that a handful of hits shows beside thousands of tiles. */
  readonly height: number;
  readonly band: Band;
}

export function bandOf(score: number, thresholds: Thresholds): Band {
  const { likely, uncertain } = thresholds;
  if (likely !== null && score >= likely) return "likely";
  return uncertain !== null && score >= uncertain ? "uncertain" : "background";
}

export function barsOf(histogram: Histogram, thresholds: Thresholds): Bar[] {
  const most = Math.max(1, ...histogram.counts);
  return histogram.counts.flatMap((count, i) => {
    const from = histogram.edges[i];
    const to = histogram.edges[i + 1];
    if (from === undefined || to === undefined) return [];
    return [{ from, to, count, height: Math.sqrt(count / most), band: bandOf((from + to) / 2, thresholds) }];
  });
}

/** Lowest and highest score that the axis shows: all bars that hold something, and the thresholds. */
export function axisOf(histogram: Histogram, thresholds: Thresholds): [number, number] {
  const full = histogram.counts.flatMap((count, i) =>
    count > 0 ? [histogram.edges[i] ?? 0, histogram.edges[i + 1] ?? 0] : [],
  );
  const marks = [...full, thresholds.likely, thresholds.uncertain].filter((mark) => mark !== null);
  if (!marks.length) return [0, 1];
  const low = Math.min(...marks);
  const high = Math.max(...marks);
  const room = (high - low || 1) * 0.03;
  return [low - room, high + room];
}

export function toShare(score: number, [low, high]: readonly [number, number]): number {
  return Math.max(0, Math.min(1, (score - low) / (high - low || 1)));
}

export function toScore(share: number, [low, high]: readonly [number, number]): number {
  return low + Math.max(0, Math.min(1, share)) * (high - low);
}

/** How many tiles have at least this score, as far as the bars tell; a bar that is cut counts by its share. */
export function countAbove(histogram: Histogram, score: number): number {
  return Math.round(
    histogram.counts.reduce((sum, count, i) => {
      const from = histogram.edges[i] ?? 0;
      const to = histogram.edges[i + 1] ?? from;
      if (score <= from) return sum + count;
      if (score >= to) return sum;
      return sum + (count * (to - score)) / (to - from);
    }, 0),
  );
}
