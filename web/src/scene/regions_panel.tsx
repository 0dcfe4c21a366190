/** The outlines of a phrase: looked at one by one, kept or erased, taken along. */

import { jobResultAddress } from "../service/client";
import { Icon } from "../shell/icons";
import { Menu } from "../shell/menu";
import { useWords } from "../words";
import { type Judgement, type Region, takenAlong } from "./regions";

interface Props {
  regions: readonly Region[];
  chosen: string | null;
  job: string | null;
  look: (region: Region) => void;
  decide: (region: Region, judgement: Judgement) => void;
  exportKept: () => void;
}

export function RegionsPanel({ regions, chosen, job, look, decide, exportKept }: Props) {
  const { t, number } = useWords();
  const area = (square: number | null) =>
    square === null ? "" : square < 10_000 ? `${number(square)} m²` : `${number(square / 10_000, 2)} ha`;
  return (
    <section class="block">
      <h2>
        {t("outlines")}{" "}
        <span class="note">{t("takenOf", { taken: takenAlong(regions).length, count: regions.length })}</span>
      </h2>
      <ol class="regions" aria-label={t("outlines")}>
        {regions.map((region, i) => (
          <li key={region.id} class={`${region.id === chosen ? "lit " : ""}${region.judgement ?? ""}`}>
            <button type="button" class="which" onClick={() => look(region)}>
              <b>{i + 1}</b> {number(region.feature.properties.score, 2)}{" "}
              <span class="note">{area(region.feature.properties.area_m2)}</span>
            </button>
            <button
              type="button"
              class="verdict right"
              aria-pressed={region.judgement === "kept"}
              aria-label={t("accept")}
              title={`${t("accept")} (A)`}
              onClick={() => decide(region, "kept")}
            >
              <Icon name="check" size={16} />
            </button>
            <button
              type="button"
              class="verdict wrong"
              aria-pressed={region.judgement === "erased"}
              aria-label={t("erase")}
              title={`${t("erase")} (X)`}
              onClick={() => decide(region, "erased")}
            >
              <Icon name="trash" size={16} />
            </button>
          </li>
        ))}
      </ol>
      <div class="line">
        <button type="button" class="small primary" onClick={exportKept}>
          <Icon name="download" size={16} /> GeoJSON
        </button>
        {job && (
          <Menu kind="small" icon="download" label={t("allFormats")}>
            {() => (
              <div class="form">
                {(
                  [
                    ["gpkg", "GeoPackage"],
                    ["geoparquet", "GeoParquet"],
                    ["tif", t("maskFile")],
                    ["stac", "STAC"],
                  ] as const
                ).map(([format, name]) => (
                  <a class="choice" key={format} href={jobResultAddress(job, format)} download>
                    {name}
                  </a>
                ))}
              </div>
            )}
          </Menu>
        )}
      </div>
    </section>
  );
}
