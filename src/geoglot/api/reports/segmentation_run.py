"""A run of referring segmentation as its report reads it: recipe, curves, saved masks, and what is measured of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.printable import printable
from geoglot.api.reports.runs import REMEDY, points, read_record, without_folders
from geoglot.core.errors import DataError, GeoglotError
from geoglot.data.referring import Referral, load_referring
from geoglot.engine.segmentation.saved_masks import Prediction, SavedMasks, load_predictions
from geoglot.metrics.mask import EmptyRule, MaskMeasures, measures_of_counts

SPLIT: Final = "test"
ENGLISH: Final = "en"
SIZES: Final = ((0.0, 0.01), (0.01, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 1.0))
"""Shares of foreground that are measured apart: more than the first, at most the second."""

Curve = tuple[tuple[int, float], ...]
Key = tuple[str, str]
"""Dataset and language."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """N test phrases of one dataset in one language, and how well a run's masks cover them.

    Attributes:
        rows: (N,) which lines of the saved masks they are.
        lines: The phrases.
        both: (N,) pixels in both masks.
        either: (N,) pixels in either.
        foreground: (N,) share of true pixels.
    """

    rows: NDArray[np.int64]
    lines: tuple[Prediction, ...]
    both: NDArray[np.int64]
    either: NDArray[np.int64]
    foreground: NDArray[np.float64]

    def measures(self, empty: EmptyRule = "zero") -> MaskMeasures:
        """Of all of them."""
        return measures_of_counts(self.both, self.either, empty=empty)

    def some(self, keep: Sequence[bool]) -> Asked | None:
        """Those that are kept; ``None`` where none is."""
        places = np.flatnonzero(np.array(keep, dtype=np.bool_))
        if not len(places):
            return None
        return Asked(
            rows=self.rows[places],
            lines=tuple(self.lines[place] for place in places),
            both=self.both[places],
            either=self.either[places],
            foreground=self.foreground[places],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationRun:
    """A run folder, read and checked.

    Attributes:
        folder: Where it lies.
        name: What it is called on the page.
        recipe: As it was asked for, without folders of the machine.
        sources: Datasets as the recipe names them, folders and all; to find the pictures, never shown.
        sizes: Of ``config.json``; empty where the file is missing.
        summary: Of ``summary.json``.
        machine: Of ``env.json``; empty where the file is missing.
        losses: Training losses by name, ``total`` first.
        miou: mIoU by what it is of: the mean under an empty name, then languages, ``test, watched`` last.
        saved: The masks.
        asked: By dataset and language, the test phrases.
    """

    folder: Path
    name: str
    recipe: Mapping[str, Any]
    sources: tuple[str, ...]
    sizes: Mapping[str, Any]
    summary: Mapping[str, Any]
    machine: Mapping[str, Any]
    losses: Mapping[str, Curve]
    miou: Mapping[str, Curve]
    saved: SavedMasks
    asked: Mapping[Key, Asked]

    @property
    def languages(self) -> tuple[str, ...]:
        """In the order of the recipe."""
        return tuple(self.recipe.get("languages") or (ENGLISH,))


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Where the test pictures lie, as far as they are at hand.

    Attributes:
        records: By dataset, the test samples by their id.
        missing: What is not at hand, one sentence each.
    """

    records: Mapping[str, Mapping[str, Referral]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def load_run(folder: str | Path, *, name: str | None = None) -> SegmentationRun:
    """Read a run folder.

    Args:
        folder: With ``recipe.json``, ``summary.json``, ``predictions.jsonl`` and ``masks.npz``; others may be missing.
        name: What to call it; the folder's name by default.

    Raises:
        DataError: The folder is no finished run of segmentation, or one of its files is damaged.
    """
    folder = Path(folder)
    recipe = read_record(folder / "recipe.json", needed=True)
    if recipe.get("kind") != "segmenter":
        cause = "is not a run of referring segmentation"
        raise DataError(folder, cause=cause, remedy="give a folder that training of one wrote")
    summary = read_record(folder / "summary.json", needed=True)
    losses, miou = _curves(folder / "metrics.jsonl")
    saved = load_predictions(folder)
    return SegmentationRun(
        folder=folder,
        name=name or folder.resolve().name,
        recipe=without_folders(recipe),
        sources=tuple(map(str, recipe.get("datasets") or ())),
        sizes=without_folders(read_record(folder / "config.json", needed=False)),
        summary=without_folders(summary),
        machine=read_record(folder / "env.json", needed=False),
        losses=losses,
        miou=miou,
        saved=saved,
        asked=_asked(saved),
    )


def _asked(saved: SavedMasks) -> dict[Key, Asked]:
    both, either = saved.counts()
    foreground = saved.foreground()
    found: dict[Key, list[int]] = {}
    for row, line in enumerate(saved.lines):
        if line.split == SPLIT:
            found.setdefault((line.dataset, line.language), []).append(row)
    return {
        key: Asked(
            rows=np.array(rows),
            lines=tuple(saved.lines[row] for row in rows),
            both=both[rows],
            either=either[rows],
            foreground=foreground[rows],
        )
        for key, rows in found.items()
    }


def find_pictures(run: SegmentationRun, root: str | Path | None) -> Pictures:
    """The test samples of a run's datasets, where these are at hand."""
    records: dict[str, Mapping[str, Referral]] = {}
    missing = []
    for source in run.sources:
        try:
            dataset = load_referring(source, root)
            records[dataset.name] = {record.id: record for record in dataset.records(SPLIT)}
        except GeoglotError as error:
            missing.append(f"No picture of {Path(source).name} is shown: the data {printable(error.cause)}.")
    return Pictures(records=records, missing=tuple(missing))


def by_name(asked: Asked, names: Iterable[str]) -> dict[str, Asked]:
    """Phrases by a name of each; those with an empty one are left out. Names in alphabetical order."""
    given = list(names)
    found = {name: asked.some([one == name for one in given]) for name in sorted(set(given) - {""})}
    return {name: one for name, one in found.items() if one is not None}


def by_category(asked: Asked) -> dict[str, Asked]:
    """Phrases that name a category and nothing else, by category."""
    names = [
        line.categories[0] if line.template in ("category", "") and line.categories else "" for line in asked.lines
    ]
    return by_name(asked, names)


def by_template(asked: Asked) -> dict[str, Asked]:
    """Phrases by the way they are made."""
    return by_name(asked, [line.template for line in asked.lines])


def by_size(asked: Asked) -> dict[str, Asked]:
    """Phrases by the share of the picture that they mean, small first."""
    found = {}
    for low, high in SIZES:
        some = asked.some([low < share <= high for share in asked.foreground])
        if some is not None:
            found[f"{100 * low:g} to {100 * high:g} %"] = some
    return found


def histogram(shares: NDArray[np.float64], *, bins: int = 10) -> dict[str, int]:
    """How many shares lie in each of some equal parts of 0 to 100 %; the last part has both its ends.

    Example:
        >>> histogram(np.array([0.0, 0.05, 0.5, 1.0]), bins=2)
        {'0 to 50 %': 2, '50 to 100 %': 2}
    """
    counts, edges = np.histogram(shares, bins=bins, range=(0.0, 1.0))
    names = [
        f"{100 * low:g} to {100 * high:g} %" for low, high in zip(edges.round(6), edges[1:].round(6), strict=False)
    ]
    return dict(zip(names, counts.tolist(), strict=True))


def chosen_samples(asked: Asked, count: int) -> dict[str, list[int]]:
    """Places of phrases with the best, the middle and the worst masks; none twice, of equal ones the first comes.

    Phrases without a true pixel are left out.
    """
    iou = asked.measures("left-out").iou
    known = [place for place in range(len(asked.lines)) if asked.foreground[place] > 0 and not np.isnan(iou[place])]
    ranked = sorted(known, key=lambda place: -iou[place])
    best = ranked[:count]
    worst = ranked[count:][::-1][:count]
    middle = ranked[count : len(ranked) - count] if len(ranked) > 2 * count else []
    start = max(0, (len(middle) - count) // 2)
    return {"best": best, "median": middle[start : start + count], "worst": worst}


def _curves(path: Path) -> tuple[dict[str, Curve], dict[str, Curve]]:
    if not path.is_file():
        return {}, {}
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        names = sorted({name for line in lines for name in line if name.startswith("loss_")})
        losses = {name.removeprefix("loss_"): _curve(lines, lambda line, n=name: line.get(n)) for name in names}
        miou = {"": _curve(lines, lambda line: line.get("miou"))}
        languages = list(dict.fromkeys(language for line in lines for language in line.get("val", {})))
        if len(languages) > 1:
            for language in languages:
                miou[language] = _curve(lines, lambda line, la=language: line.get("val", {}).get(la, {}).get("miou"))
        miou["test, watched"] = _curve(lines, _watched)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__})", remedy=REMEDY) from error
    ordered = dict(sorted(losses.items(), key=lambda one: one[0] != "total"))
    return ordered, {name: curve for name, curve in miou.items() if curve}


def _watched(line: Mapping[str, Any]) -> float | None:
    found = line.get("test_watched") or {}
    return sum(one["miou"] for one in found.values()) / len(found) if found else None


def _curve(lines: Sequence[Mapping[str, Any]], value: Any) -> Curve:
    return points((int(line["epoch"]), value(line)) for line in lines)
