"""``geoglot info``: what an archive holds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Say what an archive holds: files, tiles, place, time, model, size."
EXAMPLES = """
  geoglot info town.archive
  geoglot info town.archive | jq .tiles
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="archive to describe")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Describe."""
    from geoglot.api.archive import Archive
    from geoglot.cli._command import DONE
    from geoglot.cli._output import choose_format, show_facts, size_text

    with Archive.open(options.archive) as archive:
        told = archive.info()
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "table":
        told |= {"located_share": f"{told['located_share']:.1%}", "bytes": size_text(told["bytes"])}
    show_facts(told, asked=options.format)
    return DONE
