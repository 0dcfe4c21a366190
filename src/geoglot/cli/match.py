"""``geoglot match``: whether pictures show the same kind of place."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Tell whether pictures show the same kind of place, and how sure that is."
EXAMPLES = """
  geoglot match harbour.jpg marina.png
  geoglot match harbour.jpg candidates/*.tif
  geoglot match scene.tif harbour.jpg --window 1024,512,256,256
  geoglot match court.png other.png --model bundles/mine --format jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("first", metavar="A", type=Path, help="photo or scene")
    parser.add_argument("others", metavar="B", type=Path, nargs="+", help="photos or scenes to compare it with")
    parser.add_argument(
        "--window", metavar="C,R,W,H", help="part of A, a scene: column, row, width and height in pixels"
    )
    parser.add_argument("--other-window", metavar="C,R,W,H", help="part of every B, scenes")
    parser.add_argument("--model", default="dyad", metavar="NAME", help="matcher, by name or folder (default: dyad)")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Compare, list, tell what could not be read."""
    from geoglot.api.matcher import Match, Matcher
    from geoglot.cli._command import DONE, FAILED, PARTLY, numbers, warn
    from geoglot.cli._output import show_records
    from geoglot.models.place import load_place

    found = Matcher(options.model, place=load_place()).match_all(
        options.first,
        options.others,
        window=numbers("--window", options.window),
        other_window=numbers("--other-window", options.other_window),
    )
    matches = [one for one in found if isinstance(one, Match)]
    for one in found:
        if not isinstance(one, Match):
            warn(f"error: {one}")
    columns = ["second", "probability", "verdict"]
    columns += ["same_place"] * any(one.same_place is not None for one in matches)
    if matches:
        title = f"{options.first.name} and ({matches[0].model})"
        show_records([one.as_record() for one in matches], asked=options.format, title=title, columns=columns)
    if len(matches) == len(found):
        return DONE
    return PARTLY if matches else FAILED
