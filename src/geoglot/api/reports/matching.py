"""A run of image matching as one HTML page: the pictures of the residual-dyad publication, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoglot.api.printable import printable
from geoglot.api.reports.matching_run import (
    GALLERIES,
    Gallery,
    MatchingRun,
    check_comparable,
    chosen_queries,
    first_places,
    load_matching_run,
)
from geoglot.api.reports.parts import jpegs, save_page
from geoglot.api.reports.runs import run_names
from geoglot.core.errors import GeoglotError, UsageError

if TYPE_CHECKING:
    from geoglot.engine.matching.pictures import EncoderPictures

THUMBNAIL_SIDE = 96
RESTORED = 8
"""Classes of which a test image is restored."""
COUNTED = 1000
"""Most test images over which feature maps are counted."""

PLOTTED = 4
"""Most runs in one plot."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchingReport:
    """What the page shows.

    Attributes:
        runs: The reported run, then those to compare it with.
        gallery: Whether sheets, bars and confusion search the ``test`` images or ``all``.
        classes: How many classes have sheets of hits.
        thumbnails: JPEG of an image, by its identifier; a missing one is named instead.
        shown_items: Test images that were restored, one of each class.
        inputs: JPEG of those at the size that the encoder sees.
        encoders: What encoders made of them, by number of the compared run.
        without_encoder: Why a run has no restored pictures and feature maps.
        missing: What could not be shown, one sentence each.
    """

    runs: tuple[MatchingRun, ...]
    gallery: Gallery = "test"
    classes: int = 1000
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    shown_items: tuple[str, ...] = ()
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    encoders: Mapping[int, EncoderPictures] = field(default_factory=dict)
    without_encoder: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[MatchingRun, ...]:
        """The runs that are plotted and looked into: the first of each setting, four at most."""
        return plotted(self.runs)

    def as_records(self) -> list[dict[str, Any]]:
        """The numbers as JSON-ready values, one record per run and reading of the gallery; mAP and P@k in percent."""
        return [
            {
                "run": run.name,
                "gallery": gallery,
                "dataset": run.dataset,
                "queries": int(found.answerable.sum()),
                "images": found.gallery,
                "mAP": round(100 * found.mean_average_precision, 4),
                "ANMRR": round(found.anmrr, 6),
                "ANMRR_mpeg7": round(found.anmrr_mpeg7, 6),
                **{f"P@{k}": round(100 * value, 4) for k, value in found.precision_at.items()},
            }
            for run in self.runs
            for gallery, found in run.measured.items()
        ]

    def page(self) -> str:
        """The page as HTML: one file, no script, no address outside of it."""
        from geoglot.api.reports.matching_page import page

        return page(self)

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all, and return its path."""
        return save_page(self.page(), path)


def matching_report(
    run: str | Path,
    *,
    against: Iterable[str | Path] = (),
    gallery: Gallery = "test",
    classes: int | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> MatchingReport:
    """Read a run of image matching and gather what its page shows.

    Everything is measured from ``predictions.npz``; pictures come from the dataset where it is at hand. Restored
    pictures and feature maps need torch and a run whose method has an encoder. What is missing is said on the page.

    Args:
        run: Folder of a finished run.
        against: Folders of runs to compare it with, on the same images: losses in one plot, bars side by side. Runs of
            one setting with another share, fold or seed give the curve over splits and means with deviations.
        gallery: Whether sheets, bars and confusion search the ``test`` images alone, or ``all`` images as the
            publication does, training images included. The numbers on top are always of both.
        classes: Show sheets of so many classes; ``None`` shows all.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (pictures done, pictures in all) while encoders run.

    Raises:
        DataError: A folder is no finished run, or one of its files is damaged or holds what is no number.
        UsageError: The runs were measured on different images, or one is named twice.
    """
    if gallery not in GALLERIES:
        raise UsageError(f"gallery {gallery!r}", cause="is not known", remedy=f"choose one of {', '.join(GALLERIES)}")
    if classes is not None and classes < 1:
        raise UsageError(f"classes = {classes}", cause="shows nothing", remedy="ask for at least one class")
    runs = _read([Path(run), *map(Path, against)])
    paths, missing = _image_files(runs[0], root)
    shown = _shown_items(runs, paths)
    encoders, without = _look_into(runs, shown, paths, progress)
    side = max((found.side for found in encoders.values()), default=0)
    report = MatchingReport(
        runs=runs, gallery=gallery, classes=classes or len(runs[0].predictions.category_names), encoders=encoders
    )
    small, unread = jpegs(_needed(report), paths, THUMBNAIL_SIDE)
    large, _ = jpegs(shown if encoders else (), paths, side)
    if unread and not missing:
        missing = (f"{unread:,} pictures are not in the dataset any more or cannot be read; they are named instead.",)
    return MatchingReport(
        runs=runs,
        gallery=gallery,
        classes=report.classes,
        thumbnails=small,
        shown_items=tuple(shown) if encoders else (),
        inputs=large,
        encoders=encoders,
        without_encoder=without,
        missing=missing,
    )


def plotted(runs: Sequence[MatchingRun]) -> tuple[MatchingRun, ...]:
    """The first run of each setting, four at most."""
    first: dict[str, MatchingRun] = {}
    for run in runs:
        first.setdefault(run.setting, run)
    return tuple(first.values())[:PLOTTED]


def _read(folders: Sequence[Path]) -> tuple[MatchingRun, ...]:
    """All runs, each with a name of its own."""
    runs = tuple(load_matching_run(folder, name=name) for folder, name in zip(folders, run_names(folders), strict=True))
    check_comparable(runs)
    return runs


def _image_files(run: MatchingRun, root: str | Path | None) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The image files by identifier, and what to say where there are none."""
    from geoglot.data.labelled import load_labelled

    try:
        return {image.id: image.path for image in load_labelled(run.dataset, root)}, ()
    except GeoglotError as error:
        cause = printable(error.cause)
        said = f"No pictures are shown, because the images of {run.dataset} are not at hand ({cause})."
        return {}, (said,)


def _shown_items(runs: Sequence[MatchingRun], paths: Mapping[str, Path]) -> list[str]:
    """The first test image of each class, of the first classes; one that tests in every run where there is any."""
    said = runs[0].predictions
    common = _test_items(runs)
    chosen: dict[int, str] = {}
    for item, category in zip(said.items.tolist(), said.categories.tolist(), strict=True):
        if item in common and item in paths:
            chosen.setdefault(category, item)
    return [chosen[category] for category in sorted(chosen)][:RESTORED]


def _test_items(runs: Sequence[MatchingRun]) -> set[str]:
    """Identifiers of the images that test in every run; of those that test in the first, where no image does."""
    sets = [set(run.predictions.items[run.predictions.splits == "test"].tolist()) for run in runs]
    return set.intersection(*sets) or sets[0]


def _look_into(
    runs: Sequence[MatchingRun], shown: Sequence[str], paths: Mapping[str, Path], progress: Progress | None
) -> tuple[dict[int, EncoderPictures], tuple[str, ...]]:
    """What every encoder makes of the shown and of the counted images, and why some have made nothing."""
    found: dict[int, EncoderPictures] = {}
    why = []
    common = _test_items(runs)
    items = [item for item in runs[0].predictions.items.tolist() if item in common and item in paths]
    kept = sorted({int(at) for at in np.linspace(0, len(items) - 1, min(COUNTED, len(items)))})
    for number, run in enumerate(plotted(runs)):
        if not run.has_encoder:
            told = f"{run.name} has no encoder: its features come from the descriptor {run.recipe['descriptor']}."
            why.append(told)
        elif not shown:
            why.append(f"{run.name} could not be looked into: the images are not at hand.")
        else:
            try:
                from geoglot.engine.matching.pictures import encoder_pictures

                counted = [paths[items[at]] for at in kept]
                show = progress or (lambda done, total: None)
                found[number] = encoder_pictures(run.folder, [paths[item] for item in shown], counted, progress=show)
            except ModuleNotFoundError as error:
                why.append(f"{run.name} could not be looked into: {error.name} is not installed.")
            except GeoglotError as error:
                why.append(f"{run.name} could not be looked into: it {printable(error.cause)}.")
    return found, tuple(why)


def _needed(report: MatchingReport) -> list[str]:
    """Identifiers of all images on the sheets."""
    run, gallery = report.runs[0], report.gallery
    if gallery not in run.measured:
        return []
    said = run.predictions
    found: dict[str, None] = {}
    for picks in list(chosen_queries(run.measured[gallery]).values())[: report.classes]:
        for _, query in picks:
            rows = [said.query_rows[query], *(said.gallery_rows[c] for c in first_places(said, query, gallery))]
            found |= dict.fromkeys(str(said.items[row]) for row in rows)
    return list(found)
