/** One place that answers: its picture, how sure it is, and what can be done with it. */

import { memo } from "preact/compat";
import { useEffect, useRef } from "preact/hooks";
import type { Hit } from "../service/types";
import { Icon, type IconName } from "../shell/icons";
import { useWords, type Word } from "../words";

export type CardAction = "similar" | "plus" | "minus" | "why" | "segment" | "caption" | "zoom" | "scene";
export type Verdict = "right" | "wrong" | null;

export interface CardProps {
  hit: Hit;
  lit: boolean;
  chosen: boolean;
  /** Whether the Tab key stops here: one card of the grid at a time. */
  current: boolean;
  dim: boolean;
  verdict: Verdict;
  top: number;
  onHover: (id: string | null) => void;
  onFocus: (id: string) => void;
  onChoose: (id: string) => void;
  onAct: (action: CardAction, hit: Hit) => void;
  onVerdict: (id: string, verdict: Verdict) => void;
}

export const CARD_ACTIONS: readonly { action: CardAction; icon: IconName; word: Word; key: string }[] = [
  { action: "similar", icon: "similar", word: "similar", key: "S" },
  { action: "plus", icon: "plus", word: "moreLikeThis", key: "+" },
  { action: "minus", icon: "minus", word: "lessLikeThis", key: "-" },
  { action: "why", icon: "why", word: "why", key: "W" },
  { action: "segment", icon: "segment", word: "segment", key: "G" },
  { action: "caption", icon: "quote", word: "caption", key: "C" },
  { action: "zoom", icon: "zoom", word: "zoomTo", key: "Z" },
];

function CardView(props: CardProps) {
  const { hit, lit, chosen, current, dim, verdict, top, onHover, onFocus, onChoose, onAct, onVerdict } = props;
  const { t, number, date, metres } = useWords();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (lit && !button.current?.matches(":hover")) button.current?.closest("li")?.scrollIntoView({ block: "nearest" });
  }, [lit]);
  const facts = [
    hit.time ? date(hit.time) : null,
    hit.gsd_m ? metres(hit.gsd_m) : null,
    hit.bounds ? null : t("unlocated"),
  ];
  const tab = current ? 0 : -1;
  return (
    <li
      class={`card ${hit.band}${lit ? " lit" : ""}${chosen ? " chosen" : ""}${dim ? " dim" : ""}${verdict ? ` ${verdict}` : ""}`}
      data-id={hit.id}
      onPointerEnter={() => onHover(hit.id)}
      onPointerLeave={() => onHover(null)}
    >
      <div class="picture">
        <button
          type="button"
          ref={button}
          class="open"
          tabIndex={tab}
          aria-label={t("cardName", { rank: hit.rank, band: t(hit.band), score: number(hit.score, 2), name: hit.name })}
          onFocus={() => onFocus(hit.id)}
          onClick={() => onChoose(hit.id)}
        >
          <img src={hit.thumbnail} alt="" loading="lazy" decoding="async" width="256" height="256" />
        </button>
        <span class="rank" aria-hidden="true">
          {hit.rank}
        </span>
        {hit.merged > 1 && (
          <span class="merged" title={t("merged", { count: hit.merged })}>
            <Icon name="layers" size={13} /> {hit.merged}
          </span>
        )}
        <div class="actions">
          {CARD_ACTIONS.map(({ action, icon, word, key }) => (
            <button
              type="button"
              key={action}
              tabIndex={tab}
              aria-label={t(word)}
              title={`${t(word)} (${key})`}
              onClick={() => onAct(action, hit)}
            >
              <Icon name={icon} size={16} />
            </button>
          ))}
        </div>
      </div>
      <div class="text">
        <div class="line">
          <span class={`band ${hit.band}`}>{t(hit.band)}</span>
          <span class="score">{number(hit.score, 2)}</span>
        </div>
        <div class="bar" aria-hidden="true">
          <i style={{ inlineSize: `${Math.max(3, Math.min(100, (hit.score / (top || 1)) * 100))}%` }} />
        </div>
        <div class="line">
          <p class="file" dir="ltr" title={hit.source}>
            {hit.name}
          </p>
          <span class="verdicts">
            <VerdictButton
              kind="right"
              verdict={verdict}
              tab={tab}
              set={(value) => onVerdict(hit.id, value)}
              label={t("markRight")}
            />
            <VerdictButton
              kind="wrong"
              verdict={verdict}
              tab={tab}
              set={(value) => onVerdict(hit.id, value)}
              label={t("markWrong")}
            />
          </span>
        </div>
        <p class="facts">{facts.filter(Boolean).join(" · ")}</p>
        {hit.caption && (
          <p class="caption" dir="auto" lang={hit.caption_language ?? undefined}>
            {hit.caption}
          </p>
        )}
      </div>
    </li>
  );
}

export const Card = memo(CardView);

interface VerdictProps {
  kind: "right" | "wrong";
  verdict: Verdict;
  tab: number;
  label: string;
  set: (verdict: Verdict) => void;
}

export function VerdictButton({ kind, verdict, tab, label, set }: VerdictProps) {
  return (
    <button
      type="button"
      class={`verdict ${kind}`}
      tabIndex={tab}
      aria-label={label}
      aria-pressed={verdict === kind}
      title={`${label} (${kind === "right" ? "Y" : "N"})`}
      onClick={() => set(verdict === kind ? null : kind)}
    >
      <Icon name={kind === "right" ? "check" : "cross"} size={16} />
    </button>
  );
}
