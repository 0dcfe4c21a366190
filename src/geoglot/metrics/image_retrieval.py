"""Image-to-image retrieval by scene class: average precision, ANMRR in two definitions, precision, confusion.

A gallery image is relevant if it has the query's class. Let its relevant images stand at places r(1) < ... < r(G),
counted from 1, with G the number of all relevant images of the gallery:

- AP = (1 / G) sum over j of j / r(j), the whole ranking; mAP is its mean over the queries.
- NMRR = (mean of r'(j) - (1 + G) / 2) / (1.25 K - (1 + G) / 2), where r'(j) = r(j) up to K and 1.25 K beyond it;
  ANMRR is its mean, 0 at best and 1 at worst. K = 2 G in the residual-dyad publication; K = min(4 G, 2 max G), the
  maximum over all queries, in MPEG-7. Both are the same where every class has as many images.
- P@k = relevant images among the first k places, divided by k. k is not cut at G or at the gallery: with G = 100
  relevant images P@1000 is at most 0.1.

Figures are in [0, 1]. A query whose class has no (other) image in the gallery cannot be answered: it is counted in
``without_answer`` and left out of every mean.

Equal scores are settled by the lower gallery index (``stable``) or against the method (``pessimistic``: irrelevant
images first). A network that answers the same to everything looks good or bad by the order of the gallery in the
first reading, and is bad in the second.

How it is fast: the places follow from counting. The j-th best relevant image stands behind j - 1 relevant ones and
behind the irrelevant ones with a higher score; those are counted in the row sorted by value (no index is carried
along), where the few relevant scores are looked up. Only a row where a relevant and an irrelevant image share a score
needs its order, and only in the stable reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.scores import refuse_non_finite

Ties = Literal["stable", "pessimistic"]
Metric = Literal["euclidean", "cosine"]
CUTOFFS = (5, 10, 50, 100, 1000)
CONFUSION_QUERIES = 20
CELLS_PER_BLOCK = 1 << 22

Floats = NDArray[Any]
Rows = NDArray[np.int64]


def average_precision_of_places(places: ArrayLike) -> float:
    """AP when these are the places of all relevant images, ascending and counted from 1.

    Example:
        Places 1, 2 and 4: (1/1 + 2/2 + 3/4) / 3.

        >>> round(average_precision_of_places([1, 2, 4]), 4)
        0.9167
    """
    found = np.asarray(places)
    return float((np.arange(1, len(found) + 1) / found).mean())


def normalised_modified_rank(places: ArrayLike, reach: float) -> float:
    """NMRR when these are the places of all G relevant images and K is ``reach``.

    Example:
        G = 2, K = 4, places 1 and 9: the second counts as 5. ((1 + 5) / 2 - 1.5) / (5 - 1.5) = 1.5 / 3.5.

        >>> round(normalised_modified_rank([1, 9], 4), 4)
        0.4286
    """
    found = np.asarray(places, dtype=np.float64)
    least, most = 0.5 * (1 + len(found)), 1.25 * reach
    return float((np.where(found <= reach, found, most).mean() - least) / (most - least))


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageRetrieval:
    """How well images find images of their class: one value per query, and the means.

    Attributes:
        categories: (Q,) int64, class of every query.
        relevant: (Q,) int64, G: relevant images in the gallery, the query itself not counted where it is left out.
        average_precision: (Q,) float64; 0 where G is 0, as in the next three.
        nmrr: (Q,) float64, with K = 2 G.
        nmrr_mpeg7: (Q,) float64, with K = min(4 G, 2 max G).
        precision: By k (Q,) float64.
        confusion: (K, K) float64. Row: class of a query; column: class of what it found among its first ``depth``
            places; mean over the first 20 queries of the class. A row sums to 1, or to 0 without a query.
        gallery: Number of images that are searched, the query itself included.
    """

    categories: Rows
    relevant: Rows
    average_precision: NDArray[np.float64]
    nmrr: NDArray[np.float64]
    nmrr_mpeg7: NDArray[np.float64]
    precision: dict[int, NDArray[np.float64]]
    confusion: NDArray[np.float64]
    gallery: int

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """(Q,) which queries have something to find."""
        return self.relevant > 0

    @property
    def without_answer(self) -> int:
        """How many queries have nothing to find."""
        return int((~self.answerable).sum())

    @property
    def mean_average_precision(self) -> float:
        """MAP, in [0, 1]."""
        return float(self.average_precision[self.answerable].mean())

    @property
    def anmrr(self) -> float:
        """ANMRR with K = 2 G, in [0, 1]; 0 is best."""
        return float(self.nmrr[self.answerable].mean())

    @property
    def anmrr_mpeg7(self) -> float:
        """ANMRR with K = min(4 G, 2 max G), in [0, 1]; 0 is best."""
        return float(self.nmrr_mpeg7[self.answerable].mean())

    @property
    def precision_at(self) -> dict[int, float]:
        """By k, in [0, 1]."""
        return {k: float(values[self.answerable].mean()) for k, values in self.precision.items()}

    @property
    def class_mean_average_precision(self) -> dict[int, float]:
        """By class, mAP of its queries, in [0, 1]; classes without an answerable query are left out."""
        chosen, values = self.categories[self.answerable], self.average_precision[self.answerable]
        return {int(category): float(values[chosen == category].mean()) for category in np.unique(chosen)}


def score_retrieval(
    scores: ArrayLike,
    query_categories: ArrayLike,
    gallery_categories: ArrayLike,
    *,
    own: ArrayLike | None = None,
    ties: Ties = "stable",
    cutoffs: Sequence[int] = CUTOFFS,
    depth: int | None = None,
    confusion_queries: int = CONFUSION_QUERIES,
    threads: int = 1,
) -> ImageRetrieval:
    """Measure a matrix of scores.

    Args:
        scores: (Q, N), higher is better; a memory map is read block by block.
        query_categories: (Q,) integers from 0.
        gallery_categories: (N,) integers from 0.
        own: (Q,) column of the query itself, which is left out of its ranking; -1 or ``None`` leaves nothing out.
        ties: How equal scores are settled.
        cutoffs: The k of P@k, each at least 1.
        depth: Places that the confusion counts; ``None`` for as many as the query has relevant images. The published
            3.35 % are 67 of 2,000: the first 100 places, its relevant images, of 20 queries.
        confusion_queries: How many queries of a class the confusion counts, the first ones; 0 leaves it out.
        threads: Blocks measured at a time.

    Raises:
        GeoglotError: A score is NaN or infinite, an array is empty or does not fit, or no query can be answered.
        UsageError: A cut-off, depth or number of threads below 1, or an unknown settlement of ties.

    Example:
        One query of class 0; classes 0, 1, 0 with scores 3, 2, 1 stand at places 1, 2, 3: AP = (1/1 + 2/3) / 2.

        >>> found = score_retrieval([[3.0, 2.0, 1.0]], [0], [0, 1, 0], cutoffs=(2,))
        >>> round(found.mean_average_precision, 4), found.precision_at
        (0.8333, {2: 0.5})
    """
    table = np.asarray(scores)
    if table.ndim != 2 or table.dtype.kind not in "fiu" or 0 in table.shape:
        cause = f"are {table.dtype} of shape {table.shape}, not numbers (Q, N)"
        raise GeoglotError("scores", cause=cause, remedy="pass one row per query and one column per image")

    def block(rows: slice) -> Floats:
        part = table[rows]
        refuse_non_finite(part, "scores")
        wide = np.float32 if part.dtype.kind == "f" and part.dtype.itemsize <= 4 else np.float64
        return part.astype(wide)  # a copy: the query's own score is overwritten

    task = _Task.of(query_categories, gallery_categories, own, table.shape, ties, cutoffs, depth, confusion_queries)
    return _measured(task, block, threads)


def vector_retrieval(
    queries: ArrayLike,
    gallery: ArrayLike,
    query_categories: ArrayLike,
    gallery_categories: ArrayLike,
    *,
    metric: Metric = "euclidean",
    own: ArrayLike | None = None,
    ties: Ties = "stable",
    cutoffs: Sequence[int] = CUTOFFS,
    depth: int | None = None,
    confusion_queries: int = CONFUSION_QUERIES,
    threads: int = 1,
) -> ImageRetrieval:
    """Measure vectors; scores are made block by block and never held whole.

    Products are formed in double precision and rounded to float32, so that equal vectors tie wherever they stand and
    the figures do not depend on the blocks.

    Args:
        queries: (Q, D) numbers.
        gallery: (N, D) numbers.
        query_categories: As for :func:`score_retrieval`, and so are the other arguments.
        gallery_categories: (N,).
        metric: ``euclidean`` distance, or ``cosine`` similarity; a vector of zeros has cosine 0 with everything.
        own: (Q,).
        ties: How equal scores are settled.
        cutoffs: The k of P@k.
        depth: Places that the confusion counts.
        confusion_queries: How many queries of a class it counts.
        threads: Blocks measured at a time, each with its own scores: about 50 MB.

    Raises:
        GeoglotError: A number is NaN or infinite, an array is empty or does not fit, or no query can be answered.
        UsageError: As for :func:`score_retrieval`, or an unknown metric.

    Example:
        The same class lies nearer: AP = 1.

        >>> vector_retrieval([[0.0]], [[1.0], [-2.0]], [7], [7, 1]).mean_average_precision
        1.0
    """
    if metric not in get_args(Metric):
        raise UsageError(metric, cause="is no metric", remedy=f"choose one of {', '.join(get_args(Metric))}")
    mine, theirs = _vectors(queries, "queries"), _vectors(gallery, "gallery")
    if mine.shape[1] != theirs.shape[1]:
        cause = f"have {theirs.shape[1]} numbers, the queries {mine.shape[1]}"
        raise GeoglotError("gallery", cause=cause, remedy="compare vectors of one kind")
    if metric == "cosine":
        mine, theirs, offset = _unit(mine), _unit(theirs), np.zeros(len(theirs))
    else:
        # Distances do not change when all is moved, and sums of small numbers lose less.
        centre = theirs.mean(axis=0)
        mine, theirs = mine - centre, theirs - centre
        # -|q - g|^2 / 2 without |q|^2, which is the same along the row.
        offset = -0.5 * np.einsum("nd,nd->n", theirs, theirs)

    def block(rows: slice) -> Floats:
        part = mine[rows] @ theirs.T
        part += offset
        return part.astype(np.float32)

    task = _Task.of(
        query_categories, gallery_categories, own, (len(mine), len(theirs)), ties, cutoffs, depth, confusion_queries
    )
    return _measured(task, block, threads)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """What is asked of every row, and what is known before a score is seen."""

    query_categories: Rows
    gallery_categories: Rows
    own: Rows
    members: list[Rows]  # by class, the gallery's columns
    relevant: Rows
    reach_mpeg7: Rows
    in_confusion: NDArray[np.bool_]
    ties: Ties
    cutoffs: tuple[int, ...]
    depth: int | None

    @classmethod
    def of(
        cls,
        query_categories: ArrayLike,
        gallery_categories: ArrayLike,
        own: ArrayLike | None,
        shape: tuple[int, ...],
        ties: Ties,
        cutoffs: Sequence[int],
        depth: int | None,
        confusion_queries: int,
    ) -> _Task:
        """Check the arguments and count what is relevant."""
        if ties not in get_args(Ties):
            raise UsageError(ties, cause="settles no ties", remedy=f"choose one of {', '.join(get_args(Ties))}")
        for name, value in (("k", min(cutoffs, default=1)), ("depth", 1 if depth is None else depth)):
            if value < 1:
                raise UsageError(f"{name} = {value}", cause="is below 1", remedy="ask for at least the first place")
        if confusion_queries < 0:
            raise UsageError(f"{confusion_queries} queries", cause="are below 0", remedy="count 0 or more of a class")
        mine = _integers(query_categories, shape[0], "query_categories")
        theirs = _integers(gallery_categories, shape[1], "gallery_categories")
        if min(mine.min(), theirs.min()) < 0:
            raise GeoglotError("categories", cause="hold a negative class", remedy="number the classes from 0")
        columns = np.full(shape[0], -1) if own is None else _integers(own, shape[0], "own")
        if columns.min() < -1 or columns.max() >= shape[1]:
            raise GeoglotError("own", cause="points outside of the gallery", remedy="pass a column, or -1")
        left_out = columns >= 0
        if (theirs[columns[left_out]] != mine[left_out]).any():
            raise GeoglotError("own", cause="points at an image of another class", remedy="pass the query's own column")
        classes = int(max(mine.max(), theirs.max())) + 1
        relevant = np.bincount(theirs, minlength=classes)[mine] - left_out
        if not relevant.any():
            raise GeoglotError("gallery", cause="answers no query", remedy="pass two or more images of a class")
        by_class = np.argsort(theirs, kind="stable")
        ends = np.cumsum(np.bincount(theirs, minlength=classes))
        chosen = np.zeros(shape[0], dtype=bool)
        for category in np.unique(mine):
            chosen[np.flatnonzero((mine == category) & (relevant > 0))[:confusion_queries]] = True
        return cls(
            query_categories=mine,
            gallery_categories=theirs,
            own=columns,
            members=np.split(by_class, ends[:-1]),
            relevant=relevant,
            reach_mpeg7=np.minimum(4 * relevant, 2 * int(relevant.max())),
            in_confusion=chosen,
            ties=ties,
            cutoffs=tuple(cutoffs),
            depth=depth,
        )


def _measured(task: _Task, block: Callable[[slice], Floats], threads: int) -> ImageRetrieval:
    """Measure all rows, some blocks at a time; each writes to places of its own."""
    if threads < 1:
        raise UsageError(f"threads = {threads}", cause="is below 1", remedy="measure with at least one")
    count, width = len(task.query_categories), len(task.gallery_categories)
    values = np.zeros((3 + len(task.cutoffs), count))
    asked = np.flatnonzero(task.in_confusion)
    shares = np.zeros((len(asked), len(task.members)))
    height = max(1, CELLS_PER_BLOCK // width)
    rows = [slice(top, min(top + height, count)) for top in range(0, count, height)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: _measure_block(task, part, block(part), values[:, part], shares), rows))
    # Summed here and in the queries' order: the last bit does not depend on the blocks.
    confusion = np.zeros((len(task.members),) * 2)
    np.add.at(confusion, task.query_categories[asked], shares)
    numbers = np.bincount(task.query_categories[asked], minlength=len(confusion))
    return ImageRetrieval(
        categories=task.query_categories,
        relevant=task.relevant,
        average_precision=values[0],
        nmrr=values[1],
        nmrr_mpeg7=values[2],
        precision=dict(zip(task.cutoffs, values[3:], strict=True)),
        confusion=confusion / np.maximum(numbers, 1)[:, None],
        gallery=width,
    )


def _measure_block(
    task: _Task, rows: slice, scores: Floats, values: NDArray[np.float64], shares: NDArray[np.float64]
) -> None:
    """Fill the values of these rows, and the shares of those that the confusion counts; ``scores`` is overwritten."""
    slot = int(np.count_nonzero(task.in_confusion[: rows.start]))
    own = task.own[rows]
    left_out = np.flatnonzero(own >= 0)
    scores[left_out, own[left_out]] = -np.inf
    ascending = np.sort(scores, axis=1)
    for row, number in enumerate(range(rows.start, rows.stop)):
        total = int(task.relevant[number])
        if total == 0:
            continue
        columns = task.members[task.query_categories[number]]
        columns = columns[columns != own[row]]
        places = _places(scores[row], ascending[row], columns, task.ties)
        values[0, row] = average_precision_of_places(places)
        values[1, row] = normalised_modified_rank(places, 2 * total)
        values[2, row] = normalised_modified_rank(places, int(task.reach_mpeg7[number]))
        for index, k in enumerate(task.cutoffs, start=3):
            values[index, row] = np.searchsorted(places, k, side="right") / k
        if task.in_confusion[number]:
            found = _first(scores[row], columns, task, total if task.depth is None else task.depth, own[row])
            counts = np.bincount(task.gallery_categories[found], minlength=len(task.members))
            shares[slot] = counts / len(found)
            slot += 1


def _places(row: Floats, ascending: Floats, columns: Rows, ties: Ties) -> Rows:
    """Places of the relevant columns, ascending from 1."""
    relevant = np.sort(row[columns])
    # Counted from below: images with a lower score, first all, then the irrelevant ones alone.
    lower = np.searchsorted(ascending, relevant, side="left")
    lower_relevant = np.searchsorted(relevant, relevant, side="left")
    number = np.arange(len(relevant), 0, -1)
    irrelevant = len(ascending) - len(relevant)
    # With every equal irrelevant image before it: number among the relevant ones, and irrelevant ones not lower.
    places = (number + irrelevant - (lower - lower_relevant))[::-1]
    if ties == "pessimistic":
        return places
    # Behind the relevant images of one score stands one of the next score, unless an irrelevant one shares it.
    equal = np.searchsorted(relevant, relevant, side="right") - lower_relevant
    behind = lower + equal
    inside = behind < len(ascending)
    if not (ascending[behind[inside]] == relevant[inside]).any():
        return places
    place = np.empty(len(row), dtype=np.int64)
    place[np.argsort(-row, kind="stable")] = np.arange(1, len(row) + 1)
    return np.sort(place[columns])


def _first(row: Floats, columns: Rows, task: _Task, depth: int, own: int) -> Rows:
    """The first columns of the ranking, at most ``depth`` and without the query itself."""
    if task.ties == "pessimistic":
        relevant = np.zeros(len(row), dtype=bool)
        relevant[columns] = True
        order = np.lexsort((relevant, -row))
    else:
        order = np.argsort(-row, kind="stable")
    found: Rows = order[order != own][:depth]
    return found


def _vectors(vectors: ArrayLike, name: str) -> Floats:
    array = np.asarray(vectors)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        cause = f"are {array.dtype} of shape {array.shape}, not numbers (N, D)"
        raise GeoglotError(name, cause=cause, remedy="pass one row per image")
    refuse_non_finite(array, name)
    return array.astype(np.float64)


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def _integers(values: ArrayLike, count: int, name: str) -> Rows:
    array = np.asarray(values)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        cause = f"are {array.dtype} of shape {array.shape}, not integers ({count},)"
        raise GeoglotError(name, cause=cause, remedy="pass one integer per image")
    return array.astype(np.int64)
