"""Tables from ``results/*.json``: Markdown for the documentation, rows for the terminal.

A cell without a measured figure stays empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file
from geoglot.data.published import published
from geoglot.engine.captioning.tables import captioning_rows
from geoglot.engine.hashing.tables import hashing_rows
from geoglot.engine.matching.tables import matching_rows
from geoglot.engine.segmentation.tables import category_rows, segmentation_rows
from geoglot.metrics.ranking import CUTOFFS

LANGUAGES = ("en", "ar", "fr", "it")
Row = dict[str, str]

_INTRODUCTIONS = {
    "Same start": (
        "Every method on the same frozen backbone, with the same captions, tokenizer and budget "
        "([protocol](protocols.md#6-same-start)); recalls of English captions, means over seeds, ± standard deviation. "
        "The last column is what papers print: **another start**, another length of training, often more data. "
        "It says how far a method went elsewhere, not how the rows above it compare.",
    ),
    "Image to image": (
        "Test images ask for images of their scene class. Gallery *all*: every image of the dataset is searched, as "
        "published, **those that were trained on included**; gallery *test*: test images alone. The query is left out. "
        "mAP and P@k in percent, ANMRR from 0 (best) to 1 "
        "([published tables](protocols.md) beside ours: `geoglot evaluate tables --paper residual-dyad`).",
    ),
    "Captions": (
        "Test images. BLEU, ROUGE-L and CIDEr-D as the public evaluation computes them, on the natural scale; document "
        "frequencies of CIDEr come from the split's own references. Frozen image network of our own, small widths "
        "(the columns say which). "
        "(the papers' tables beside ours: `geoglot evaluate tables --paper jtts`).",
    ),
    "Is it there at all": (
        "Phrases ask for scene classes, with the class in the gallery and with it taken out. mAP: how well the phrases "
        "rank the images of their classes, after query expansion as a search has it, and by the bare phrase.",
    ),
    "Phrases to masks": (
        "Test phrases; IoU as a share. *everything* is what a mask of all pixels would get; *chosen on test* is what "
        "choosing the epoch on the test part, as released code does, would have given, and no other figure uses it "
        "(the paper's tables beside ours: `geoglot evaluate tables --paper lgce`).",
    ),
}


def read_results(results: Path, task: str) -> list[dict[str, Any]]:
    """All records of ``<results>/<task>/*.json``, by file name; none where the folder is absent.

    Raises:
        DataError: A file is no JSON record.
    """
    records = []
    for path in sorted((results / task).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(path, cause=f"cannot be read ({error})", remedy="evaluate again") from error
        if not isinstance(record, dict) or record.get("task") != task:
            raise DataError(path, cause=f"is no result of the task {task}", remedy="evaluate again")
        records.append(record)
    return records


def retrieval_rows(records: Sequence[Mapping[str, Any]], *, languages: Sequence[str] | None = LANGUAGES) -> list[Row]:
    """One row per record and language; an unmeasured language is a row of empty cells.

    Args:
        records: Retrieval records.
        languages: Which rows every record gets; ``None`` for those measured.
    """
    return [
        _retrieval_row(record, language)
        for record in records
        for language in (record["languages"] if languages is None else languages)
    ]


def _retrieval_row(record: Mapping[str, Any], language: str) -> Row:
    row = {**_subject(record), "language": language}
    figures = record["languages"].get(language, {})
    plain, aware = figures.get("plain", {}), figures.get("duplicate_aware", {})
    for way, short in (("image_to_text", "i2t"), ("text_to_image", "t2i")):
        for k in CUTOFFS:
            row[f"{short} R@{k}"] = _percent(plain.get(way, {}).get(f"R@{k}"))
    row["mR"] = _percent(plain.get("mR"), interval=True)
    row["mR duplicate-aware"] = _percent(aware.get("mR"), interval=True)
    return row


def leaderboard_rows(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row per method and dataset of the same-start race, the best English mean recall of a dataset first.

    Recalls are those of English captions, means over the seeds; published figures stand in a column of their own.
    """
    ordered = sorted(records, key=lambda r: (r["dataset"], -_mean_recall(r), r["method"]))
    return [_leaderboard_row(record) for record in ordered]


def _mean_recall(record: Mapping[str, Any]) -> float:
    languages = record["languages"]
    return float(languages["en"]["plain"]["mR"]["mean"]) if "en" in languages else 0.0


def _leaderboard_row(record: Mapping[str, Any]) -> Row:
    english = record["languages"].get("en", {})
    plain, aware = english.get("plain", {}), english.get("duplicate_aware", {})
    row = {"dataset": record["dataset"], "method": record["title"], "variant": str(record["variant"])}
    for way, short in (("image_to_text", "i2t"), ("text_to_image", "t2i")):
        for k in CUTOFFS:
            row[f"{short} R@{k}"] = _mean(plain.get(way, {}).get(f"R@{k}"))
    for language in LANGUAGES:
        row[f"mR {language}"] = _mean(record["languages"].get(language, {}).get("plain", {}).get("mR"), spread=True)
    row["mR en, duplicate-aware"] = _mean(aware.get("mR"), spread=True)
    row["epochs"] = str(record["protocol"]["epochs"])
    row["seeds"] = str(len(record["runs"]))
    row["trained parameters"] = f"{record['trained_parameters']:,}"
    row["mR en, published, another start"] = published_means(record["method"], record["dataset"])
    return row


def published_means(method: str, dataset: str) -> str:
    """English mean recall of every published row of a method, with what it started from.

    Example:
        >>> published_means("mtfn", "rsicd"), published_means("nobody", "rsicd")
        ('14.81 (MTFN; ImageNet)', '')
    """
    rows = published(method, dataset, language="en")
    several = len({row.regime for row in rows}) > 1
    return ", ".join(
        f"{row.mean_recall:.2f} ({row.title}{f', {row.regime} language training' if several else ''}; {row.start})"
        for row in rows
    )


def confidence_rows(records: Sequence[Mapping[str, Any]], *, languages: Sequence[str] | None = LANGUAGES) -> list[Row]:
    """One row per record and language of the "is it there" experiment."""
    rows = []
    for record in records:
        for language in record["languages"] if languages is None else languages:
            figures = record["languages"].get(language, {})
            area = figures.get("auc")
            rows.append(
                {
                    **_subject(record),
                    "language": language,
                    "AUC": f"{area['value']:.3f} ({area['interval'][0]:.3f} to {area['interval'][1]:.3f})"
                    if area
                    else "",
                    "absent, called likely %": _number(figures.get("absent_called_likely_percent")),
                    "present, called absent %": _number(figures.get("present_called_absent_percent")),
                    "mAP %": _share(figures.get("mean_average_precision")),
                    "mAP of the bare phrase %": _share(figures.get("mean_average_precision_without_expansion")),
                }
            )
    return rows


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows with the same keys as a Markdown table; empty text for no rows.

    Example:
        >>> print(markdown_table([{"model": "toy", "mR": "1.0"}, {"model": "other", "mR": ""}]))
        | model | mR |
        | --- | --- |
        | toy | 1.0 |
        | other |  |
    """
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([row[name] for name in rows[0]] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def results_page(results: Path) -> str:
    """The whole page ``docs/results.md``, made from the files alone."""
    parts = [
        "# Results",
        "Made from `results/*.json`; do not edit. How each number is computed: [protocols](protocols.md). "
        "Percentages; in brackets the 95 % bootstrap interval. An empty cell was not measured.",
    ]
    sections = (
        ("Retrieval", retrieval_rows(read_results(results, "retrieval"))),
        ("Same start", leaderboard_rows(read_results(results, "leaderboard"))),
        ("Hashing", hashing_rows(read_results(results, "hashing"))),
        ("Image to image", matching_rows(read_results(results, "matching"))),
        ("Captions", captioning_rows(read_results(results, "captioning"))),
        ("Phrases to masks", segmentation_rows(read_results(results, "segmentation"))),
        ("Phrases to masks, by category", category_rows(read_results(results, "segmentation"))),
        ("Is it there at all", confidence_rows(read_results(results, "confidence"))),
    )
    for title, rows in sections:
        parts += [f"## {title}", *_INTRODUCTIONS.get(title, ()), markdown_table(rows) or "Nothing measured yet."]
    conditions = [_conditions(record) for task in ("retrieval", "confidence") for record in read_results(results, task)]
    if conditions:
        parts += ["## Conditions", markdown_table(conditions)]
    return "\n\n".join(parts) + "\n"


def write_results_page(results: Path, page: Path) -> None:
    """Write the page, whole or not at all."""
    text = results_page(results)
    with whole_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _subject(record: Mapping[str, Any]) -> Row:
    return {
        "model": record["model"]["id"],
        "dataset": record["dataset"],
        "split": record["protocol"]["split"],
    }


def _conditions(record: Mapping[str, Any]) -> Row:
    protocol, machine = record["protocol"], record["environment"]
    return {
        **_subject(record),
        "task": record["task"],
        "bundle sha256": record["model"]["sha256"][:12],
        "images": str(protocol["images"]),
        "side px": str(protocol["image_side"]),
        "ties": protocol.get("ties", ""),
        "machine": f"{machine['cpu']}, {machine['cores']} cores",
        "commit": (machine.get("commit") or "")[:10],
        "predicted": record["dates"]["predicted"],
    }


def _percent(cell: Mapping[str, Any] | None, *, interval: bool = False) -> str:
    if not cell:
        return ""
    text = f"{cell['value']:.2f}"
    return f"{text} ({cell['interval'][0]:.2f} to {cell['interval'][1]:.2f})" if interval else text


def _mean(cell: Mapping[str, Any] | None, *, spread: bool = False) -> str:
    if not cell:
        return ""
    text = f"{cell['mean']:.2f}"
    return f"{text} ± {cell['spread']:.2f}" if spread and cell["spread"] is not None else text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
