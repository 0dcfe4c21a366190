/** The scene page: one file large, where in it a phrase is, its outlines, and another date beside it. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { writeRoute } from "../address/route";
import {
  source as askSource,
  sources as askSources,
  jobResult,
  jobResultAddress,
  ServiceError,
  tiles,
} from "../service/client";
import type { ArchiveFacts, HeatResult, Position, RegionFeature, Scene, Source } from "../service/types";
import { go } from "../shell/address";
import { Icon } from "../shell/icons";
import { runJob } from "../shell/jobs";
import { useShortcuts } from "../shell/keys";
import { save, say } from "../shell/toast";
import { useWords } from "../words";
import { LookPanel } from "./look_panel";
import { PlainView } from "./plain_view";
import { asGeoJson, boundsOfRegion, judge, nearest, type Region, regionsOf } from "./regions";
import { RegionsPanel } from "./regions_panel";
import { SceneMap } from "./scene_map";

interface Props {
  source: string;
  query: string;
  facts: ArchiveFacts | null;
}

interface Heat {
  job: string;
  result: HeatResult;
}

export default function ScenePage({ source: id, query, facts }: Props) {
  const { t, number, date, metres } = useWords();
  const given = useMemo(() => new URLSearchParams(query), [query]);
  const [scene, setScene] = useState<Scene | null>(null);
  const [problem, setProblem] = useState<ServiceError | null>(null);
  const [others, setOthers] = useState<Source[]>([]);
  const [phrase, setPhrase] = useState(given.get("phrase") ?? "");
  const [heat, setHeat] = useState<Heat | null>(null);
  const [opacity, setOpacity] = useState(0.5);
  const [peak, setPeak] = useState<number | null>(null);
  const [regions, setRegions] = useState<Region[]>([]);
  const [regionsJob, setRegionsJob] = useState<string | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [busy, setBusy] = useState<{ what: "locate" | "segment"; share: number | null } | null>(null);
  const [target, setTarget] = useState<{ bounds: [number, number, number, number] } | null>(null);
  const canSegment = facts?.features.includes("segment") ?? false;
  const other = given.get("with");

  const change = useCallback(
    (patch: Record<string, string | null>, replace = true) => {
      const next = new URLSearchParams(window.location.hash.split("?")[1] ?? "");
      for (const [name, value] of Object.entries(patch)) {
        if (value === null || value === "") next.delete(name);
        else next.set(name, value);
      }
      go(writeRoute("scene", next.toString().replaceAll("%2C", ","), id), replace);
    },
    [id],
  );

  useEffect(() => {
    const stop = new AbortController();
    askSource(id, stop.signal)
      .then((told) => {
        setScene(told);
        return askSources({ state: "done", limit: "500" }, stop.signal).then((page) =>
          setOthers(sameGround(told, page.sources)),
        );
      })
      .catch((cause: unknown) => {
        if (!stop.signal.aborted && cause instanceof ServiceError) setProblem(cause);
      });
    return () => stop.abort();
  }, [id]);

  const fail = (cause: unknown) => {
    setBusy(null);
    if (cause instanceof ServiceError && cause.status === 499) return;
    say(cause instanceof Error ? cause.message : t("failed"), "bad");
  };
  const locate = async () => {
    const text = phrase.trim();
    if (!text || busy) return;
    change({ phrase: text }, false);
    setBusy({ what: "locate", share: null });
    try {
      const job = await runJob("locate", { source: id, text, k: 8 }, (now) =>
        setBusy({ what: "locate", share: now.progress?.total ? now.progress.done / now.progress.total : null }),
      );
      setHeat({ job: job.id, result: job.result as unknown as HeatResult });
      setPeak(null);
      setBusy(null);
    } catch (cause) {
      fail(cause);
    }
  };
  const segment = async (near: Position | null = null) => {
    const text = phrase.trim();
    if (!text || busy) return;
    if (!canSegment) {
      say(t("noSegmenter"), "bad");
      return;
    }
    change({ phrase: text });
    setBusy({ what: "segment", share: null });
    try {
      const job = await runJob("segment", { source: id, phrases: [text] }, (now) =>
        setBusy({ what: "segment", share: now.progress?.total ? now.progress.done / now.progress.total : null }),
      );
      const told = await jobResult<{ features: RegionFeature[] }>(job.id, "geojson");
      const found = regionsOf(told.features);
      setRegions(found);
      setRegionsJob(job.id);
      setBusy(null);
      if (!found.length) say(t("nothingOutlined"), "bad");
      const first = near ? nearest(found, near)[0] : found[0];
      if (first) look(first);
    } catch (cause) {
      fail(cause);
    }
  };
  const look = (region: Region) => {
    setChosen(region.id);
    setTarget({ bounds: boundsOfRegion(region) });
  };
  const lookAtPeak = (rank: number) => {
    setPeak(rank);
    const place = heat?.result.places.find((each) => each.rank === rank);
    if (!place) return;
    const [x, y, across, down] = place.window;
    const at: Position =
      place.longitude !== null && place.latitude !== null
        ? [place.longitude, place.latitude]
        : [x + across / 2, y + down / 2];
    const span = scene?.bounds ? Math.max(((scene.bounds[2] - scene.bounds[0]) * across) / scene.width, 1e-5) : across;
    setTarget({ bounds: [at[0] - span, at[1] - span * 0.6, at[0] + span, at[1] + span * 0.6] });
    const [found] = nearest(regions, at);
    if (found) setChosen(found.id);
    else if (canSegment) void segment(at);
  };
  const decide = (judgement: "kept" | "erased") => {
    if (!chosen) return;
    setRegions((before) => judge(before, chosen, judgement));
    const open = regions.filter((region) => region.judgement === null && region.id !== chosen);
    if (open[0]) look(open[0]);
  };

  const started = useRef(false);
  useEffect(() => {
    if (!scene || !facts || started.current) return;
    started.current = true;
    if (given.get("segment") && canSegment) void segment();
    else if (phrase && given.get("heat") !== "0") void locate();
  });
  useShortcuts({
    h: () => void locate(),
    g: () => void segment(),
    a: () => decide("kept"),
    x: () => decide("erased"),
    Escape: () => setChosen(null),
  });

  if (problem)
    return (
      <div class="state bad" role="alert">
        <h1>{t("failed")}</h1>
        <p>{problem.message}</p>
        <p>{problem.remedy}</p>
        <a href="#/search">{t("backToSearch")}</a>
      </div>
    );
  if (!scene) return <p class="state">{t("loading")}</p>;
  const window_ = given.get("window")?.split(",").map(Number) ?? null;
  const box = window_?.length === 4 && window_.every(Number.isFinite) ? window_ : null;
  const heatPicture = heat ? jobResultAddress(heat.job, "png") : "";
  const otherScene = others.find((each) => each.id === other) ?? null;
  const gsd = scene.gsd_m?.[0];
  return (
    <div class="scenePage">
      <aside class="side" aria-label={t("scene")}>
        <button type="button" class="textual back" onClick={() => window.history.back()}>
          <Icon name="down" size={16} /> {t("back")}
        </button>
        <h1 dir="ltr">{scene.name}</h1>
        <p class="note" dir="ltr">
          {[
            `${number(scene.width)} × ${number(scene.height)} px`,
            t("bandsOf", { count: scene.bands }),
            scene.dtype,
            gsd ? metres(gsd) : null,
            scene.times?.[0] ? date(scene.times[0]) : null,
            scene.crs ?? t("unlocated"),
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>

        <form
          class="phrase"
          onSubmit={(event) => {
            event.preventDefault();
            void locate();
          }}
        >
          <label for="phrase">{t("whereIs")}</label>
          <input
            id="phrase"
            dir="auto"
            value={phrase}
            placeholder={t("phraseExample")}
            onInput={(event) => setPhrase(event.currentTarget.value)}
          />
          <div class="line">
            <button type="submit" class="small primary" disabled={busy !== null || !phrase.trim()}>
              <Icon name="flame" size={16} /> {t("heatMap")} <kbd>H</kbd>
            </button>
            <button
              type="button"
              class="small"
              disabled={busy !== null || !phrase.trim() || !canSegment}
              title={canSegment ? undefined : t("noSegmenter")}
              onClick={() => void segment()}
            >
              <Icon name="segment" size={16} /> {t("segment")} <kbd>G</kbd>
            </button>
          </div>
          {busy && (
            <div class="working" role="status">
              {t(busy.what === "locate" ? "locating" : "segmenting")}
              <progress value={busy.share ?? undefined} max={1} aria-label={t("progress")} />
            </div>
          )}
        </form>

        {heat && (
          <section class="block">
            <h2>{t("heatMap")}</h2>
            <label class="slider">
              {t("opacity")} <output>{number(opacity * 100)} %</output>
              <input
                type="range"
                aria-label={t("opacity")}
                min="0"
                max="1"
                step="0.05"
                value={opacity}
                onInput={(event) => setOpacity(Number(event.currentTarget.value))}
              />
            </label>
            <div class="ramp" aria-hidden="true">
              <span>{number(heat.result.low, 2)}</span>
              <i />
              <span>{number(heat.result.high, 2)}</span>
            </div>
            <ol class="peaks" aria-label={t("peaks")}>
              {heat.result.places.map((place) => (
                <li key={place.rank}>
                  <button type="button" class={peak === place.rank ? "lit" : ""} onClick={() => lookAtPeak(place.rank)}>
                    <b>{place.rank}</b> {number(place.score, 2)}
                  </button>
                </li>
              ))}
            </ol>
            {heat.result.notes.map((note) => (
              <p class="note" key={note}>
                {note}
              </p>
            ))}
            <div class="line">
              <a class="small" href={jobResultAddress(heat.job, "tif")} download>
                <Icon name="download" size={16} /> GeoTIFF
              </a>
              <button type="button" class="textual" onClick={() => setHeat(null)}>
                {t("remove")}
              </button>
            </div>
          </section>
        )}

        {regions.length > 0 && (
          <RegionsPanel
            regions={regions}
            chosen={chosen}
            job={regionsJob}
            look={look}
            decide={(region, judgement) => {
              setRegions((before) => judge(before, region.id, region.judgement === judgement ? null : judgement));
              setChosen(region.id);
            }}
            exportKept={() =>
              save(new Blob([asGeoJson(regions)], { type: "application/geo+json" }), "outlines.geojson")
            }
          />
        )}

        {scene.map_tiles && (
          <LookPanel
            bands={scene.bands}
            dtype={scene.dtype}
            chosen={given.get("bands")}
            stretch={given.get("stretch")}
            change={(bands, stretch) => change({ bands, stretch })}
          />
        )}

        {others.length > 0 && (
          <section class="block">
            <h2>{t("otherDate")}</h2>
            <select
              aria-label={t("otherDate")}
              value={other ?? ""}
              onChange={(event) => change({ with: event.currentTarget.value || null }, false)}
            >
              <option value="">{t("none")}</option>
              {others.map((each) => (
                <option key={each.id} value={each.id}>
                  {each.times?.[0] ? `${date(each.times[0])} · ` : ""}
                  {each.name}
                </option>
              ))}
            </select>
            {otherScene && <p class="note">{t("swipeNote")}</p>}
          </section>
        )}
      </aside>
      {scene.map_tiles && scene.bounds ? (
        <SceneMap
          scene={scene}
          bounds={scene.bounds}
          tiles={tiles(scene.id, given.get("bands") ?? undefined, given.get("stretch") ?? undefined)}
          window={box}
          heat={heat?.result ?? null}
          heatPicture={heatPicture}
          opacity={opacity}
          peak={peak}
          regions={regions}
          chosen={chosen}
          target={target}
          other={otherScene}
          view={given.get("at")}
          onView={(view) => change({ at: view })}
          onPeak={lookAtPeak}
          onRegion={setChosen}
        />
      ) : (
        <PlainView
          picture={scene.picture}
          width={scene.width}
          height={scene.height}
          name={scene.name}
          window={box}
          heat={heat?.result ?? null}
          heatPicture={heatPicture}
          opacity={opacity}
          peak={peak}
          regions={regions}
          chosen={chosen}
          onPeak={lookAtPeak}
          onRegion={setChosen}
        />
      )}
    </div>
  );
}

/** Other files over the same ground, the nearest in extent first. */
export function sameGround(scene: Scene, all: readonly Source[]): Source[] {
  const here = scene.bounds;
  if (!here) return [];
  const shared = ({ bounds }: Source) =>
    bounds
      ? Math.max(0, Math.min(bounds[2], here[2]) - Math.max(bounds[0], here[0])) *
        Math.max(0, Math.min(bounds[3], here[3]) - Math.max(bounds[1], here[1]))
      : 0;
  return all.filter((each) => each.id !== scene.id && shared(each) > 0).sort((a, b) => shared(b) - shared(a));
}
