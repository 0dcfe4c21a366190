/** The map of the search page: MapLibre behind the few verbs that the page needs. */

import type { Bounds, CoverageFeature, Hit, Position } from "../service/types";
import { type DrawKind, type Drawn, draw } from "./draw";
import { type GeoJSONSource, MapLibre, Marker, NavigationControl, ScaleControl } from "./engine";
import { mapStyle, pageColours } from "./look";
import { centre, clusterPoints, gridLines, type Placed, ringOfBounds } from "./shapes";

export interface SurfaceEvents {
  hover: (id: string | null) => void;
  choose: (id: string) => void;
  /** The user, not the page, has moved the map. */
  moved: (view: [number, number, number], bounds: Bounds, byHand: boolean) => void;
}

export interface RasterLayer {
  readonly id: string;
  readonly tiles: string;
  readonly bounds: Bounds;
}

export interface SurfaceWords {
  map: string;
  zoomIn: string;
  zoomOut: string;
  hits: (count: number) => string;
  hit: (rank: number) => string;
}

interface Options {
  view: readonly [number, number, number] | null;
  bounds: Bounds | null;
  basemap: string | null;
  words: SurfaceWords;
}

type Geo = Parameters<GeoJSONSource["setData"]>[0];

/** Footprints smaller than this (pixels) are shown as circles. */
const SMALL = 22;
const CLUSTER_RADIUS = 42;
const MOST_RASTERS = 24;

export class Surface {
  readonly map: InstanceType<typeof MapLibre>;
  private readonly events: SurfaceEvents;
  private readonly words: SurfaceWords;
  private hits: readonly Hit[] = [];
  private cut: number | null = null;
  private markers: InstanceType<typeof Marker>[] = [];
  private rasters: readonly RasterLayer[] = [];
  private shownRasters = new Set<string>();
  private lit: { hover: string | null; chosen: string | null } = { hover: null, chosen: null };
  private waiting: (() => void)[] = [];
  private ready = false;
  private gone = false;
  private dragged = false;
  private stopDrawing: (() => void) | null = null;
  private data: Record<string, Geo> = {};
  private basemap: string | null;

  constructor(container: HTMLElement, options: Options, events: SurfaceEvents) {
    this.events = events;
    this.words = options.words;
    this.basemap = options.basemap;
    this.map = new MapLibre({
      container,
      style: mapStyle(pageColours(), options.basemap),
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      maxZoom: 22,
      fadeDuration: 120,
      locale: {
        "Map.Title": options.words.map,
        "NavigationControl.ZoomIn": options.words.zoomIn,
        "NavigationControl.ZoomOut": options.words.zoomOut,
      },
      ...startingView(options),
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-left");
    this.map.once("style.load", () => {
      this.ready = true;
      for (const act of this.waiting) act();
      this.waiting = [];
      this.refresh();
    });
    this.map.on("dragstart", () => {
      this.dragged = true; // also when the drag breaks into a move of the page
    });
    this.map.on("moveend", (event) => {
      if (this.gone) return;
      this.refresh();
      const byHand = this.dragged || ("originalEvent" in event && Boolean(event.originalEvent));
      this.dragged = false;
      this.events.moved(this.view(), this.bounds(), byHand);
    });
    // for tests and screenshots: all that was asked for is drawn
    this.map.on("idle", () => {
      container.dataset.idle = "true";
    });
    this.map.on("movestart", () => {
      delete container.dataset.idle;
    });
    this.map.on("mousemove", "hits-fill", (event) => {
      if (this.stopDrawing) return;
      this.map.getCanvas().style.cursor = "pointer";
      this.events.hover(this.smallest(event.features));
    });
    this.map.on("mouseleave", "hits-fill", () => {
      if (this.stopDrawing) return;
      this.map.getCanvas().style.cursor = "";
      this.events.hover(null);
    });
    this.map.on("click", "hits-fill", (event) => {
      const id = this.smallest(event.features);
      if (id && !this.stopDrawing) this.events.choose(id);
    });
  }

  remove(): void {
    this.gone = true; // the end of an animation under way is no move of the reader
    this.stopDrawing?.();
    this.map.remove();
  }

  view(): [number, number, number] {
    const { lng, lat } = this.map.getCenter();
    return [lng, lat, this.map.getZoom()];
  }

  bounds(): Bounds {
    const seen = this.map.getBounds();
    return [
      Math.max(-180, seen.getWest()),
      Math.max(-90, seen.getSouth()),
      Math.min(180, seen.getEast()),
      Math.min(90, seen.getNorth()),
    ];
  }

  fit(bounds: Bounds, animate = true): void {
    const [west, south, east, north] = bounds;
    this.map.fitBounds([west, south, east < west ? east + 360 : east, north], {
      padding: Math.min(70, this.map.getContainer().clientWidth / 8),
      maxZoom: 17.5,
      duration: animate && !calm() ? 650 : 0,
    });
  }

  /** Bring a hit into the part of the map that nothing lies over: `covered` pixels at one side are taken. */
  reveal(bounds: Bounds, covered: { left: number; right: number }): void {
    const { clientWidth, clientHeight } = this.map.getContainer();
    const { x, y } = this.map.project(centre(bounds));
    const free = { from: covered.left + 20, to: clientWidth - covered.right - 20 };
    if (x >= free.from && x <= free.to && y >= 20 && y <= clientHeight - 20) return;
    this.map.easeTo({
      center: centre(bounds),
      offset: [(covered.left - covered.right) / 2, 0],
      duration: calm() ? 0 : 400,
    });
  }

  setBasemap(basemap: string | null): void {
    this.basemap = basemap;
    this.restyle();
  }

  /** After a change of theme or base map. */
  restyle(): void {
    this.whenReady(() => {
      this.map.setStyle(mapStyle(pageColours(), this.basemap), { diff: false });
      this.shownRasters.clear();
      this.map.once("styledata", () => {
        for (const [name, data] of Object.entries(this.data)) this.source(name)?.setData(data);
        this.refresh();
        this.light(this.lit.hover, this.lit.chosen);
      });
    });
  }

  setCoverage(features: readonly CoverageFeature[]): void {
    this.put("cover", { type: "FeatureCollection", features: features.filter((f) => f.geometry) } as unknown as Geo);
  }

  setRasters(rasters: readonly RasterLayer[]): void {
    this.rasters = rasters;
    this.whenReady(() => this.showRasters());
  }

  setArea(ring: readonly Position[] | null): void {
    this.put("area", lines(ring ? [[...ring]] : []));
  }

  setHits(hits: readonly Hit[], cut: number | null): void {
    this.hits = hits;
    this.cut = cut;
    const located = hits.filter((hit) => hit.footprint);
    // The best is drawn last, so that it lies on top.
    const features = [...located].reverse().map((hit) => ({
      type: "Feature" as const,
      geometry: hit.footprint as never,
      properties: { id: hit.id, band: hit.band, rank: hit.rank, kept: cut === null || hit.score >= cut },
    }));
    this.put("hits", { type: "FeatureCollection", features } as Geo);
    this.whenReady(() => this.showMarkers());
  }

  /** What glows: the hit under the pointer and the one that is looked at. */
  light(hover: string | null, chosen: string | null): void {
    const before = this.lit;
    this.lit = { hover, chosen };
    this.whenReady(() => {
      for (const id of [before.hover, before.chosen])
        if (id) this.map.setFeatureState({ source: "hits", id }, { hover: false, chosen: false });
      if (chosen) this.map.setFeatureState({ source: "hits", id: chosen }, { chosen: true });
      if (hover) this.map.setFeatureState({ source: "hits", id: hover }, { hover: true });
      for (const marker of this.markers) {
        const element = marker.getElement();
        const ids = (element.dataset.ids ?? "").split(",");
        element.classList.toggle(
          "lit",
          [hover, chosen].some((id) => id !== null && ids.includes(id)),
        );
      }
    });
  }

  draw(kind: DrawKind, drawn: Drawn): void {
    this.stopDrawing?.();
    this.whenReady(() => {
      this.stopDrawing = draw(
        this.map,
        kind,
        {
          ...drawn,
          ended: () => {
            // The click that ends a drawing must not choose a hit as well.
            window.setTimeout(() => {
              this.stopDrawing = null;
            });
            drawn.ended();
          },
        },
        (points, closed) => this.put("draft", draft(points, closed)),
      );
    });
  }

  cancelDrawing(): void {
    this.stopDrawing?.();
  }

  private whenReady(act: () => void): void {
    if (this.ready) act();
    else this.waiting.push(act);
  }

  private source(name: string): GeoJSONSource | undefined {
    return this.map.getSource(name) as GeoJSONSource | undefined;
  }

  private put(name: string, data: Geo): void {
    this.data[name] = data;
    this.whenReady(() => this.source(name)?.setData(data));
  }

  private refresh(): void {
    if (!this.ready) return;
    this.put("grid", lines(gridLines(this.bounds())));
    this.showRasters();
    this.showMarkers();
  }

  private smallest(features: readonly { properties: Record<string, unknown> }[] | undefined): string | null {
    let best: Hit | undefined;
    for (const feature of features ?? []) {
      const hit = this.hits.find((each) => each.id === feature.properties.id);
      if (hit && (!best || extent(hit) < extent(best))) best = hit;
    }
    return best?.id ?? null;
  }

  /** Scene rasters in view, as many as are worth their requests. */
  private showRasters(): void {
    const seen = this.bounds();
    const width = this.map.getContainer().clientWidth;
    const wanted = this.rasters
      .filter(({ bounds }) => overlap(bounds, seen) && ((bounds[2] - bounds[0]) / (seen[2] - seen[0])) * width > 24)
      .slice(0, MOST_RASTERS);
    const names = new Set(wanted.map((raster) => `raster-${raster.id}`));
    for (const name of this.shownRasters)
      if (!names.has(name)) {
        if (this.map.getLayer(name)) this.map.removeLayer(name);
        if (this.map.getSource(name)) this.map.removeSource(name);
        this.shownRasters.delete(name);
      }
    for (const raster of wanted) {
      const name = `raster-${raster.id}`;
      if (this.shownRasters.has(name) || this.map.getSource(name)) continue;
      this.map.addSource(name, {
        type: "raster",
        tiles: [raster.tiles],
        tileSize: 256,
        bounds: raster.bounds,
        maxzoom: 20,
      });
      this.map.addLayer(
        { id: name, type: "raster", source: name, paint: { "raster-fade-duration": 120 } },
        "area-line",
      );
      this.shownRasters.add(name);
    }
  }

  /** Circles with a count where footprints are too small to see, ranks where there is room. */
  private showMarkers(): void {
    for (const marker of this.markers) marker.remove();
    this.markers = [];
    const small: Placed[] = [];
    const seen = this.bounds();
    let flags = 0;
    for (const hit of this.hits) {
      if (!hit.bounds || !overlap(hit.bounds, seen)) continue;
      const [west, south, east, north] = hit.bounds;
      const a = this.map.project([west, north]);
      const b = this.map.project([east, south]);
      const side = Math.max(b.x - a.x, b.y - a.y);
      if (side < SMALL) {
        const middle = this.map.project(centre(hit.bounds));
        small.push({ id: hit.id, x: middle.x, y: middle.y });
      } else if (side > 46 && flags < 40 && (this.cut === null || hit.score >= this.cut)) {
        flags += 1;
        this.addFlag(hit, [west, north]);
      }
    }
    for (const group of clusterPoints(small, CLUSTER_RADIUS)) this.addCircle(group.ids, group.x, group.y);
    this.light(this.lit.hover, this.lit.chosen);
  }

  private addFlag(hit: Hit, at: Position): void {
    const element = document.createElement("span");
    element.className = "flag";
    element.dataset.ids = hit.id;
    element.textContent = String(hit.rank);
    element.setAttribute("aria-hidden", "true");
    this.markers.push(new Marker({ element, anchor: "top-left" }).setLngLat(at).addTo(this.map));
  }

  private addCircle(ids: readonly string[], x: number, y: number): void {
    const best = this.hits.find((hit) => hit.id === ids[0]);
    if (!best) return;
    const element = document.createElement("button");
    element.type = "button";
    element.className = `cluster ${best.band}`;
    element.dataset.ids = ids.join(",");
    element.textContent = ids.length > 1 ? String(ids.length) : String(best.rank);
    element.setAttribute("aria-label", ids.length > 1 ? this.words.hits(ids.length) : this.words.hit(best.rank));
    element.addEventListener("mouseenter", () => this.events.hover(best.id));
    element.addEventListener("mouseleave", () => this.events.hover(null));
    element.addEventListener("click", (event) => {
      event.stopPropagation();
      if (ids.length === 1) this.events.choose(best.id);
      const boxes = this.hits.filter((hit) => ids.includes(hit.id)).flatMap((hit) => (hit.bounds ? [hit.bounds] : []));
      const all = boxes.reduce<Bounds>(
        (u, b) => [Math.min(u[0], b[0]), Math.min(u[1], b[1]), Math.max(u[2], b[2]), Math.max(u[3], b[3])],
        [180, 90, -180, -90],
      );
      this.fit(all);
    });
    this.markers.push(new Marker({ element }).setLngLat(this.map.unproject([x, y])).addTo(this.map));
  }
}

export function calm(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function startingView(options: Options): object {
  if (options.view) return { center: [options.view[0], options.view[1]], zoom: options.view[2] };
  if (options.bounds) return { bounds: options.bounds, fitBoundsOptions: { padding: 48, maxZoom: 16 } };
  return { center: [12, 28], zoom: 1.2 };
}

function overlap(a: Bounds, b: Bounds): boolean {
  return a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];
}

function extent(hit: Hit): number {
  return hit.bounds ? (hit.bounds[2] - hit.bounds[0]) * (hit.bounds[3] - hit.bounds[1]) : Number.POSITIVE_INFINITY;
}

function lines(all: Position[][]): Geo {
  return {
    type: "FeatureCollection",
    features: all.map((coordinates) => ({
      type: "Feature",
      properties: {},
      geometry: { type: "LineString", coordinates },
    })),
  };
}

function draft(points: readonly Position[], closed: boolean): Geo {
  const ring = [...points];
  const first = ring[0];
  if (!first) return { type: "FeatureCollection", features: [] };
  const features: object[] = closed
    ? []
    : ring.map((coordinates) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates } }));
  if (ring.length >= 2)
    features.push({
      type: "Feature",
      properties: {},
      geometry: { type: "LineString", coordinates: closed ? [...ring, first] : ring },
    });
  if (ring.length >= 3)
    features.push({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[...ring, first]] } });
  return { type: "FeatureCollection", features } as Geo;
}

export { ringOfBounds };
