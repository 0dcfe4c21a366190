"""The matching methods' part of ``geoglot train`` and ``geoglot evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NEXT = "geoglot evaluate matching --run"


def is_matching(name: str) -> bool:
    """Whether a name is that of a matching method, or of a recipe or sweep of matching."""
    from geoglot.engine.matching.launch import is_matching

    return is_matching(name)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that only matching methods have."""
    group = parser.add_argument_group("matching methods")
    group.add_argument("--unlabelled", metavar="NAMES", help="datasets to learn from first, without their labels")
    group.add_argument("--share", type=float, metavar="P", help="share of every class that is not for the test")
    group.add_argument("--fold", type=int, metavar="N", help="which of five folds is the test, 0 to 4")
    group.add_argument("--descriptor", metavar="NAME", help="features of a descriptor, in place of an encoder's")
    group.add_argument("--metric", choices=["learned", "euclidean", "cosine"], help="how features are compared")
    group.add_argument(
        "--stage", action="append", default=[], metavar="KIND.NAME=VALUE", help="a setting of a stage; may be repeated"
    )
    group.add_argument("--only", metavar="PATTERN", help="runs of a sweep whose names fit, such as 'dyad-*'")


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train a matching method, recipe or sweep; every epoch's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, settings of the method.
    """
    from geoglot.cli._command import DONE, needs_torch, require, warn
    from geoglot.cli._output import as_json
    from geoglot.cli._progress import progress_display
    from geoglot.core import registry

    with needs_torch():
        from geoglot.engine.matching.launch import named_sweep, run_sweep

    method = options.name in registry.names("geoglot.methods.matching")
    remedy = "name a dataset with classes, such as --data ucm"
    require(not method or options.data is not None, "--data", cause="is missing", remedy=remedy)
    named = {
        "dataset": options.data,
        "share": options.share,
        "fold": options.fold,
        "side": options.side,
        "seed": options.seed,
        "descriptor": options.descriptor,
        "metric": options.metric,
        "backbone_weights": options.backbone_weights,
        "initial": options.initial,
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "config": dict(settings) or None,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    unlabelled = [word.strip() for word in (options.unlabelled or "").split(",") if word.strip()]
    sweep = named_sweep(options.name, changes, stages=options.stage, unlabelled=unlabelled, only=options.only)
    folder = options.out or Path("runs") / (f"{options.name}-{options.data}" if method else options.name)

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    with progress_display("matching", quiet=options.quiet) as shown:
        runs = run_sweep(
            sweep,
            folder,
            data_root=options.data_root,
            cache=options.cache,
            resume=options.resume,
            log=log,
            progress=lambda done, total: shown(done, total, "done"),
            note=warn,
        )
    words = str(folder) if len(runs) == 1 else f"{folder}/*"
    warn(f"{'the run is' if len(runs) == 1 else f'{len(runs)} runs are'} in {folder}. Next: {NEXT} {words}")
    return DONE


def evaluate(options: argparse.Namespace) -> int:
    """Measure runs, show one line per configuration and gallery, write the result files where asked."""
    import sys

    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import as_json, choose_format, show_records

    with needs_torch():
        from geoglot.engine.matching.launch import evaluate_matching
        from geoglot.engine.matching.tables import matching_rows

    measured = evaluate_matching(options.run, options.out)
    records = [record for record, _ in measured]
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        for record in records:
            print(as_json(record))
    else:
        show_records(matching_rows(records), asked="table", title="image matching, the query left out")
        leaks = {leak for record in records for leak in record["protocol"]["leak"].values() if leak}
        for leak in sorted(leaks):
            warn(f"gallery 'all' is no clean figure: {leak}.")
    for _, path in measured:
        if path is not None:
            warn(f"wrote {path}.")
    return DONE
