"""``geoglot export``: turn a trained run into a model bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Turn a trained run into a model bundle that archives can use."
EXAMPLES = """
  geoglot export runs/compact
  geoglot export runs/compact --out bundles/mine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the bundle (default: RUN/bundle)")


def run(options: argparse.Namespace) -> int:
    """Export and tell where the bundle is."""
    from geoglot.cli._command import DONE, needs_torch

    with needs_torch():
        from geoglot.engine.bundling import export_run
    print(export_run(options.run, out=options.out or options.run / "bundle", data_root=options.data_root))
    return DONE
