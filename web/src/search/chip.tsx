/** One term of a question: its sign, what it is, its language, its weight. */

import { useState } from "preact/hooks";
import type { Term } from "../address/search_state";
import { WEIGHT_LIMIT } from "../address/search_state";
import { thumbnail } from "../service/client";
import type { TermAnswer } from "../service/types";
import { Icon } from "../shell/icons";
import { Menu } from "../shell/menu";
import { LANGUAGE_NAMES, useWords } from "../words";

interface Props {
  term: Term;
  answer: TermAnswer | undefined;
  picture: string | undefined;
  change: (term: Term) => void;
  remove: () => void;
}

export function Chip({ term, answer, picture, change, remove }: Props) {
  const { t, number } = useWords();
  const [editing, setEditing] = useState(false);
  const less = term.weight < 0;
  const size = Math.abs(term.weight);
  const name = nameOf(term, t("pictureTerm"), t("tileTerm"), t("savedTerm"));
  const unknown = answer?.unknown_words ?? [];
  return (
    <span class={`chip${less ? " less" : ""}`} role="group" aria-label={t("termNamed", { name })}>
      <button
        type="button"
        class="sign"
        aria-label={less ? t("lessOf", { name }) : t("moreOf", { name })}
        title={less ? t("makePlus") : t("makeMinus")}
        onClick={() => change({ ...term, weight: -term.weight })}
      >
        <Icon name={less ? "minus" : "plus"} size={14} />
      </button>
      {term.kind === "text" && editing ? (
        <input
          class="edit"
          dir="auto"
          value={term.value}
          size={Math.max(8, term.value.length)}
          aria-label={t("editTerm")}
          ref={(element) => element?.focus()}
          onBlur={(event) => {
            setEditing(false);
            const words = event.currentTarget.value.trim();
            if (words && words !== term.value) change({ ...term, value: words });
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") event.currentTarget.blur();
            if (event.key === "Escape") {
              event.currentTarget.value = term.value;
              setEditing(false);
            }
            event.stopPropagation();
          }}
        />
      ) : term.kind === "text" ? (
        <button
          type="button"
          class="what"
          dir="auto"
          lang={answer?.language ?? undefined}
          title={t("editTerm")}
          onClick={() => setEditing(true)}
        >
          {term.value}
        </button>
      ) : (
        <span class="what">
          {term.kind === "saved" ? (
            <Icon name="save" size={16} />
          ) : (
            <img src={picture ?? thumbnail(term.value, 64)} alt="" />
          )}
          {name}
        </span>
      )}
      {answer?.language && (
        <abbr class="language" title={t("detected", { language: LANGUAGE_NAMES[answer.language] ?? answer.language })}>
          {answer.language.toUpperCase()}
        </abbr>
      )}
      {unknown.length > 0 && (
        <span
          class="unknown"
          title={t("unknownWords", { words: unknown.join(", ") })}
          role="img"
          aria-label={t("unknownWords", { words: unknown.join(", ") })}
        >
          ?
        </span>
      )}
      <Menu
        kind="weight"
        label={<span class="times">{number(size, size % 1 ? 2 : 0)}×</span>}
        name={t("weightOf", { name, weight: number(size, 2) })}
      >
        {() => (
          <label class="slider">
            {t("weight")} <output>{number(size, 2)}</output>
            <input
              type="range"
              aria-label={t("weight")}
              min="0.1"
              max={WEIGHT_LIMIT}
              step="0.1"
              value={size}
              onChange={(event) => change({ ...term, weight: Number(event.currentTarget.value) * (less ? -1 : 1) })}
            />
          </label>
        )}
      </Menu>
      <button type="button" class="remove" aria-label={t("removeTerm", { name })} title={t("remove")} onClick={remove}>
        <Icon name="close" size={14} />
      </button>
    </span>
  );
}

function nameOf(term: Term, picture: string, tile: string, saved: string): string {
  switch (term.kind) {
    case "text":
      return term.value;
    case "image":
      return picture;
    case "item":
      return tile;
    case "saved":
      try {
        return (JSON.parse(term.value) as { name?: string }).name ?? saved;
      } catch {
        return saved;
      }
  }
}
