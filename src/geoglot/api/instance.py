"""Evaluate whether a second view of a place finds the place: instance retrieval.

A query is a second view of one picture of the gallery; that picture, and no other of its kind, is the answer. Ways of
ranking are measured beside each other: the model's vectors alone; with the look for the same place at the first
candidates (:mod:`geoglot.api.place`), as a search by picture does it; the vectors of places alone; and the look at
candidates by both, as in an archive that holds vectors of places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.place import ROUND, USUAL_CANDIDATES, by_turns, order_of
from geoglot.core.errors import SourceError, UsageError
from geoglot.core.runs import environment
from geoglot.data.captioned import SPLITS, load_dataset
from geoglot.data.second_views import KINDS, SEVERITIES, second_view, severity_named
from geoglot.engine.evaluation import Report, write_result
from geoglot.geo.resample import to_square
from geoglot.metrics.intervals import mean_intervals
from geoglot.models.bundle import Bundle, load_bundle
from geoglot.models.place import SHIPPED_PLACE, PlaceBundle, load_place, quarter_turns

CUTOFFS: Final = (1, 5, 10)
TASK: Final = "instance"
_TOGETHER: Final = 64
_BEFORE: Final = {"with_second_look": "embedding_alone", "with_place_vectors": "place_vectors_alone"}
"""What ranks an answer that is not among the candidates of a look."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures that are searched, as two networks have them.

    Attributes:
        names: Of the pictures.
        vectors: (N, D) float32 unit rows of the encoder.
        descriptors: (N, M, d) float16, local descriptors.
        places: (N, A) float32, vectors of places; ``None`` where the bundle has none.
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    descriptors: NDArray[np.float16]
    places: NDArray[np.float32] | None


def evaluate_instance(
    model: str | Path = "compact",
    data: str = "rsicd",
    split: str = "test",
    root: str | Path | None = None,
    out: str | Path | None = None,
    *,
    place: str | Path = SHIPPED_PLACE,
    severities: Sequence[str] = tuple(SEVERITIES),
    candidates: int = USUAL_CANDIDATES,
    at_most: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Recall of places by synthetic second views of a split's images; the gallery is every image of the dataset.

    Args:
        model: Bundle of the vectors.
        data: Name of a dataset.
        split: Whose images are asked for; the views of ``val`` are for choices.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: Results folder, gets ``instance/<model>-<dataset>.json``, with ``-kinds`` where only kinds of change are
            asked for; ``None`` writes no result.
        place: Place bundle.
        severities: Names of :data:`geoglot.data.second_views.SEVERITIES` or
            :data:`geoglot.data.second_views.KINDS`.
        candidates: How many are looked at again.
        at_most: Ask for so many images only, spread over the split.
        seed: Of the views.
        progress: Called with (pictures done, pictures in all).

    Raises:
        BundleError: There is no such bundle.
        DataError: The dataset is absent or damaged.
        UsageError: Unknown dataset, split or severity.
    """
    bounds = {name: severity_named(name) for name in severities}
    encoder, looker = load_bundle(model), load_place(place)
    records = [record for part in SPLITS for record in load_dataset(data).records(part, root)]
    asked = [number for number, record in enumerate(records) if record.split == split]
    if not asked:
        raise UsageError(split, cause=f"has no images in {data}", remedy=f"choose one of {', '.join(SPLITS)}")
    if at_most is not None and at_most < len(asked):
        asked = [asked[int(number)] for number in np.linspace(0, len(asked) - 1, at_most).round()]
    total = len(records) + len(bounds) * len(asked)
    told = progress or (lambda done, total: None)
    gallery = _gallery(
        encoder, looker, [(record.id, record.path) for record in records], lambda done: told(done, total)
    )
    levels = {}
    for level, name in enumerate(bounds):
        before = len(records) + level * len(asked)
        queries = (
            (second_view(_pixels(records[number].path), name, seed=seed, item=records[number].id), number)
            for number in asked
        )
        levels[name] = _level(encoder, looker, gallery, queries, candidates, _from(told, before, total))
    record = {
        **_header(encoder, looker, data, candidates),
        "protocol": {
            "split": split,
            "gallery": f"all {len(records):,} images of {data}",
            "queries": f"{len(asked):,} images of {split}, one view of each per severity",
            "views": "synthetic (geoglot.data.second_views): not used in training; shift, scale, rotation and JPEG are "
            "common to both generators, colours, haze, clouds and seasons are not",
            "seed": seed,
        },
        "severities": levels,
    }
    if out is None:
        return Report(record=record, path=None)
    kinds = bool(bounds) and set(bounds) <= set(KINDS)
    named = {**record, "dataset": f"{data}-kinds"} if kinds else record
    return Report(record=record, path=write_result(named, Path(out)))


def evaluate_pairs(
    queries: str | Path,
    gallery: str | Path,
    model: str | Path = "compact",
    out: str | Path | None = None,
    *,
    place: str | Path = SHIPPED_PLACE,
    candidates: int = USUAL_CANDIDATES,
    progress: Progress | None = None,
) -> Report:
    """Recall of places by real second views: files of two folders, paired by their names without suffix.

    Args:
        queries: Folder of second views.
        gallery: Folder of what is searched; pictures without a query are searched as well.
        model: Bundle of the vectors.
        out: Results folder, gets ``instance/<model>-<name of the gallery's folder>.json``.
        place: Place bundle.
        candidates: How many are looked at again.
        progress: Called with (pictures done, pictures in all).

    Raises:
        SourceError: A picture cannot be read.
        UsageError: Two files of a folder have one name, or no query has a counterpart.
    """
    encoder, looker = load_bundle(model), load_place(place)
    ours, theirs = _by_stem(Path(queries)), _by_stem(Path(gallery))
    both = [name for name in ours if name in theirs]
    if not both:
        remedy = "name the two views of a place alike, such as a/12.jpg and b/12.png"
        raise UsageError(queries, cause=f"has no file that is named as one of {gallery}", remedy=remedy)
    told, total = progress or (lambda done, total: None), len(theirs) + len(both)
    found = _gallery(encoder, looker, list(theirs.items()), lambda done: told(done, total))
    where = {name: number for number, name in enumerate(found.names)}
    views = ((_pixels(ours[name]), where[name]) for name in both)
    level = _level(encoder, looker, found, views, candidates, lambda n: told(len(theirs) + n, total))
    record = {
        **_header(encoder, looker, Path(gallery).name, candidates),
        "protocol": {
            "split": "test",
            "gallery": f"{len(theirs):,} files",
            "queries": f"{len(both):,} files with a counterpart, {len(ours) - len(both):,} without left out",
            "views": "real, as given",
        },
        "severities": {"as given": level},
    }
    return Report(record=record, path=None if out is None else write_result(record, Path(out)))


def _header(encoder: Bundle, looker: PlaceBundle, dataset: str, candidates: int) -> dict[str, Any]:
    return {
        "task": TASK,
        "model": {"id": encoder.id, "sha256": encoder.sha256},
        "place": {
            "id": looker.id,
            "sha256": looker.sha256,
            "same": looker.same,
            "first": looker.first,
            "candidates": candidates,
        },
        "dataset": dataset,
        "dates": {"evaluated": datetime.now(UTC).date().isoformat()},
        "environment": environment(),
    }


def _by_stem(folder: Path) -> dict[str, Path]:
    from geoglot.geo.discover import discover

    found: dict[str, Path] = {}
    for candidate in discover([folder]):
        if isinstance(candidate, SourceError):
            raise candidate
        name = candidate.path.stem
        if name in found:
            cause = f"is named as {found[name]}, but for the suffix or folder"
            raise UsageError(candidate.path, cause=cause, remedy="give every picture of a folder a name of its own")
        found[name] = candidate.path
    return found


def _pixels(path: Path) -> NDArray[np.uint8]:
    """A picture as it is; one of an unusual kind, such as 16 bits, by the decoder, squeezed to a square."""
    from PIL import Image, UnidentifiedImageError

    from geoglot.api.explain_source import opened
    from geoglot.api.matcher import whole_picture

    try:
        with Image.open(path) as image:
            if image.mode in ("RGB", "L", "P") and image.format in ("JPEG", "PNG", "WEBP"):
                return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError):
        pass  # the decoder tells what is wrong with it
    with opened(512) as decoder:
        return whole_picture(decoder, path)


def _gallery(
    encoder: Bundle, looker: PlaceBundle, files: Sequence[tuple[str, Path]], progress: Callable[[int], None]
) -> Gallery:
    vectors, descriptors, places = [], [], []
    for start in range(0, len(files), _TOGETHER):
        pictures = [_pixels(path) for _, path in files[start : start + _TOGETHER]]
        vectors.append(encoder.encode_images(np.stack([to_square(picture, encoder.side) for picture in pictures])))
        described = looker.describe(np.stack([to_square(picture, looker.side) for picture in pictures]))
        descriptors.append(described.astype(np.float16))
        if looker.codebook is not None:
            places.append(looker.vectors(described))
        progress(start + len(pictures))
    return Gallery(
        tuple(name for name, _ in files),
        np.concatenate(vectors),
        np.concatenate(descriptors),
        np.concatenate(places) if places else None,
    )


def _from(told: Callable[[int, int], None], before: int, total: int) -> Callable[[int], None]:
    return lambda done: told(before + done, total)


def _level(
    encoder: Bundle,
    looker: PlaceBundle,
    gallery: Gallery,
    queries: Any,
    candidates: int,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Figures of one severity. Queries are pairs of pixels and the row of the answer."""
    ranks: dict[str, list[int]] = {}
    in_reach: dict[str, list[bool]] = {}
    outcomes, seconds = [], []
    wrong_pairs: list[dict[str, Any]] = []
    for number, (pixels, answer) in enumerate(queries):
        square = to_square(pixels, looker.side)[None]
        vector = encoder.encode_images(to_square(pixels, encoder.side)[None])[0]
        orders = {"embedding_alone": np.argsort(-(gallery.vectors @ vector), kind="stable")}
        looks = {"with_second_look": orders["embedding_alone"][:candidates]}
        if gallery.places is not None:
            turned = looker.vectors(looker.describe(np.concatenate([square, quarter_turns(square)])))
            by_place = np.argsort(-(turned @ gallery.places.T).max(axis=0), kind="stable")
            orders["place_vectors_alone"] = by_place
            looks["with_place_vectors"] = by_turns(by_place, orders["embedding_alone"], candidates)
        for way, order in orders.items():
            ranks.setdefault(way, []).append(_rank(order, answer))
        for way, first in looks.items():
            started = time.perf_counter()
            agreed = _agreements(looker, gallery, square, first)
            seconds.append(time.perf_counter() - started)
            there = bool((first == answer).any())
            in_reach.setdefault(way, []).append(there)
            new = first[order_of(agreed, looker.first)]
            beyond = max(ranks[_BEFORE[way]][-1], candidates + 1)
            ranks.setdefault(way, []).append(_rank(new, answer) if there else beyond)
        # What is called the same place is told of the last and best way.
        same = agreed >= looker.same
        outcomes.append({"right": bool(same[first == answer].any()), "wrong": bool(same[first != answer].any())})
        wrong_pairs += [
            {"asked": gallery.names[answer], "called_same": gallery.names[row], "agreement": round(float(score), 3)}
            for row, score in zip(first, agreed, strict=True)
            if score >= looker.same and row != answer
        ]
        progress(number + 1)
    return {
        "queries": len(outcomes),
        **{way: _figures(found) for way, found in ranks.items()},
        "answer_among_candidates_percent": {
            way: round(100 * float(np.mean(found)), 2) for way, found in in_reach.items()
        },
        "called_the_same_place_percent": {
            "the_answer": round(100 * float(np.mean([told["right"] for told in outcomes])), 2),
            "another_picture": round(100 * float(np.mean([told["wrong"] for told in outcomes])), 2),
        },
        "other_pictures_called_the_same_place": sorted(wrong_pairs, key=lambda pair: -float(pair["agreement"]))[:50],
        "comparison_seconds_median": round(float(np.median(seconds)), 4),
    }


def _rank(order: NDArray[np.int64], answer: int) -> int:
    """The answer's place in an order, from 1 on."""
    return int(np.flatnonzero(order == answer)[0]) + 1


def _agreements(
    looker: PlaceBundle, gallery: Gallery, square: NDArray[np.uint8], first: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of candidates, a hundred at a time until one shows the same place, as the search does it; the rest has 0."""
    agreed = np.zeros(len(first))
    for start in range(0, len(first), ROUND):
        rows = slice(start, start + ROUND)
        agreed[rows] = looker.looked_at(square, gallery.descriptors[first[rows]].astype(np.float32))
        if (agreed[rows] >= looker.same).any():
            break
    return agreed


def _figures(ranks: Sequence[int]) -> Mapping[str, Any]:
    """R@k in percent and MRR, with 95 % intervals over the queries."""
    rank = np.asarray(ranks)
    columns = {f"R@{k}": 100.0 * (rank <= k) for k in CUTOFFS} | {"MRR": 1 / rank}
    bounds = mean_intervals(np.stack(list(columns.values()), axis=1))
    return {
        name: {"value": round(float(values.mean()), 4), "interval": [round(bound, 4) for bound in interval]}
        for (name, values), interval in zip(columns.items(), bounds, strict=True)
    }
