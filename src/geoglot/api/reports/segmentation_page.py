"""The page of a segmentation run: one HTML file, no script, no address outside of it; what is missing is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from geoglot.api.plots import Bars, Line, bar_plot, legend
from geoglot.api.printable import in_html
from geoglot.api.reports.curves import Validated, line_of, training_section
from geoglot.api.reports.parts import (
    described,
    figure,
    folded,
    framed_page,
    machine_words,
    named,
    none,
    pairs,
    runs_described,
    soft,
    software_words,
    table,
)
from geoglot.api.reports.segmentation import datasets_of, shown_key
from geoglot.api.reports.segmentation_pictures import masks_section
from geoglot.api.reports.segmentation_run import SPLIT, by_category, by_size, by_template, histogram
from geoglot.metrics.mask import formula

if TYPE_CHECKING:
    from geoglot.api.reports.segmentation import SegmentationReport
    from geoglot.api.reports.segmentation_run import Asked, SegmentationRun

COLUMNS: Final = {f"pr@0.{n}": f"Pr@0.{n}" for n in range(5, 10)} | {"oiou": "oIoU", "miou": "mIoU"}


def page(report: SegmentationReport) -> str:
    """The page as text."""
    run = report.runs[0]
    return framed_page(
        title=f"Segmentation report: {run.name}",
        facts=_facts(report),
        lead=protocol(report),
        missing=report.missing,
        sections={
            "numbers": ("Numbers", numbers_section(report)),
            "curves": ("Training", curves_section(report)),
            "masks": ("Masks", masks_section(report)),
            "categories": ("Categories", parts_section(report, by_category, CATEGORIES)),
            "templates": ("Templates", parts_section(report, by_template, TEMPLATES)),
            "foreground": ("Foreground", foreground_section(report)),
            "runs": ("The runs", runs_described(report, report.runs, [_described(one) for one in report.runs])),
        },
        styles=["segmentation.css"],
    )


CATEGORIES: Final = "Phrases that name a category and nothing else. Bars: mIoU in percent."
TEMPLATES: Final = "Phrases by the way they are made. Bars: mIoU in percent."


def protocol(report: SegmentationReport) -> str:
    """How the run was measured, in words."""
    run = report.runs[0]
    counts = [f"{len(asked.lines):,} of {dataset} in {language}" for (dataset, language), asked in run.asked.items()]
    return (
        f"One mask for every {SPLIT} phrase: {'; '.join(counts) or 'none'}, measured at {run.saved.side} x "
        f"{run.saved.side} pixels. The epoch (number {run.summary.get('best_epoch', 'unknown')}) was chosen by mIoU on "
        "the validation part, never on this one; where a run watched the test part, what choosing on it would have "
        "given is told apart, because the training loop released with RefSegRS chooses so."
    )


def numbers_section(report: SegmentationReport) -> str:
    """All measures of all runs, a table per dataset and language, and the formula."""
    parts = []
    for key, own in report.runs[0].asked.items():
        rows = []
        for run in report.runs:
            asked = run.asked.get(key)
            if asked is not None:
                found = asked.measures(report.empty)
                cells = [f"{value:.4f}" for value in found.figures().values()]
                rows.append([named(report, run), *cells, _watched(run, key[1]), f"{found.counted:,}"])
        rows.append(["a mask of all pixels", *_everything(own, report), "", f"{len(own.lines):,}"])
        head = ["run", *COLUMNS.values(), "mIoU, chosen on test", "phrases"]
        parts.append(table(head, rows, caption=f"{key[0]}, {SPLIT} phrases in {key[1]}", own=0))
    told = ". ".join(formula(report.empty).splitlines())
    return "".join(parts) + soft(f"All from 0 to 1. {told}.")


def _everything(asked: Asked, report: SegmentationReport) -> list[str]:
    """Measures of a mask of all pixels: it shares the true pixels, and either is the whole picture."""
    from geoglot.metrics.mask import measures_of_counts

    area = report.runs[0].saved.side ** 2
    both = np.rint(asked.foreground * area).astype(np.int64)
    found = measures_of_counts(both, np.full(len(both), area), empty=report.empty)
    return [f"{value:.4f}" for value in found.figures().values()]


def _watched(run: SegmentationRun, language: str) -> str:
    found = (run.summary.get("test_watched") or {}).get("figures", {}).get(language)
    return f"{found['miou']:.4f}" if found else "not watched"


def curves_section(report: SegmentationReport) -> str:
    """Training loss and validation mIoU by epoch, all runs in each plot."""
    what = Validated(
        name="mIoU",
        identity="miou-plot",
        title="mIoU by epoch, mean over the languages",
        per="phrase",
        curves=[run.miou for run in report.compared],
    )
    return training_section(report, report.compared, _lines(report, "losses"), _lines(report, "miou"), what)


def _lines(report: SegmentationReport, kind: str) -> list[Line]:
    """Curves to plot: of one run all of them, of several the main one, and of mIoU what was watched on test, too."""
    alone = len(report.compared) == 1
    lines: list[Line] = []
    for number, run in enumerate(report.compared):
        for name, curve in getattr(run, kind).items():
            watched = name == "test, watched"
            if curve and (alone or watched or name in ("", "total")):
                words = name if name not in ("", "total") else "validation" if kind == "miou" else "total"
                style = len(lines) if alone else number
                dashed = watched or (alone and name not in ("", "total"))
                lines.append(line_of(curve, f"{run.name}, {words}", style=style, dashed=dashed))
    return lines


def parts_section(report: SegmentationReport, parts: Callable[[Asked], Mapping[str, Asked]], told: str) -> str:
    """MIoU and oIoU of parts of the phrases, runs side by side."""
    found: list[str] = []
    for dataset in datasets_of(report.runs[0]):
        key = shown_key(report.runs[0], dataset)
        by_run = {run.name: parts(run.asked[key]) for run in report.runs if key in run.asked}
        names = list(by_run[report.runs[0].name])
        if not names:
            continue
        series = [
            Bars(name=run.name, values=[_percent(by_run[run.name].get(name), report) for name in names], style=style)
            for style, run in enumerate(report.compared)
            if run.name in by_run
        ]
        title = f"mIoU by {parts.__name__.removeprefix('by_')}, {dataset} in {key[1]}"
        identity = f"bars-{parts.__name__.removeprefix('by_')}-{len(found)}"
        marks = legend([(bars.name, bars.style, False) for bars in series]) if len(series) > 1 else ""
        plot = bar_plot(names, series, identity=identity, title=title, across="mIoU in percent")
        rows = [
            [in_html(name), f"{len(by_run[report.runs[0].name][name].lines):,}", *_part_cells(report, by_run, name)]
            for name in names
        ]
        heads = [f"{run.name} {word}" for run in report.runs if run.name in by_run for word in ("mIoU", "oIoU")]
        found.append(figure(title, marks + plot) + table(["", "phrases", *heads], rows))
    return soft(told) + "".join(found) if found else none("The phrases do not tell this.")


def _part_cells(report: SegmentationReport, by_run: Mapping[str, Mapping[str, Asked]], name: str) -> list[str]:
    cells = []
    for parts in by_run.values():
        asked = parts.get(name)
        figures = asked.measures(report.empty).figures() if asked is not None else {}
        cells += [f"{figures[word]:.4f}" if word in figures else "none" for word in ("miou", "oiou")]
    return cells


def _percent(asked: Asked | None, report: SegmentationReport) -> float | None:
    return None if asked is None else 100 * asked.measures(report.empty).mean_iou


def foreground_section(report: SegmentationReport) -> str:
    """How much of a picture the phrases mean, and how well masks of small and large targets are."""
    found: list[str] = []
    for dataset in datasets_of(report.runs[0]):
        key = shown_key(report.runs[0], dataset)
        asked = report.runs[0].asked[key]
        counts = histogram(asked.foreground, bins=20)
        shares = [100 * count / len(asked.lines) for count in counts.values()]
        title = f"Share of the picture that a phrase means, {dataset}"
        plot = bar_plot(
            list(counts),
            [Bars(name="phrases", values=list(shares))],
            identity=f"foreground-{len(found)}",
            title=title,
            across="percent of the test phrases",
        )
        rows = [[in_html(name), f"{count:,}"] for name, count in counts.items()]
        under = 100 * float((asked.foreground < 0.05).mean())
        said = (
            f"{dataset}: the mean share is {100 * asked.foreground.mean():.1f} %, and {under:.0f} % of the phrases "
            "mean less than a twentieth of their picture."
        )
        found.append(soft(said) + figure(title, plot) + folded(table(["share", "phrases"], rows)))
    return "".join(found) + parts_section(report, by_size, "Phrases by the share of the picture that they mean.")


def _facts(report: SegmentationReport) -> dict[str, str]:
    run = report.runs[0]
    figures: dict[str, str] = {}
    for (dataset, language), asked in list(run.asked.items())[:1]:
        found = asked.measures(report.empty).figures()
        figures = {COLUMNS[name]: f"{found[name]:.4f}" for name in ("pr@0.5", "pr@0.7", "pr@0.9", "oiou", "miou")}
        figures["Measured on"] = f"{dataset}, {language}, {len(asked.lines):,} phrases"
    return figures | {
        "Method": str(run.recipe.get("method", "unknown")),
        "Size": f"{run.recipe.get('size', 'paper')}, {run.saved.side} px",
        "Languages": ", ".join(run.languages),
    }


def _described(run: SegmentationRun) -> dict[str, str]:
    recipe, summary = run.recipe, run.summary
    weights = run.sizes.get("weights") or {}
    starts = [f"{part} {told['source']}" for part, told in weights.items() if told]
    return described(
        {
            "method": recipe.get("method"),
            "size": recipe.get("size"),
            "settings": pairs(recipe.get("config") or {}) or "as the method has them",
            "started from": ", ".join(starts) or "nothing",
            "data": f"{', '.join(recipe.get('datasets') or ())}, {run.saved.side} px",
            "languages": ", ".join(run.languages),
            "vocabulary": pairs({"words": run.sizes.get("vocabulary"), "kind": recipe.get("tokenizer")}),
            "training": pairs(
                {
                    name.replace("_", " "): recipe.get(name)
                    for name in ("epochs", "samples", "batch", "optimiser", "learning_rate", "schedule", "weight_decay")
                }
            ),
            "pictures": pairs({name: recipe.get(name) for name in ("crop", "turned", "shaded")}),
            "best epoch": summary.get("best_epoch"),
            "parameters": f"{summary['parameters']:,}" if isinstance(summary.get("parameters"), int) else None,
            "training seconds": summary.get("training_seconds"),
            "seed": recipe.get("seed"),
            "machine": machine_words(run.machine),
            "software": software_words(run.machine),
            "commit": run.machine.get("commit"),
        }
    )
