"""``geoglot verify``: check every byte of an archive."""

from __future__ import annotations

import argparse
from dataclasses import asdict
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
    from geoglot.api.archive import verify_archive
    from geoglot.api.printable import printable
    from geoglot.cli._command import DONE, FAILED, warn
    from geoglot.cli._output import show_records, size_text

    report = verify_archive(options.archive)
    for note in report.notes:
        warn(f"note: {printable(note)}.")
    if report.ok:
        warn(f"{printable(str(options.archive))} is whole: {report.files:,} files, {size_text(report.bytes)} checked.")
        return DONE
    show_records([asdict(damage) for damage in report.damages], asked=options.format, title="Damage")
    warn(
        f"{len(report.damages):,} files are damaged. 'geoglot index' on the same folders makes the archive whole again."
    )
    return FAILED
