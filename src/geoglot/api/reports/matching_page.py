"""The page of a matching run: one HTML file, no script, no address outside of it; what is missing is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from geoglot.api.printable import in_html
from geoglot.api.reports.matching_pictures import encoder_section, found_section
from geoglot.api.reports.matching_plots import classes_section, confusion_section, losses_section, repeats_section
from geoglot.api.reports.matching_run import READINGS
from geoglot.api.reports.parts import (
    described,
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

if TYPE_CHECKING:
    from geoglot.api.reports.matching import MatchingReport
    from geoglot.api.reports.matching_run import MatchingRun
    from geoglot.metrics.image_retrieval import ImageRetrieval

_SECTIONS = {
    "numbers": "Numbers",
    "losses": "Losses",
    "encoder": "Reconstructions and feature maps",
    "found": "What is found",
    "classes": "Class by class",
    "confusion": "Confusion",
    "repeats": "Splits, folds and seeds",
    "runs": "The runs",
}


def page(report: MatchingReport) -> str:
    """The page as text."""
    insides = {
        "numbers": numbers_section(report),
        "losses": losses_section(report),
        "encoder": encoder_section(report),
        "found": found_section(report),
        "classes": classes_section(report),
        "confusion": confusion_section(report),
        "repeats": repeats_section(report),
        "runs": runs_section(report),
    }
    run = report.runs[0]
    return framed_page(
        title=f"Matching report: {run.name}",
        facts=_facts(report),
        lead=protocol(run),
        missing=report.missing,
        sections={anchor: (name, insides[anchor]) for anchor, name in _SECTIONS.items()},
    )


def protocol(run: MatchingRun) -> str:
    """How the run was measured, in words."""
    said, recipe = run.predictions, run.recipe
    count = int((said.splits == "test").sum())
    split = "how they were split is unknown"
    if recipe.get("fold") is not None:
        split = f"fold {recipe['fold']} of five is the test"
    elif recipe.get("share"):
        split = f"{recipe['share']:.0%} of each class train and validate, the rest is the test"
    leak = f"{run.leak}; figures of this reading flatter" if run.leak else "training has seen none of them"
    return (
        f"{len(said.query_rows):,} test images of {run.dataset} ask, each for the images of its own class. There are "
        f"{len(said.category_names):,} classes and {len(said.items):,} images; {split}. Everything is measured twice: "
        f"with the {count:,} test images as the gallery, and with all {len(said.items):,} images, as the publication "
        f"of residual-dyad counts. Of the second: {leak}. The query itself never counts as found."
    )


def numbers_section(report: MatchingReport) -> str:
    """All measures of all runs, one table per reading."""
    parts = []
    for gallery, words in READINGS.items():
        measured = [(run, run.measured[gallery]) for run in report.runs if gallery in run.measured]
        if not measured:
            parts.append(none(f"{words}: no two of them share a class, so nothing can be found."))
            continue
        rows = [[named(report, run), *_cells(found), _queries(found)] for run, found in measured]
        first, found = measured[0]
        head = ["run", "mAP %", "ANMRR", "ANMRR (MPEG-7)", *(f"P@{k} %" for k in found.precision), "queries"]
        best = "a perfect ranking" if len(report.runs) == 1 else f"a perfect ranking, as in {first.name}"
        rows.append([in_html(best), "100.00", "0.0000", "0.0000", *_perfect(found), ""])
        searched = ", ".join(dict.fromkeys(f"{one.gallery:,}" for _, one in measured))
        parts.append(table(head, rows, caption=f"{words} ({searched})", own=0))
    told = (
        "mAP: mean over the queries of the average precision of the whole ranking. ANMRR: average normalised modified "
        "retrieval rank, 0 at best and 1 at worst, with K = 2 G as in the publication, and with K = min(4 G, 2 max G) "
        "as in MPEG-7, where G is the number of images that a query should find. P@k divides by k even where fewer "
        "than k images are there to be found."
    )
    others = len(report.runs) - len(report.compared)
    plots = f" Plots show the first run of each setting, four at most; {others:,} runs are in tables only."
    return "".join(parts) + soft(told + (plots if others else ""))


def runs_section(report: MatchingReport) -> str:
    """What each run was asked for, and the machine it ran on; of further runs what differs from the first."""
    return runs_described(report, report.runs, [_described(run) for run in report.runs])


def _described(run: MatchingRun) -> dict[str, str]:
    recipe, machine = run.recipe, run.machine
    descriptor = recipe.get("descriptor")
    return described(
        {
            "method": recipe.get("method"),
            "settings": pairs(recipe.get("config") or {}) or "as the method has them",
            "features": f"descriptor {descriptor}" if descriptor else "the method's own encoder",
            "compared by": recipe.get("metric"),
            "data": f"{run.dataset}, {recipe.get('side', 'unknown')} px",
            "split": pairs({name: recipe.get(name) for name in ("share", "fold")}),
            "seed": f"{recipe.get('seed')} (of the split {recipe.get('split_seed')})",
            "stages": "; ".join(map(_stage, recipe.get("stages") or ())) or "none: nothing was trained",
            "started from": recipe.get("initial") or "random weights",
            "machine": machine_words(machine),
            "software": software_words(machine),
            "commit": machine.get("commit"),
        }
    )


def _facts(report: MatchingReport) -> dict[str, str]:
    run = report.runs[0]
    found = run.measured.get(report.gallery)
    figures = {}
    if found is not None:
        figures = {
            "mAP": f"{100 * found.mean_average_precision:.2f} %",
            "ANMRR": f"{found.anmrr:.4f}",
            "Gallery": f"{found.gallery:,} {'test ' if report.gallery == 'test' else ''}images",
        }
    asked = {
        "Method": str(run.recipe.get("descriptor") or run.recipe.get("method", "unknown")),
        "Compared by": str(run.recipe.get("metric")),
        "Data": f"{run.dataset}, {run.recipe.get('side', '?')} px",
        "Queries": f"{len(run.predictions.query_rows):,}",
    }
    return figures | asked


def _cells(found: ImageRetrieval) -> list[str]:
    return [
        f"{100 * found.mean_average_precision:.2f}",
        f"{found.anmrr:.4f}",
        f"{found.anmrr_mpeg7:.4f}",
        *(f"{100 * value:.2f}" for value in found.precision_at.values()),
    ]


def _perfect(found: ImageRetrieval) -> list[str]:
    """P@k of a ranking that could not be better."""
    wanted = found.relevant[found.answerable]
    return [f"{100 * float(np.minimum(wanted, k).mean()) / k:.2f}" for k in found.precision]


def _queries(found: ImageRetrieval) -> str:
    without = f", {found.without_answer:,} without an answer" if found.without_answer else ""
    return f"{int(found.answerable.sum()):,}{without}"


def _stage(stage: Mapping[str, Any]) -> str:
    kept = ("epochs", "batch", "learning_rate", "optimiser", "patience")
    data = ", ".join(stage.get("data") or ())
    return f"{stage.get('kind')} on {data} ({pairs({name.replace('_', ' '): stage.get(name) for name in kept})})"
