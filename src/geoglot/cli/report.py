"""``geoglot report``: one HTML page about a run, with the pictures of its paper."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.api.reports.captioning import CaptioningReport
    from geoglot.api.reports.matching import MatchingReport
    from geoglot.api.reports.segmentation import SegmentationReport

GROUP = "Models and methods"
SUMMARY = "Write one HTML page about a run: losses, pictures, what it says, numbers."
EXAMPLES = """
  geoglot report matching runs/dyad
  geoglot report matching runs/dyad --against runs/residual --out dyad.html
  geoglot report matching runs/fold0 --against runs/fold1 runs/fold2 runs/fold3 runs/fold4
  geoglot report matching runs/dyad --gallery all --classes 5
  geoglot report captioning runs/jtts
  geoglot report captioning runs/jtts --against runs/soft --examples 8 --out jtts.html
  geoglot report segmentation runs/lgce --against runs/lavt runs/lstm_cnn
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument(
        "task", choices=sorted(REPORTS), metavar="TASK", help=f"what the run does: {', '.join(REPORTS)}"
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html in the run)")
    parser.add_argument(
        "--against",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs on the same images to compare with; of one setting: other shares, folds or seeds",
    )
    parser.add_argument(
        "--gallery",
        choices=["test", "all"],
        default="test",
        metavar="NAME",
        help="matching: what sheets, bars and confusion search: test, or all with training images (default: test)",
    )
    parser.add_argument("--classes", type=int, metavar="N", help="matching: sheets of so many classes (default: all)")
    parser.add_argument(
        "--examples",
        type=int,
        default=4,
        metavar="N",
        help="captioning, segmentation: how many of the best, the median and the worst are shown (default: 4)",
    )
    parser.add_argument(
        "--empty-masks",
        choices=["zero", "one", "left-out"],
        default="zero",
        help="segmentation: IoU of two empty masks (default: zero)",
    )
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Write the page, and list the numbers on it."""
    return REPORTS[options.task](options)


def _matching(options: argparse.Namespace) -> int:
    from geoglot.api.reports.matching import matching_report
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    with progress_display("looking", quiet=options.quiet) as shown:
        report = matching_report(
            options.run,
            against=options.against,
            gallery=options.gallery,
            classes=options.classes,
            root=options.data_root,
            progress=lambda done, total: shown(done, total, "pictures"),
        )
    title = f"image matching on {report.runs[0].dataset}; mAP and P@10 in percent"
    columns = ["run", "gallery", "mAP", "ANMRR", "P@10"]
    show_records(report.as_records(), asked=options.format, title=title, columns=columns)
    return _written(report, options)


def _captioning(options: argparse.Namespace) -> int:
    from geoglot.api.reports.captioning import captioning_report
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    with progress_display("looking", quiet=options.quiet) as shown:
        report = captioning_report(
            options.run,
            against=options.against,
            examples=options.examples,
            root=options.data_root,
            progress=lambda done, total: shown(done, total, "pictures"),
        )
    columns = ["run", "dataset", "language", "bleu_1", "bleu_4", "rouge_l", "cider", "meteor", "sm"]
    show_records(report.as_records(), asked=options.format, title="captioning, test images", columns=columns)
    return _written(report, options)


def _segmentation(options: argparse.Namespace) -> int:
    from geoglot.api.reports.segmentation import segmentation_report
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    with progress_display("drawing", quiet=options.quiet) as shown:
        report = segmentation_report(
            options.run,
            against=options.against,
            examples=options.examples,
            empty=options.empty_masks,
            root=options.data_root,
            progress=lambda done, total: shown(done, total, "pictures"),
        )
    columns = ["run", "dataset", "language", "pr@0.5", "pr@0.7", "pr@0.9", "oiou", "miou"]
    show_records(report.as_records(), asked=options.format, title="segmentation, test phrases", columns=columns)
    return _written(report, options)


def _written(report: MatchingReport | CaptioningReport | SegmentationReport, options: argparse.Namespace) -> int:
    from geoglot.cli._command import DONE, warn

    for sentence in report.missing:
        warn(sentence)
    warn(f"wrote {report.save(options.out or options.run / 'report.html')}.")
    return DONE


REPORTS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "captioning": _captioning,
    "matching": _matching,
    "segmentation": _segmentation,
}
