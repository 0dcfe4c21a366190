"""The segmentation methods' part of ``geoglot train`` and ``geoglot evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NEXT = "geoglot evaluate segmentation --run"


def is_segmentation(name: str) -> bool:
    """Whether a name is that of a segmentation method, or of a recipe or sweep of referring segmentation."""
    from geoglot.engine.segmentation.launch import is_segmentation

    return is_segmentation(name)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that only segmentation methods have."""
    group = parser.add_argument_group("segmentation methods")
    group.add_argument(
        "--text-weights",
        metavar="FILE",
        help="folder or safetensors file that a published encoder of words starts from",
    )


def add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that only the measuring of masks has."""
    group = parser.add_argument_group("segmentation")
    group.add_argument(
        "--empty-masks",
        choices=["zero", "one", "left-out"],
        default="zero",
        help="IoU of two empty masks: 0 (default, as the code released with RefSegRS), 1, or left out",
    )


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train a segmentation method, recipe or sweep; every epoch's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, settings of the method.
    """
    from geoglot.cli._command import DONE, needs_torch, require, warn
    from geoglot.cli._output import as_json
    from geoglot.core import registry

    with needs_torch():
        from geoglot.engine.launch import parse_settings
        from geoglot.engine.segmentation.launch import named_sweep, run_sweep

    method = options.name in registry.names("geoglot.methods.segmentation")
    remedy = "name a referring dataset or a folder with one, such as --data dubai"
    require(not method or options.data is not None, "--data", cause="is missing", remedy=remedy)
    named = {
        "datasets": _words(options.data),
        "languages": _words(options.languages),
        "side": options.side,
        "seed": options.seed,
        "backbone_weights": options.backbone_weights,
        "text_weights": options.text_weights,
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "config": {**({"backbone": options.backbone} if options.backbone else {}), **settings} or None,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    sweep = named_sweep(options.name, {**changes, **parse_settings(options.training)}, only=options.only)
    own = f"{options.name}-{Path(options.data.split(',')[0]).name}" if method else options.name
    folder = options.out or Path("runs") / own

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    runs = run_sweep(sweep, folder, data_root=options.data_root, resume=options.resume, log=log, note=warn)
    words = str(folder) if len(runs) == 1 else f"{folder}/*"
    warn(f"{'the run is' if len(runs) == 1 else f'{len(runs)} runs are'} in {folder}. Next: {NEXT} {words}")
    return DONE


def _words(text: str | None) -> tuple[str, ...] | None:
    """Comma-separated words; ``None`` where there is no text."""
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def evaluate(options: argparse.Namespace) -> int:
    """Measure saved masks of runs, show the formula and one line per configuration and language, write result files."""
    import sys

    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import as_json, choose_format, show_records
    from geoglot.metrics.mask import formula

    with needs_torch():
        from geoglot.engine.segmentation.evaluation import evaluate_segmentation
        from geoglot.engine.segmentation.tables import category_rows, segmentation_rows

    measured = evaluate_segmentation(options.run, options.out, empty=options.empty_masks)
    records = [record for record, _ in measured]
    for line in formula(options.empty_masks).splitlines():
        warn(line)
    warn(
        "epochs were chosen by mIoU on the validation part; 'chosen on test' is what choosing on test would have given"
    )
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        for record in records:
            print(as_json(record))
    else:
        show_records(segmentation_rows(records), asked="table", title="test part", columns=COLUMNS)
        language = records[0]["configuration"]["languages"][0]
        title = f"mIoU by category, {language}, phrases that name it and nothing else"
        show_records(category_rows(records, language=language), asked="table", title=title)
    for _, path in measured:
        if path is not None:
            warn(f"wrote {path}.")
    return DONE


COLUMNS = ("method", "dataset", "language", "Pr@0.5", "Pr@0.7", "oIoU", "mIoU", "chosen on test")
"""What fits a terminal; the result files hold everything."""
