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
from geoglot.metrics.ranking import CUTOFFS

LANGUAGES = ("en", "ar", "fr", "it")
Row = dict[str, str]


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
        ("Is it there at all", confidence_rows(read_results(results, "confidence"))),
    )
    for title, rows in sections:
        parts += [f"## {title}", markdown_table(rows) or "Nothing measured yet."]
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


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
