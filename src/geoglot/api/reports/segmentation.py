"""A run of referring segmentation as one HTML page: its numbers, its curves, its masks beside the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from geoglot.api.reports.parts import save_page
from geoglot.api.reports.runs import run_names
from geoglot.api.reports.segmentation_run import (
    Key,
    Pictures,
    SegmentationRun,
    chosen_samples,
    find_pictures,
    load_run,
)
from geoglot.core.errors import DataError, UsageError
from geoglot.metrics.mask import EmptyRule

PLOTTED: Final = 4
"""Most runs in one plot."""
SIDE: Final = 240
"""Pixels of a shown picture."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationReport:
    """What the page shows.

    Attributes:
        runs: The reported run, then those to compare it with.
        pictures: The test samples, from the user's own data.
        examples: How many phrases have best, median and worst masks.
        empty: What counts where a predicted and a true mask are both empty.
        sheets: JPEGs by dataset and identifier of a sample: the picture, the true mask on it, and by name of a run the
            mask of the run on it.
        missing: What could not be shown, one sentence each.
    """

    runs: tuple[SegmentationRun, ...]
    pictures: Pictures
    examples: int = 4
    empty: EmptyRule = "zero"
    sheets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[SegmentationRun, ...]:
        """The runs that are plotted: the first four."""
        return self.runs[:PLOTTED]

    def as_records(self) -> list[dict[str, Any]]:
        """The numbers as JSON-ready values, one record per run, dataset and language."""
        return [
            {
                "run": run.name,
                "dataset": dataset,
                "language": language,
                "phrases": len(asked.lines),
                **{name: round(value, 6) for name, value in asked.measures(self.empty).figures().items()},
            }
            for run in self.runs
            for (dataset, language), asked in run.asked.items()
            if (dataset, language) in self.runs[0].asked
        ]

    def page(self) -> str:
        """The page as HTML: one file, no script, no address outside of it."""
        from geoglot.api.reports.segmentation_page import page

        return page(self)

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all, and return its path."""
        return save_page(self.page(), path)


def segmentation_report(
    run: str | Path,
    *,
    against: Iterable[str | Path] = (),
    examples: int = 4,
    empty: EmptyRule = "zero",
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> SegmentationReport:
    """Read a run of referring segmentation and gather what its page shows.

    Numbers come from the saved masks alone; pictures are read from the datasets where these are at hand.

    Args:
        run: Folder of a finished run.
        against: Folders of runs to compare it with; at least one dataset and language must be common.
        examples: Phrases with the best, the median and the worst masks, so many of each.
        empty: What counts where a predicted and a true mask are both empty: ``zero``, ``one`` or ``left-out``.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (pictures done, pictures in all).

    Raises:
        DataError: A folder is no finished run, or one of its files is damaged.
        UsageError: Runs have nothing in common, or one is named twice.
    """
    if examples < 1:
        raise UsageError(f"examples = {examples}", cause="shows nothing", remedy="ask for at least one sample")
    folders = [Path(run), *map(Path, against)]
    runs = tuple(load_run(folder, name=name) for folder, name in zip(folders, run_names(folders), strict=True))
    for other in runs[1:]:
        if not set(other.asked) & set(runs[0].asked):
            cause = f"has no dataset and language in common with {runs[0].name}"
            raise UsageError(other.folder, cause=cause, remedy="compare runs on the same samples")
    pictures = find_pictures(runs[0], root)
    report = SegmentationReport(runs=runs, pictures=pictures, examples=examples, empty=empty)
    sheets, unread = _sheets(report, progress or (lambda done, total: None))
    missing = list(pictures.missing)
    if unread:
        missing.append(f"{unread:,} pictures are not in the dataset any more or cannot be read; they are named.")
    return replace(report, sheets=sheets, missing=tuple(missing))


def shown_key(run: SegmentationRun, dataset: str) -> Key:
    """The language whose masks choose the examples: English where the run has it, else its first."""
    languages = [language for name, language in run.asked if name == dataset]
    return dataset, "en" if "en" in languages else languages[0]


def datasets_of(run: SegmentationRun) -> list[str]:
    """Whose test phrases were asked."""
    return list(dict.fromkeys(dataset for dataset, _ in run.asked))


def examples_of(report: SegmentationReport, dataset: str) -> dict[str, list[int]]:
    """Places of phrases with the best, median and worst masks of the reported run."""
    run = report.runs[0]
    return chosen_samples(run.asked[shown_key(run, dataset)], report.examples)


def row_in(run: SegmentationRun, key: Key, sample: str) -> int | None:
    """The line of a sample in a run's saved masks; ``None`` where it was not asked."""
    asked = run.asked.get(key)
    if asked is None:
        return None
    return next((int(row) for row, line in zip(asked.rows, asked.lines, strict=True) if line.id == sample), None)


def _sheets(report: SegmentationReport, progress: Progress) -> tuple[dict[str, dict[str, bytes]], int]:
    """Pictures of all examples, and how many could not be read."""
    from geoglot.api.pictures import as_jpeg
    from geoglot.api.reports.segmentation_pictures import enlarged, with_agreement, with_truth
    from geoglot.data.referring import read_pair

    run = report.runs[0]
    wanted = [
        (dataset, run.asked[shown_key(run, dataset)].lines[place].id)
        for dataset in datasets_of(run)
        for places in examples_of(report, dataset).values()
        for place in places
    ]
    found: dict[str, dict[str, bytes]] = {}
    unread = 0
    for number, (dataset, sample) in enumerate(wanted, start=1):
        key = shown_key(run, dataset)
        row = row_in(run, key, sample)
        record = report.pictures.records.get(dataset, {}).get(sample)
        progress(number, len(wanted))
        if record is None or row is None:
            unread += dataset in report.pictures.records
            continue
        try:
            pixels, _ = read_pair(record, SIDE)
        except DataError:
            unread += 1
            continue
        truth = enlarged(run.saved.true_mask(row), SIDE)
        sheet = {"picture": as_jpeg(pixels), "truth": as_jpeg(with_truth(pixels, truth))}
        for one in report.compared:
            place = row_in(one, key, sample)
            if place is not None:
                mask = enlarged(one.saved.mask(place), SIDE)
                sheet[f"run {one.name}"] = as_jpeg(with_agreement(pixels, mask, truth))
        found[f"{dataset}/{sample}"] = sheet
    return found, unread
