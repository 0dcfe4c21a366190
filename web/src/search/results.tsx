/** What was found: how sure it is, the histogram, the cards, and the ways to take it along. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ServiceError } from "../service/client";
import type { ExportFormat, Hit, SearchAnswer } from "../service/types";
import { Icon } from "../shell/icons";
import { Menu } from "../shell/menu";
import { LANGUAGE_NAMES, useWords } from "../words";
import { Card, type CardProps, type Verdict } from "./card";
import { ScoreHistogram } from "./histogram";

type CardHandlers = Pick<CardProps, "onHover" | "onFocus" | "onChoose" | "onAct" | "onVerdict">;

interface Props {
  /** What was asked: another one is another list. */
  asked: string | null;
  answer: SearchAnswer | null;
  hits: readonly Hit[];
  complete: boolean;
  busy: boolean;
  error: ServiceError | null;
  cut: number | null;
  hover: string | null;
  chosen: string | null;
  current: string | null;
  verdicts: Readonly<Record<string, Verdict>>;
  handlers: CardHandlers;
  setCut: (cut: number | null, settled: boolean) => void;
  more: () => void;
  retry: () => void;
  exportAs: (format: ExportFormat) => void;
  copyCommand: () => void;
  copyAddress: () => void;
  saveQuery: () => void;
  learn: () => void;
  forget: () => void;
}

/** Cards that fill a usual window. */
const FIRST = 6;

export function Results(props: Props) {
  const { answer, hits, complete, busy, error, cut, more } = props;
  const { t } = useWords();
  const end = useRef<HTMLDivElement>(null);
  const loadMore = useRef(more);
  loadMore.current = more;
  const [drawn, setDrawn] = useState<string | null>(null);
  const whole = drawn === props.asked;
  // the first cards are seen before the others are made
  useEffect(() => {
    if (whole) return;
    let then = 0;
    const frame = requestAnimationFrame(() => {
      then = window.setTimeout(() => setDrawn(props.asked));
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(then);
    };
  }, [whole, props.asked]);
  // looked at again whenever the list has grown
  useEffect(() => {
    if (!whole) return;
    const watch = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && loadMore.current(),
      {
        rootMargin: "600px",
      },
    );
    if (end.current) watch.observe(end.current);
    return () => watch.disconnect();
  }, [hits.length, complete, whole]);
  if (error)
    return (
      <div class="state bad" role="alert">
        <h2>{error.status === 0 ? t("unreachable") : t("failed")}</h2>
        <p dir="auto">{error.status === 0 ? t("unreachableNote") : error.message}</p>
        {error.remedy && <p dir="auto">{error.remedy}</p>}
        <button type="button" class="small" onClick={props.retry}>
          <Icon name="again" size={16} /> {t("tryAgain")}
        </button>
      </div>
    );
  if (!answer) return busy ? <Waiting /> : null;
  const top = Math.max(...hits.map((hit) => hit.score), 0.0001);
  return (
    <div class={`results${busy ? " stale" : ""}`} aria-busy={busy || !whole}>
      <Summary {...props} answer={answer} />
      {answer.no_likely && hits.length > 0 && (
        <div class="none" role="status">
          <strong>{t("noLikely")}</strong>{" "}
          {t(hits.some((hit) => hit.band === "uncertain") ? "uncertainNote" : "noLikelyNote")}
        </div>
      )}
      {hits.length === 0 ? (
        <div class="state">
          <h2>{t("nothingHere")}</h2>
          <p>{t("nothingHereNote")}</p>
        </div>
      ) : (
        <ul class="cards" aria-label={t("results")}>
          {(whole ? hits : hits.slice(0, FIRST)).map((hit, i) => (
            <Card
              key={hit.id}
              hit={hit}
              top={top}
              lit={props.hover === hit.id}
              chosen={props.chosen === hit.id}
              current={props.current ? props.current === hit.id : i === 0}
              dim={cut !== null && hit.score < cut}
              verdict={props.verdicts[hit.id] ?? null}
              {...props.handlers}
            />
          ))}
        </ul>
      )}
      <div class="end" ref={end}>
        {!complete ? t("loading") : hits.length > 6 ? t("thatIsAll", { count: hits.length }) : ""}
      </div>
    </div>
  );
}

function Summary(props: Props & { answer: SearchAnswer }) {
  const { answer, hits, cut, setCut, verdicts } = props;
  const { t, number } = useWords();
  const count = (band: string) => hits.filter((hit) => hit.band === band).length;
  const right = Object.values(verdicts).filter((verdict) => verdict === "right").length;
  const wrong = Object.values(verdicts).filter((verdict) => verdict === "wrong").length;
  return (
    <div class="summary">
      <div class="line">
        <p class="counts" role="status">
          <span class="band likely">
            {number(count("likely"))} {t("likely")}
          </span>
          <span class="band uncertain">
            {number(count("uncertain"))} {t("uncertain")}
          </span>
          <span class="took">
            {t("took", { milliseconds: number(answer.milliseconds), tiles: number(answer.total) })}
          </span>
        </p>
        <div class="taking">
          <button
            type="button"
            class="plain"
            aria-label={t("copyCommand")}
            title={t("copyCommand")}
            onClick={props.copyCommand}
          >
            <Icon name="terminal" />
          </button>
          <button
            type="button"
            class="plain"
            aria-label={t("copyAddress")}
            title={t("copyAddress")}
            onClick={props.copyAddress}
          >
            <Icon name="link" />
          </button>
          <button
            type="button"
            class="plain"
            aria-label={t("saveQuery")}
            title={t("saveQuery")}
            onClick={props.saveQuery}
          >
            <Icon name="save" />
          </button>
          <Menu kind="plain" icon="download" label="" name={t("export")} end>
            {(close) => (
              <div class="form">
                {(["geojson", "gpkg", "geoparquet", "csv"] as const).map((format) => (
                  <button type="button" class="choice" key={format} onClick={() => (close(), props.exportAs(format))}>
                    {FORMAT_NAMES[format]}
                  </button>
                ))}
              </div>
            )}
          </Menu>
        </div>
      </div>
      {answer.terms.map(
        (term) =>
          term.unknown_words.length > 0 && (
            <p class="note" key={term.text}>
              {t("unknownIn", {
                language: term.language ? LANGUAGE_NAMES[term.language] : "?",
                words: term.unknown_words.join(", "),
              })}
            </p>
          ),
      )}
      {answer.notes.map((note) => (
        <p class="note" key={note} dir="auto">
          {note}
        </p>
      ))}
      {answer.histogram.counts.length > 0 && (
        <ScoreHistogram histogram={answer.histogram} thresholds={answer.thresholds} cut={cut} setCut={setCut} />
      )}
      {right + wrong > 0 && (
        <div class="feedback" role="group" aria-label={t("feedback")}>
          <span>{t("marked", { right, wrong })}</span>
          <button type="button" class="small primary" onClick={props.learn}>
            <Icon name="again" size={16} /> {t("searchAgain")} <kbd>R</kbd>
          </button>
          <button type="button" class="textual" onClick={props.forget}>
            {t("forget")}
          </button>
        </div>
      )}
    </div>
  );
}

const FORMAT_NAMES: Record<ExportFormat, string> = {
  geojson: "GeoJSON",
  gpkg: "GeoPackage",
  geoparquet: "GeoParquet",
  csv: "CSV",
};

function Waiting() {
  const { t } = useWords();
  return (
    <div class="waiting" role="status" aria-label={t("loading")}>
      <ul class="cards" aria-hidden="true">
        {Array.from({ length: 8 }, (_, i) => (
          <li class="ghost" key={String(i)}>
            <div class="picture" />
            <div class="text" />
          </li>
        ))}
      </ul>
    </div>
  );
}
