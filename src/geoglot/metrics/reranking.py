"""Re-ranking by asking back: a good answer would also find the question.

Papers       Reverse ranking: Wang et al., Matching Images and Text with Multi-modal Tensor Fusion and Re-ranking,
             ACM Multimedia 2019. Multivariate re-ranking: Yuan et al., Remote Sensing Cross-Modal Text-Image Retrieval
             Based on Global and Local Information, IEEE TGRS 2022.
Words        A *query* asks and has K *candidates*, its best scored items (lower index first among equal scores). The
             *reverse rank* of a candidate is the number of other queries that score higher with that candidate.
Reverse      The K candidates are re-ordered by reverse rank, then by score; what follows them stays behind them.
Multivariate f_ij = w_1 s_ij / sum_i' s_i'j + exp(-c (a_ij + 1)) + w_2 exp(-c (b_ij + 1)) for the K candidates j of
             query i, where a is the position by score and b the position by reverse rank, both from 0.
Readings     1. Positions count the candidates that are strictly better, so equal candidates (two copies of a caption)
                stay equal, and the tie policy of the metric settles them; sorting would order them by chance.
             2. Items beyond the first K keep their order. GaLR's code gives all of them the score 0.
             3. Negative scores count as 0 in the share s_ij / sum s_i'j. Cosines of a contrastive model sum to about
                zero, and the share would be any number; for non-negative scores it is the paper's formula.

Everything costs two sorts of the matrix: RSICD's test split, 1,093 x 5,465, takes well under a second both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.ranking import RetrievalRanks, Ties, first_answer_ranks
from geoglot.metrics.scores import refuse_non_finite


@dataclass(frozen=True, kw_only=True, eq=False)
class Reranked:
    """New scores of both directions; rows are queries. They order a row and mean nothing across rows.

    Attributes:
        image_to_text: float64, (N images, M texts).
        text_to_image: float64, (M texts, N images).
    """

    image_to_text: NDArray[np.float64]
    text_to_image: NDArray[np.float64]

    def ranks(self, image_of_caption: ArrayLike, *, ties: Ties = "stable") -> RetrievalRanks:
        """Ranks of the plain protocol, as :func:`geoglot.metrics.ranking.retrieval_ranks` gives them for one matrix.

        Args:
            image_of_caption: Integers in [0, N), (M,): the image that each text was written for.
            ties: Who goes first among equal scores.
        """
        image = np.asarray(image_of_caption)
        if image.shape != (len(self.text_to_image),) or image.dtype.kind not in "iu":
            cause = f"is {image.dtype} of shape {image.shape}, the scores have {len(self.text_to_image)} texts"
            raise GeoglotError("image_of_caption", cause=cause, remedy="pass one integer per text")
        text = np.arange(len(image))
        return RetrievalRanks(
            image_to_text=first_answer_ranks(self.image_to_text, np.stack([image, text], 1), ties=ties),
            text_to_image=first_answer_ranks(self.text_to_image, np.stack([text, image], 1), ties=ties),
        )


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Numbers of the multivariate re-ranking; the defaults are the published code's.

    Attributes:
        significance: w_1, of the share of a candidate's scores that belongs to the query.
        reverse: w_2, of the position by reverse rank; the position by score has weight 1.
        decay: c, how fast a position loses worth.
    """

    significance: float = 0.30
    reverse: float = 1.1
    decay: float = 0.05


def reverse_rank(scores: ArrayLike, *, k_image_to_text: int = 15, k_text_to_image: int = 20) -> Reranked:
    """Re-order the first K of every query by how highly the candidate ranks the query.

    Args:
        scores: Real numbers, (N images, M texts), higher is better.
        k_image_to_text: How many texts of each image are re-ordered; more than there are means all.
        k_text_to_image: The same for the images of each text.

    Raises:
        GeoglotError: The matrix is empty or not finite.
        UsageError: K is less than 1.

    Example:
        Image 0 scores text 1 highest, but text 1 prefers image 1, while text 0 prefers image 0:

        >>> order = reverse_rank(np.array([[0.7, 0.8], [0.1, 0.9]])).image_to_text
        >>> (-order).argsort(axis=1)
        array([[0, 1],
               [1, 0]])
    """
    matrix = _checked(scores)
    return Reranked(
        image_to_text=_reverse(matrix, _at_least_one(k_image_to_text)),
        text_to_image=_reverse(matrix.T, _at_least_one(k_text_to_image)),
    )


def multivariate_rerank(scores: ArrayLike, *, k: int = 30, weights: Weights | None = None) -> Reranked:
    """Score the first K of every query by rank, reverse rank and significance.

    Args:
        scores: Real numbers, (N images, M texts), higher is better.
        k: Candidates per query, the same both ways; more than there are means all.
        weights: The published code's, unless given.

    Raises:
        GeoglotError: The matrix is empty or not finite.
        UsageError: K is less than 1.

    Example:
        One image, one text: 0.3 x 0.5 / 0.5 + exp(-0.05) + 1.1 exp(-0.05) = 2.298

        >>> multivariate_rerank([[0.5]]).image_to_text.round(3)
        array([[2.298]])
    """
    matrix, used, weights = _checked(scores), _at_least_one(k), weights or Weights()
    return Reranked(
        image_to_text=_multivariate(matrix, used, weights), text_to_image=_multivariate(matrix.T, used, weights)
    )


def reverse_rank_of_query(scores: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Reverse ranking of one query's candidates, as a search needs it.

    Args:
        scores: (K,) scores of the query with its candidates.
        others: (K, Q) scores of each candidate with Q other queries that it could have answered.

    Returns:
        (K,) new scores: the best first under a descending sort.

    Raises:
        GeoglotError: The shapes do not fit, or a number is not finite.

    Example:
        The first candidate fits another text better than the query, the second does not:

        >>> reverse_rank_of_query([0.8, 0.7], [[0.9], [0.1]]).argsort()[::-1]
        array([1, 0])
    """
    own, rest = _checked_query(scores, others)
    out: NDArray[np.float64] = _reordered(own[None], (rest > own[:, None]).sum(1)[None])[0]
    return out


def multivariate_rerank_of_query(
    scores: ArrayLike, others: ArrayLike, *, weights: Weights | None = None
) -> NDArray[np.float64]:
    """Multivariate re-ranking of one query's candidates, as a search needs it.

    Args:
        scores: (K,) scores of the query with its candidates.
        others: (K, Q) scores of each candidate with Q other queries that it could have answered.
        weights: The published code's, unless given.

    Returns:
        (K,) new scores: the best first under a descending sort.

    Raises:
        GeoglotError: The shapes do not fit, or a number is not finite.

    Example:
        >>> multivariate_rerank_of_query([0.8, 0.7], [[0.9], [0.1]]).round(3).tolist()  # 0.3 8/17 + e^-.05 + 1.1 e^-.1
        [2.088, 2.214]
    """
    own, rest = _checked_query(scores, others)
    total = own.clip(0) + rest.clip(0).sum(1)
    reverse = (rest > own[:, None]).sum(1)
    out: NDArray[np.float64] = _fused(own[None], total[None], reverse[None], weights or Weights())[0]
    return out


def _reverse(matrix: NDArray[Any], k: int) -> NDArray[np.float64]:
    """Rows of a (queries, items) matrix, their first K re-ordered."""
    candidates, own = _best(matrix, k)
    out = np.ascontiguousarray(matrix, dtype=np.float64)
    out = out.copy() if out is matrix else out
    np.put_along_axis(out, candidates, _reordered(own, _reverse_ranks(matrix, candidates, own)), axis=1)
    return out


def _multivariate(matrix: NDArray[Any], k: int, weights: Weights) -> NDArray[np.float64]:
    """Rows of a (queries, items) matrix: positive scores for their first K, the others at most 0 in their order."""
    candidates, own = _best(matrix, k)
    totals = matrix.clip(0).sum(0, dtype=np.float64)
    reverse = _reverse_ranks(matrix, candidates, own)
    out = matrix.astype(np.float64)
    out -= own.max(1, keepdims=True)
    np.put_along_axis(out, candidates, _fused(own, totals[candidates], reverse, weights), axis=1)
    return out


def _reordered(own: NDArray[Any], reverse: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores above all the query's own, in the order of reverse rank, then score. (Q, K), (Q, K) -> (Q, K)."""
    top = own.max(1, keepdims=True).astype(np.float64)
    step = np.maximum(1.0, np.abs(top))
    last = own.shape[1] - 1
    return np.asarray(top + step * (1 + last - _positions(reverse, own)), dtype=np.float64)


def _fused(
    own: NDArray[Any], totals: NDArray[np.float64], reverse: NDArray[np.int64], weights: Weights
) -> NDArray[np.float64]:
    """The three terms of the multivariate score. All (Q, K)."""
    share = own.clip(0) / np.where(totals > 0, totals, 1)
    forward = np.exp(-weights.decay * (_positions(np.zeros_like(reverse), own) + 1))
    backward = np.exp(-weights.decay * (_positions(reverse, own) + 1))
    return np.asarray(weights.significance * share + forward + weights.reverse * backward, dtype=np.float64)


def _positions(first: NDArray[np.int64], scores: NDArray[Any]) -> NDArray[np.int64]:
    """How many of a row are strictly better: smaller ``first``, then higher score. (Q, K), (Q, K) -> (Q, K)."""
    order = np.lexsort((-scores, first), axis=1)
    sorted_first = np.take_along_axis(first, order, 1)
    sorted_scores = np.take_along_axis(scores, order, 1)
    starts = np.ones(order.shape, dtype=bool)
    starts[:, 1:] = (np.diff(sorted_first, axis=1) != 0) | (sorted_scores[:, 1:] != sorted_scores[:, :-1])
    place = np.maximum.accumulate(np.where(starts, np.arange(order.shape[1]), 0), axis=1)
    out = np.empty_like(place)
    np.put_along_axis(out, order, place, axis=1)
    return out


def _best(matrix: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Columns of the K best of every row, lower index first among equals, and their scores. -> (Q, K), (Q, K)."""
    queries, items = matrix.shape
    k = min(k, items)
    threshold = np.partition(matrix, items - k, axis=1)[:, items - k, None]
    chosen = matrix >= threshold
    for row in np.flatnonzero(chosen.sum(1) > k):
        equal = np.flatnonzero(matrix[row] == threshold[row])
        chosen[row, equal[k - np.count_nonzero(matrix[row] > threshold[row]) :]] = False
    candidates = np.nonzero(chosen)[1].reshape(queries, k)
    return candidates, np.take_along_axis(matrix, candidates, 1)


def _reverse_ranks(matrix: NDArray[Any], candidates: NDArray[np.int64], own: NDArray[Any]) -> NDArray[np.int64]:
    """Queries that score strictly higher with each candidate: a binary search in its sorted column. -> (Q, K)."""
    columns = np.sort(matrix.T, axis=1)
    queries = columns.shape[1]
    low, high = np.zeros_like(candidates), np.full_like(candidates, queries)
    while (low < high).any():
        middle = (low + high) // 2
        beaten = columns[candidates, np.minimum(middle, queries - 1)] <= own
        open_still = low < high
        low = np.where(open_still & beaten, middle + 1, low)
        high = np.where(open_still & ~beaten, middle, high)
    reverse: NDArray[np.int64] = queries - low
    return reverse


def _checked(scores: ArrayLike) -> NDArray[Any]:
    matrix = np.asarray(scores)
    if matrix.ndim != 2 or 0 in matrix.shape:
        cause = f"have shape {matrix.shape}, not (images, texts)"
        raise GeoglotError("scores", cause=cause, remedy="pass at least one of each")
    return _real(matrix, "scores")


def _checked_query(scores: ArrayLike, others: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    own, rest = np.asarray(scores), np.asarray(others)
    if own.ndim != 1 or rest.ndim != 2 or len(own) != len(rest) or not len(own):
        cause = f"have shapes {own.shape} and {rest.shape}, not (K,) and (K, other queries)"
        raise GeoglotError("scores of the candidates", cause=cause, remedy="pass one row of others per candidate")
    return _real(own, "scores"), _real(rest, "scores of other queries")


def _real(values: NDArray[Any], subject: str) -> NDArray[Any]:
    if values.dtype.kind not in "iuf":
        raise GeoglotError(subject, cause=f"are {values.dtype}, not real numbers", remedy="pass floats")
    if values.dtype.kind != "f":
        return values.astype(np.float64)
    refuse_non_finite(values, subject)
    return values


def _at_least_one(k: int) -> int:
    if k < 1:
        raise UsageError(str(k), cause="is no number of candidates", remedy="choose 1 or more")
    return k
