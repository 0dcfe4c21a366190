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
        "--model", default="compact", metavar="NAME", help="model bundle, by name or folder (default: compact)"
    )
    parser.add_argument(
        "--format", choices=("table", "jsonl"), help="output format (default: table on a terminal, jsonl in a pipe)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Run the demo and show every answer."""
    from geoglot.api.demo import run_demo
    from geoglot.cli._command import warn
    from geoglot.cli._output import show_answer
    from geoglot.cli._progress import progress_display
    from geoglot.cli.index import tell_failures

    say = (lambda words: None) if options.quiet else warn
    with progress_display("indexing", quiet=options.quiet) as report:
        made = run_demo(
            options.folder,
            options.out,
            model=options.model,
            say=say,
            progress=lambda state: report(state.files_done, state.files_total, f"files, {state.rows:,} tiles"),
        )
    for answer in made.answers:
        show_answer(answer, asked=options.format, output=None)
    done = made.indexed
    speed = f" ({done.rows_added / done.seconds:,.0f} tiles per second)" if done.rows_added else ""
    warn(f"indexed {done.rows_added:,} new tiles in {done.seconds:.1f} s{speed}.")
    warn(f"wrote {made.report} (open it in a browser) and {made.hits} (open it in QGIS).")
    return tell_failures(done, made.archive)
