"""``geoglot doctor``: whether this machine is ready."""

from __future__ import annotations

import argparse
import sys

GROUP = "First steps"
SUMMARY = "Check this installation: versions, image drivers, model, cache."
EXAMPLES = """
  geoglot doctor
  geoglot doctor --format jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("--model", default="compact", metavar="NAME", help="model bundle to test (default: compact)")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Check and tell."""
    from dataclasses import asdict

    from geoglot.api.health import check_health
    from geoglot.cli._command import DONE, FAILED, warn
    from geoglot.cli._output import choose_format, console, new_table, plain_text

    checks = check_health(options.model)
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        from geoglot.cli._output import show_records

        show_records([asdict(check) for check in checks], asked="jsonl")
    else:
        table = new_table(header=False)
        for check in checks:
            mark = plain_text("ok" if check.ok else "PROBLEM", "green" if check.ok else "bold red")
            table.add_row(mark, check.name, plain_text(check.told))
        console().print(table)
    problems = [check for check in checks if not check.ok]
    for check in problems:
        warn(f"{check.name}: {check.told}. Remedy: {check.remedy}.")
    return FAILED if problems else DONE
