"""``geoglot evaluate``: measure a model on a benchmark dataset."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from geoglot.api.bench import Report

GROUP = "Models and methods"
SUMMARY = "Measure a model on a benchmark dataset, per language, with intervals."
EXAMPLES = """
  geoglot evaluate retrieval --data rsicd --split test --model compact
  geoglot evaluate retrieval --data ucm --split val --languages en,ar --data-root datasets/
  geoglot evaluate retrieval --data ucm --run runs/scan --cache features/ --out results
  geoglot evaluate retrieval --data rsicd --leaks results/leaks/rsicd-ucm.json
  geoglot evaluate confidence --data rsicd --split test
  geoglot evaluate matching --run runs/ablation/* --out results
  geoglot evaluate captioning --run runs/captions/* --out results
  geoglot evaluate segmentation --run runs/masks/* --out results
  geoglot evaluate instance --data rsicd --out results
  geoglot evaluate instance --queries summer/ --gallery winter/
  geoglot evaluate tables --paper multilanguage --results results
"""

ELSEWHERE: Final[Mapping[str, str]] = {
    "hashing": "geoglot.cli._hashing",
    "matching": "geoglot.cli._matching",
    "captioning": "geoglot.cli._captioning",
    "segmentation": "geoglot.cli._segmentation",
    "instance": "geoglot.cli._instance",
}
"""Tasks whose part of the command is a module of its own, with ``evaluate(options)``."""

TASKS: Final = ("retrieval", "confidence", *ELSEWHERE, "tables")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments; a module of a task may add its own, ``add_evaluation_arguments(parser)``."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("task", choices=TASKS, metavar="TASK", help=f"{', '.join(TASKS[:-1])} or {TASKS[-1]}")
    parser.add_argument("--data", metavar="NAME", help="dataset: rsicd, ucm ...")
    parser.add_argument("--split", default="test", metavar="NAME", help="split of the dataset (default: test)")
    parser.add_argument(
        "--model", default="compact", metavar="NAME", help="model bundle, by name or folder (default: compact)"
    )
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="training run of any method, in place of a bundle; all tasks but retrieval take several",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where features of a run's frozen backbone are kept")
    parser.add_argument(
        "--paper", default="multilanguage", metavar="NAME", help="tables: whose, beside what was measured here"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="tables: results folder (default: results)"
    )
    parser.add_argument(
        "--languages", default="en,ar,fr,it", metavar="CODES", help="query languages (default: en,ar,fr,it)"
    )
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument(
        "--leaks", type=Path, metavar="FILE", help="retrieval: clean figures, too; FILE is from 'geoglot data leaks'"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="results folder, gets TASK/MODEL-DATA.json")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)
    for place in ELSEWHERE.values():
        own = getattr(import_module(place), "add_evaluation_arguments", None)
        if own is not None:
            own(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, show one line per language, write the result file where asked."""
    import sys

    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import as_json, choose_format, show_records

    if options.task == "tables":
        return _show_tables(options)
    if options.task in ELSEWHERE:
        done: int = import_module(ELSEWHERE[options.task]).evaluate(options)
        return done
    require(options.data is not None, "--data", cause="is missing", remedy="name a dataset, such as --data rsicd")
    report = _measured(options)
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        print(as_json(dict(report.record)))
    else:
        title = f"{report.record['model']['id']} on {options.data}, {options.split} split"
        rows = _rows if options.task == "retrieval" else _confidence_rows
        show_records(rows(report.record["languages"]), asked="table", title=title)
        if "clean" in report.record:
            clean = report.record["clean"]
            title = f"the same without {clean['left_out']:,} images that leak"
            show_records(rows(clean["languages"]), asked="table", title=title)
    if report.path is not None:
        warn(f"wrote {report.path}.")
    return DONE


def _measured(options: argparse.Namespace) -> Report:
    """The report of a bundle or a run."""
    from geoglot.api.bench import evaluate_confidence, evaluate_retrieval, evaluate_run
    from geoglot.cli._command import needs_torch, require
    from geoglot.cli._progress import progress_display

    languages = [code.strip() for code in options.languages.split(",") if code.strip()]
    split, root, out = options.split, options.data_root, options.out
    with progress_display("encoding", quiet=options.quiet) as shown:

        def progress(done: int, total: int) -> None:
            shown(done, total, "images")

        if options.run:
            remedy = "export the run, and give the bundle with --model"
            cause = f"is for retrieval, {', '.join(ELSEWHERE)}"
            require(options.task == "retrieval", "--run", cause=cause, remedy=remedy)
            require(len(options.run) == 1, "--run", cause="names several runs", remedy="evaluate one after the other")
            with needs_torch():
                return evaluate_run(
                    options.run[0],
                    options.data,
                    split,
                    languages,
                    root,
                    out,
                    cache=options.cache,
                    leaks=options.leaks,
                    progress=progress,
                )
        if options.task == "retrieval":
            leaks = options.leaks
            return evaluate_retrieval(
                options.model, options.data, split, languages, root, out, leaks=leaks, progress=progress
            )
        require(options.leaks is None, "--leaks", cause="is for retrieval", remedy="leave it out")
        return evaluate_confidence(options.model, options.data, split, languages, root, out, progress=progress)


def _show_tables(options: argparse.Namespace) -> int:
    """A paper's tables, each of its rows beside what was measured here."""
    from geoglot.api.bench import paper_tables
    from geoglot.cli._command import DONE
    from geoglot.cli._output import show_records

    run = options.run[0] if options.run else None
    for title, rows in paper_tables(options.paper, options.results, run=run).items():
        show_records(rows, asked=options.format, title=title)
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
