/** A picture without a place on Earth: moved and zoomed by mouse, touch or keys, in its own pixels. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { HeatResult, Position } from "../service/types";
import { useWords } from "../words";
import type { Region } from "./regions";

interface Props {
  picture: string;
  width: number;
  height: number;
  name: string;
  window: readonly number[] | null;
  heat: HeatResult | null;
  heatPicture: string;
  opacity: number;
  peak: number | null;
  regions: readonly Region[];
  chosen: string | null;
  onPeak: (rank: number) => void;
  onRegion: (id: string) => void;
}

interface View {
  x: number;
  y: number;
  scale: number;
}

export function PlainView(props: Props) {
  const { picture, width, height, name, window: shown, heat, heatPicture, opacity, peak, regions, chosen } = props;
  const { t } = useWords();
  const [view, setView] = useState<View>({ x: 0, y: 0, scale: 1 });
  const box = useRef<SVGSVGElement>(null);
  const drag = useRef<Position | null>(null);
  const seen = { width: width / view.scale, height: height / view.scale };
  const clamped = (next: View): View => {
    const scale = Math.max(1, Math.min(16, next.scale));
    const room = (whole: number) => whole - whole / scale;
    return { scale, x: Math.max(0, Math.min(room(width), next.x)), y: Math.max(0, Math.min(room(height), next.y)) };
  };
  /** Full-resolution pixels that one pixel of the screen is. */
  const unit = () => {
    const { width: across, height: down } = (box.current as SVGSVGElement).getBoundingClientRect();
    return Math.max(seen.width / across, seen.height / down);
  };
  const zoom = (factor: number) =>
    setView((now) => {
      const scale = Math.max(1, Math.min(16, now.scale * factor));
      const middle = [now.x + width / now.scale / 2, now.y + height / now.scale / 2] as const;
      return clamped({ scale, x: middle[0] - width / scale / 2, y: middle[1] - height / scale / 2 });
    });
  useEffect(() => {
    const element = box.current;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  });
  const steps: Record<string, () => void> = {
    "+": () => zoom(1.4),
    "=": () => zoom(1.4),
    "-": () => zoom(1 / 1.4),
    ArrowLeft: () => setView((now) => clamped({ ...now, x: now.x - seen.width / 8 })),
    ArrowRight: () => setView((now) => clamped({ ...now, x: now.x + seen.width / 8 })),
    ArrowUp: () => setView((now) => clamped({ ...now, y: now.y - seen.height / 8 })),
    ArrowDown: () => setView((now) => clamped({ ...now, y: now.y + seen.height / 8 })),
  };
  const line = Math.max(seen.width, seen.height) / 320;
  return (
    <div class="plainView">
      <svg
        ref={box}
        viewBox={`${view.x} ${view.y} ${seen.width} ${seen.height}`}
        role="application"
        aria-label={t("pictureOf", { name })}
        tabindex={0}
        onKeyDown={(event) => {
          const act = steps[event.key];
          if (!act) return;
          event.preventDefault();
          event.stopPropagation();
          act();
        }}
        onPointerDown={(event) => {
          drag.current = [event.clientX, event.clientY];
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (!from) return;
          const each = unit();
          setView((now) =>
            clamped({
              ...now,
              x: now.x - (event.clientX - from[0]) * each,
              y: now.y - (event.clientY - from[1]) * each,
            }),
          );
          drag.current = [event.clientX, event.clientY];
        }}
        onPointerUp={() => {
          drag.current = null;
        }}
      >
        <image href={picture} width={width} height={height} preserveAspectRatio="none" />
        {heat && (
          <image href={heatPicture} width={width} height={height} preserveAspectRatio="none" opacity={opacity} />
        )}
        {shown && (
          <rect class="windowBox" x={shown[0]} y={shown[1]} width={shown[2]} height={shown[3]} stroke-width={line} />
        )}
        {regions
          .filter((region) => region.judgement !== "erased")
          .map((region) => (
            // biome-ignore lint/a11y/noStaticElementInteractions: every outline is a button of the list beside it
            <path
              key={region.id}
              class={`outline ${region.judgement ?? ""}${region.id === chosen ? " lit" : ""}`}
              d={pathOf(region)}
              stroke-width={line}
              onClick={() => props.onRegion(region.id)}
            />
          ))}
        {heat?.places.map(({ rank, window: [x, y, across, down] }) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: every peak is a button of the list beside it
          <g key={rank} class={`peakMark${rank === peak ? " lit" : ""}`} onClick={() => props.onPeak(rank)}>
            <circle cx={x + across / 2} cy={y + down / 2} r={line * 8} stroke-width={line} />
            <text
              x={x + across / 2}
              y={y + down / 2}
              font-size={line * 9}
              dominant-baseline="central"
              text-anchor="middle"
            >
              {rank}
            </text>
          </g>
        ))}
      </svg>
      <div class="zoomers">
        <button type="button" class="plain" aria-label={t("zoomIn")} onClick={() => zoom(1.4)}>
          +
        </button>
        <button type="button" class="plain" aria-label={t("zoomOut")} onClick={() => zoom(1 / 1.4)}>
          −
        </button>
      </div>
    </div>
  );
}

function pathOf({ feature: { geometry } }: Region): string {
  const rings = (
    geometry.type === "Polygon" ? geometry.coordinates : (geometry.coordinates as Position[][][]).flat()
  ) as Position[][];
  return rings.map((ring) => `M${ring.map(([x, y]) => `${x} ${y}`).join("L")}Z`).join("");
}
