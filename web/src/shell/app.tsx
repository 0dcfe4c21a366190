/** The frame of every screen: where one is, the language, light and dark, the help sheet. */

import { lazy, Suspense } from "preact/compat";
import { useEffect, useState } from "preact/hooks";
import { type Screen, writeRoute } from "../address/route";
import { SearchPage } from "../search/page";
import { archiveFacts, ServiceError } from "../service/client";
import type { ArchiveFacts, Language } from "../service/types";
import { LANGUAGE_NAMES, LANGUAGES, preferredLanguage, remember, useWords, WordsContext, wordsFor } from "../words";
import { go, useRoute } from "./address";
import { HelpSheet } from "./help";
import { Icon, Mark } from "./icons";
import { useShortcuts } from "./keys";
import { setTheme, useTheme } from "./theme";
import { Toasts } from "./toast";

const ScenePage = lazy(() => import("../scene/page"));
const ArchivePage = lazy(() => import("../archive/page"));
const ModelsPage = lazy(() => import("../models/page"));

/** The last search, so that the way back leads to it. */
let lastSearch = "";

export function App() {
  const [language, setLanguage] = useState<Language>(preferredLanguage);
  const [facts, setFacts] = useState<ArchiveFacts | null>(null);
  const [problem, setProblem] = useState<ServiceError | null>(null);
  const [help, setHelp] = useState(false);
  const [round, setRound] = useState(0);
  const route = useRoute();
  const words = wordsFor(language);
  const { t, direction } = words;
  if (route.screen === "search") lastSearch = route.query;

  useEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dir = direction;
  }, [language, direction]);
  // another round asks again
  useEffect(() => {
    const stop = new AbortController();
    archiveFacts(stop.signal)
      .then((told) => (setFacts(told), setProblem(null)))
      .catch((cause: unknown) => {
        if (!stop.signal.aborted)
          setProblem(cause instanceof ServiceError ? cause : new ServiceError({ title: String(cause) }, 0));
      });
    return () => stop.abort();
  }, [round]);
  useEffect(() => {
    const title = { search: t("search"), scene: t("scene"), archive: t("archive"), models: t("models") }[route.screen];
    document.title = `${title} · ${facts?.name ?? ""} · geoglot`;
  }, [route.screen, facts, t]);
  useShortcuts({ "?": () => setHelp(true) });

  return (
    <WordsContext.Provider value={words}>
      {/* biome-ignore lint/a11y/useValidAnchor: it is the way to a section of this page; the fragment holds the screen */}
      <a
        class="skip"
        href="#content"
        onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>("main")?.focus())}
      >
        {t("skip")}
      </a>
      <Top
        screen={route.screen}
        facts={facts}
        setLanguage={(code) => {
          remember("geoglot.language", code);
          setLanguage(code);
        }}
        openHelp={() => setHelp(true)}
      />
      <main id="content" tabIndex={-1} class={`screen ${route.screen}`}>
        {problem ? (
          <div class="state bad" role="alert">
            <h1>{problem.status === 401 ? t("needsToken") : t("unreachable")}</h1>
            <p>{problem.status === 401 ? t("needsTokenNote") : t("unreachableNote")}</p>
            <button type="button" class="small" onClick={() => setRound(round + 1)}>
              <Icon name="again" size={16} /> {t("tryAgain")}
            </button>
          </div>
        ) : (
          <Suspense fallback={<p class="state">{t("loading")}</p>}>
            {route.screen === "search" && <SearchPage query={route.query} facts={facts} />}
            {route.screen === "scene" && (
              <ScenePage key={route.subject} source={route.subject} query={route.query} facts={facts} />
            )}
            {route.screen === "archive" && <ArchivePage facts={facts} refresh={() => setRound(round + 1)} />}
            {route.screen === "models" && <ModelsPage facts={facts} />}
          </Suspense>
        )}
      </main>
      {help && <HelpSheet close={() => setHelp(false)} />}
      <Toasts />
    </WordsContext.Provider>
  );
}

interface TopProps {
  screen: Screen;
  facts: ArchiveFacts | null;
  setLanguage: (language: Language) => void;
  openHelp: () => void;
}

function Top({ screen, facts, setLanguage, openHelp }: TopProps) {
  const { t, number, language } = useWords();
  const { dark } = useTheme();
  const link = (to: Screen, name: string) => {
    const address = writeRoute(to, to === "search" ? lastSearch : "");
    return (
      <a
        href={address}
        aria-current={screen === to ? "page" : undefined}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          go(address);
        }}
      >
        {name}
      </a>
    );
  };
  return (
    <header class="top">
      <a class="home" href="#/search" aria-label={t("home")}>
        <Mark />
        <span>geoglot</span>
      </a>
      <nav aria-label={t("screens")}>
        {link("search", t("search"))}
        {link("archive", t("archive"))}
        {link("models", t("models"))}
      </nav>
      <span class="spring" />
      {facts && (
        <span class="where" title={t("archiveTitle")}>
          <b dir="auto">{facts.name}</b> · {t("tilesCount", { count: number(facts.tiles) })}
        </span>
      )}
      <select
        aria-label={t("language")}
        value={language}
        onChange={(event) => setLanguage(event.currentTarget.value as Language)}
      >
        {LANGUAGES.map((code) => (
          <option key={code} value={code} lang={code}>
            {LANGUAGE_NAMES[code]}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="plain"
        aria-label={dark ? t("toLight") : t("toDark")}
        title={dark ? t("toLight") : t("toDark")}
        onClick={() => setTheme(dark ? "light" : "dark")}
      >
        <Icon name={dark ? "sun" : "moon"} />
      </button>
      <button type="button" class="plain" aria-label={t("help")} title={`${t("help")} (?)`} onClick={openHelp}>
        <Icon name="help" size={22} />
      </button>
    </header>
  );
}
