/** The scene on a map, with a swipe when there are two dates. */

import { useEffect, useRef, useState } from "preact/hooks";
import { tiles as tilesOf } from "../service/client";
import type { Bounds, HeatResult, Position, Scene, Source } from "../service/types";
import { useTheme } from "../shell/theme";
import { useWords } from "../words";
import type { Region } from "./regions";
import type { SceneSurface } from "./surface";

interface Props {
  scene: Scene;
  bounds: Bounds;
  tiles: string;
  window: readonly number[] | null;
  heat: HeatResult | null;
  heatPicture: string;
  opacity: number;
  peak: number | null;
  regions: readonly Region[];
  chosen: string | null;
  target: { bounds: Bounds } | null;
  other: Source | null;
  view: string | null;
  onView: (view: string) => void;
  onPeak: (rank: number) => void;
  onRegion: (id: string) => void;
}

export function SceneMap(props: Props) {
  const { scene, bounds, tiles, heat, heatPicture, opacity, peak, regions, chosen, target, other } = props;
  const { t, direction, date } = useWords();
  const { dark } = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const over = useRef<HTMLDivElement>(null);
  const surface = useRef<SceneSurface | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [ready, setReady] = useState(false);
  const [broken, setBroken] = useState(false);
  const [swipe, setSwipe] = useState(50);

  // made once for a scene, and again in another light
  useEffect(() => {
    let gone = false;
    const container = box.current as HTMLElement;
    import("./surface")
      .then(({ SceneSurface }) => {
        if (gone) return;
        const at = latest.current.view?.split(",").map(Number);
        surface.current = new SceneSurface(
          container,
          {
            tiles: latest.current.tiles,
            bounds,
            view: at?.length === 3 && at.every(Number.isFinite) ? (at as [number, number, number]) : null,
            window: windowRing(scene, bounds, latest.current.window),
            words: { map: t("map"), zoomIn: t("zoomIn"), zoomOut: t("zoomOut"), peak: (rank) => t("peakOf", { rank }) },
          },
          {
            peak: (rank) => latest.current.onPeak(rank),
            region: (id) => latest.current.onRegion(id),
            moved: (view) => latest.current.onView(view.map((n, i) => n.toFixed(i === 2 ? 2 : 5)).join(",")),
          },
        );
        if (!at && latest.current.window) {
          const ring = windowRing(scene, bounds, latest.current.window);
          if (ring) surface.current.fit(boundsOf(ring), 17);
        }
        setReady(true);
      })
      .catch(() => setBroken(true));
    return () => {
      gone = true;
      surface.current?.remove();
      surface.current = null;
      setReady(false);
    };
  }, [scene.id, dark]);

  useEffect(() => {
    if (ready) surface.current?.setTiles(tiles);
  }, [ready, tiles]);
  useEffect(() => {
    if (ready) surface.current?.setHeat(heat, heatPicture, latest.current.opacity);
  }, [ready, heat, heatPicture]);
  useEffect(() => surface.current?.setOpacity(opacity), [opacity]);
  useEffect(() => {
    if (ready) surface.current?.setPeaks(heat, peak);
  }, [ready, heat, peak]);
  useEffect(() => {
    if (ready) surface.current?.setRegions(regions, chosen);
  }, [ready, regions, chosen]);
  useEffect(() => {
    if (ready && target) surface.current?.fit(target.bounds);
  }, [ready, target]);
  useEffect(() => {
    if (!ready || !other?.bounds || !over.current) return;
    return surface.current?.compare(over.current, tilesOf(other.id), other.bounds);
  }, [ready, other]);

  const at = direction === "rtl" ? 100 - swipe : swipe;
  return (
    <section class="sceneMap" aria-label={t("map")}>
      <div class="surface" ref={box} dir="ltr" data-ready={ready} />
      {broken && (
        <div class="state over">
          <h2>{t("noMap")}</h2>
          <img src={scene.picture} alt={t("pictureOf", { name: scene.name })} />
        </div>
      )}
      {other && (
        <>
          <div
            class="surface second"
            ref={over}
            dir="ltr"
            aria-hidden="true"
            style={{ clipPath: `inset(0 0 0 ${at}%)` }}
          />
          <div
            class="swipe"
            role="slider"
            tabIndex={0}
            aria-label={t("swipe")}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(swipe)}
            dir="ltr"
            style={{ left: `${at}%` }}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={(event) => {
              if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
              const { left, width } = (event.currentTarget.parentElement as HTMLElement).getBoundingClientRect();
              const share = ((event.clientX - left) / width) * 100;
              setSwipe(Math.max(0, Math.min(100, direction === "rtl" ? 100 - share : share)));
            }}
            onKeyDown={(event) => {
              const by = { ArrowRight: 4, ArrowLeft: -4 }[event.key];
              if (!by) return;
              event.preventDefault();
              setSwipe((now) => Math.max(0, Math.min(100, now + (direction === "rtl" ? -by : by))));
            }}
          >
            <span />
          </div>
          <p class="dateTag left">{scene.times?.[0] ? date(scene.times[0]) : scene.name}</p>
          <p class="dateTag right">{other.times?.[0] ? date(other.times[0]) : other.name}</p>
        </>
      )}
    </section>
  );
}

/** A window of a scene on Earth, as well as its bounds tell; exact for scenes that are not rotated. */
function windowRing(
  scene: Scene,
  [west, south, east, north]: Bounds,
  window: readonly number[] | null,
): Position[] | null {
  if (!window) return null;
  const [column = 0, row = 0, across = 0, down = 0] = window;
  const x = (value: number) => west + ((east - west) * value) / scene.width;
  const y = (value: number) => north - ((north - south) * value) / scene.height;
  return [
    [x(column), y(row)],
    [x(column + across), y(row)],
    [x(column + across), y(row + down)],
    [x(column), y(row + down)],
    [x(column), y(row)],
  ];
}

function boundsOf(ring: readonly Position[]): Bounds {
  const xs = ring.map(([x]) => x);
  const ys = ring.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
