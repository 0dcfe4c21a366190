"""The hashing methods' part of ``geoglot train`` and ``geoglot evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NEXT = "geoglot evaluate hashing --run"


def is_hashing_method(name: str) -> bool:
    """Whether a name is a hashing method's; imports no method."""
    from geoglot.core import registry

    return name in registry.names("geoglot.methods.hashing")


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that only hashing methods have."""
    group = parser.add_argument_group("hashing methods")
    group.add_argument("--bits", type=int, metavar="N", help="length of a code: 16, 32, 64 or 128 (default: 64)")
    group.add_argument("--noise", type=float, metavar="P", help="share of training captions replaced by wrong ones")
    group.add_argument(
        "--text-view", choices=["caption", "translation", "none"], help="where augmented captions come from"
    )
    group.add_argument(
        "--hashing-split",
        choices=["published", "held-out", "choosing"],
        help="published: half trains, a tenth asks; held-out: train and test splits; choosing: the training half alone",
    )
    group.add_argument("--features", type=Path, metavar="RUN", help="two-tower run whose towers give the features")
    group.add_argument("--image-features", type=Path, metavar="FILE", help="your own features, .npy (N, width)")
    group.add_argument("--text-features", type=Path, metavar="FILE", help="your own features, .npy (N, 5, width)")


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train a hashing method; every epoch's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, settings of the method.
    """
    from geoglot.cli._command import DONE, needs_torch, require, warn
    from geoglot.cli._output import as_json

    own = options.image_features, options.text_features
    require(options.data is not None, "--data", cause="is missing", remedy="name a dataset, such as --data ucm")
    one_way = (options.features is not None) != (own != (None, None))
    remedy = "give --features RUN, or --image-features and --text-features"
    require(one_way and (None in own) == (own == (None, None)), "features", cause="are not given once", remedy=remedy)
    with needs_torch():
        from geoglot.engine.hashing.launch import dataset_features, own_features, train_hashing

    if options.features is not None:
        features = dataset_features(
            options.data, run=options.features, data_root=options.data_root, cache=options.cache
        )
    else:
        features = own_features(options.data, own[0], own[1], data_root=options.data_root)
    named = {
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "noise": options.noise,
        "text_view": options.text_view,
        "split": options.hashing_split,
        "config": dict(settings) or None,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    folder = options.out or Path("runs") / f"{options.name}-{options.data}"

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    train_hashing(options.name, features, changes, folder, bits=options.bits, log=log)
    warn(f"the run is in {folder}. Next: {NEXT} {folder}")
    return DONE


def evaluate(options: argparse.Namespace) -> int:
    """Measure runs of one hashing method, show one line per setting, write the result file where asked."""
    import sys

    from geoglot.cli._command import DONE, needs_torch, require, warn
    from geoglot.cli._output import as_json, choose_format, show_records

    runs: list[Path] = options.run
    require(bool(runs), "--run", cause="is missing", remedy="give the folder of a hashing run")
    with needs_torch():
        from geoglot.engine.hashing.launch import evaluate_hashing
        from geoglot.engine.hashing.tables import hashing_rows

    record, path = evaluate_hashing(runs, options.out)
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        print(as_json(record))
    else:
        title = f"{record['model']['title']} on {record['dataset']}, mAP@20"
        show_records(hashing_rows([record]), asked="table", title=title)
        if record["protocol"]["leak"]:
            warn(f"not a clean figure: {record['protocol']['leak']}.")
    if path is not None:
        warn(f"wrote {path}.")
    return DONE
