/** Which bands are red, green and blue, and which values are black and white. */

import { useWords } from "../words";

interface Props {
  bands: number;
  dtype: string;
  chosen: string | null;
  stretch: string | null;
  change: (bands: string | null, stretch: string | null) => void;
}

export function LookPanel({ bands, dtype, chosen, stretch, change }: Props) {
  const { t } = useWords();
  const numbers = Array.from({ length: Math.min(bands, 64) }, (_, i) => i + 1);
  const now = (chosen ?? "").split(",").map(Number);
  const [low, high] = (stretch ?? "").split(",");
  const presets: [string, string | null][] = [
    [t("usualBands"), null],
    ...(bands >= 4 ? ([["4 · 3 · 2", "4,3,2"]] as [string, string][]) : []),
    ...numbers.slice(0, 8).map((band): [string, string] => [t("oneBand", { band }), String(band)]),
  ];
  return (
    <section class="block">
      <h2>{t("look")}</h2>
      <label class="row">
        {t("bands")}
        <select value={chosen ?? ""} onChange={(event) => change(event.currentTarget.value || null, stretch)}>
          {presets.map(([name, value]) => (
            <option key={name} value={value ?? ""}>
              {name}
            </option>
          ))}
          {chosen && !presets.some(([, value]) => value === chosen) && (
            <option value={chosen}>{chosen.replaceAll(",", " · ")}</option>
          )}
        </select>
      </label>
      {bands > 3 && (
        <div class="rgb">
          {(["R", "G", "B"] as const).map((channel, i) => (
            <label key={channel}>
              {channel}
              <select
                aria-label={t("bandFor", { channel })}
                value={now.length === 3 ? now[i] : ""}
                onChange={(event) => {
                  const next = now.length === 3 ? [...now] : [1, 2, 3];
                  next[i] = Number(event.currentTarget.value);
                  change(next.join(","), stretch);
                }}
              >
                <option value="">–</option>
                {numbers.map((band) => (
                  <option key={band} value={band}>
                    {band}
                  </option>
                ))}
              </select>
            </label>
          ))}
        </div>
      )}
      <form
        class="stretch"
        onSubmit={(event) => {
          event.preventDefault();
          const values = new FormData(event.currentTarget);
          const pair = [values.get("low"), values.get("high")].map((value) => Number(value));
          change(chosen, pair.every(Number.isFinite) && (pair[0] ?? 0) < (pair[1] ?? 0) ? pair.join(",") : null);
        }}
      >
        <label>
          {t("black")}
          <input
            key={`low${stretch}`}
            name="low"
            type="number"
            step="any"
            defaultValue={low}
            placeholder={dtype === "uint8" ? "0" : t("auto")}
            required
          />
        </label>
        <label>
          {t("white")}
          <input
            key={`high${stretch}`}
            name="high"
            type="number"
            step="any"
            defaultValue={high}
            placeholder={dtype === "uint8" ? "255" : t("auto")}
            required
          />
        </label>
        <button type="submit" class="small">
          {t("apply")}
        </button>
        {stretch && (
          <button type="button" class="textual" onClick={() => change(chosen, null)}>
            {t("auto")}
          </button>
        )}
      </form>
    </section>
  );
}
