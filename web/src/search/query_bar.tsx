/** The question: words, pictures, tiles and saved queries as chips, all in one field. */

import { useRef, useState } from "preact/hooks";
import { type Term, typedTerm } from "../address/search_state";
import type { TermAnswer } from "../service/types";
import { Icon } from "../shell/icons";
import { useWords } from "../words";
import { Chip } from "./chip";

interface Props {
  terms: readonly Term[];
  answers: readonly TermAnswer[];
  pictures: Readonly<Record<string, string>>;
  busy: boolean;
  setTerms: (terms: Term[]) => void;
  addFiles: (files: File[]) => void;
  pick: () => void;
  clear: () => void;
}

export function QueryBar({ terms, answers, pictures, busy, setTerms, addFiles, pick, clear }: Props) {
  const { t } = useWords();
  const [typed, setTyped] = useState("");
  const [dropping, setDropping] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const ask = () => {
    const more = typedTerm(typed);
    setTyped("");
    setTerms(more ? [...terms, more] : [...terms]);
  };
  return (
    <form
      class={`ask${dropping ? " dropping" : ""}`}
      role="search"
      aria-label={t("search")}
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={() => setDropping(false)}
      onDrop={(event) => {
        event.preventDefault();
        setDropping(false);
        addFiles([...(event.dataTransfer?.files ?? [])]);
      }}
      onPaste={(event) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length) {
          event.preventDefault();
          addFiles(files);
        }
      }}
    >
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the chips only moves the focus to the input, which has its own key */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: as above */}
      <div class="field" onClick={(event) => event.target === event.currentTarget && input.current?.focus()}>
        <Icon name="search" size={20} />
        {terms.map((term, i) => (
          <Chip
            key={`${term.kind}:${term.value}`}
            term={term}
            answer={answers[i]}
            picture={pictures[term.value]}
            change={(changed) => setTerms(terms.map((each, j) => (j === i ? changed : each)))}
            remove={() => setTerms(terms.filter((_, j) => j !== i))}
          />
        ))}
        <input
          ref={input}
          id="question"
          type="text"
          dir="auto"
          autocomplete="off"
          spellcheck={false}
          value={typed}
          placeholder={terms.length ? t("addTerm") : t("describe")}
          aria-label={t("describe")}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={(event) => {
            const last = terms[terms.length - 1];
            if (event.key === "Backspace" && !typed && last) {
              event.preventDefault();
              setTyped(last.kind === "text" ? (last.weight < 0 ? "-" : "") + last.value : "");
              setTerms(terms.slice(0, -1));
            } else if (event.key === "Escape" && typed) {
              event.stopPropagation();
              setTyped("");
            } else if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
        {(terms.length > 0 || typed) && (
          <button
            type="button"
            class="plain"
            aria-label={t("clearAll")}
            title={t("clearAll")}
            onClick={() => {
              setTyped("");
              clear();
              input.current?.focus();
            }}
          >
            <Icon name="close" />
          </button>
        )}
        <span class="tools">
          <button
            type="button"
            class="plain"
            aria-label={t("addPicture")}
            title={t("addPicture")}
            onClick={() => file.current?.click()}
          >
            <Icon name="picture" size={20} />
          </button>
          <button type="button" class="plain" aria-label={t("pickOnMap")} title={t("pickOnMap")} onClick={pick}>
            <Icon name="pick" size={20} />
          </button>
        </span>
        <input
          ref={file}
          type="file"
          class="hidden"
          tabIndex={-1}
          multiple
          aria-label={t("addPicture")}
          accept="image/*,.tif,.tiff,.json,application/json"
          onChange={(event) => {
            addFiles([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      <button type="submit" class="primary" aria-busy={busy}>
        {t("search")}
      </button>
      {dropping && <div class="drop">{t("dropHere")}</div>}
    </form>
  );
}
