/** Drawing on the map by hand: a box in one drag, a polygon point by point, a tile by one click. */

import type { Bounds, Position } from "../service/types";
import type { MapLibre, MapMouseEvent, MapTouchEvent } from "./engine";
import { boxOf } from "./shapes";

export type DrawKind = "box" | "polygon" | "pick";

export interface Drawn {
  box?: (box: Bounds) => void;
  polygon?: (ring: Position[]) => void;
  pick?: (place: Position) => void;
  /** Called when drawing ends, with or without a shape. */
  ended: () => void;
}

/** Nearer than this (pixels) to its first point, a click closes the polygon. */
const CLOSING = 12;
/** A drag shorter than this (pixels) is a slip of the hand. */
const SHORTEST = 5;

type Pointer = MapMouseEvent | MapTouchEvent;
type Show = (points: readonly Position[], closed: boolean) => void;

/** Begin drawing. Returns what stops it; Escape stops it too. */
export function draw(map: InstanceType<typeof MapLibre>, kind: DrawKind, drawn: Drawn, show: Show): () => void {
  const stops: (() => void)[] = [];
  const on = (names: string, hear: (event: never) => void) => {
    for (const name of names.split(" ")) {
      map.on(name as "click", hear as never);
      stops.push(() => map.off(name as "click", hear as never));
    }
  };
  let over = false;
  const stop = () => {
    if (over) return;
    over = true;
    for (const each of stops) each();
    show([], false);
    map.getCanvas().style.cursor = "";
    map.doubleClickZoom.enable();
    drawn.ended();
  };
  const onKey = (event: KeyboardEvent, more?: (key: string) => boolean) => {
    if (event.key === "Escape" || more?.(event.key)) {
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape") stop();
    }
  };
  const keys = (more?: (key: string) => boolean) => {
    const hear = (event: KeyboardEvent) => onKey(event, more);
    window.addEventListener("keydown", hear, true);
    stops.push(() => window.removeEventListener("keydown", hear, true));
  };
  map.getCanvas().style.cursor = "crosshair";

  if (kind === "pick") {
    on("click", (event: MapMouseEvent) => {
      drawn.pick?.(event.lngLat.toArray() as Position);
      stop();
    });
    keys();
  } else if (kind === "box") {
    let from: Pointer | null = null;
    on("mousedown touchstart", (event: Pointer) => {
      event.preventDefault();
      from = event;
    });
    on("mousemove touchmove", (event: Pointer) => {
      if (from) show(corners(boxOf(place(from), place(event))), true);
    });
    on("mouseup touchend", (event: Pointer) => {
      if (!from) return;
      const long = Math.hypot(event.point.x - from.point.x, event.point.y - from.point.y) >= SHORTEST;
      const box = boxOf(place(from), place(event));
      from = null;
      if (!long) return show([], false);
      drawn.box?.(box);
      stop();
    });
    keys();
  } else {
    let ring: Position[] = [];
    map.doubleClickZoom.disable();
    const close = () => {
      if (ring.length >= 3) {
        drawn.polygon?.(ring);
        stop();
      }
    };
    on("click", (event: MapMouseEvent) => {
      const first = ring[0];
      const start = first && map.project(first);
      if (start && ring.length >= 3 && Math.hypot(start.x - event.point.x, start.y - event.point.y) <= CLOSING)
        return close();
      ring = [...ring, place(event)];
      show(ring, false);
    });
    on("mousemove", (event: MapMouseEvent) => {
      if (ring.length) show([...ring, place(event)], false);
    });
    on("dblclick", (event: MapMouseEvent) => {
      event.preventDefault();
      ring = withoutTwins(ring);
      close();
    });
    keys((key) => {
      if (key === "Enter") close();
      else if (key === "Backspace") {
        ring = ring.slice(0, -1);
        show(ring, false);
      } else return false;
      return true;
    });
  }
  return stop;
}

function place(event: Pointer): Position {
  return event.lngLat.toArray() as Position;
}

function corners([west, south, east, north]: Bounds): Position[] {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
  ];
}

/** A double click is two clicks: its second point says nothing new. */
export function withoutTwins(ring: readonly Position[]): Position[] {
  return ring.filter((point, i) => {
    const before = ring[i - 1];
    return !before || Math.abs(point[0] - before[0]) > 1e-9 || Math.abs(point[1] - before[1]) > 1e-9;
  });
}
