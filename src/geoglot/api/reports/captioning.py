"""A run of captioning as one HTML page: its numbers, its curves, its sentences, and where it looked for each word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geoglot.api.printable import printable
from geoglot.api.reports.captioning_run import (
    CaptioningRun,
    Key,
    Measured,
    References,
    chosen_images,
    load_captioning_run,
    measure,
    read_references,
)
from geoglot.api.reports.parts import jpegs, save_page
from geoglot.api.reports.runs import run_names
from geoglot.core.errors import GeoglotError, UsageError

if TYPE_CHECKING:
    from geoglot.engine.captioning.pictures import Looked

SIDE: Final = 160
PLOTTED: Final = 4
"""Most runs in one plot."""
LOOKED_AT: Final = 30
"""Most categories with an example of attention."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptioningReport:
    """What the page shows.

    Attributes:
        runs: The reported run, then those to compare it with.
        references: The test images and their captions, from the user's own data.
        measured: By number of the run, dataset and language.
        examples: How many images have best, median and worst captions.
        thumbnails: JPEG of an image, by dataset and identifier.
        looked: Where the reported run looked, by dataset and identifier.
        without_attention: Why there is none of it.
        missing: What could not be shown, one sentence each.
    """

    runs: tuple[CaptioningRun, ...]
    references: References
    measured: Mapping[tuple[int, Key], Measured]
    examples: int = 4
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    looked: Mapping[str, Looked] = field(default_factory=dict)
    without_attention: str = ""
    missing: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[CaptioningRun, ...]:
        """The runs that are plotted: the first four."""
        return self.runs[:PLOTTED]

    def as_records(self) -> list[dict[str, Any]]:
        """The numbers as JSON-ready values, one record per run, dataset and language; ``None`` is not measured."""
        return [
            {
                "run": self.runs[number].name,
                "dataset": dataset,
                "language": language,
                "images": len(found.measures.images),
                **{name: None if value is None else round(value, 6) for name, value in found.figures().items()},
            }
            for (number, (dataset, language)), found in self.measured.items()
        ]

    def page(self) -> str:
        """The page as HTML: one file, no script, no address outside of it."""
        from geoglot.api.reports.captioning_page import page

        return page(self)

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all, and return its path."""
        return save_page(self.page(), path)


def captioning_report(
    run: str | Path,
    *,
    against: Iterable[str | Path] = (),
    examples: int = 4,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> CaptioningReport:
    """Read a run of captioning and gather what its page shows.

    Captions are those of ``predictions.jsonl``; references and pictures are read from the datasets where they are at
    hand. Where the decoder looked needs torch and the backbone's weights, METEOR 1.5 needs Java and its jar. What is
    missing is said on the page.

    Args:
        run: Folder of a finished run.
        against: Folders of runs to compare it with; at least one dataset and language must be common.
        examples: Images with the best, the median and the worst captions, so many of each.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (pictures done, pictures in all) while the network works.

    Raises:
        DataError: A folder is no finished run, or one of its files is damaged.
        UsageError: Runs have nothing in common, or one is named twice.
    """
    if examples < 1:
        raise UsageError(f"examples = {examples}", cause="shows nothing", remedy="ask for at least one image")
    folders = [Path(run), *map(Path, against)]
    named = zip(folders, run_names(folders), strict=True)
    runs = tuple(load_captioning_run(folder, name=name) for folder, name in named)
    for other in runs[1:]:
        if not set(other.said) & set(runs[0].said):
            cause = f"has no dataset and language in common with {runs[0].name}"
            raise UsageError(other.folder, cause=cause, remedy="compare runs on the same images")
    references = read_references(runs[:1], root)
    measured = {
        (number, key): found
        for key in runs[0].said
        for number, one in enumerate(runs)
        if (found := measure(one, key, references)) is not None
    }
    missing = [*references.missing, *_incomplete(runs, references)]
    looked, without = _looked(runs[0], references, progress)
    report = CaptioningReport(
        runs=runs,
        references=references,
        measured=measured,
        examples=examples,
        looked=looked,
        without_attention=without,
    )
    paths = {f"{name}/{item}": one.path for name, some in references.records.items() for item, one in some.items()}
    thumbnails, unread = jpegs(_needed(report), paths, SIDE)
    if unread:
        missing.append(f"{unread:,} pictures are not in the dataset any more or cannot be read; they are named.")
    return CaptioningReport(
        runs=runs,
        references=references,
        measured=measured,
        examples=examples,
        thumbnails=thumbnails,
        looked=looked,
        without_attention=without,
        missing=tuple(missing),
    )


def shown_language(run: CaptioningRun) -> str:
    """The language whose captions choose the examples: English where the run has it."""
    return "en" if "en" in run.languages else run.languages[0]


def examples_of(report: CaptioningReport, dataset: str) -> dict[str, list[str]]:
    """Images with the best, median and worst captions of the reported run."""
    found = report.measured.get((0, (dataset, shown_language(report.runs[0]))))
    return chosen_images(found.cider, report.examples) if found else {}


def first_of_categories(run: CaptioningRun, dataset: str, references: References) -> list[str]:
    """The first test image of each category that has a caption; of the whole dataset where there are no categories."""
    said = run.said.get((dataset, shown_language(run)), {})
    first: dict[str, str] = {}
    for item, record in references.records.get(dataset, {}).items():
        if item in said:
            first.setdefault(record.category or "", item)
    return list(first.values())[:LOOKED_AT]


def _needed(report: CaptioningReport) -> list[str]:
    found: dict[str, None] = {}
    for dataset in report.runs[0].datasets:
        chosen = [item for items in examples_of(report, dataset).values() for item in items]
        chosen += first_of_categories(report.runs[0], dataset, report.references)
        found |= dict.fromkeys(f"{dataset}/{item}" for item in chosen)
    return list(found)


def _incomplete(runs: Iterable[CaptioningRun], references: References) -> list[str]:
    """Where the captions of a run are not those of the images at hand."""
    sentences = []
    for run in runs:
        for (dataset, language), known in references.captions.items():
            said = run.said.get((dataset, language))
            without = 0 if said is None else sum(item not in said for item in known)
            unknown = 0 if said is None else sum(item not in references.records[dataset] for item in said)
            if without or unknown:
                sentences.append(
                    f"{run.name}, {dataset}, {language}: {without:,} test images of the data have no caption and "
                    f"{unknown:,} captions no image; the numbers are of the others."
                )
    return sentences


def _looked(run: CaptioningRun, references: References, progress: Progress | None) -> tuple[dict[str, Looked], str]:
    """Attention for one image per category, and why there is none."""
    items = {
        f"{name}/{item}": references.records[name][item].path
        for name in run.datasets
        for item in first_of_categories(run, name, references)
    }
    if not items:
        return {}, "Attention is not shown: the images are not at hand."
    try:
        from geoglot.engine.captioning.pictures import attention_pictures

        show = progress or (lambda done, total: None)
        language = run.languages.index(shown_language(run))
        found = attention_pictures(run.folder, list(items.values()), language, progress=show)
    except ModuleNotFoundError as error:
        return {}, f"Attention is not shown: {error.name} is not installed."
    except GeoglotError as error:
        return {}, f"Attention is not shown: {run.name} {printable(error.cause)}."
    return dict(zip(items, found, strict=True)), ""
