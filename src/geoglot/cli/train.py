"""``geoglot train``: run a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Train a method by a recipe; an interrupted run can be resumed."
EXAMPLES = """
  geoglot train compact --data-root datasets/
  geoglot train compact --data-root datasets/ --out runs/compact --resume
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("recipe", metavar="RECIPE", help="name of a recipe")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: a new one under runs/)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")
    parser.add_argument("--quiet", "-q", action="store_true", help="print no figures of epochs")


def run(options: argparse.Namespace) -> int:
    """Train; every epoch's figures are one JSON line."""
    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import as_json

    with needs_torch():
        from geoglot.engine.training import train_recipe

    def log(record: dict[str, object]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    folder = train_recipe(options.recipe, data_root=options.data_root, out=options.out, resume=options.resume, log=log)
    warn(f"the run is in {folder}. Next: geoglot export {folder}")
    return DONE
