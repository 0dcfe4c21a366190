"""``geoglot demo``: the main job from end to end, on a rendered scene or on a folder of your own."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "First steps"
SUMMARY = "Index, search in four languages and by example, write a report."
EXAMPLES = """
  geoglot demo
  geoglot demo imagery/ --out tour
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="your imagery (default: a scene is rendered)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="where the results go (default: demo)"
    )
    parser.add_argument(
        "--format", choices=("table", "jsonl"), help="output format (default: table on a terminal, jsonl in a pipe)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Run the demo and show every answer."""
    from geoglot.api.demo import run_demo
    from geoglot.cli._command import DONE, PARTLY, warn
    from geoglot.cli._output import show_answer
    from geoglot.cli._progress import progress_display

    say = (lambda words: None) if options.quiet else warn
    with progress_display("indexing", quiet=options.quiet) as report:
        made = run_demo(
            options.folder,
            options.out,
            say=say,
            progress=lambda state: report(state.sources_seen, state.sources_total, f"{state.tiles:,} tiles"),
        )
    for answer in made.answers:
        show_answer(answer, asked=options.format, output=None)
    speed = f", {made.indexed.tiles / made.seconds:,.0f} tiles per second" if made.indexed.tiles else ""
    warn(f"indexed {made.indexed.tiles:,} new tiles in {made.seconds:.1f} s{speed}.")
    warn(f"wrote {made.report} (open it in a browser) and {made.hits} (open it in QGIS).")
    if made.indexed.failed:
        warn(f"{made.indexed.failed:,} files failed; see {made.archive / 'errors.jsonl'}.")
        return PARTLY
    return DONE
