"""``geoglot remove``: take files out of an archive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Take files out of an archive, by path or pattern; the files stay."
EXAMPLES = """
  geoglot remove town.archive imagery/old.tif
  geoglot remove town.archive 'imagery/2019/*' --yes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="archive to take them out of")
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="path of an indexed file, or a pattern such as 'old/*.tif'"
    )
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    """Ask where somebody can answer, then remove."""
    from geoglot.api.archive import Archive
    from geoglot.cli._command import DONE, FAILED, require, warn

    if not options.yes:
        asked = f"Take {', '.join(options.sources)} out of {options.archive}?"
        require(
            sys.stdin.isatty(), "remove", cause="asks before it removes, and nobody can answer here", remedy="add --yes"
        )
        if not _agreed(asked):
            warn("nothing was removed.")
            return FAILED
    with Archive.open(options.archive, read_only=False) as archive:
        removed = archive.remove(options.sources)
    if not removed:
        warn("error: no indexed file matches. 'geoglot search --format jsonl' shows the paths as they are indexed.")
        return FAILED
    warn(f"{removed:,} files were taken out of {options.archive}.")
    return DONE


def _agreed(question: str) -> bool:
    from geoglot.api.printable import printable

    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
