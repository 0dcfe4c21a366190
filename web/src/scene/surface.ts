/** A scene on the map: its raster, a heat-map over it, outlines, peaks, and a second date beside a swipe. */

import { type GeoJSONSource, MapLibre, Marker, NavigationControl, ScaleControl } from "../map/engine";
import { pageColours } from "../map/look";
import { gridLines } from "../map/shapes";
import { calm } from "../map/surface";
import type { Bounds, HeatResult, Position } from "../service/types";
import type { Region } from "./regions";

export interface SceneWords {
  map: string;
  zoomIn: string;
  zoomOut: string;
  peak: (rank: number) => string;
}

export interface SceneEvents {
  peak: (rank: number) => void;
  region: (id: string) => void;
  moved: (view: [number, number, number]) => void;
}

interface Options {
  tiles: string;
  bounds: Bounds;
  view: readonly [number, number, number] | null;
  window: readonly Position[] | null;
  words: SceneWords;
}

type Geo = Parameters<GeoJSONSource["setData"]>[0];
const NOTHING: Geo = { type: "FeatureCollection", features: [] };

export class SceneSurface {
  readonly map: InstanceType<typeof MapLibre>;
  private other: InstanceType<typeof MapLibre> | null = null;
  private readonly events: SceneEvents;
  private readonly options: Options;
  private markers: InstanceType<typeof Marker>[] = [];
  private readonly ready: Promise<void>;
  private gone = false;

  constructor(container: HTMLElement, options: Options, events: SceneEvents) {
    this.options = options;
    this.events = events;
    this.map = new MapLibre({ container, ...plainMap(options), style: sceneStyle(options) });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-left");
    this.ready = new Promise((resolve) => this.map.once("style.load", () => resolve()));
    this.map.on("moveend", () => {
      if (this.gone) return;
      this.drawGrid();
      const { lng, lat } = this.map.getCenter();
      this.events.moved([lng, lat, this.map.getZoom()]);
    });
    this.map.on("click", "regions-fill", (event) => {
      const id = event.features?.[0]?.properties.id as string | undefined;
      if (id) this.events.region(id);
    });
    for (const [name, cursor] of [
      ["mouseenter", "pointer"],
      ["mouseleave", ""],
    ] as const)
      this.map.on(name, "regions-fill", () => {
        this.map.getCanvas().style.cursor = cursor;
      });
    void this.ready.then(() => this.drawGrid());
  }

  remove(): void {
    this.gone = true;
    this.other?.remove();
    this.map.remove();
  }

  fit([west, south, east, north]: Bounds, maxZoom = 19): void {
    this.map.fitBounds([west, south, east, north], { padding: 60, maxZoom, duration: calm() ? 0 : 500 });
  }

  setTiles(tiles: string): void {
    void this.ready.then(() =>
      (this.map.getSource("scene") as { setTiles?: (all: string[]) => void })?.setTiles?.([tiles]),
    );
  }

  setHeat(heat: HeatResult | null, picture: string, opacity: number): void {
    void this.ready.then(() => {
      if (this.map.getLayer("heat")) this.map.removeLayer("heat");
      if (this.map.getSource("heat")) this.map.removeSource("heat");
      if (!heat?.corners) return;
      this.map.addSource("heat", {
        type: "image",
        url: new URL(picture, document.baseURI).href,
        coordinates: heat.corners,
      });
      this.map.addLayer(
        {
          id: "heat",
          type: "raster",
          source: "heat",
          paint: { "raster-opacity": opacity, "raster-fade-duration": 0, "raster-resampling": "linear" },
        },
        "window-line",
      );
    });
  }

  setOpacity(opacity: number): void {
    if (this.map.getLayer("heat")) this.map.setPaintProperty("heat", "raster-opacity", opacity);
  }

  setPeaks(heat: HeatResult | null, chosen: number | null): void {
    for (const marker of this.markers) marker.remove();
    this.markers = (heat?.places ?? []).flatMap((place) => {
      if (place.longitude === null || place.latitude === null) return [];
      const element = document.createElement("button");
      element.type = "button";
      element.className = `peak${place.rank === chosen ? " lit" : ""}`;
      element.textContent = String(place.rank);
      element.setAttribute("aria-label", this.options.words.peak(place.rank));
      element.addEventListener("click", (event) => {
        event.stopPropagation();
        this.events.peak(place.rank);
      });
      return [new Marker({ element }).setLngLat([place.longitude, place.latitude]).addTo(this.map)];
    });
  }

  setRegions(regions: readonly Region[], chosen: string | null): void {
    void this.ready.then(() =>
      (this.map.getSource("regions") as GeoJSONSource | undefined)?.setData({
        type: "FeatureCollection",
        features: regions
          .filter((region) => region.judgement !== "erased")
          .map(({ id, feature, judgement }) => ({
            type: "Feature" as const,
            geometry: feature.geometry as never,
            properties: { id, judgement: judgement ?? "", chosen: id === chosen },
          })),
      }),
    );
  }

  /** Show another date in front, from the swipe line on. */
  compare(container: HTMLElement, tiles: string, bounds: Bounds): () => void {
    const { lng, lat } = this.map.getCenter();
    const view = [lng, lat, this.map.getZoom()] as const;
    const options = { ...this.options, tiles, bounds, view, window: null };
    const other = new MapLibre({ container, ...plainMap(options), style: sceneStyle(options), interactive: false });
    other.getCanvas().tabIndex = -1;
    this.other = other;
    const follow = () => other.jumpTo({ center: this.map.getCenter(), zoom: this.map.getZoom() });
    this.map.on("move", follow);
    return () => {
      this.map.off("move", follow);
      other.remove();
      if (this.other === other) this.other = null;
    };
  }

  private drawGrid(): void {
    const seen = this.map.getBounds();
    const lines = gridLines([seen.getWest(), seen.getSouth(), seen.getEast(), seen.getNorth()]);
    (this.map.getSource("grid") as GeoJSONSource | undefined)?.setData({
      type: "FeatureCollection",
      features: lines.map((coordinates) => ({
        type: "Feature",
        properties: {},
        geometry: { type: "LineString", coordinates },
      })),
    });
  }
}

function plainMap(options: Options) {
  return {
    attributionControl: false as const,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxZoom: 23,
    fadeDuration: 120,
    locale: {
      "Map.Title": options.words.map,
      "NavigationControl.ZoomIn": options.words.zoomIn,
      "NavigationControl.ZoomOut": options.words.zoomOut,
    },
    ...(options.view
      ? { center: [options.view[0], options.view[1]] as Position, zoom: options.view[2] }
      : { bounds: options.bounds, fitBoundsOptions: { padding: 30 } }),
  };
}

function sceneStyle(options: Options) {
  const colours = pageColours();
  const chosen = ["get", "chosen"] as never;
  const kept = ["==", ["get", "judgement"], "kept"] as never;
  const colour = ["case", kept, colours.likely, "#ffd23f"] as never;
  const window: Geo = options.window
    ? { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: [...options.window] } }
    : NOTHING;
  return {
    version: 8 as const,
    sources: {
      grid: { type: "geojson" as const, data: NOTHING },
      scene: { type: "raster" as const, tiles: [options.tiles], tileSize: 256, bounds: options.bounds, maxzoom: 22 },
      window: { type: "geojson" as const, data: window },
      regions: { type: "geojson" as const, data: NOTHING },
    },
    layers: [
      { id: "ground", type: "background" as const, paint: { "background-color": colours.ground } },
      { id: "grid", type: "line" as const, source: "grid", paint: { "line-color": colours.grid } },
      { id: "scene", type: "raster" as const, source: "scene", paint: { "raster-fade-duration": 120 } },
      {
        id: "window-line",
        type: "line" as const,
        source: "window",
        paint: { "line-color": "#fff", "line-width": 2, "line-dasharray": [3, 2] },
      },
      {
        id: "regions-fill",
        type: "fill" as const,
        source: "regions",
        paint: { "fill-color": colour, "fill-opacity": ["case", chosen, 0.5, 0.26] as never },
      },
      {
        id: "regions-halo",
        type: "line" as const,
        source: "regions",
        paint: { "line-color": "#08110f", "line-width": 4, "line-opacity": 0.5 },
      },
      {
        id: "regions-line",
        type: "line" as const,
        source: "regions",
        paint: {
          "line-color": ["case", chosen, "#ffffff", colour] as never,
          "line-width": ["case", chosen, 3, 1.8] as never,
        },
      },
    ],
  };
}
