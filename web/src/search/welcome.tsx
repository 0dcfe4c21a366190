/** Before the first question: what can be asked, in four languages, of what this archive holds. */

import type { ArchiveFacts, Language } from "../service/types";
import { LANGUAGE_NAMES, useWords } from "../words";

const EXAMPLES: Record<Language, readonly string[]> = {
  en: ["many planes parked beside the terminal", "several white storage tanks", "a harbour with boats"],
  ar: ["طائرات كثيرة متوقفة بجانب مبنى المطار", "ملاعب تنس", "ميناء فيه قوارب كثيرة"],
  fr: ["des courts de tennis", "une forêt dense", "beaucoup d'avions près du terminal"],
  it: ["un campo da baseball", "molti edifici lungo una strada", "un fiume che attraversa una città"],
};

export function Welcome({ facts, ask }: { facts: ArchiveFacts | null; ask: (text: string) => void }) {
  const { t, number, language } = useWords();
  const order = [language, ...(Object.keys(EXAMPLES) as Language[]).filter((code) => code !== language)];
  return (
    <div class="welcome">
      <h1>{t("welcome")}</h1>
      {facts && (
        <p class="lead">
          {t("welcomeNote", { tiles: number(facts.tiles), sources: number(facts.sources), name: facts.name })}
        </p>
      )}
      <div class="examples">
        {order.map((code) => (
          <section key={code} lang={code} dir={code === "ar" ? "rtl" : "ltr"} aria-label={LANGUAGE_NAMES[code]}>
            <h2>{LANGUAGE_NAMES[code]}</h2>
            <ul>
              {EXAMPLES[code].map((text) => (
                <li key={text}>
                  <button type="button" class="example" onClick={() => ask(text)}>
                    {text}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
      <ul class="tips">
        <li>{t("tipPicture")}</li>
        <li>{t("tipMinus")}</li>
        <li>{t("tipKeys")}</li>
      </ul>
    </div>
  );
}
