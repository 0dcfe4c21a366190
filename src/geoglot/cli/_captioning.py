"""The captioning methods' part of ``geoglot train`` and ``geoglot evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NEXT = "geoglot evaluate captioning --run"


def is_captioning(name: str) -> bool:
    """Whether a name is that of a captioning method, or of a recipe or sweep of captioning."""
    from geoglot.engine.captioning.launch import is_captioning

    return is_captioning(name)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that only captioning methods have."""
    group = parser.add_argument_group("captioning methods")
    group.add_argument("--word-vectors", metavar="FILE", help="text file of word vectors (GloVe) to start from")
    group.add_argument(
        "--training",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the training, such as schedule=one-cycle; may be repeated",
    )


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train a captioning method, recipe or sweep; every epoch's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, settings of the method.
    """
    from geoglot.cli._command import DONE, needs_torch, require, warn
    from geoglot.cli._output import as_json
    from geoglot.cli._progress import progress_display
    from geoglot.core import registry

    with needs_torch():
        from geoglot.engine.captioning.launch import named_sweep, run_sweep
        from geoglot.engine.launch import parse_settings

    method = options.name in registry.names("geoglot.methods.captioning")
    remedy = "name a dataset with captions, such as --data ucm"
    require(not method or options.data is not None, "--data", cause="is missing", remedy=remedy)
    named = {
        "datasets": _words(options.data),
        "languages": _words(options.languages),
        "side": options.side,
        "seed": options.seed,
        "backbone": options.backbone,
        "backbone_weights": options.backbone_weights,
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "word_vectors": options.word_vectors,
        "config": dict(settings) or None,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    sweep = named_sweep(options.name, {**changes, **parse_settings(options.training)}, only=options.only)
    folder = options.out or Path("runs") / (f"{options.name}-{options.data}" if method else options.name)

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    with progress_display("captioning", quiet=options.quiet) as shown:
        runs = run_sweep(
            sweep,
            folder,
            data_root=options.data_root,
            cache=options.cache,
            resume=options.resume,
            log=log,
            progress=lambda done, total: shown(done, total, "images"),
            note=warn,
        )
    words = str(folder) if len(runs) == 1 else f"{folder}/*"
    warn(f"{'the run is' if len(runs) == 1 else f'{len(runs)} runs are'} in {folder}. Next: {NEXT} {words}")
    return DONE


def _words(text: str | None) -> tuple[str, ...] | None:
    """Comma-separated words; ``None`` where there is no text."""
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def evaluate(options: argparse.Namespace) -> int:
    """Measure runs, show one line per configuration, split and language, write the result files where asked."""
    import sys

    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import as_json, choose_format, show_records

    with needs_torch():
        from geoglot.engine.captioning.evaluation import evaluate_captioning
        from geoglot.engine.captioning.tables import captioning_rows

    measured = evaluate_captioning(options.run, options.out, data_root=options.data_root)
    records = [record for record, _ in measured]
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        for record in records:
            print(as_json(record))
    else:
        show_records(captioning_rows(records), asked="table", title="captions", columns=COLUMNS)
    for _, path in measured:
        if path is not None:
            warn(f"wrote {path}.")
    return DONE


COLUMNS = ("method", "dataset", "language", "B-4", "R", "C", "runs")
"""What fits a terminal; the result files hold everything."""
