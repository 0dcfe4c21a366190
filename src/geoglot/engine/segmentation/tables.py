"""Tables of referring segmentation: ours for the results page, and the RefSegRS paper's with ours below each row.

A cell without a measured figure stays empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from geoglot.data.published_segmentation import (
    DATASET,
    MEASURES,
    TABLE_II,
    TABLE_III,
    TABLE_IV,
    SegmentationRow,
)

Row = dict[str, str]
Record = Mapping[str, Any]

HEADS: Final = {"oiou": "oIoU", "miou": "mIoU"} | {f"pr@0.{n}": f"Pr@0.{n}" for n in range(5, 10)}
TOLD: Final = ("variant", "cross", "mean")
"""Settings that belong to the name of a row."""
DETAILS: Final = ("dataset", "side", "epochs", "runs")


def segmentation_rows(records: Sequence[Record], *, split: str = "test") -> list[Row]:
    """One row per record and language.

    Args:
        records: Records of the task ``segmentation``.
        split: ``test`` or ``val``.
    """
    rows = []
    for record in sorted(records, key=lambda r: (r["dataset"], -_miou(r, split), record_name(r))):
        for language, figures in record["splits"][split].items():
            rows.append(
                {
                    "method": record_name(record),
                    "dataset": record["dataset"],
                    "language": language,
                    **_details(record),
                    **_cells(figures),
                    "mIoU 95 %": " to ".join(f"{bound:.3f}" for bound in figures["miou"]["interval"]),
                    "everything": _value({"value": figures["everything_miou"], "spread": None}),
                    "chosen on test": _watched(record, language) if split == "test" else "",
                }
            )
    return rows


def category_rows(records: Sequence[Record], *, split: str = "test", language: str = "en") -> list[Row]:
    """MIoU by category, of phrases that name it and nothing else; one row per category, one column per record.

    Args:
        records: Records of the task ``segmentation``.
        split: ``test`` or ``val``.
        language: Of the phrases.
    """
    known = [r for r in records if language in r["splits"][split]]
    ordered = sorted(known, key=lambda r: (r["dataset"], -_miou(r, split), record_name(r)))
    found = [(f"{record_name(r)}, {r['dataset']}", r["splits"][split][language]["categories"]) for r in ordered]
    names = sorted({name for _, categories in found for name in categories})
    return [
        {"category": name, **{head: _value(categories.get(name, {}).get("miou")) for head, categories in found}}
        for name in names
    ]


def lgce_tables(records: Sequence[Record], costs: Mapping[str, Record] | None = None) -> dict[str, list[Row]]:
    """Tables II to IV of the paper, each printed row above ours; English phrases of the test parts.

    Rows of ours on other data than RefSegRS stand beside the printed ones only to be seen: their dataset is named.

    Args:
        records: Records of the task ``segmentation``.
        costs: By name of a printed row, ours as the paper counts: ``gigaflops``, ``parameters`` (millions),
            ``gigamacs``.
    """
    english = [r for r in records if "en" in r["splits"]["test"]]
    return {
        "Table II: methods": _block("method", TABLE_II, english),
        "Table III: ablation of LGCE": _block("model", TABLE_III, english),
        "Table IV: costs": _costs(costs or {}),
    }


def _block(head: str, printed: Iterable[SegmentationRow], records: Sequence[Record]) -> list[Row]:
    rows: list[Row] = []
    for theirs in printed:
        cells = {HEADS[name]: f"{value:.4f}" for name, value in theirs.cells.items()}
        details = {**dict.fromkeys(DETAILS, ""), "dataset": DATASET, "side": "480", "epochs": "40"}
        rows.append({head: theirs.name, "row": "published", **details, **cells})
        ours = [r for r in records if fits(r, theirs)]
        for record in sorted(ours, key=lambda r: (r["dataset"] != DATASET, r["dataset"], record_name(r))):
            words = f"ours, {record_name(record)}"
            figures = record["splits"]["test"]["en"]
            own = {**_details(record), "dataset": record["dataset"]}
            rows.append({head: theirs.name, "row": words, **own, **_cells(figures)})
        if not ours:
            empty = dict.fromkeys((*DETAILS, *(HEADS[name] for name in MEASURES)), "")
            rows.append({head: theirs.name, "row": "ours", **empty})
    return rows


def fits(record: Record, row: SegmentationRow) -> bool:
    """Whether a record is of a printed row's method and variant."""
    return (record["model"]["id"], _variant(record)) == (row.method, row.variant)


def _variant(record: Record) -> str:
    """Variant of the method; empty for the one that is named after it."""
    found = str(record["configuration"]["config"].get("variant", ""))
    return "" if found in ("paper", record["model"]["id"]) else found


def _costs(costs: Mapping[str, Record]) -> list[Row]:
    rows = []
    for theirs in TABLE_IV:
        printed = {"gigaflops": theirs.gigaflops, "parameters": theirs.parameters, "gigamacs": theirs.gigamacs}
        ours = costs.get(theirs.name)
        rows.append({"model": theirs.name, "row": "published", **_cost_cells(printed)})
        rows.append({"model": theirs.name, "row": "ours", **_cost_cells(ours)})
    return rows


def _cost_cells(cost: Mapping[str, float] | None) -> Row:
    heads = {"gigaflops": "FLOPs G", "parameters": "parameters M", "gigamacs": "MACs G"}
    return {head: "" if cost is None else f"{cost[name]:.2f}" for name, head in heads.items()}


def record_name(record: Record) -> str:
    """Method, and what its settings change."""
    changed = record["configuration"]["config"]
    words = [str(value) if name == "variant" else f"{name} {value}" for name in TOLD if (value := changed.get(name))]
    if record["model"]["size"] != "paper":
        words.insert(0, record["model"]["size"])
    return ", ".join([record["model"]["title"], *words])


def _details(record: Record) -> Row:
    settings = record["configuration"]
    return {"side": str(settings["side"]), "epochs": str(settings["epochs"]), "runs": str(len(record["runs"]))}


def _cells(figures: Mapping[str, Any]) -> Row:
    return {HEADS[name]: _value(figures.get(name)) for name in MEASURES}


def _value(cell: Mapping[str, Any] | None) -> str:
    if not cell:
        return ""
    text = f"{cell['value']:.4f}"
    return f"{text} ± {cell['spread']:.4f}" if cell.get("spread") is not None else text


def _watched(record: Record, language: str) -> str:
    """MIoU of the epochs that choosing on the test part would have taken, mean over the runs."""
    found = [run["test_watched"]["figures"].get(language) for run in record["runs"] if run.get("test_watched")]
    values = [one["miou"] for one in found if one]
    return f"{sum(values) / len(values):.4f}" if values else ""


def _miou(record: Record, split: str) -> float:
    figures = record["splits"][split].values()
    return max((float(one["miou"]["value"]) for one in figures), default=0.0)
