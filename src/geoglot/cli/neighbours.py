"""``geoglot neighbours``: the nearest captions of a picture, the nearest pictures of a text."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "List the nearest captions of a picture or pictures of a text, with ranks."
EXAMPLES = """
  geoglot neighbours "a bridge over a river" --data rsicd --split test
  geoglot neighbours airport_1 --data rsicd --split train --language ar
  geoglot neighbours harbour.jpg --data ucm -k 20 -o nearest.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options
    from geoglot.text.language import LANGUAGES

    parser.add_argument("query", metavar="QUERY", help="a text, an image file, or the name of an image of the split")
    parser.add_argument("--data", required=True, metavar="NAME", help="dataset: rsicd, ucm ...")
    parser.add_argument("--split", default="test", metavar="NAME", help="split of the dataset (default: test)")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="number of neighbours (default: 10)")
    parser.add_argument(
        "--language",
        choices=LANGUAGES,
        default="en",
        metavar="CODE",
        help="language of the captions that a picture is compared with: en, ar, fr, it (default: en)",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--model", default="compact", metavar="BUNDLE", help="model bundle, by name or folder (default: compact)"
    )
    chosen.add_argument("--run", type=Path, metavar="RUN", help="folder of a trained run, instead of a bundle")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="draw a sheet of them: .png, .jpg or .webp")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Find, draw where asked, and list."""
    from geoglot.api.drawing import picture_kind
    from geoglot.api.neighbours import neighbours
    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    if options.output is not None:
        picture_kind(options.output)  # told before the work, not after it
    with needs_torch(), progress_display("comparing", quiet=options.quiet) as shown:
        answer = neighbours(
            options.query,
            options.data,
            options.split,
            options.model,
            run=options.run,
            k=options.k,
            language=options.language,
            root=options.data_root,
            progress=lambda done, total: shown(done, total, "images"),
        )
    if options.output is not None:
        warn(f"wrote {answer.save(options.output)}.")
    show_records(answer.as_records(), asked=options.format, title=f"nearest in {answer.data}")
    return DONE
