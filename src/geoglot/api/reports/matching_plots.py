"""The plots of a matching report: losses, classes, confusion, and what repeating an experiment gives."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from geoglot.api.plots import Bars, Line, bar_plot, legend, line_plot, matrix_plot
from geoglot.api.printable import in_html
from geoglot.api.reports.matching_run import READINGS
from geoglot.api.reports.parts import figure, folded, named, none, soft, table

if TYPE_CHECKING:
    from geoglot.api.reports.matching import MatchingReport
    from geoglot.api.reports.matching_run import Gallery, Losses, MatchingRun

STEEP = 30
"""A loss that falls by more than this factor is shown on a logarithmic axis."""
_MIXED = 5


def losses_section(report: MatchingReport) -> str:
    """One plot a stage, all runs in it."""
    figures, rows = [], []
    silent = (run.name for run in report.compared if not run.losses)
    notes = [f"{name} reports no losses: nothing was trained, or metrics.jsonl is missing." for name in silent]
    stages = dict.fromkeys(losses.stage for run in report.compared for losses in run.losses)
    for number, stage in enumerate(stages):
        lines = []
        for style, run in enumerate(report.compared):
            for losses in (losses for losses in run.losses if losses.stage == stage):
                lines += _loss_lines(run.name, losses, style)
                rows.append([named(report, run), in_html(stage), *_loss_cells(losses)])
                if not losses.validation:
                    notes.append(f"{run.name} reports no validation loss of {stage}.")
        values = [value for line in lines for value in line.y]
        steep = min(values) > 0 and max(values) > STEEP * min(values)
        plot = line_plot(
            lines,
            identity=f"loss-{number}",
            title=f"Loss by epoch, {stage}",
            across="epoch",
            upward="loss, logarithmic" if steep else "loss",
            logarithmic=steep,
        )
        figures.append(figure(stage, legend([(line.name, line.style, line.dashed) for line in lines]) + plot))
    told = "".join(map(soft, notes))
    if not figures:
        return told
    head = ["run", "stage", "epochs", "first training loss", "last", "lowest validation loss", "at epoch"]
    return f'<div class="plots">{"".join(figures)}</div>{told}{table(head, rows, texts=(1,))}'


def classes_section(report: MatchingReport) -> str:
    """Bars of mAP by class, and the numbers in both readings."""
    gallery = report.gallery
    chosen = [(style, run) for style, run in enumerate(report.compared) if gallery in run.measured]
    if not chosen:
        return none(f"{READINGS[gallery]}: nothing can be found.")
    names = chosen[0][1].predictions.category_names
    series = []
    for style, run in chosen:
        mean = 100 * run.measured[gallery].mean_average_precision
        series.append(Bars(name=run.name, values=[mean, *class_values(run, gallery)], style=style))
    title = f"mAP by class. {READINGS[gallery]}."
    plot = bar_plot(["mean of all queries", *names], series, identity="class-bars", title=title, across="mAP, percent")
    keys = legend([(bars.name, bars.style, False) for bars in series]) if len(series) > 1 else ""
    columns = [(run, reading) for _, run in chosen for reading in READINGS]
    values = [class_values(run, reading) for run, reading in columns]
    rows = [
        [in_html(name), *("" if column[row] is None else f"{column[row]:.2f}" for column in values)]
        for row, name in enumerate(names)
    ]
    head = ["class", *(f"{run.name}, gallery {reading}" for run, reading in columns)]
    return figure(title, keys + plot) + folded(table(head, rows, caption="mAP by class, percent"))


def confusion_section(report: MatchingReport) -> str:
    """Which classes are found for which, by the reported run."""
    run, gallery = report.runs[0], report.gallery
    if gallery not in run.measured:
        return none(f"{READINGS[gallery]}: nothing can be found.")
    names = run.predictions.category_names
    values = confusion_percent(run, gallery)
    wrong = [
        (value, names[row], names[column])
        for row, line in enumerate(values)
        for column, value in enumerate(line)
        if row != column and value >= 0.05
    ]
    wrong = sorted(wrong, key=lambda one: (-one[0], one[1], one[2]))[:_MIXED]
    told = "; ".join(f"{value:.1f} % of what {asked} should find is {found}" for value, asked, found in wrong)
    plot = matrix_plot(
        names,
        values,
        identity="confusion-plot",
        title=f"Confusion of classes, {run.name}",
        down="class of the query",
        across="class of what is found",
    )
    what = (
        "Row: class of the query. Column: class of what stands in its first G places, where G is the number of images "
        f"that it should find. Percent, mean over the first 20 queries of a class. {READINGS[gallery]}. {run.name}."
    )
    rows = [[in_html(name), *(f"{value:.2f}" for value in line)] for name, line in zip(names, values, strict=True)]
    most = f"Most often mixed up: {told}." if wrong else "No class is taken for another."
    return (
        f"<p>{in_html(most)}</p>{soft(what)}"
        f'<div class="scroll matrix-wrap">{plot}</div>{folded(table(["query", *names], rows, caption="Percent"))}'
    )


def repeats_section(report: MatchingReport) -> str:
    """What one setting gives with other splits, folds and seeds."""
    groups: dict[str, list[MatchingRun]] = {}
    for run in report.runs:
        if report.gallery in run.measured:
            groups.setdefault(run.setting, []).append(run)
    parts = []
    for number, runs in enumerate(groups.values()):
        folds = sorted((run for run in runs if _fold(run) is not None), key=lambda run: (_fold(run), run.name))
        by_share: dict[float, list[MatchingRun]] = {}
        for run in runs:
            if _fold(run) is None:
                by_share.setdefault(float(run.recipe.get("share", 0)), []).append(run)
        ordered = dict(sorted(by_share.items(), reverse=True))
        if len(ordered) > 1:
            parts.append(_over_shares(ordered, report.gallery, f"shares-{number}"))
        if len({_fold(run) for run in folds}) > 1:
            parts.append(_over_folds(folds, report.gallery, f"folds-{number}"))
        for share, same in ordered.items():
            if len(same) > 1:
                rows = [[in_html(run.name), str(run.recipe.get("seed")), *_two(run, report.gallery)] for run in same]
                title = f"{len(same)} runs of one setting, {share:.0%} to train. {READINGS[report.gallery]}."
                parts.append(
                    table(["run", "seed", "mAP %", "ANMRR"], [*rows, _mean_row(same, report.gallery)], caption=title)
                )
    if parts:
        return "".join(parts)
    return soft(
        "No two runs on this page are one setting with another share, fold or seed. Name such runs after --against to "
        "see the curve over splits, the folds, and means with deviations."
    )


def class_values(run: MatchingRun, gallery: Gallery) -> list[float | None]:
    """MAP of every class in percent; ``None`` where no query of it can be answered."""
    found = run.measured[gallery].class_mean_average_precision if gallery in run.measured else {}
    return [100 * found[row] if row in found else None for row in range(len(run.predictions.category_names))]


def confusion_percent(run: MatchingRun, gallery: Gallery) -> list[list[float]]:
    """The matrix over all classes, in percent; a class that was never met has zeros."""
    count = len(run.predictions.category_names)
    values = [[0.0] * count for _ in range(count)]
    for row, line in enumerate(run.measured[gallery].confusion):
        for column, value in enumerate(line):
            values[row][column] = 100 * float(value)
    return values


def _loss_lines(name: str, losses: Losses, style: int) -> list[Line]:
    found = []
    for words, points in (("training", losses.train), ("validation", losses.validation)):
        if points:
            x, y = zip(*points, strict=True)
            found.append(Line(name=f"{name}, {words}", x=x, y=y, style=style, dashed=words == "training"))
    return found


def _loss_cells(losses: Losses) -> list[str]:
    first, last = (f"{losses.train[at][1]:.5g}" if losses.train else "" for at in (0, -1))
    epochs = len({epoch for epoch, _ in (*losses.train, *losses.validation)})
    if not losses.validation:
        return [f"{epochs:,}", first, last, "none", ""]
    epoch, least = min(losses.validation, key=lambda point: (point[1], point[0]))
    return [f"{epochs:,}", first, last, f"{least:.5g}", f"{epoch:,}"]


def _over_shares(by_share: Mapping[float, Sequence[MatchingRun]], gallery: Gallery, identity: str) -> str:
    """MAP and ANMRR over the share that trains, with deviations where a share has several runs."""
    figures, rows = [], []
    for measure, (words, bounds) in {"map": ("mAP, percent", (0.0, 100.0)), "anmrr": ("ANMRR", (0.0, 1.0))}.items():
        lines = []
        for style, reading in enumerate(READINGS):
            kept = {s: [run for run in runs if reading in run.measured] for s, runs in by_share.items()}
            values = {s: [_measures(run, reading)[measure] for run in runs] for s, runs in kept.items() if runs}
            if not values:
                continue
            x = sorted(values)
            lines.append(
                Line(
                    name=READINGS[reading],
                    x=[100 * share for share in x],
                    y=[statistics.fmean(values[share]) for share in x],
                    style=style,
                    dashed=reading != gallery,
                    spread=[_deviation(values[share]) for share in x]
                    if any(len(v) > 1 for v in values.values())
                    else (),
                )
            )
        title = f"{words} by the share of images that train and validate"
        plot = line_plot(
            lines, identity=f"{identity}-{measure}", title=title, across="share, percent", upward=words, bounds=bounds
        )
        figures.append(figure(title, legend([(line.name, line.style, line.dashed) for line in lines]) + plot))
    for share, runs in by_share.items():
        mean = _mean_row(runs, gallery)
        rows.append([f"{share:.0%}", str(len(runs)), *mean[2:]])
    caption = f"By share. {READINGS[gallery]}; deviations are of a sample (n - 1)."
    numbers = table(["share", "runs", "mAP %", "ANMRR"], rows, caption=caption)
    return f'<div class="plots">{"".join(figures)}</div>{numbers}'


def _over_folds(runs: Sequence[MatchingRun], gallery: Gallery, identity: str) -> str:
    """MAP of every fold as bars, both measures in a table."""
    bars = Bars(name="mAP", values=[_measures(run, gallery)["map"] for run in runs])
    title = f"mAP by fold. {READINGS[gallery]}."
    plot = bar_plot(
        [f"fold {_fold(run)}, {run.name}" for run in runs],
        [bars],
        identity=identity,
        title=title,
        across="mAP, percent",
    )
    rows = [[f"fold {_fold(run)}", in_html(run.name), *_two(run, gallery)] for run in runs]
    caption = "By fold; deviations are of a sample (n - 1)"
    numbers = table(["fold", "run", "mAP %", "ANMRR"], [*rows, _mean_row(runs, gallery)], caption=caption, texts=(1,))
    return figure(title, plot) + numbers


def _mean_row(runs: Sequence[MatchingRun], gallery: Gallery) -> list[str]:
    found = [_measures(run, gallery) for run in runs]
    cells = []
    for measure, digits in (("map", 2), ("anmrr", 4)):
        values = [one[measure] for one in found]
        spread = f" ± {_deviation(values):.{digits}f}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.{digits}f}{spread}")
    return ["mean", "", *cells]


def _two(run: MatchingRun, gallery: Gallery) -> list[str]:
    found = _measures(run, gallery)
    return [f"{found['map']:.2f}", f"{found['anmrr']:.4f}"]


def _measures(run: MatchingRun, gallery: Gallery) -> dict[str, float]:
    found = run.measured[gallery]
    return {"map": 100 * found.mean_average_precision, "anmrr": found.anmrr}


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _fold(run: MatchingRun) -> Any:
    return run.recipe.get("fold")
