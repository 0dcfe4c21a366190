/** Where, when, from which files, how fine, and what captions say: one button each, filled when it narrows the search. */

import { useEffect, useState } from "preact/hooks";
import type { SearchState } from "../address/search_state";
import { sources as askSources } from "../service/client";
import type { ArchiveFacts, Bounds, Source } from "../service/types";
import { Icon } from "../shell/icons";
import { Menu } from "../shell/menu";
import { useWords, type Words } from "../words";
import { ringOfGeoJson } from "./geojson";

interface Props {
  state: SearchState;
  facts: ArchiveFacts | null;
  change: (patch: Partial<SearchState>) => void;
  draw: (kind: "box" | "polygon") => void;
  seen: () => Bounds | null;
}

export function Filters(props: Props) {
  const words = useWords();
  const { t } = words;
  const { state, change } = props;
  const active = [
    state.within || state.polygon,
    state.from || state.to,
    state.sources.length,
    state.gsd[0] !== null || state.gsd[1] !== null,
    state.words,
  ].filter(Boolean).length;
  return (
    <div class="filters" role="group" aria-label={t("filters")}>
      <AreaFilter {...props} />
      <DateFilter {...props} />
      <SourceFilter {...props} />
      <GsdFilter {...props} />
      <WordsFilter {...props} />
      {active > 0 && (
        <button
          type="button"
          class="textual"
          onClick={() =>
            change({ within: null, polygon: null, from: null, to: null, sources: [], gsd: [null, null], words: "" })
          }
        >
          {t("clearFilters")}
        </button>
      )}
    </div>
  );
}

function AreaFilter({ state, change, draw, seen }: Props) {
  const { t, number } = useWords();
  const active = Boolean(state.within || state.polygon);
  const label = state.polygon ? t("polygonOf", { count: state.polygon.length }) : state.within ? t("box") : t("area");
  return (
    <Menu icon={state.polygon ? "polygon" : "box"} label={label} active={active}>
      {(close) => (
        <div class="form">
          <div class="choices">
            <button type="button" class="choice" onClick={() => (close(), draw("box"))}>
              <Icon name="box" /> {t("drawBox")} <kbd>B</kbd>
            </button>
            <button type="button" class="choice" onClick={() => (close(), draw("polygon"))}>
              <Icon name="polygon" /> {t("drawPolygon")} <kbd>P</kbd>
            </button>
            <button
              type="button"
              class="choice"
              onClick={() => {
                const here = seen();
                close();
                if (here) change({ within: here, polygon: null });
              }}
            >
              <Icon name="map" /> {t("thisView")} <kbd>F</kbd>
            </button>
            <label class="choice file">
              <Icon name="open" /> {t("geojsonFile")}
              <input
                type="file"
                accept=".geojson,.json,application/geo+json"
                onChange={async (event) => {
                  const ring = ringOfGeoJson(await event.currentTarget.files?.[0]?.text());
                  close();
                  if (ring) change({ polygon: ring, within: null });
                }}
              />
            </label>
          </div>
          <form
            class="corners"
            onSubmit={(event) => {
              event.preventDefault();
              const values = [...new FormData(event.currentTarget).values()].map(Number);
              if (values.length === 4 && values.every(Number.isFinite))
                change({ within: values as Bounds, polygon: null });
              close();
            }}
          >
            {(["west", "south", "east", "north"] as const).map((side, i) => (
              <label key={side}>
                {t(side)}
                <input
                  name={side}
                  type="number"
                  step="any"
                  required
                  min={i % 2 ? -90 : -180}
                  max={i % 2 ? 90 : 180}
                  defaultValue={state.within ? String(Number(state.within[i]?.toFixed(5))) : ""}
                />
              </label>
            ))}
            <button type="submit" class="small">
              {t("apply")}
            </button>
          </form>
          {state.within && (
            <p class="note" dir="ltr">
              {state.within.map((degrees) => number(degrees, 4)).join(", ")}
            </p>
          )}
          {active && (
            <button type="button" class="textual" onClick={() => (close(), change({ within: null, polygon: null }))}>
              {t("remove")}
            </button>
          )}
        </div>
      )}
    </Menu>
  );
}

function DateFilter({ state, facts, change }: Props) {
  const { t } = useWords();
  const active = Boolean(state.from || state.to);
  const [earliest, latest] = (facts?.time_range ?? [null, null]).map((time) => time?.slice(0, 10));
  const label = active ? `${state.from ?? "…"} – ${state.to ?? "…"}` : t("dates");
  return (
    <Menu icon="calendar" label={<span dir="ltr">{label}</span>} active={active}>
      {() => (
        <div class="form">
          <label>
            {t("from")}
            <input
              type="date"
              value={full(state.from)}
              min={earliest}
              max={latest}
              onChange={(event) => change({ from: event.currentTarget.value || null })}
            />
          </label>
          <label>
            {t("before")}
            <input
              type="date"
              value={full(state.to)}
              min={earliest}
              onChange={(event) => change({ to: event.currentTarget.value || null })}
            />
          </label>
          {earliest && latest && <p class="note">{t("datesKnown", { from: earliest, to: latest })}</p>}
          {active && (
            <button type="button" class="textual" onClick={() => change({ from: null, to: null })}>
              {t("remove")}
            </button>
          )}
        </div>
      )}
    </Menu>
  );
}

function SourceFilter({ state, change }: Props) {
  const { t } = useWords();
  const label = state.sources.length ? t("filesOf", { count: state.sources.length }) : t("files");
  return (
    <Menu icon="layers" label={label} active={state.sources.length > 0}>
      {() => <SourceChoice chosen={state.sources} choose={(sources) => change({ sources })} />}
    </Menu>
  );
}

function SourceChoice({ chosen, choose }: { chosen: readonly string[]; choose: (ids: string[]) => void }) {
  const { t } = useWords();
  const [wanted, setWanted] = useState("");
  const [found, setFound] = useState<Source[] | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const wait = window.setTimeout(
      () => {
        askSources({ state: "done", limit: "50", ...(wanted ? { name: wanted } : {}) }, stop.signal)
          .then((page) => setFound(page.sources))
          .catch(() => undefined);
      },
      wanted ? 200 : 0,
    );
    return () => {
      stop.abort();
      window.clearTimeout(wait);
    };
  }, [wanted]);
  const shown = (found ?? []).filter((source) => source.name.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <div class="form">
      <input
        type="search"
        placeholder={t("findFile")}
        aria-label={t("findFile")}
        value={wanted}
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      <ul class="checks">
        {shown.map((source) => (
          <li key={source.id}>
            <label>
              <input
                type="checkbox"
                checked={chosen.includes(source.id)}
                onChange={(event) =>
                  choose(event.currentTarget.checked ? [...chosen, source.id] : chosen.filter((id) => id !== source.id))
                }
              />
              <span dir="ltr">{source.name}</span>
            </label>
          </li>
        ))}
      </ul>
      {found && !shown.length && <p class="note">{t("nothingFound")}</p>}
      {chosen.length > 0 && (
        <button type="button" class="textual" onClick={() => choose([])}>
          {t("remove")}
        </button>
      )}
    </div>
  );
}

function GsdFilter({ state, facts, change }: Props) {
  const words = useWords();
  const { t } = words;
  const [low, high] = state.gsd;
  const active = low !== null || high !== null;
  const read = (value: string) => (Number(value) > 0 ? Number(value) : null);
  return (
    <Menu icon="ruler" label={active ? gsdLabel(low, high, words) : t("detail")} active={active}>
      {() => (
        <div class="form">
          <p class="note">{t("detailNote")}</p>
          <label>
            {t("finest")}
            <input
              type="number"
              min="0"
              step="any"
              value={low ?? ""}
              onChange={(event) => change({ gsd: [read(event.currentTarget.value), high] })}
            />
          </label>
          <label>
            {t("coarsest")}
            <input
              type="number"
              min="0"
              step="any"
              value={high ?? ""}
              onChange={(event) => change({ gsd: [low, read(event.currentTarget.value)] })}
            />
          </label>
          {facts?.gsd_range && (
            <p class="note">
              {t("detailKnown", { from: words.metres(facts.gsd_range[0]), to: words.metres(facts.gsd_range[1]) })}
            </p>
          )}
          {active && (
            <button type="button" class="textual" onClick={() => change({ gsd: [null, null] })}>
              {t("remove")}
            </button>
          )}
        </div>
      )}
    </Menu>
  );
}

function gsdLabel(low: number | null, high: number | null, words: Words): string {
  if (low !== null && high !== null) return `${words.metres(low)} – ${words.metres(high)}`;
  return low !== null ? `≥ ${words.metres(low)}` : `≤ ${words.metres(high ?? 0)}`;
}

function WordsFilter({ state, facts, change }: Props) {
  const { t } = useWords();
  return (
    <Menu icon="quote" label={state.words ? `“${state.words}”` : t("captionWords")} active={Boolean(state.words)}>
      {(close) => (
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            change({ words: String(new FormData(event.currentTarget).get("words") ?? "").trim() });
            close();
          }}
        >
          <label>
            {t("captionSays")}
            <input name="words" dir="auto" defaultValue={state.words} placeholder={t("captionExample")} />
          </label>
          <p class="note">{Object.keys(facts?.captions ?? {}).length ? t("captionNote") : t("noCaptions")}</p>
          <button type="submit" class="small">
            {t("apply")}
          </button>
        </form>
      )}
    </Menu>
  );
}

function full(day: string | null): string {
  return day ? (day.length === 4 ? `${day}-01-01` : day.length === 7 ? `${day}-01` : day) : "";
}
