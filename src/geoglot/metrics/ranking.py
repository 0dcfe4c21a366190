"""Ranking metrics with an explicit answer to "which caption belongs to which image".

Conventions, the same in every function:

- a score is higher for a better match; ranks start at 1; recall is a percentage in [0, 100];
- recall at k is a hit rate: a query counts when at least one of its answers is among the first k;
- equal scores are settled by a named policy (``ties``): ``stable`` lets the lower index come first,
  ``pessimistic`` puts every equal wrong item before the answer, ``optimistic`` puts them all behind;
- NaN and infinity are refused, never ranked.

Ranks are counted, not sorted: the rank of an answer is one plus the number of items that beat it. So a block of
rows is all that is ever held, and 31,500 queries against 31,500 items need no more memory than 100 against 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.scores import CosineScores, ScoreRows, refuse_non_finite

Ties = Literal["stable", "pessimistic", "optimistic"]
CUTOFFS = (1, 5, 10)
CELLS_PER_BLOCK = 1 << 22


def first_answer_ranks(
    scores: ScoreRows,
    answers: ArrayLike,
    *,
    ties: Ties = "stable",
    cells_per_block: int = CELLS_PER_BLOCK,
) -> NDArray[np.int64]:
    """Rank of the best placed right answer of every query.

    With s the best score among the answers of a query, the rank is 1 + (items that score more than s) + (equal
    ones that go first by the tie policy): under ``stable`` the equal wrong items of lower index than the first
    such answer, under ``pessimistic`` all equal wrong items, under ``optimistic`` none.

    Args:
        scores: Real numbers, (queries, items), higher is better.
        answers: Integer pairs (query, right item), (P, 2); a query may have several, every query needs one.
        ties: Who goes first among equal scores.
        cells_per_block: How many scores are looked at together; changes memory, never the result.

    Returns:
        int64, (queries,), each in [1, items].

    Raises:
        GeoglotError: The matrix is empty or not finite, a pair points outside, or a query has no answer.
        UsageError: Unknown tie policy.

    Example:
        >>> first_answer_ranks(np.array([[0.1, 0.9, 0.5], [0.7, 0.7, 0.7]]), [(0, 2), (1, 1)])
        array([2, 2])
        >>> first_answer_ranks(np.array([[0.7, 0.7, 0.7]]), [(0, 1)], ties="pessimistic")
        array([3])
    """
    if ties not in get_args(Ties):
        raise UsageError(ties, cause="is no tie policy", remedy=f"choose one of {', '.join(get_args(Ties))}")
    queries, items = _matrix_shape(scores)
    pairs = _checked_pairs(answers, queries, items)
    starts = np.searchsorted(pairs[:, 0], np.arange(queries + 1))
    ranks = np.empty(queries, dtype=np.int64)
    height = max(1, cells_per_block // items)
    for top in range(0, queries, height):
        rows = slice(top, min(top + height, queries))
        # Contiguous: a block of a transposed matrix is read several times below.
        block = np.ascontiguousarray(scores[rows])
        refuse_non_finite(block, "scores", first_row=top)
        mine = pairs[starts[rows.start] : starts[rows.stop]] - np.array([top, 0])
        ranks[rows] = _block_ranks(block, mine, starts[rows] - starts[top], ties)
    return ranks


def _block_ranks(
    block: NDArray[Any], pairs: NDArray[np.int64], starts: NDArray[np.int64], ties: Ties
) -> NDArray[np.int64]:
    query, item = pairs[:, 0], pairs[:, 1]
    found = block[query, item]
    best = np.maximum.reduceat(found, starts)
    ranks: NDArray[np.int64] = 1 + np.count_nonzero(block > best[:, None], axis=1)
    if ties == "optimistic":
        return ranks
    equal = block == best[:, None]
    at_best = found == best[query]
    if ties == "pessimistic":
        ranks += np.count_nonzero(equal, axis=1) - np.add.reduceat(at_best.astype(np.int64), starts)
        return ranks
    first = np.minimum.reduceat(np.where(at_best, item, block.shape[1]), starts)
    before = np.arange(block.shape[1]) < first[:, None]
    ranks += np.count_nonzero(equal & before, axis=1)
    return ranks


def _matrix_shape(scores: ScoreRows) -> tuple[int, int]:
    shape = tuple(scores.shape)
    if len(shape) != 2 or 0 in shape:
        raise GeoglotError(
            "scores", cause=f"have shape {shape}, not (queries, items)", remedy="pass at least one of each"
        )
    return shape[0], shape[1]


def _checked_pairs(answers: ArrayLike, queries: int, items: int) -> NDArray[np.int64]:
    """The pairs sorted by query then item, each once."""
    pairs = np.asarray(answers)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu" or len(pairs) == 0:
        raise GeoglotError(
            "answers", cause="are not integer pairs (query, item)", remedy="pass an array of shape (P, 2)"
        )
    pairs = np.unique(pairs.astype(np.int64), axis=0)
    for column, size, name in ((0, queries, "query"), (1, items, "item")):
        outside = pairs[(pairs[:, column] < 0) | (pairs[:, column] >= size)]
        if len(outside):
            cause = f"points at {name} {outside[0, column]}, there are {size}"
            raise GeoglotError(f"answer {tuple(map(int, outside[0]))}", cause=cause, remedy="check the correspondence")
    unanswered = np.setdiff1d(np.arange(queries), pairs[:, 0])
    if len(unanswered):
        remedy = "leave queries without a right answer out"
        raise GeoglotError(f"query {unanswered[0]}", cause="has no right answer", remedy=remedy)
    return pairs


@dataclass(frozen=True, kw_only=True)
class RetrievalRanks:
    """Rank of the first right answer of every query, both ways.

    Attributes:
        image_to_text: int64, (N,): an image asks, captions are ranked.
        text_to_image: int64, (M,): a caption asks, images are ranked.
    """

    image_to_text: NDArray[np.int64]
    text_to_image: NDArray[np.int64]


def retrieval_ranks(
    scores: NDArray[Any] | CosineScores,
    image_of_caption: ArrayLike,
    *,
    ties: Ties = "stable",
    cells_per_block: int = CELLS_PER_BLOCK,
) -> RetrievalRanks:
    """Ranks of the plain protocol: every caption is a query and an item of its own, and has one right image.

    Args:
        scores: Real numbers, (N images, M captions).
        image_of_caption: Integers in [0, N), (M,): the image that each caption was written for, in any order
            and any number per image (at least one).
        ties: Who goes first among equal scores.
        cells_per_block: How many scores are looked at together.

    Raises:
        GeoglotError: As :func:`first_answer_ranks`.

    Example:
        >>> ranks = retrieval_ranks(np.array([[0.9, 0.2, 0.3], [0.8, 0.1, 0.4]]), [0, 0, 1])
        >>> ranks.image_to_text, ranks.text_to_image
        (array([1, 2]), array([1, 1, 1]))
    """
    image = np.asarray(image_of_caption)
    if image.shape != (scores.shape[1],) or image.dtype.kind not in "iu":
        cause = f"is {image.dtype} of shape {image.shape}, the scores have {scores.shape[1]} captions"
        raise GeoglotError("image_of_caption", cause=cause, remedy="pass one integer per caption")
    caption = np.arange(len(image))
    return _ranks_both_ways(scores, np.stack([image, caption], axis=1), ties, cells_per_block)


def duplicate_aware_ranks(
    scores: NDArray[Any] | CosineScores,
    carriers: ArrayLike,
    *,
    ties: Ties = "stable",
    cells_per_block: int = CELLS_PER_BLOCK,
) -> RetrievalRanks:
    """Ranks over distinct captions: equal strings are one text, right for every image that carries it.

    A text asks once and is answered by any image that has it among its captions; an image is answered by any text
    that equals one of its own captions. The gallery of texts holds each string once, so five copies of one sentence
    no longer fill the first five places.

    Args:
        scores: Real numbers, (N images, U distinct texts); see :func:`distinct_captions`.
        carriers: Integer pairs (image, text), (P, 2).
        ties: Who goes first among equal scores.
        cells_per_block: How many scores are looked at together.

    Raises:
        GeoglotError: As :func:`first_answer_ranks`.

    Example:
        Both images carry text 0, so both are right answers to it:

        >>> duplicate_aware_ranks(np.array([[0.2], [0.9]]), [(0, 0), (1, 0)]).text_to_image
        array([1])
    """
    return _ranks_both_ways(scores, np.asarray(carriers), ties, cells_per_block)


def _ranks_both_ways(
    scores: NDArray[Any] | CosineScores, pairs: NDArray[Any], ties: Ties, cells_per_block: int
) -> RetrievalRanks:
    flipped = pairs[:, ::-1] if pairs.ndim == 2 else pairs
    return RetrievalRanks(
        image_to_text=first_answer_ranks(scores, pairs, ties=ties, cells_per_block=cells_per_block),
        text_to_image=first_answer_ranks(scores.T, flipped, ties=ties, cells_per_block=cells_per_block),
    )


def distinct_captions(captions: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Each string once, in the order of first appearance, and which of them every caption is.

    Returns:
        The distinct strings (U), and int64 in [0, U), (M,).

    Example:
        >>> distinct_captions(["a river .", "a road .", "a river ."])
        (['a river .', 'a road .'], array([0, 1, 0]))
    """
    place: dict[str, int] = {}
    of_caption = [place.setdefault(caption, len(place)) for caption in captions]
    return list(place), np.array(of_caption, dtype=np.int64)


def recall_at(ranks: ArrayLike, k: int) -> float:
    """Percentage of queries whose first right answer is among the first k.

    Args:
        ranks: Integers from 1, (Q,).
        k: At least 1; where k exceeds the number of items the recall is 100.

    Raises:
        GeoglotError: There are no ranks, or one is below 1.
        UsageError: k is below 1.

    Example:
        >>> recall_at([1, 3, 8, 20], 5)
        50.0
    """
    if k < 1:
        raise UsageError(f"k = {k}", cause="is below 1", remedy="ask for at least the first place")
    return 100.0 * float(np.mean(_checked_ranks(ranks) <= k))


@dataclass(frozen=True, kw_only=True)
class DirectionRecall:
    """How one direction of retrieval did.

    Attributes:
        recall: Percent at each of the cutoffs 1, 5 and 10.
        median_rank: Median of the ranks, rounded down (the mean of the middle two, for an even number).
        mean_rank: Mean of the ranks.
        queries: How many queries were asked.
    """

    recall: dict[int, float]
    median_rank: int
    mean_rank: float
    queries: int


@dataclass(frozen=True, kw_only=True)
class RetrievalRecall:
    """Both directions, and the two figures that sum them up.

    Attributes:
        image_to_text: An image asks for its captions.
        text_to_image: A caption asks for its image.
    """

    image_to_text: DirectionRecall
    text_to_image: DirectionRecall

    @property
    def rsum(self) -> float:
        """Sum of the six recalls, in [0, 600]."""
        return sum(self.image_to_text.recall.values()) + sum(self.text_to_image.recall.values())

    @property
    def mean_recall(self) -> float:
        """Mean of the six recalls (mR), in [0, 100]."""
        return self.rsum / (2 * len(CUTOFFS))


def direction_recall(ranks: ArrayLike) -> DirectionRecall:
    """Recall at 1, 5 and 10, median and mean of the ranks of one direction.

    Raises:
        GeoglotError: There are no ranks, or one is below 1.

    Example:
        >>> one_way = direction_recall([1, 2, 6, 50])
        >>> one_way.recall, one_way.median_rank, one_way.mean_rank
        ({1: 25.0, 5: 50.0, 10: 75.0}, 4, 14.75)
    """
    checked = _checked_ranks(ranks)
    return DirectionRecall(
        recall={k: recall_at(checked, k) for k in CUTOFFS},
        median_rank=int(np.floor(np.median(checked))),
        mean_rank=float(np.mean(checked)),
        queries=len(checked),
    )


def retrieval_recall(ranks: RetrievalRanks) -> RetrievalRecall:
    """The figures of the published tables from the ranks.

    Example:
        >>> ranks = RetrievalRanks(image_to_text=np.array([1, 4]), text_to_image=np.array([1, 2, 7, 11]))
        >>> figures = retrieval_recall(ranks)
        >>> figures.rsum, round(figures.mean_recall, 4)
        (400.0, 66.6667)
    """
    return RetrievalRecall(
        image_to_text=direction_recall(ranks.image_to_text), text_to_image=direction_recall(ranks.text_to_image)
    )


def _checked_ranks(ranks: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(ranks)
    if array.ndim != 1 or len(array) == 0 or array.dtype.kind not in "iu":
        cause = f"are {array.dtype} of shape {array.shape}, not integers (Q,)"
        raise GeoglotError("ranks", cause=cause, remedy="pass the rank of at least one query")
    if array.min() < 1:
        raise GeoglotError(f"rank {array.min()}", cause="is below 1", remedy="ranks start at 1")
    return array.astype(np.int64)
