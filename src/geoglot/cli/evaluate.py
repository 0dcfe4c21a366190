"""``geoglot evaluate``: measure a model on a benchmark dataset."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

GROUP = "Models and methods"
SUMMARY = "Measure a model on a benchmark dataset, per language, with intervals."
EXAMPLES = """
  geoglot evaluate retrieval --data rsicd --split test --model compact
  geoglot evaluate retrieval --data ucm --split val --languages en,ar --data-root datasets/
  geoglot evaluate confidence --data rsicd --split test
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("task", choices=["retrieval", "confidence"], metavar="TASK", help="retrieval or confidence")
    parser.add_argument("--data", required=True, metavar="NAME", help="dataset: rsicd, ucm ...")
    parser.add_argument("--split", default="test", metavar="NAME", help="split of the dataset (default: test)")
    parser.add_argument(
        "--model", default="compact", metavar="NAME", help="model bundle, by name or folder (default: compact)"
    )
    parser.add_argument(
        "--languages", default="en,ar,fr,it", metavar="CODES", help="query languages (default: en,ar,fr,it)"
    )
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="results folder, gets TASK/MODEL-DATA.json")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Measure, show one line per language, write the result file where asked."""
    import sys

    from geoglot.api.bench import evaluate_confidence, evaluate_retrieval
    from geoglot.cli._command import DONE, warn
    from geoglot.cli._output import as_json, choose_format, show_records
    from geoglot.cli._progress import progress_display

    languages = [code.strip() for code in options.languages.split(",") if code.strip()]
    with progress_display("encoding", quiet=options.quiet) as shown:
        evaluate = evaluate_retrieval if options.task == "retrieval" else evaluate_confidence
        report = evaluate(
            options.model,
            options.data,
            options.split,
            languages,
            options.data_root,
            options.out,
            progress=lambda done, total: shown(done, total, "images"),
        )
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        print(as_json(dict(report.record)))
    else:
        title = f"{report.record['model']['id']} on {options.data}, {options.split} split"
        rows = _rows if options.task == "retrieval" else _confidence_rows
        show_records(rows(report.record["languages"]), asked="table", title=title)
    if report.path is not None:
        warn(f"wrote {report.path}.")
    return DONE


def _confidence_rows(languages: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One row per language: how well what is there is told from what is not."""
    for language, figures in languages.items():
        low, high = figures["auc"]["interval"]
        yield {
            "language": language,
            "AUC": f"{figures['auc']['value']:.3f}",
            "95 %": f"{low:.3f} to {high:.3f}",
            "absent called likely": f"{figures['absent_called_likely_percent']:.1f} %",
            "present called absent": f"{figures['present_called_absent_percent']:.1f} %",
        }


def _rows(languages: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One row per language and way of counting: recall in percent, mR with its interval."""
    for language, counted in languages.items():
        for kind in ("plain", "duplicate_aware"):
            figures = counted[kind]
            low, high = figures["mR"]["interval"]
            row = {"language": language, "counted": kind.replace("_", " ")}
            for way, name in (("text_to_image", "text to image"), ("image_to_text", "image to text")):
                row |= {f"{name} R@{k}": f"{figures[way][f'R@{k}']['value']:.2f}" for k in (1, 5, 10)}
            yield row | {"mR": f"{figures['mR']['value']:.2f}", "95 %": f"{low:.2f} to {high:.2f}"}
