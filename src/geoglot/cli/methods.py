"""``geoglot methods``: the methods of the gallery."""

from __future__ import annotations

import argparse

GROUP = "Models and methods"
SUMMARY = "List the gallery's methods: paper, variants, parameters."
EXAMPLES = """
  geoglot methods
  geoglot methods retrieval --format jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("task", nargs="?", metavar="TASK", help="one task, such as retrieval or hashing (default: all)")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """List."""
    from geoglot.cli._command import DONE, needs_torch
    from geoglot.cli._output import show_records

    with needs_torch():
        from geoglot.engine.gallery import describe_methods

        records = describe_methods(options.task)
    columns = ("name", "task", "kind", "parameters", "variants", "fidelity")
    show_records(records, asked=options.format, title="Methods", columns=columns)
    return DONE
