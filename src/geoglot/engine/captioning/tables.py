"""Tables of captioning: ours for the results page, and the JTTS paper's with ours below each row.

A cell without a measured figure stays empty. METEOR (``M``) and SPICE (``S``) stay empty unless the public tools
measured them; our own alignment measure stands in a column of its own, ``aligned``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from geoglot.data.published_captioning import (
    DATASETS,
    TABLE_I,
    TABLE_IX,
    TABLE_V,
    TABLE_VI,
    TABLE_VII,
    TABLE_VIII,
    TABLES_II_TO_IV,
    TITLES,
    CaptioningRow,
)

Row = dict[str, str]
Record = Mapping[str, Any]

FIGURES: Final = {
    "B-1": "bleu_1",
    "B-2": "bleu_2",
    "B-3": "bleu_3",
    "B-4": "bleu_4",
    "M": "meteor",
    "R": "rouge_l",
    "C": "cider",
    "S": "spice",
    "Sm": "mean_score",
    "aligned": "meteor_exact_stem",
}
"""Names in the records by column."""
FULL: Final = "sg+MSO+Ld"
MARGIN: Final = 0.2
SAMPLING: Final = 0.5
CNNS: Final = {
    "AlexNet": ("alexnet",),
    "VGG-16": ("vgg16", "timm:vgg16"),
    "VGG-19": ("vgg19", "timm:vgg19"),
    "GoogLeNet": ("googlenet",),
    "ResNet-101": ("resnet101", "timm:resnet101"),
}
"""Backbones by the name that the paper prints."""
METHODS: Final = {
    "CSMLF": "csmlf",
    "Soft Attention": "soft_attention",
    "Hard Attention": "hard_attention",
    "SAT (LAM)*": "sat_lam",
    "ADAPTIVE (LAM)*": "adaptive_lam",
    "TCE loss-based method": "tce_loss",
    "Word-sentence framework": "word_sentence",
    "Ours": "jtts",
}
"""Files of the gallery by the name that the paper prints."""


def captioning_rows(records: Sequence[Record], *, split: str = "test") -> list[Row]:
    """One row per record and language.

    Args:
        records: Records of the task ``captioning``.
        split: ``test`` or ``val``.
    """
    rows = []
    for record in sorted(records, key=lambda r: (r["dataset"], -_cider(r, split), _name(r))):
        for language, figures in record["splits"][split].items():
            seen = (record["attributes"].get(split) or {}).get("probable", {})
            rows.append(
                {
                    "method": _name(record),
                    "dataset": record["dataset"],
                    "language": language,
                    **_details(record),
                    **_cells(figures, spread=True),
                    "CIDEr 95 %": _interval(figures.get("cider")),
                    "attribute precision": _value(seen.get("precision")),
                    "attribute recall": _value(seen.get("recall")),
                }
            )
    return rows


def jtts_tables(records: Sequence[Record]) -> dict[str, list[Row]]:
    """Tables I to IX of the paper, each printed row above ours; English captions of the test splits.

    Args:
        records: Records of the task ``captioning``.
    """
    english = [r for r in records if "en" in r["splits"]["test"] and r["configuration"]["languages"] == ["en"]]
    jtts = [r for r in english if r["model"]["id"] == "jtts"]
    full = [r for r in jtts if r["model"]["variant"] == FULL]
    usual = [r for r in full if not _changed(r, "margin", "sampling")]
    tables = {"Table I: CNN encoders": _block("CNN", TABLE_I, usual, _is_cnn)}
    for number, dataset in zip(("II", "III", "IV"), DATASETS, strict=True):
        printed = [row for row in TABLES_II_TO_IV if row.dataset == dataset]
        shown = [r for r in english if r["model"]["id"] != "jtts"] + usual
        tables[f"Table {number}: {TITLES[dataset]}"] = _block("method", printed, shown, _is_method, rest=True)
    steps = [r for r in jtts if not _changed(r, "margin", "sampling")]
    tables["Table V: ablation"] = _block("step", TABLE_V, steps, _is_step)
    margins = [r for r in full if not _changed(r, "sampling")]
    tables["Table VI: margin"] = _block("margin", TABLE_VI, margins, lambda r, n: _setting(r, "margin", MARGIN) == n)
    samplings = [r for r in full if not _changed(r, "margin")]
    tables["Table VII: lambda"] = _block(
        "lambda", TABLE_VII, samplings, lambda r, n: _setting(r, "sampling", SAMPLING) == n
    )
    tables["Table VIII: cost on UCM"] = _costs([r for r in steps if r["dataset"] == "ucm"])
    tables["Table IX: what the CNN was trained on"] = _block("trained on", TABLE_IX, usual, _is_start)
    return tables


def _block(
    head: str,
    printed: Iterable[CaptioningRow],
    records: Sequence[Record],
    fits: Callable[[Record, str], bool],
    *,
    rest: bool = False,
) -> list[Row]:
    """Printed rows, each with ours below; with ``rest``, what fits no printed row at the end."""
    rows: list[Row] = []
    shown: list[int] = []
    datasets: dict[str, None] = {}
    for theirs in printed:
        datasets[theirs.dataset] = None
        subject = {"dataset": theirs.dataset, head: theirs.name}
        cells = {name: "" if value is None else f"{value:.4f}" for name, value in theirs.cells.items()}
        rows.append({**subject, "row": "published", **_no_details(), **cells, "aligned": ""})
        ours = [r for r in records if r["dataset"] == theirs.dataset and fits(r, theirs.name)]
        shown += [id(r) for r in ours]
        rows += [_our_row(subject, r) for r in ours] or [
            {**subject, "row": "ours", **_no_details(), **dict.fromkeys(FIGURES, "")}
        ]
    if rest:
        left = [r for r in records if r["dataset"] in datasets and id(r) not in shown]
        rows += [_our_row({"dataset": r["dataset"], head: _name(r)}, r) for r in left]
    return rows


def _our_row(subject: Row, record: Record) -> Row:
    cells = _cells(record["splits"]["test"]["en"], spread=True)
    return {**subject, "row": f"ours, {_name(record)}", **_details(record), **cells}


def _costs(records: Sequence[Record]) -> list[Row]:
    """Seconds of training and parameters; ours are of another machine and, where it says so, of other sizes."""
    rows = []
    for theirs in TABLE_VIII:
        subject = {"step": theirs.name}
        pretraining = "" if theirs.pretraining_seconds is None else f"{theirs.pretraining_seconds:g}"
        rows.append(
            {
                **subject,
                "row": "published",
                **_no_details(),
                "pre-training s": pretraining,
                "training s": f"{theirs.total_seconds:g}",
                "parameters M": f"{theirs.parameters:g}",
                "Sm": f"{theirs.mean_score:.4f}",
            }
        )
        for record in records:
            if _is_step(record, theirs.name):
                seconds = [run["training_seconds"] for run in record["runs"]]
                rows.append(
                    {
                        **subject,
                        "row": f"ours, {_name(record)}",
                        **_details(record),
                        "pre-training s": "",
                        "training s": f"{sum(seconds) / len(seconds):.0f}",
                        "parameters M": f"{record['runs'][0]['parameters'] / 1e6:.1f}",
                        "Sm": _value(record["splits"]["test"]["en"].get("mean_score")),
                    }
                )
    return rows


def _is_cnn(record: Record, name: str) -> bool:
    return record["configuration"]["backbone"] in CNNS.get(name, ())


def _is_method(record: Record, name: str) -> bool:
    return bool(record["model"]["id"] == METHODS.get(name))


def _is_step(record: Record, name: str) -> bool:
    variant = record["model"]["variant"]
    return name == ("b." if variant == "b" else f"b.+{variant}")


def _is_start(record: Record, name: str) -> bool:
    """Whether the CNN has seen what the row says; of published weights files that cannot be known."""
    return name == "ImageNet" and record["configuration"]["backbone"] in CNNS["ResNet-101"]


def _changed(record: Record, *names: str) -> bool:
    usual = {"margin": MARGIN, "sampling": SAMPLING}
    return any(record["configuration"]["config"].get(name, usual[name]) != usual[name] for name in names)


def _setting(record: Record, name: str, usual: float) -> str:
    return f"{record['configuration']['config'].get(name, usual):.1f}"


def _name(record: Record) -> str:
    """Method and, where it has several, its variant."""
    model = record["model"]
    variant = model["variant"] if "variant" in record["configuration"]["config"] else ""
    return f"{model['title']} {variant}".strip()


def _details(record: Record) -> Row:
    settings = record["configuration"]
    return {
        "learnt from": f"{', '.join(settings['datasets'])} ({', '.join(settings['languages'])})",
        "backbone": f"{settings['backbone']} {settings['side']} px",
        "hidden": str(settings["config"].get("hidden", "")),
        "epochs": str(settings["epochs"]),
        "runs": str(len(record["runs"])),
    }


def _no_details() -> Row:
    return dict.fromkeys(("learnt from", "backbone", "hidden", "epochs", "runs"), "")


def _cells(figures: Mapping[str, Any], *, spread: bool = False) -> Row:
    return {name: _value(figures.get(key), spread=spread) for name, key in FIGURES.items()}


def _value(cell: Mapping[str, Any] | None, *, spread: bool = False) -> str:
    if not cell:
        return ""
    text = f"{cell['value']:.4f}"
    return f"{text} ± {cell['spread']:.4f}" if spread and cell.get("spread") is not None else text


def _interval(cell: Mapping[str, Any] | None) -> str:
    return "" if not cell or "interval" not in cell else " to ".join(f"{bound:.3f}" for bound in cell["interval"])


def _cider(record: Record, split: str) -> float:
    figures = record["splits"][split]
    return max((float(one["cider"]["value"]) for one in figures.values()), default=0.0)
