/** The scores of the whole archive for this question, with a line that can be dragged: what lies left of it is dimmed. */

import { useRef } from "preact/hooks";
import type { Histogram, Thresholds } from "../service/types";
import { useWords } from "../words";
import { axisOf, barsOf, countAbove, toScore, toShare } from "./histogram_scale";

interface Props {
  histogram: Histogram;
  thresholds: Thresholds;
  cut: number | null;
  setCut: (cut: number | null, settled: boolean) => void;
}

const HEIGHT = 44;

export function ScoreHistogram({ histogram, thresholds, cut, setCut }: Props) {
  const { t, number, direction } = useWords();
  const box = useRef<HTMLDivElement>(null);
  const axis = axisOf(histogram, thresholds);
  const bars = barsOf(histogram, thresholds);
  const at = cut === null ? 0 : toShare(cut, axis);
  const scoreAt = (event: PointerEvent) => {
    const { left, width } = (box.current as HTMLElement).getBoundingClientRect();
    const share = (event.clientX - left) / width;
    return toScore(direction === "rtl" ? 1 - share : share, axis);
  };
  const settle = (score: number, settled: boolean) =>
    setCut(score <= axis[0] + (axis[1] - axis[0]) * 0.005 ? null : score, settled);
  const step = (axis[1] - axis[0]) / 50;
  const keys: Record<string, number> = {
    ArrowRight: direction === "rtl" ? -step : step,
    ArrowLeft: direction === "rtl" ? step : -step,
    ArrowUp: step,
    ArrowDown: -step,
    PageUp: step * 5,
    PageDown: -step * 5,
  };
  const mark = (score: number, name: "likely" | "uncertain") => (
    <button
      type="button"
      class={`threshold ${name}`}
      style={{ insetInlineStart: `${toShare(score, axis) * 100}%` }}
      title={t("cutAt", { band: t(name) })}
      aria-label={t("cutAt", { band: t(name) })}
      onClick={() => setCut(score, true)}
    />
  );
  return (
    <div class="histogram">
      <div
        class="bars"
        ref={box}
        onPointerDown={(event) => {
          if ((event.target as HTMLElement).closest(".threshold")) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          settle(scoreAt(event), false);
        }}
        onPointerMove={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) settle(scoreAt(event), false);
        }}
        onPointerUp={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) settle(scoreAt(event), true);
        }}
      >
        {bars.map((bar) => (
          <i
            key={bar.from}
            class={`${bar.band}${cut !== null && bar.to <= cut ? " out" : ""}`}
            style={{
              insetInlineStart: `${toShare(bar.from, axis) * 100}%`,
              inlineSize: `calc(${(toShare(bar.to, axis) - toShare(bar.from, axis)) * 100}% - 1px)`,
              blockSize: `${bar.count ? Math.max(2, bar.height * HEIGHT) : 0}px`,
            }}
          />
        ))}
        {thresholds.uncertain !== null && mark(thresholds.uncertain, "uncertain")}
        {thresholds.likely !== null && mark(thresholds.likely, "likely")}
        <div
          class="cut"
          role="slider"
          tabIndex={0}
          aria-label={t("cutOff")}
          aria-valuemin={Number(axis[0].toFixed(3))}
          aria-valuemax={Number(axis[1].toFixed(3))}
          aria-valuenow={Number((cut ?? axis[0]).toFixed(3))}
          aria-valuetext={
            cut === null ? t("noCut") : t("cutKeeps", { score: number(cut, 2), count: countAbove(histogram, cut) })
          }
          style={{ insetInlineStart: `${at * 100}%` }}
          onKeyDown={(event) => {
            const move = keys[event.key];
            if (event.key === "Home") setCut(null, true);
            else if (event.key === "End") setCut(axis[1], true);
            else if (move !== undefined) settle((cut ?? axis[0]) + move, true);
            else return;
            event.preventDefault();
            event.stopPropagation();
          }}
        >
          <span />
        </div>
      </div>
      <div class="scale" aria-hidden="true">
        <span>{number(axis[0], 2)}</span>
        <span class="told">
          {cut === null ? t("dragToCut") : t("cutKeeps", { score: number(cut, 2), count: countAbove(histogram, cut) })}
        </span>
        <span>{number(axis[1], 2)}</span>
      </div>
    </div>
  );
}
