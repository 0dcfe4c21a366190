"""``geoglot verify``: check every byte of an archive."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Check every byte of an archive and say what to redo; 1 if damaged."
EXAMPLES = """
  geoglot verify town.archive
  geoglot verify town.archive || geoglot index imagery/ --archive town.archive   # indexing again repairs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="archive to check")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Check, list the findings, and say in the exit code whether there are any."""
    from geoglot.api.archive import Archive
    from geoglot.cli._command import DONE, FAILED, warn
    from geoglot.cli._output import show_records

    with Archive.open(options.archive) as archive:
        findings = archive.verify()
    if not findings:
        warn(f"{options.archive} is whole: every checksum holds.")
        return DONE
    show_records(findings, asked=options.format, title="Damage found")
    warn(f"{len(findings):,} findings. Run 'geoglot index' on the same folders: it reads again what was lost.")
    return FAILED
