"""``geoglot project``: a map of images and captions as a model places them."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Draw images and captions of a dataset on one map (t-SNE)."
EXAMPLES = """
  geoglot project --data ucm -o map.png
  geoglot project --data rsicd --split val --languages en,ar --run runs/multilanguage -o map.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("--data", required=True, metavar="NAME", help="dataset: rsicd, ucm ...")
    parser.add_argument("--split", default="test", metavar="NAME", help="split of the dataset (default: test)")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--model", default="compact", metavar="BUNDLE", help="model bundle, by name or folder (default: compact)"
    )
    chosen.add_argument(
        "--run", type=Path, metavar="RUN", help="folder of a trained two-tower run, instead of a bundle"
    )
    parser.add_argument(
        "--languages", default="en,ar,fr,it", metavar="CODES", help="caption languages (default: en,ar,fr,it)"
    )
    parser.add_argument(
        "--captions", type=int, default=1, metavar="N", help="captions per image and language (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the map (default: 0)")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="draw the map: .png, .jpg or .webp")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Project, draw where asked, and list the points; a drawn map needs no thousand rows on a terminal."""
    import sys

    from geoglot.api.projection import project
    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    with needs_torch(), progress_display("encoding", quiet=options.quiet) as shown:
        projection = project(
            options.data,
            options.split,
            options.model,
            run=options.run,
            languages=[code.strip() for code in options.languages.split(",") if code.strip()],
            captions=options.captions,
            seed=options.seed,
            root=options.data_root,
            out=options.output,
            progress=lambda done, total: shown(done, total, "images"),
        )
    if options.output is not None:
        warn(f"wrote {options.output}.")
    if options.output is None or options.format is not None or not sys.stdout.isatty():
        show_records(projection.as_records(), asked=options.format, title=projection.data)
    return DONE
