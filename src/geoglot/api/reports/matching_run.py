"""A run of matching as its report reads it: recipe, machine, losses, scores, and what was measured from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.api.reports.runs import REMEDY, points, read_record, without_folders
from geoglot.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from geoglot.engine.matching.predictions import MatchingPredictions
    from geoglot.metrics.image_retrieval import ImageRetrieval

Gallery = Literal["test", "all"]
GALLERIES: tuple[Gallery, ...] = ("test", "all")
PLACES = 10
"""Hits that are shown of a query."""
READINGS: Mapping[Gallery, str] = {"test": "Gallery: test images", "all": "Gallery: all images"}
_VARIED = {"share", "fold", "seed", "split_seed", "initial"}


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What one stage of a training reported.

    Attributes:
        stage: What the stage does and with which images, such as ``reconstruction on rsicd``.
        train: Epoch and training loss.
        validation: Epoch and validation loss; empty where the run has none.
    """

    stage: str
    train: tuple[tuple[int, float], ...]
    validation: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchingRun:
    """A run folder, read and checked.

    Attributes:
        folder: Where it lies.
        name: What it is called on the page.
        recipe: As it was asked for, without folders of the machine.
        before: Recipes of the runs that it started from, the earliest first.
        machine: Of ``env.json``; empty where the file is missing.
        losses: One entry a stage, in the order of the training.
        predictions: Scores of every query with every image.
        measured: By reading of the gallery.
    """

    folder: Path
    name: str
    recipe: Mapping[str, Any]
    before: tuple[Mapping[str, Any], ...]
    machine: Mapping[str, Any]
    losses: tuple[Losses, ...]
    predictions: MatchingPredictions
    measured: Mapping[Gallery, ImageRetrieval]

    @property
    def dataset(self) -> str:
        """Name of the labelled images."""
        return str(self.recipe.get("dataset", "unknown"))

    @property
    def setting(self) -> str:
        """The recipes, of earlier runs too, without what is varied to repeat an experiment: share, fold and seeds."""
        chain = [
            {n: value for n, value in recipe.items() if n not in _VARIED} for recipe in (*self.before, self.recipe)
        ]
        # A run that it started from and that is gone goes by its name.
        return json.dumps([self.recipe.get("initial") if not self.before else None, *chain], sort_keys=True)

    @property
    def leak(self) -> str | None:
        """What training saw of a gallery of all images, in words."""
        from geoglot.engine.matching.evaluation import leak

        stages = [stage for recipe in (*self.before, self.recipe) for stage in recipe.get("stages") or ()]
        return leak({**self.recipe, "initial": None, "stages": stages}, self.predictions)

    @property
    def has_encoder(self) -> bool:
        """Whether features come from the method's own encoder, not from a descriptor."""
        return self.recipe.get("descriptor") is None


def load_matching_run(folder: str | Path, *, name: str | None = None) -> MatchingRun:
    """Read a run folder and measure its predictions in both readings of the gallery.

    Args:
        folder: With ``recipe.json`` and ``predictions.npz``; ``env.json`` and ``metrics.jsonl`` may be missing.
        name: What to call it; the folder's name by default.

    Raises:
        DataError: The folder is no finished run of matching, or one of its files is damaged or holds what is no
            number.
    """
    from geoglot.engine.matching.predictions import load_predictions

    folder = Path(folder)
    recipe = read_record(folder / "recipe.json", needed=True)
    if "metric" not in recipe or "dataset" not in recipe:
        raise DataError(folder, cause="is not a run of matching", remedy="give a folder that training of one wrote")
    predictions = load_predictions(folder)
    chain = _chain(folder, recipe)
    return MatchingRun(
        folder=folder,
        name=name or folder.resolve().name,
        recipe=without_folders(recipe),
        before=tuple(without_folders(earlier) for _, earlier in chain[:-1]),
        machine=read_record(folder / "env.json", needed=False),
        losses=tuple(losses for place, asked in chain for losses in _losses(place, asked)),
        predictions=predictions,
        measured={gallery: found for gallery in GALLERIES if (found := measure(predictions, gallery)) is not None},
    )


def gallery_columns(predictions: MatchingPredictions, gallery: Gallery) -> NDArray[np.int64]:
    """Columns of the scores that a reading searches, by row of the dataset: equal scores are settled in that order."""
    rows = predictions.gallery_rows
    kept = np.flatnonzero(predictions.splits[rows] == "test") if gallery == "test" else np.arange(len(rows))
    return kept[np.argsort(rows[kept])]


def measure(predictions: MatchingPredictions, gallery: Gallery) -> ImageRetrieval | None:
    """All measures of one reading, the query itself left out; ``None`` where no query has anything to find."""
    from geoglot.engine.matching.evaluation import retrieval_of

    rows = predictions.gallery_rows[gallery_columns(predictions, gallery)]
    asked = predictions.query_rows
    sizes = np.bincount(predictions.categories[rows], minlength=len(predictions.category_names))
    if not (sizes[predictions.categories[asked]] > np.isin(asked, rows)).any():
        return None
    return retrieval_of(predictions, gallery=gallery)


def first_places(predictions: MatchingPredictions, query: int, gallery: Gallery) -> list[int]:
    """Columns of the scores that a query finds first, best first, without itself."""
    columns = gallery_columns(predictions, gallery)
    columns = columns[predictions.gallery_rows[columns] != predictions.query_rows[query]]
    order = np.argsort(-predictions.scores[query, columns], kind="stable")[:PLACES]
    return [int(column) for column in columns[order]]


def chosen_queries(measured: ImageRetrieval) -> dict[int, list[tuple[str, int]]]:
    """Best, median and worst query of every class by average precision; of equal ones the first.

    Returns:
        By class: words and row of the query. A class with two queries has no median, with one no worst.
    """
    chosen: dict[int, list[tuple[str, int]]] = {}
    for category in np.unique(measured.categories[measured.answerable]):
        rows = np.flatnonzero(measured.answerable & (measured.categories == category))
        ranked = rows[np.argsort(-measured.average_precision[rows], kind="stable")]
        picks = {"best": 0, "median": (len(ranked) - 1) // 2, "worst": len(ranked) - 1}
        taken: dict[int, str] = {}
        for words in ("best", "worst", "median"):
            taken.setdefault(int(ranked[picks[words]]), words)
        order = {words: row for row, words in taken.items()}
        chosen[int(category)] = [(words, order[words]) for words in picks if words in order]
    return chosen


def check_comparable(runs: Sequence[MatchingRun]) -> None:
    """Refuse runs that one page cannot compare.

    Raises:
        UsageError: They were measured on different images or classes.
    """
    first = runs[0]
    for run in runs[1:]:
        same_images = np.array_equal(np.sort(first.predictions.items), np.sort(run.predictions.items))
        if run.dataset != first.dataset or run.predictions.category_names != first.predictions.category_names:
            cause = f"was measured on {run.dataset}, and {first.name} on {first.dataset}, or on other classes"
            raise UsageError(run.folder, cause=cause, remedy="compare runs of one dataset")
        if not same_images:
            cause = f"was measured on other images than {first.name}"
            raise UsageError(run.folder, cause=cause, remedy="compare runs of one copy of the dataset")


def _chain(folder: Path, recipe: Mapping[str, Any]) -> list[tuple[Path, Mapping[str, Any]]]:
    """The run and those it started from as far as they are there, the earliest first."""
    found: list[tuple[Path, Mapping[str, Any]]] = []
    while folder.resolve() not in [place.resolve() for place, _ in found]:
        found.insert(0, (folder, recipe))
        initial = recipe.get("initial")
        if not isinstance(initial, str):
            break
        places = (folder.parent / Path(initial).name, Path(initial))
        before = next((place for place in places if (place / "recipe.json").is_file()), None)
        if before is None:
            break
        folder, recipe = before, read_record(before / "recipe.json", needed=True)
    return found


def _losses(folder: Path, recipe: Mapping[str, Any]) -> list[Losses]:
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return []
    stages: dict[int, list[tuple[int, Any, Any]]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            losses = record.get("loss_total"), record.get("validation_loss")
            stages.setdefault(int(record["stage"]), []).append((int(record["epoch"]), *losses))
        found = {
            number: tuple(points((line[0], line[at]) for line in lines) for at in (1, 2))
            for number, lines in stages.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        cause = f"cannot be read ({type(error).__name__}: {error})"
        raise DataError(path, cause=cause, remedy=REMEDY) from error
    return [
        Losses(stage=_stage_name(recipe, number), train=train, validation=validation)
        for number, (train, validation) in sorted(found.items())
        if train or validation
    ]


def _stage_name(recipe: Mapping[str, Any], number: int) -> str:
    """Such as ``Reconstruction, images of rsicd``."""
    stages = recipe.get("stages") or ()
    if not 1 <= number <= len(stages):
        return f"Stage {number}"
    stage, dataset = stages[number - 1], recipe.get("dataset")
    kinds = {"pairs": "Pairs", "joint": "Encoder and pairs together", "classes": "Classes"}
    data = [f"training images of {dataset}" if name == "train" else f"images of {name}" for name in stage["data"]]
    again = sum(other["kind"] == stage["kind"] and other["data"] == stage["data"] for other in stages[: number - 1])
    words = f"{kinds.get(stage['kind'], str(stage['kind']).capitalize())}, {' and '.join(data)}"
    return f"{words}, again" if again else words
