/** Result files, as the service hands them out, made into tables: one per task, one row per run. */

export interface Table {
  readonly task: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

type Json = unknown;
type Cell = string | number | null;

const LANGUAGES = ["en", "ar", "fr", "it"] as const;

/** The measures that a task is known by: the column's name and where its value lies. */
const MEASURES: Record<string, readonly (readonly [string, readonly string[]])[]> = {
  retrieval: LANGUAGES.map((code) => [`mR ${code}`, ["languages", code, "plain", "mR"]] as const),
  leaderboard: LANGUAGES.map((code) => [`mR ${code}`, ["languages", code, "plain", "mR"]] as const),
  confidence: LANGUAGES.map((code) => [`AUC ${code}`, ["languages", code, "auc"]] as const),
  matching: [
    ["mAP", ["galleries", "test", "query_left_out", "mAP"]],
    ["ANMRR", ["galleries", "test", "query_left_out", "ANMRR"]],
    ["P@5", ["galleries", "test", "query_left_out", "P@5"]],
    ["P@10", ["galleries", "test", "query_left_out", "P@10"]],
  ],
  instance: ["easy", "medium", "hard", "turned"].map(
    (level) => [`R@1 ${level}`, ["severities", level, "with_second_look", "R@1"]] as const,
  ),
  hashing: [
    ["bits", ["settings", "0", "bits"]],
    ["I→T", ["settings", "0", "figures", "image_to_text", "map_answers", "50"]],
    ["T→I", ["settings", "0", "figures", "text_to_image", "map_answers", "50"]],
    ["I→I", ["settings", "0", "figures", "image_to_image", "map_answers", "50"]],
  ],
};

/** Names under which a measure is looked for where a task has no list of its own. */
const FAMOUS = [
  "CIDEr",
  "BLEU-4",
  "BLEU4",
  "METEOR",
  "ROUGE_L",
  "ROUGE-L",
  "SPICE",
  "oIoU",
  "mIoU",
  "Pr@0.5",
  "mR",
  "mAP",
];

export function tablesOf(results: Record<string, Record<string, Json>>): Table[] {
  return Object.entries(results)
    .filter(([task]) => task !== "bench" && task !== "leaks")
    .flatMap(([task, runs]) => tableOf(task, Object.entries(runs)) ?? []);
}

function tableOf(task: string, runs: readonly (readonly [string, Json])[]): Table | null {
  const known = MEASURES[task];
  if (known) {
    const rows = runs.map(([name, run]): Cell[] => [
      titleOf(run, name),
      datasetOf(run),
      ...known.map(([, path]) => valueAt(run, path)),
    ]);
    const full = rows.filter((row) => row.slice(2).some((cell) => cell !== null));
    return full.length ? { task, columns: ["", "", ...known.map(([name]) => name)], rows: best(full) } : null;
  }
  const found = runs.map(([name, run]) => [name, run, famousIn(run)] as const);
  const columns = FAMOUS.filter((measure) => found.some(([, , values]) => values.has(measure)));
  if (!columns.length) return null;
  return {
    task,
    columns: ["", "", ...columns],
    rows: best(
      found.map(([name, run, values]): Cell[] => [
        titleOf(run, name),
        datasetOf(run),
        ...columns.map((each) => values.get(each) ?? null),
      ]),
    ),
  };
}

/** By data set, then the best of the first measure first. */
function best(rows: Cell[][]): Cell[][] {
  return [...rows].sort((a, b) => String(a[1]).localeCompare(String(b[1])) || Number(b[2] ?? -1) - Number(a[2] ?? -1));
}

function titleOf(run: Json, name: string): string {
  const told = run as { title?: unknown; model?: { title?: unknown; id?: unknown }; method?: unknown };
  const title = told?.title ?? told?.model?.title ?? told?.model?.id ?? told?.method;
  return typeof title === "string" ? title : name;
}

function datasetOf(run: Json): string {
  const dataset = (run as { dataset?: unknown })?.dataset;
  return typeof dataset === "string" ? dataset : "";
}

/** A number where a path leads: itself, or its `value` or `mean`. */
export function valueAt(run: Json, path: readonly string[]): number | null {
  let at: Json = run;
  for (const step of path) at = at !== null && typeof at === "object" ? (at as Record<string, Json>)[step] : undefined;
  return numberOf(at);
}

function numberOf(value: Json): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (value === null || typeof value !== "object") return null;
  const { value: own, mean } = value as { value?: Json; mean?: Json };
  return typeof own === "number" ? own : typeof mean === "number" ? mean : null;
}

/** The first value of each famous measure, nearest to the root. */
function famousIn(run: Json): Map<string, number> {
  const found = new Map<string, number>();
  let level: Json[] = [run];
  for (let depth = 0; depth < 6 && level.length; depth += 1) {
    const next: Json[] = [];
    for (const each of level) {
      if (each === null || typeof each !== "object") continue;
      for (const [name, value] of Object.entries(each)) {
        const number = FAMOUS.includes(name) && !found.has(name) ? numberOf(value) : null;
        if (number !== null) found.set(name, number);
        next.push(value);
      }
    }
    level = next;
  }
  return found;
}
