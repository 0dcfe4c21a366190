/** The help sheet: every key, and the switch that turns them off. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useWords, type Word } from "../words";
import { Icon } from "./icons";
import { setShortcuts, shortcutsOn } from "./keys";

const SHEET: readonly { title: Word; keys: readonly (readonly [string, Word])[] }[] = [
  {
    title: "helpAsk",
    keys: [
      ["/", "helpFocus"],
      ["Enter", "helpEnter"],
      ["-", "helpMinus"],
      ["Backspace", "helpBack"],
    ],
  },
  {
    title: "helpLook",
    keys: [
      ["← → ↑ ↓", "helpArrows"],
      ["Y  N", "helpMark"],
      ["R", "searchAgain"],
      ["S", "similar"],
      ["+  -", "helpPlusMinus"],
      ["W", "why"],
      ["G", "segment"],
      ["C", "caption"],
      ["Z", "zoomTo"],
      ["O", "openScene"],
      ["Esc", "close"],
    ],
  },
  {
    title: "map",
    keys: [
      ["B", "drawBox"],
      ["P", "drawPolygon"],
      ["T", "pickOnMap"],
      ["F", "searchHere"],
      ["M", "helpFlip"],
    ],
  },
  {
    title: "scene",
    keys: [
      ["H", "heatMap"],
      ["A  X", "helpAcceptErase"],
      ["← →", "helpSwipe"],
      ["?", "help"],
    ],
  },
];

export function HelpSheet({ close }: { close: () => void }) {
  const { t } = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const [on, setOn] = useState(shortcutsOn());
  useEffect(() => dialog.current?.showModal(), []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the key of a dialog is Escape, and it has it by itself
    <dialog
      class="sheet"
      ref={dialog}
      aria-labelledby="help-title"
      onClose={close}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <header>
        <h2 id="help-title">{t("help")}</h2>
        <button type="button" class="plain" aria-label={t("close")} onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <div class="keys">
        {SHEET.map(({ title, keys }) => (
          <section key={title}>
            <h3>{t(title)}</h3>
            <dl>
              {keys.map(([key, word]) => (
                <div key={key}>
                  <dt>
                    {key.split("  ").map((each) => (
                      <kbd key={each} dir="ltr">
                        {each}
                      </kbd>
                    ))}
                  </dt>
                  <dd>{t(word)}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            setShortcuts(event.currentTarget.checked);
            setOn(event.currentTarget.checked);
          }}
        />
        {t("keysOn")}
      </label>
      <p class="note">{t("helpCommand")}</p>
    </dialog>
  );
}
