"""``geoglot methods``: the methods of the gallery."""

from __future__ import annotations

import argparse

GROUP = "Models and methods"
SUMMARY = "List the gallery's methods: paper, variants, parameters."
EXAMPLES = """
  geoglot methods
  geoglot methods retrieval --format jsonl
  geoglot methods segmentation --cost
"""
COST_COLUMNS = (
    "name",
    "variant",
    "side",
    "parameters",
    "gmacs",
    "gflops",
    "reported_gmacs",
    "reported_gflops",
    "paper_parameters_m",
    "paper_gmacs",
    "paper_gflops",
)
COST_TASK = "segmentation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("task", nargs="?", metavar="TASK", help="one task, such as retrieval or hashing (default: all)")
    parser.add_argument(
        "--cost",
        action="store_true",
        help="products, operations and parameters for one picture and phrase, beside the paper's (segmentation); "
        "'reported' leaves out attention within windows, as the paper's profiler does",
    )
    parser.add_argument("--side", type=int, metavar="PIXELS", help="with --cost: side of the picture")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """List."""
    from geoglot.cli._command import DONE, needs_torch
    from geoglot.cli._output import show_records

    if options.cost:
        return _show_costs(options)
    with needs_torch():
        from geoglot.engine.gallery import describe_methods

        records = describe_methods(options.task)
    columns = ("name", "task", "kind", "parameters", "variants", "fidelity")
    show_records(records, asked=options.format, title="Methods", columns=columns)
    return DONE


def _show_costs(options: argparse.Namespace) -> int:
    from geoglot.cli._command import DONE, needs_torch
    from geoglot.cli._output import show_records
    from geoglot.core.errors import UsageError

    if options.task not in (None, COST_TASK):
        remedy = f"leave --cost out, or ask for {COST_TASK}"
        raise UsageError(options.task, cause="has methods whose costs are not counted", remedy=remedy)
    if options.side is not None and options.side < 1:
        raise UsageError(f"--side {options.side}", cause="is no size of a picture", remedy="give pixels, such as 480")
    with needs_torch():
        from geoglot.engine.cost import cost_records

        records = cost_records(side=options.side)
    show_records(records, asked=options.format, title="Costs of one picture and phrase", columns=COST_COLUMNS)
    return DONE
