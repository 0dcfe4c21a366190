/** The search page: the question, what narrows it, what was found, and where. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { writeRoute } from "../address/route";
import {
  asksSomething,
  EMPTY_SEARCH,
  readSearch,
  type SearchState,
  type Term,
  term,
  toRequest,
  writeSearch,
} from "../address/search_state";
import { unionBounds } from "../map/shapes";
import { exportHits, itemsAt, ServiceError, sendImage } from "../service/client";
import type { ArchiveFacts, Bounds, ExportFormat, Hit, Position } from "../service/types";
import { go } from "../shell/address";
import { useCaptions } from "../shell/jobs";
import { useShortcuts } from "../shell/keys";
import { copy, save, say } from "../shell/toast";
import { useWords } from "../words";
import type { CardAction, Verdict } from "./card";
import { Filters } from "./filters";
import { Inspector } from "./inspector";
import { type MapHandle, MapPane } from "./map_pane";
import { QueryBar } from "./query_bar";
import { Results } from "./results";
import { Splitter } from "./splitter";
import { useSearch } from "./use_search";
import { Welcome } from "./welcome";

interface Props {
  query: string;
  facts: ArchiveFacts | null;
}

/** Pictures sent in this visit, by token: what their chips show. */
const PICTURES: Record<string, string> = {};

export function SearchPage({ query, facts }: Props) {
  const words = useWords();
  const { t } = words;
  const state = useMemo(() => readSearch(query), [query]);
  const now = useRef(state);
  now.current = state;
  /** Whether the address came from elsewhere and says where to look: a link, a step back. */
  const linked = useRef(state.view !== null);
  const ownView = useRef(state.view);
  const change = useCallback((patch: Partial<SearchState>, replace = false) => {
    const next = { ...now.current, ...patch };
    now.current = next;
    if (!("view" in patch)) linked.current = false;
    go(writeRoute("search", writeSearch(next)), replace);
  }, []);

  const searching = useSearch(state);
  const { found } = searching;
  const hits = found?.hits ?? NO_HITS;
  const byId = useMemo(() => new Map(hits.map((hit) => [hit.id, hit])), [hits]);
  const chosen = state.hit ? (byId.get(state.hit) ?? null) : null;

  const [hover, setHover] = useState<string | null>(null);
  const [current, setCurrent] = useState<string | null>(null);
  const [cutting, setCutting] = useState<number | null | undefined>(undefined);
  const [explain, setExplain] = useState(false);
  const [mapOnly, setMapOnly] = useState(false);
  const [verdicts, setVerdicts] = useState<Record<string, Verdict>>({});
  const map = useRef<MapHandle>(null);
  const { captions, captionTile } = useCaptions();
  const cut = cutting === undefined ? state.cut : cutting;

  const applied = `${state.right.join()};${state.wrong.join()}`;
  // marks follow the address when it changes
  useEffect(() => {
    setVerdicts(
      Object.fromEntries([...state.right.map((id) => [id, "right"]), ...state.wrong.map((id) => [id, "wrong"])]),
    );
  }, [applied]);

  // New results: show where they are, unless the reader asked for one area or came by a link that says where to look.
  const shownKey = useRef<string | null>(null);
  useEffect(() => {
    if (!found || shownKey.current === found.key) return;
    shownKey.current = found.key;
    setCurrent(null);
    const where = linked.current || state.within || state.polygon ? null : worthSeeing(found.hits);
    if (where) map.current?.fit(where);
  }, [found, state]);

  const viewKey = state.view?.join() ?? "";
  // a view that the map did not report itself is where it should go
  useEffect(() => {
    const view = now.current.view;
    if (!view || (ownView.current && sameView(view, ownView.current))) return;
    ownView.current = view;
    linked.current = true;
    map.current?.show(view);
  }, [viewKey]);

  const addTerm = useCallback(
    (more: Term, alone = false) => {
      const terms = alone
        ? [more]
        : [...now.current.terms.filter((each) => each.kind !== more.kind || each.value !== more.value), more];
      change({ ...(alone ? { right: [], wrong: [] } : {}), terms, hit: null, cut: null });
    },
    [change],
  );

  const addFiles = async (files: File[]) => {
    for (const file of files) {
      try {
        if (file.name.endsWith(".json") || file.type === "application/json") {
          openQuery(await file.text(), file.name);
          continue;
        }
        const { image, thumbnail } = await sendImage(file);
        PICTURES[image] = thumbnail;
        addTerm(term("image", image));
      } catch (cause) {
        say(
          cause instanceof ServiceError
            ? [cause.message, cause.remedy].filter(Boolean).join(" ")
            : t("fileFailed", { name: file.name }),
          "bad",
        );
      }
    }
  };
  const openQuery = (text: string, name: string) => {
    const saved = JSON.parse(text) as Record<string, unknown>;
    if (saved.format !== "geoglot-query") throw new SyntaxError(name);
    addTerm(term("saved", JSON.stringify({ name: name.replace(/\.json$/, ""), ...saved })));
  };

  const pick = async (place: Position) => {
    try {
      const ids = await itemsAt(place[0], place[1]);
      if (ids[0]) addTerm(term("item", ids[0]));
      else say(t("noTileThere"), "bad");
    } catch (cause) {
      say(cause instanceof Error ? cause.message : t("failed"), "bad");
    }
  };

  const choose = useCallback(
    (id: string | null) => {
      change({ hit: id }, now.current.hit !== null || id === null);
      if (id) setCurrent(id);
      if (!id) setExplain(false);
    },
    [change],
  );
  const mark = useCallback(
    (id: string, verdict: Verdict) => setVerdicts((before) => ({ ...before, [id]: verdict })),
    [],
  );
  const learn = () => {
    const marked = (kind: Verdict) => Object.keys(verdicts).filter((id) => verdicts[id] === kind);
    change({ right: marked("right"), wrong: marked("wrong"), hit: null, cut: null });
  };

  const asked =
    state.terms.find((each) => each.kind === "text" && each.weight > 0)?.value ??
    state.terms.find((each) => each.kind === "text")?.value ??
    null;
  const act = useCallback(
    (action: CardAction, hit: Hit) => {
      if (action === "similar") addTerm(term("item", hit.id), true);
      else if (action === "plus") addTerm(term("item", hit.id));
      else if (action === "minus") addTerm(term("item", hit.id, -0.5));
      else if (action === "why") {
        choose(hit.id);
        setExplain(true);
      } else if (action === "zoom") {
        if (!hit.bounds) say(t("unlocated"), "bad");
        else {
          if (takeTurns()) setMapOnly(true);
          map.current?.fit(hit.bounds);
          choose(hit.id);
        }
      } else if (action === "caption") {
        choose(hit.id);
        captionTile(hit, words);
      } else {
        const more = new URLSearchParams({ window: hit.window.join(",") });
        if (asked) more.set("phrase", asked);
        if (action === "segment") more.set("segment", "1");
        go(writeRoute("scene", more.toString().replaceAll("%2C", ","), hit.source));
      }
    },
    [addTerm, captionTile, choose, t, words, asked],
  );
  const handlers = useMemo(
    () => ({ onHover: setHover, onFocus: setCurrent, onChoose: choose, onAct: act, onVerdict: mark }),
    [act, choose, mark],
  );

  const step = (by: number) => {
    const at = hits.findIndex((hit) => hit.id === (chosen?.id ?? focusedCard() ?? current));
    const next = hits[Math.max(0, Math.min(hits.length - 1, at + by))];
    if (!next) return;
    setCurrent(next.id);
    if (chosen) choose(next.id);
    focusCard(next.id, !chosen);
    if (at + by >= hits.length - 8) searching.more();
  };
  const subject = () =>
    [chosen?.id, focusedCard(), current, hover].flatMap((id) => (id ? (byId.get(id) ?? []) : []))[0];
  const on = (action: CardAction) => () => {
    const hit = subject();
    if (hit) act(action, hit);
  };
  const judge = (verdict: "right" | "wrong") => () => {
    const hit = subject();
    if (!hit) return;
    mark(hit.id, verdicts[hit.id] === verdict ? null : verdict);
    step(1);
  };
  const inGrid = () => Boolean(chosen || document.activeElement?.closest(".cards"));
  const searchHere = () => {
    const here = map.current?.bounds();
    if (here) change({ within: here, polygon: null, hit: null });
  };
  const forward = document.documentElement.dir === "rtl" ? -1 : 1;
  useShortcuts({
    "/": () => document.getElementById("question")?.focus(),
    ArrowRight: () => inGrid() && step(forward),
    ArrowLeft: () => inGrid() && step(-forward),
    ArrowDown: () => (inGrid() ? step(columns()) : hits[0] && focusCard(hits[0].id, true)),
    ArrowUp: () => inGrid() && step(-columns()),
    Escape: () => choose(null),
    y: judge("right"),
    n: judge("wrong"),
    s: on("similar"),
    "+": on("plus"),
    "-": on("minus"),
    w: on("why"),
    g: on("segment"),
    c: on("caption"),
    z: on("zoom"),
    o: on("scene"),
    r: learn,
    b: () => map.current?.draw("box"),
    p: () => map.current?.draw("polygon"),
    t: () => map.current?.draw("pick"),
    f: searchHere,
    m: () => setMapOnly((before) => !before),
  });

  const exportAs = async (format: ExportFormat) => {
    try {
      save(
        await exportHits({ ...toRequest(state), k: 500 }, format),
        `geoglot.${format === "geoparquet" ? "parquet" : format}`,
      );
      say(t("exported"));
    } catch (cause) {
      say(cause instanceof Error ? cause.message : t("failed"), "bad");
    }
  };
  return (
    <div class={`searchPage${mapOnly ? " mapOnly" : ""}`}>
      <div class="asking">
        <QueryBar
          terms={state.terms}
          answers={found?.answer.terms ?? []}
          pictures={PICTURES}
          busy={searching.busy}
          setTerms={(terms) => change({ terms, hit: null, cut: null })}
          addFiles={addFiles}
          pick={() => {
            if (takeTurns()) setMapOnly(true);
            map.current?.draw("pick");
          }}
          clear={() => change({ ...EMPTY_SEARCH, view: state.view })}
        />
        <Filters
          state={state}
          facts={facts}
          change={(patch) => change({ ...patch, hit: null })}
          draw={(kind) => {
            if (takeTurns()) setMapOnly(true);
            map.current?.draw(kind);
          }}
          seen={() => map.current?.bounds() ?? null}
        />
      </div>
      <div class="panes">
        <div class="list">
          {asksSomething(state) && <h1 class="hidden">{t("results")}</h1>}
          {asksSomething(state) ? (
            <Results
              asked={found?.key ?? null}
              answer={found?.answer ?? null}
              hits={hits}
              complete={found?.complete ?? true}
              busy={searching.busy}
              error={searching.error}
              cut={cut}
              hover={hover}
              chosen={chosen?.id ?? null}
              current={current}
              verdicts={verdicts}
              handlers={handlers}
              setCut={(value, settled) => {
                setCutting(settled ? undefined : value);
                if (settled) change({ cut: value }, true);
              }}
              more={searching.more}
              retry={searching.retry}
              exportAs={exportAs}
              copyCommand={() => found && copy(found.answer.command, t("copiedCommand"))}
              copyAddress={() => copy(window.location.href, t("copiedAddress"))}
              saveQuery={() =>
                found &&
                save(
                  new Blob([JSON.stringify(found.answer.saved, null, 1)], { type: "application/json" }),
                  "query.json",
                )
              }
              learn={learn}
              forget={() => (setVerdicts({}), change({ right: [], wrong: [] }))}
            />
          ) : (
            <Welcome facts={facts} ask={(text) => addTerm(term("text", text), true)} />
          )}
        </div>
        <Splitter moved={() => map.current?.resize()} />
        <div class="beside">
          <MapPane
            ref={map}
            facts={facts}
            hits={hits}
            cut={cut}
            hover={hover}
            chosen={chosen?.id ?? null}
            area={state}
            view={state.view}
            canSearchHere={asksSomething(state)}
            onHover={setHover}
            onChoose={choose}
            onView={(view) => {
              ownView.current = view;
              change({ view }, true);
            }}
            onBox={(within) => change({ within, polygon: null, hit: null })}
            onPolygon={(polygon) => change({ polygon, within: null, hit: null })}
            onPick={pick}
            onSearchHere={searchHere}
          />
          {chosen && (
            <Inspector
              hit={chosen}
              text={asked}
              explain={explain}
              setExplain={setExplain}
              captions={captions[chosen.id] ?? {}}
              verdict={verdicts[chosen.id] ?? null}
              onVerdict={mark}
              onAct={act}
              step={step}
              close={() => choose(null)}
            />
          )}
        </div>
      </div>
      <button type="button" class="flip" onClick={() => setMapOnly(!mapOnly)}>
        {mapOnly ? t("showList") : t("showMap")}
      </button>
    </div>
  );
}

const NO_HITS: readonly Hit[] = [];

/** Where the hits are that stand out; where none does, the nearest few. */
function worthSeeing(hits: readonly Hit[]): Bounds | null {
  const clear = hits.filter((hit) => hit.bounds && hit.band !== "background");
  const some = clear.length ? clear : hits.filter((hit) => hit.bounds).slice(0, 12);
  return unionBounds(some.map((hit) => hit.bounds));
}

/** Whether two views are one, but for the rounding of addresses. */
function sameView(a: readonly [number, number, number], b: readonly [number, number, number]): boolean {
  return Math.abs(a[0] - b[0]) < 2e-5 && Math.abs(a[1] - b[1]) < 2e-5 && Math.abs(a[2] - b[2]) < 0.02;
}

/** In a small window list and map take turns. */
const takeTurns = () => window.matchMedia("(max-width: 48rem)").matches;

function columns(): number {
  const grid = document.querySelector(".results .cards");
  return grid ? getComputedStyle(grid).gridTemplateColumns.split(" ").length : 1;
}

/** The card that has the focus now: keys may come faster than the screen is drawn. */
function focusedCard(): string | null {
  return document.activeElement?.closest<HTMLElement>(".cards > .card")?.dataset.id ?? null;
}

function focusCard(id: string, focus: boolean): void {
  const card = document.querySelector<HTMLElement>(`.cards [data-id="${id}"]`);
  card?.scrollIntoView({ block: "nearest" });
  if (focus) card?.querySelector<HTMLElement>(".open")?.focus({ preventScroll: true });
}
