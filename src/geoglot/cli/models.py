"""``geoglot models``: the model bundles at hand."""

from __future__ import annotations

import argparse

GROUP = "Models and methods"
SUMMARY = "List the model bundles: languages, size, licence, measured recall."
EXAMPLES = """
  geoglot models
  geoglot models --format jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """List."""
    from geoglot.api.models import list_models
    from geoglot.cli._command import DONE
    from geoglot.cli._output import show_records

    show_records(list_models(), asked=options.format, title="Model bundles")
    return DONE
