"""Precision over a ranking of many right answers, and how well a number separates two groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.scores import refuse_non_finite

Cut = Literal["places", "answers"]


def average_precision(ranked_relevance: ArrayLike, *, k: int | None = None, cut: Cut = "places") -> float:
    """Average precision of one ranking, in [0, 1].

    Let the right answers stand at places r(1) < r(2) < ... < r(R), counted from 1. The precision at the j-th is
    P(j) = j / r(j). The published figures cut a ranking at k in two different ways, and both are called AP@k:

    - ``cut="places"``: AP@k = sum of P(j) over those j with r(j) <= k, divided by min(k, R);
    - ``cut="answers"``: AP@k = mean of P(j) over j = 1 ... min(k, R), wherever they stand.

    Without k both are AP = (P(1) + ... + P(R)) / R. A ranking without a right answer has AP 0.

    Args:
        ranked_relevance: Booleans, (N,), the whole ranking from the best place down.
        k: Where to cut, at least 1; ``None`` for the whole ranking.
        cut: Which of the two definitions.

    Raises:
        GeoglotError: The ranking is empty or not boolean.
        UsageError: k is below 1, or the cut is unknown.

    Example:
        Right answers at places 1 and 3: (1/1 + 2/3) / 2, and (1/1) / 2 when only two places count.

        >>> round(average_precision([True, False, True]), 4)
        0.8333
        >>> average_precision([True, False, True], k=2)
        0.5
        >>> round(average_precision([True, False, True], k=2, cut="answers"), 4)
        0.8333
    """
    relevance = np.asarray(ranked_relevance)
    if relevance.dtype != np.bool_ or relevance.ndim != 1 or len(relevance) == 0:
        cause = f"is {relevance.dtype} of shape {relevance.shape}, not booleans (N,)"
        raise GeoglotError("ranked_relevance", cause=cause, remedy="pass one boolean per ranked item")
    if k is not None and k < 1:
        raise UsageError(f"k = {k}", cause="is below 1", remedy="ask for at least the first place")
    if cut not in get_args(Cut):
        raise UsageError(cut, cause="is no cut", remedy=f"choose one of {', '.join(get_args(Cut))}")
    places = np.flatnonzero(relevance) + 1
    if len(places) == 0:
        return 0.0
    counted = len(places) if k is None else min(k, len(places))
    precision = np.arange(1, len(places) + 1) / places
    if k is not None and cut == "places":
        return float(precision[places <= k].sum() / counted)
    return float(precision[:counted].mean())


def mean_average_precision(rankings: Sequence[ArrayLike], *, k: int | None = None, cut: Cut = "places") -> float:
    """Mean of :func:`average_precision` over the queries, in [0, 1].

    A query without a right answer counts as 0 and stays in the denominator.

    Raises:
        GeoglotError: There is no ranking, or one of them is empty.

    Example:
        >>> mean_average_precision([[True, False], [False, True], [False, False]])
        0.5
    """
    if len(rankings) == 0:
        raise GeoglotError("rankings", cause="are empty", remedy="pass the ranking of at least one query")
    return float(np.mean([average_precision(ranking, k=k, cut=cut) for ranking in rankings]))


def auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Probability that a positive gets a higher value than a negative; equal values count one half.

    AUC = (1 / (P N)) * sum over all pairs of [p > n] + [p = n] / 2: the area under the receiver operating
    characteristic, computed from the places of the positives among the sorted negatives.

    Args:
        positive: Real numbers, (P,).
        negative: Real numbers, (N,).

    Raises:
        GeoglotError: A group is empty or not finite.

    Example:
        Pairs (3,1), (3,2), (2,1) are right and (2,2) is equal: 3.5 of 4.

        >>> auc([3.0, 2.0], [1.0, 2.0])
        0.875
    """
    groups = _checked_group(positive, "positive"), np.sort(_checked_group(negative, "negative"))
    below = np.searchsorted(groups[1], groups[0], side="left")
    not_above = np.searchsorted(groups[1], groups[0], side="right")
    return float((below + not_above).sum() / (2 * len(groups[0]) * len(groups[1])))


def _checked_group(values: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise GeoglotError(name, cause=f"has shape {array.shape}, not (n,)", remedy="pass at least one value")
    refuse_non_finite(array, name)
    return array
