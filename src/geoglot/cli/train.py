"""``geoglot train``: run a recipe, or a method on the data that are named."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

GROUP = "Models and methods"
SUMMARY = "Train a recipe, or any method on your data; a stopped run can be resumed."
EXAMPLES = """
  geoglot train compact --data-root datasets/
  geoglot train compact --data-root datasets/ --out runs/compact --resume
  geoglot train place --backbone-weights runs/compact_lite --out bundles/place
  geoglot train scan --data rsicd --backbone compact --backbone-weights runs/backbone --frozen --epochs 10
  geoglot train residual_dyad --data ucm --unlabelled rsicd --side 128 --epochs 20
  geoglot train residual_dyad_ablation --data-root datasets/ --out runs/ablation --resume
  geoglot train dyad --backbone-weights runs/compact
  geoglot train jtts_ablation --backbone-weights resnet101.safetensors --out runs/captions --resume
  geoglot train lgce_dubai_small --data-root datasets/ --out runs/lgce --resume
  geoglot train vse_plus_plus --data ucm --languages en,fr --backbone resnet18 --seed 1 --set hidden=512
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli import _captioning, _hashing, _matching, _segmentation

    parser.add_argument("name", metavar="NAME", help="name of a recipe, or of a method (see 'geoglot methods')")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--data", metavar="NAMES", help="datasets to train on, such as rsicd or rsicd,ucm")
    parser.add_argument("--languages", metavar="CODES", help="caption languages, such as en,ar,fr,it")
    parser.add_argument("--backbone", metavar="NAME", help="compact, resnet18 ... or timm:NAME, for methods without")
    parser.add_argument(
        "--backbone-weights", metavar="RUN", help="run folder or safetensors file that its weights come from"
    )
    parser.add_argument(
        "--frozen", action="store_true", default=None, help="keep the backbone as it is; its features are cached"
    )
    parser.add_argument("--initial", metavar="RUN", help="run whose weights the method starts from, where they fit")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the training images")
    parser.add_argument("--batch", type=int, metavar="N", help="images per step")
    parser.add_argument("--side", type=int, metavar="PIXELS", help="side of the pictures, in training and validation")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="peak learning rate")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of everything")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the method; may be repeated"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where cached features are kept")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")
    parser.add_argument("--quiet", "-q", action="store_true", help="print no figures of epochs")
    _hashing.add_training_arguments(parser)
    _matching.add_training_arguments(parser)
    _captioning.add_training_arguments(parser)
    _segmentation.add_training_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train; every epoch's figures are one JSON line."""
    from geoglot.cli import _captioning, _hashing, _instance, _matching, _product, _segmentation, _segmenter
    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import as_json
    from geoglot.cli._progress import progress_display

    with needs_torch():
        from geoglot.engine.launch import named_recipe, parse_settings
        from geoglot.engine.training import train

    settings = parse_settings(options.set)
    if _hashing.is_hashing_method(options.name):
        return _hashing.train(options, settings)
    if _product.is_product(options.name):
        return _product.train(options, settings)
    if options.name in ("segmenter", "segmenter_tuned"):
        return _segmenter.train(options, settings)
    if options.name == "place":
        return _instance.train(options, settings)
    if _matching.is_matching(options.name):
        return _matching.train(options, settings)
    if _captioning.is_captioning(options.name):
        return _captioning.train(options, settings)
    if _segmentation.is_segmentation(options.name):
        return _segmentation.train(options, settings)
    changes = {**_changes(options), **({"config": settings} if settings else {})}
    recipe = named_recipe(options.name, changes)
    folder = options.out or Path("runs") / options.name

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    with progress_display("caching features", quiet=options.quiet) as shown:
        train(
            recipe,
            folder,
            data_root=options.data_root,
            cache_folder=options.cache,
            resume=options.resume,
            log=log,
            progress=lambda done, total: shown(done, total, "images"),
            note=warn,
        )
    warn(f"the run is in {folder}. Next: geoglot evaluate retrieval --run {folder} --data {recipe.datasets[0]}")
    return DONE


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """What differs from the recipe, by its fields."""
    changes: dict[str, Any] = {
        name: value
        for name in ("backbone", "backbone_weights", "frozen", "initial", "epochs", "batch", "seed")
        if (value := getattr(options, name)) is not None
    }
    for name, field in (("data", "datasets"), ("languages", "languages")):
        text = getattr(options, name)
        if text is not None:
            changes[field] = tuple(word.strip() for word in text.split(",") if word.strip())
    if options.side is not None:
        changes |= {"sides": ({"start": 0.0, "side": options.side},), "validation_side": options.side}
    if options.learning_rate is not None:
        changes["optimiser"] = {"learning_rate": options.learning_rate}
    return changes
