"""The part of ``geoglot train`` that trains the matcher of archives."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def is_product(name: str) -> bool:
    """Whether a name is that of a recipe of a matcher for archives."""
    from geoglot.core import registry
    from geoglot.engine.matching.product import ProductRecipe

    if name not in registry.names("geoglot.recipes"):
        return False
    return isinstance(getattr(registry.load("geoglot.recipes", name), "RECIPE", None), ProductRecipe)


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train; every epoch's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, settings of the method.
    """
    from geoglot.cli._command import DONE, warn
    from geoglot.cli._output import as_json
    from geoglot.cli._progress import progress_display
    from geoglot.core import registry
    from geoglot.engine.matching.product import train_product, with_changes

    named = {
        "backbone": options.backbone_weights,
        "datasets": tuple(options.data.split(",")) if options.data else None,
        "side": options.side,
        "seed": options.seed,
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "config": dict(settings) or None,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    recipe = with_changes(registry.load("geoglot.recipes", options.name).RECIPE, changes)
    folder = options.out or Path("runs") / options.name

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    with progress_display("reading pictures", quiet=options.quiet) as shown:
        train_product(
            recipe,
            folder,
            data_root=options.data_root,
            cache=options.cache,
            resume=options.resume,
            log=log,
            progress=lambda done, total: shown(done, total, "pictures"),
        )
    warn(f"the run is in {folder}. Next: geoglot export {folder}")
    return DONE
