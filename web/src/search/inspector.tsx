/** The hit that is looked at: larger, with all that is known of it, why it was found, and every action by name. */

import { useEffect, useRef, useState } from "preact/hooks";
import { item as askItem, thumbnail, why } from "../service/client";
import type { Hit, Item } from "../service/types";
import { Icon } from "../shell/icons";
import { copy } from "../shell/toast";
import { LANGUAGE_NAMES, LANGUAGES, useWords } from "../words";
import { CARD_ACTIONS, type CardAction, type Verdict, VerdictButton } from "./card";

interface Props {
  hit: Hit;
  /** The words that the question holds, for "why". */
  text: string | null;
  explain: boolean;
  setExplain: (explain: boolean) => void;
  captions: Readonly<Record<string, string>>;
  verdict: Verdict;
  onVerdict: (id: string, verdict: Verdict) => void;
  onAct: (action: CardAction, hit: Hit) => void;
  step: (by: number) => void;
  close: () => void;
}

export function Inspector({ hit, text, explain, setExplain, captions, verdict, onVerdict, onAct, step, close }: Props) {
  const { t, number, date, metres } = useWords();
  const [facts, setFacts] = useState<Item | null>(null);
  const [failed, setFailed] = useState(false);
  const root = useRef<HTMLElement>(null);
  useEffect(() => {
    const stop = new AbortController();
    setFacts(null);
    askItem(hit.id, stop.signal)
      .then(setFacts)
      .catch(() => undefined);
    return () => stop.abort();
  }, [hit.id]);
  // another picture is another try
  useEffect(() => setFailed(false), [hit.id, explain, text]);
  const said = { ...(facts?.captions ?? {}), ...captions };
  const where = hit.bounds
    ? `${number((hit.bounds[1] + hit.bounds[3]) / 2, 5)}, ${number((hit.bounds[0] + hit.bounds[2]) / 2, 5)}`
    : t("unlocated");
  return (
    <section class="inspector" aria-label={t("detailsOf", { rank: hit.rank })} ref={root}>
      <header>
        <span class={`band ${hit.band}`}>{t(hit.band)}</span>
        <strong class="score">{number(hit.score, 3)}</strong>
        <span class="spring" />
        <VerdictButton
          kind="right"
          verdict={verdict}
          tab={0}
          label={t("markRight")}
          set={(value) => onVerdict(hit.id, value)}
        />
        <VerdictButton
          kind="wrong"
          verdict={verdict}
          tab={0}
          label={t("markWrong")}
          set={(value) => onVerdict(hit.id, value)}
        />
        <button
          type="button"
          class="plain turn"
          aria-label={t("previous")}
          title={`${t("previous")} (←)`}
          onClick={() => step(-1)}
        >
          <Icon name="down" />
        </button>
        <button
          type="button"
          class="plain turn next"
          aria-label={t("next")}
          title={`${t("next")} (→)`}
          onClick={() => step(1)}
        >
          <Icon name="down" />
        </button>
        <button type="button" class="plain" aria-label={t("close")} title={`${t("close")} (Esc)`} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="stage">
        <img
          src={explain && text ? why(hit.id, text) : thumbnail(hit.id, 512)}
          alt={explain && text ? t("whyPicture", { text }) : t("pictureOf", { name: hit.name })}
          onError={() => setFailed(true)}
        />
        {failed && <p class="note">{explain ? t("whyFailed") : t("pictureFailed")}</p>}
        {text && (
          <div class="switch" role="group" aria-label={t("picture")}>
            <button type="button" aria-pressed={!explain} onClick={() => setExplain(false)}>
              {t("picture")}
            </button>
            <button type="button" aria-pressed={explain} onClick={() => setExplain(true)}>
              {t("why")}
            </button>
          </div>
        )}
      </div>
      <div class="body">
        {LANGUAGES.filter((code) => said[code]).map((code) => (
          <p class="caption" key={code} dir="auto" lang={code}>
            <abbr class="language" title={LANGUAGE_NAMES[code]}>
              {code.toUpperCase()}
            </abbr>{" "}
            {said[code]}
          </p>
        ))}
        <dl>
          <dt>{t("file")}</dt>
          <dd dir="ltr">{hit.name}</dd>
          <dt>{t("taken")}</dt>
          <dd>{hit.time ? date(hit.time) : t("unknown")}</dd>
          <dt>{t("place")}</dt>
          <dd>
            <span dir="ltr">{where}</span>
          </dd>
          <dt>{t("detail")}</dt>
          <dd>{hit.gsd_m ? t("perPixel", { size: metres(hit.gsd_m) }) : t("unknown")}</dd>
          <dt>{t("window")}</dt>
          <dd>
            <span dir="ltr">
              {hit.window[0]}, {hit.window[1]} · {hit.window[2]} × {hit.window[3]} px
            </span>
          </dd>
          {hit.merged > 1 && (
            <>
              <dt>{t("overlapping")}</dt>
              <dd>{number(hit.merged)}</dd>
            </>
          )}
          <dt>{t("id")}</dt>
          <dd>
            <button type="button" class="textual mono" title={t("copyId")} onClick={() => copy(hit.id, t("copied"))}>
              {hit.id.slice(0, 12)}…
            </button>
          </dd>
        </dl>
        <div class="verbs">
          <button type="button" class="small primary" onClick={() => onAct("scene", hit)}>
            <Icon name="scene" size={16} /> {t("openScene")} <kbd>O</kbd>
          </button>
          {CARD_ACTIONS.filter(({ action }) => action !== "why").map(({ action, icon, word, key }) => (
            <button type="button" class="small" key={action} onClick={() => onAct(action, hit)}>
              <Icon name={icon} size={16} /> {t(word)} <kbd>{key}</kbd>
            </button>
          ))}
        </div>
      </div>
    </section>
  );
}
