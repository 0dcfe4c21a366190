/** The models that are here, and the tables of what was measured. */

import { useEffect, useState } from "preact/hooks";
import { models as askModels, results as askResults } from "../service/client";
import type { ArchiveFacts, ModelCard } from "../service/types";
import { LANGUAGE_NAMES, LANGUAGES, useWords } from "../words";
import { type Table, tablesOf } from "./results_tables";

export default function ModelsPage({ facts }: { facts: ArchiveFacts | null }) {
  const { t, number } = useWords();
  const [models, setModels] = useState<ModelCard[] | null>(null);
  const [tables, setTables] = useState<Table[] | null>(null);
  useEffect(() => {
    askModels()
      .then(setModels)
      .catch(() => setModels([]));
    askResults()
      .then((told) => setTables(tablesOf(told)))
      .catch(() => setTables([]));
  }, []);
  return (
    <div class="sheetPage">
      <h1>{t("models")}</h1>
      <div class="modelCards">
        {(models ?? []).map((model) => (
          <ModelSheet key={model.name} model={model} used={facts?.model.id === model.id} />
        ))}
      </div>
      {models === null && <p class="note">{t("loading")}</p>}
      <h1>{t("measured")}</h1>
      <p class="lead">{t("measuredNote")}</p>
      {tables?.length === 0 && <p class="note">{t("noResults")}</p>}
      {(tables ?? []).map((table) => (
        <section key={table.task} class="tableBlock">
          <h2>{table.task}</h2>
          <div class="scroll" tabIndex={0} role="region" aria-label={table.task}>
            <table>
              <thead>
                <tr>
                  {table.columns.map((column, i) => (
                    <th key={column || String(i)} scope="col" class={i > 1 ? "figure" : ""}>
                      {i === 0 ? t("method") : i === 1 ? t("dataset") : column}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {table.rows.map((row) => (
                  <tr key={row.join("|")}>
                    {row.map((cell, i) =>
                      i === 0 ? (
                        <th key="name" scope="row">
                          {cell}
                        </th>
                      ) : (
                        <td key={table.columns[i] || String(i)} class={i > 1 ? "figure" : ""} dir="ltr">
                          {typeof cell === "number"
                            ? number(cell, Number.isInteger(cell) ? 0 : cell < 1.5 ? 3 : 2)
                            : (cell ?? "–")}
                        </td>
                      ),
                    )}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ))}
    </div>
  );
}

function ModelSheet({ model, used }: { model: ModelCard; used: boolean }) {
  const { t, number } = useWords();
  const recall = model.validation_mean_recall_percent;
  return (
    <article class="modelCard">
      <h2 dir="ltr">
        {model.id} {used && <span class="band likely">{t("inUse")}</span>}
      </h2>
      <dl>
        <dt>{t("kind")}</dt>
        <dd>{model.kind}</dd>
        {model.languages.length > 0 && (
          <>
            <dt>{t("languages")}</dt>
            <dd>
              {model.languages.map((code) => LANGUAGE_NAMES[code as keyof typeof LANGUAGE_NAMES] ?? code).join(", ")}
            </dd>
          </>
        )}
        <dt>{t("size")}</dt>
        <dd>{number(model.megabytes, 1)} MB</dd>
        <dt>{t("licence")}</dt>
        <dd dir="auto">{model.licence ?? t("unknown")}</dd>
      </dl>
      {recall && <RecallTable recall={recall} />}
    </article>
  );
}

/** Mean recall by data set and language, as bars. */
export function RecallTable({ recall }: { recall: Record<string, Record<string, number>> }) {
  const { t, number } = useWords();
  const all = Object.values(recall).flatMap((each) => Object.values(each));
  const most = Math.max(...all, 1);
  return (
    <table class="recall">
      <caption>{t("recall")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("dataset")}</th>
          {LANGUAGES.map((code) => (
            <th key={code} scope="col">
              <abbr title={LANGUAGE_NAMES[code]}>{code.toUpperCase()}</abbr>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Object.entries(recall).map(([dataset, byLanguage]) => (
          <tr key={dataset}>
            <th scope="row" dir="ltr">
              {dataset}
            </th>
            {LANGUAGES.map((code) => {
              const value = byLanguage[code];
              return (
                <td key={code}>
                  {value === undefined ? "–" : number(value, 1)}
                  <i style={{ inlineSize: `${((value ?? 0) / most) * 100}%` }} />
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
