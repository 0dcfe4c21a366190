"""``geoglot evaluate``: measure a model on a benchmark dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Measure a model on a benchmark dataset, per language, with intervals."
EXAMPLES = """
  geoglot evaluate retrieval --data rsicd --split test --model compact
  geoglot evaluate retrieval --data ucm --split val --languages en,ar --data-root datasets/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("task", choices=["retrieval"], help="what to measure")
    parser.add_argument("--data", required=True, metavar="NAME", help="dataset: rsicd, ucm ...")
    parser.add_argument("--split", default="test", metavar="NAME", help="split of the dataset (default: test)")
    parser.add_argument(
        "--model", default="compact", metavar="NAME", help="model bundle, by name or folder (default: compact)"
    )
    parser.add_argument(
        "--languages", default="en,ar,fr,it", metavar="CODES", help="query languages (default: en,ar,fr,it)"
    )
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write the result file")
    add_output_options(parser, RECORD_FORMATS)
