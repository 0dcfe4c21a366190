"""The training section of a run's page: losses and one validated measure by epoch, all runs in each plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from geoglot.api.plots import Line, legend, line_plot
from geoglot.api.reports.parts import Comparison, Named, figure, named, none, table

Curve = Sequence[tuple[int, float]]
"""Points of (epoch, value)."""


class Trained(Named, Protocol):
    """A run that tells how its losses went."""

    @property
    def losses(self) -> Mapping[str, Curve]:
        """By name of the loss; ``total`` is what was minimised."""


@dataclass(frozen=True, kw_only=True)
class Validated:
    """The measure that chose the epoch.

    Attributes:
        name: For people, as ``CIDEr-D``.
        identity: Of its plot in the page.
        title: Of its plot.
        per: What a loss is the loss of, as ``caption``.
        curves: Of each compared run, its curves; the one without a name is what chose.
    """

    name: str
    identity: str
    title: str
    per: str
    curves: Sequence[Mapping[str, Curve]]


def training_section(
    report: Comparison, runs: Sequence[Trained], losses: Sequence[Line], measured: Sequence[Line], what: Validated
) -> str:
    """Both plots, a sentence for what a run does not tell, and a table.

    Args:
        report: The page's report.
        runs: The compared runs, the main one first.
        losses: Lines of the first plot.
        measured: Lines of the second.
        what: The validated measure.
    """
    figures = [
        figure(
            title,
            legend([(line.name, line.style, line.dashed) for line in lines])
            + line_plot(list(lines), identity=identity, title=title, across="epoch", upward=upward),
        )
        for lines, identity, title, upward in (
            (losses, "loss-plot", "Training loss by epoch", f"loss per {what.per}"),
            (measured, what.identity, what.title, what.name),
        )
        if lines
    ]
    told = list(zip(runs, what.curves, strict=True))
    silent = [
        f"{run.name} reports {words}: metrics.jsonl is missing or has none."
        for run, own in told
        for curves, words in ((run.losses, "no losses"), (own, f"no validation {what.name}"))
        if not curves
    ]
    rows = [[named(report, run), *_cells(run.losses, own)] for run, own in told if run.losses or own]
    head = ["run", "epochs", "first training loss", "last", f"highest validation {what.name}", "at epoch"]
    plots = f'<div class="plots">{"".join(figures)}</div>' if figures else ""
    return plots + "".join(map(none, silent)) + (table(head, rows) if rows else "")


def line_of(curve: Curve, name: str, *, style: int, dashed: bool) -> Line:
    """A curve to plot."""
    return Line(name=name, x=[epoch for epoch, _ in curve], y=[value for _, value in curve], style=style, dashed=dashed)


def _cells(losses: Mapping[str, Curve], measured: Mapping[str, Curve]) -> list[str]:
    total, chosen = losses.get("total", ()), measured.get("", ())
    first, last = (f"{total[at][1]:.5g}" if total else "" for at in (0, -1))
    epoch, best = max(chosen, key=lambda point: (point[1], -point[0])) if chosen else (0, 0.0)
    return [f"{len(total):,}", first, last, *([f"{best:.4f}", f"{epoch:,}"] if chosen else ["none", ""])]
