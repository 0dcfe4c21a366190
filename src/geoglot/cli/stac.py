"""``geoglot stac``: an archive as a STAC catalogue."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Write an archive as a STAC Collection with an Item for each file."
EXAMPLES = """
  geoglot stac town.archive -o town-stac/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="archive to describe")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder to write to")


def run(options: argparse.Namespace) -> int:
    """Write."""
    from geoglot.api.archive import Archive
    from geoglot.api.stac import write_stac
    from geoglot.cli._command import DONE

    with Archive.open(options.archive) as archive:
        print(write_stac(archive, options.output))
    return DONE
