"""The part of ``geoglot train`` that trains the segmenter of scenes."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train; every round's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, settings of the recipe.
    """
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import as_json
    from geoglot.cli._progress import progress_display
    from geoglot.core import registry
    from geoglot.engine.phrase_map.measuring import measure_benchmark
    from geoglot.engine.phrase_map.training import segmenter_recipe, train_segmenter

    recipe = registry.load("geoglot.recipes", options.name).RECIPE
    named = {"side": options.side, "seed": options.seed, "rounds": options.epochs, **settings}
    named |= {"datasets": tuple(options.data.split(",")) if options.data else None}
    named |= {"languages": tuple(options.languages.split(",")) if options.languages else None}
    named |= {"learning_rate": options.learning_rate, "backbone": options.backbone_weights}
    changes = {name: value for name, value in named.items() if value is not None}
    stored = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    recipe = segmenter_recipe({**stored, **changes})
    require(
        recipe.backbone is not None,
        "segmenter",
        cause="starts from the networks of a run of geoglot-compact",
        remedy="give its folder with --backbone-weights",
    )
    folder = options.out or Path("runs") / options.name

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    with progress_display("reading pictures", quiet=options.quiet) as shown:
        train_segmenter(
            recipe,
            Path(str(recipe.backbone)),
            folder,
            data_root=options.data_root,
            resume=options.resume,
            log=log,
            progress=lambda done, total: shown(done, total, "pictures"),
        )
    for name in recipe.referring:
        warn(f"writing masks of {name}")
        measured = measure_benchmark(folder, dataset=name, data_root=options.data_root)
        warn(f"measure them with geoglot evaluate segmentation --run {measured}")
    warn(f"the run is in {folder}. Next: geoglot export {folder}")
    return DONE
