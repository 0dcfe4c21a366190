/** The map beside the results. MapLibre is fetched when the pane is first shown; without WebGL the list works alone. */

import { forwardRef } from "preact/compat";
import { useEffect, useImperativeHandle, useRef, useState } from "preact/hooks";
import type { DrawKind } from "../map/draw";
import { boundsOfRing, ringOfBounds } from "../map/shapes";
import type { Surface } from "../map/surface";
import { tiles } from "../service/client";
import type { ArchiveFacts, Bounds, Hit, Position } from "../service/types";
import { Icon } from "../shell/icons";
import { useTheme } from "../shell/theme";
import { useWords } from "../words";

export interface MapHandle {
  bounds: () => Bounds | null;
  fit: (bounds: Bounds) => void;
  show: (view: readonly [number, number, number]) => void;
  draw: (kind: DrawKind) => void;
  resize: () => void;
}

interface Props {
  facts: ArchiveFacts | null;
  hits: readonly Hit[];
  cut: number | null;
  hover: string | null;
  chosen: string | null;
  area: { within: Bounds | null; polygon: readonly Position[] | null };
  view: readonly [number, number, number] | null;
  canSearchHere: boolean;
  onHover: (id: string | null) => void;
  onChoose: (id: string) => void;
  onView: (view: [number, number, number]) => void;
  onBox: (box: Bounds) => void;
  onPolygon: (ring: Position[]) => void;
  onPick: (place: Position) => void;
  onSearchHere: () => void;
}

export const MapPane = forwardRef<MapHandle, Props>(function MapPane(props, handle) {
  const words = useWords();
  const { t, language, direction } = words;
  const { dark } = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const surface = useRef<Surface | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [ready, setReady] = useState(false);
  const [broken, setBroken] = useState(false);
  const [drawing, setDrawing] = useState<DrawKind | null>(null);
  const [moved, setMoved] = useState(false);
  const { facts, hits, cut, hover, chosen, area } = props;

  // made once the archive is known, and again in another language
  useEffect(() => {
    if (!facts || !box.current) return;
    let gone = false;
    const container = box.current;
    import("../map/surface")
      .then(({ Surface }) => {
        if (gone) return;
        surface.current = new Surface(
          container,
          {
            view: latest.current.view,
            bounds: facts.bounds,
            basemap: facts.basemap,
            words: {
              map: t("map"),
              zoomIn: t("zoomIn"),
              zoomOut: t("zoomOut"),
              hits: (count) => t("hitsHere", { count }),
              hit: (rank) => t("hitOf", { rank }),
            },
          },
          {
            hover: (id) => latest.current.onHover(id),
            choose: (id) => latest.current.onChoose(id),
            moved: (view, _, byHand) => {
              latest.current.onView(view);
              if (byHand) setMoved(true);
            },
          },
        );
        surface.current.setCoverage(facts.coverage.features);
        surface.current.setRasters(rastersOf(facts));
        setReady(true);
      })
      .catch(() => setBroken(true));
    return () => {
      gone = true;
      surface.current?.remove();
      surface.current = null;
      setReady(false);
    };
  }, [facts, language]);

  useEffect(() => {
    if (ready) surface.current?.setHits(hits, cut);
  }, [ready, hits, cut]);
  useEffect(() => {
    if (ready) surface.current?.light(hover, chosen);
  }, [ready, hover, chosen, hits]);
  // once for each hit that is opened; the panel about it lies at the end of the line
  useEffect(() => {
    const hit = ready && chosen ? latest.current.hits.find((each) => each.id === chosen) : undefined;
    const panel = document.querySelector(".inspector")?.clientWidth ?? 0;
    const width = box.current?.clientWidth ?? 0;
    if (!hit?.bounds || panel > width * 0.8) return;
    const taken = panel + 24;
    surface.current?.reveal(hit.bounds, direction === "rtl" ? { left: taken, right: 0 } : { left: 0, right: taken });
  }, [ready, chosen, direction]);
  // by what it says: the address is read anew at every move of the map
  const areaKey = JSON.stringify([area.polygon, area.within]);
  useEffect(() => {
    if (!ready) return;
    const { polygon, within } = latest.current.area;
    surface.current?.setArea(polygon ? [...polygon, polygon[0] as Position] : within ? ringOfBounds(within) : null);
    setMoved(false);
  }, [ready, areaKey]);
  const first = useRef(true);
  // the style follows the theme
  useEffect(() => {
    if (first.current) first.current = false;
    else if (ready) surface.current?.restyle();
  }, [dark]);

  useImperativeHandle(
    handle,
    () => ({
      bounds: () => surface.current?.bounds() ?? null,
      fit: (bounds) => surface.current?.fit(bounds),
      show: ([lng, lat, zoom]) => surface.current?.map.jumpTo({ center: [lng, lat], zoom }),
      resize: () => surface.current?.map.resize(),
      draw: (kind) => {
        if (!surface.current) return;
        setDrawing(kind);
        surface.current.draw(kind, {
          box: (found) => latest.current.onBox(found),
          polygon: (ring) => latest.current.onPolygon(ring),
          pick: (place) => latest.current.onPick(place),
          ended: () => setDrawing(null),
        });
      },
    }),
    [],
  );

  const whole = area.polygon ? boundsOfRing(area.polygon) : (facts?.bounds ?? null);
  return (
    <section class={`mapPane${drawing ? " drawing" : ""}`} aria-label={t("map")}>
      <div class="surface" ref={box} dir="ltr" data-ready={ready} />
      {broken && (
        <div class="state over">
          <h2>{t("noMap")}</h2>
          <p>{t("noMapNote")}</p>
        </div>
      )}
      {facts && !facts.bounds && !broken && (
        <div class="state over">
          <p>{t("allUnlocated")}</p>
        </div>
      )}
      {drawing && (
        <div class="hint" role="status">
          {t(drawing === "box" ? "hintBox" : drawing === "polygon" ? "hintPolygon" : "hintPick")}
          <button type="button" class="textual" onClick={() => surface.current?.cancelDrawing()}>
            {t("cancel")}
          </button>
        </div>
      )}
      {moved && !drawing && props.canSearchHere && (
        <button
          type="button"
          class="here"
          onClick={() => {
            setMoved(false);
            props.onSearchHere();
          }}
        >
          <Icon name="search" size={16} /> {t("searchHere")}
        </button>
      )}
      {ready && whole && (
        <button
          type="button"
          class="whole"
          aria-label={t("wholeArchive")}
          title={t("wholeArchive")}
          onClick={() => surface.current?.fit(whole)}
        >
          <Icon name="zoom" size={18} />
        </button>
      )}
    </section>
  );
});

/** The rasters of an archive whose coverage names each file. */
function rastersOf(facts: ArchiveFacts) {
  return facts.coverage.features.flatMap((feature) => {
    const id = feature.properties.source;
    const ring = (feature.geometry as { type: string; coordinates: Position[][] } | null)?.coordinates?.[0];
    const bounds = feature.geometry?.type === "Polygon" && ring ? boundsOfRing(ring) : null;
    return typeof id === "string" && bounds ? [{ id, bounds, tiles: tiles(id) }] : [];
  });
}
