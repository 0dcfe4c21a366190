"""``geoglot explain``: where a picture answers a text, and which words matter."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.api.explain import Explanation

GROUP = "Your archive"
SUMMARY = "Show where a picture answers a text, and which of the words matter."
EXAMPLES = """
  geoglot explain harbour.jpg "many boats at the piers" -o why.png
  geoglot explain town.tif "ملاعب تنس" -o why.html
  geoglot explain town.tif "a stadium" --window 512,256,256,256
  geoglot explain harbour.jpg "boats" --run runs/multilanguage --how rollout -o why.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument(
        "image", type=Path, metavar="IMAGE", help="photo or scene; a scene is explained at its best tile"
    )
    parser.add_argument("text", help="what to look for, in a language that the model knows")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="draw it: .png, .jpg, .webp, or an .html page"
    )
    parser.add_argument("--window", metavar="C,R,W,H", help="part of a scene: column, row, width, height in pixels")
    parser.add_argument("--bands", metavar="R,G,B", help="bands of a scene, from 1 on (default: automatic)")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--model", default="compact", metavar="BUNDLE", help="model bundle, by name or folder (default: compact)"
    )
    chosen.add_argument("--run", type=Path, metavar="RUN", help="folder of a trained run, instead of a bundle")
    parser.add_argument(
        "--how",
        choices=["occlusion", "rollout", "attention"],
        metavar="WAY",
        help="occlusion, rollout or attention (default: the most telling one that the model offers)",
    )
    from geoglot.text.language import LANGUAGES

    parser.add_argument(
        "--language",
        choices=LANGUAGES,
        metavar="CODE",
        help="language of the words, where the guess would be wrong: en, ar, fr, it",
    )
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Explain, draw where asked, and tell the numbers."""
    import sys

    from geoglot.api.drawing import picture_kind
    from geoglot.api.explain import explain
    from geoglot.cli._command import DONE, needs_torch, numbers, warn
    from geoglot.cli._output import as_json, choose_format

    if options.output is not None and options.output.suffix.lower() != ".html":
        picture_kind(options.output, also=(".html",))  # told before the work, not after it
    with needs_torch():
        found = explain(
            options.image,
            options.text,
            options.model,
            run=options.run,
            how=options.how,
            window=numbers("--window", options.window),
            bands=numbers("--bands", options.bands),
            language=options.language,
        )
    if options.output is not None:
        warn(f"wrote {found.save(options.output)}.")
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        print(as_json(found.as_record()))
    else:
        _show_table(found)
    return DONE


def _show_table(found: Explanation) -> None:
    from geoglot.api.printable import printable
    from geoglot.cli._output import console, new_table, plain_text

    table = new_table(printable(found.text))
    table.add_column("word")
    table.add_column("weight", justify="right")
    for word, weight in zip(found.words, found.weights, strict=True):
        table.add_row(plain_text(word), f"{weight:+.3f}")
    shown = console()
    shown.print(table)
    column, row = found.hottest
    shown.print(
        plain_text(f"score {found.score:.3f} by {found.model}; {found.how}; hottest at column {column}, row {row}")
    )
