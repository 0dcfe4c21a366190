from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_ranking import pair_auc, precision_walk

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.precision import auc, average_precision, mean_average_precision

VALUES = st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.5, 3.0]), min_size=1, max_size=12)


def test_average_precision_hand_computed():
    # right at 2, 3 and 6: (1/2 + 2/3 + 3/6) / 3 = 5/9
    ranking = [False, True, True, False, False, True]
    assert average_precision(ranking) == pytest.approx(5 / 9)
    # k = 3, by places: 2 and 3 are inside, three answers exist: (1/2 + 2/3) / 3 = 7/18
    assert average_precision(ranking, k=3) == pytest.approx(7 / 18)
    # k = 2, by answers: the first two answers wherever they stand: (1/2 + 2/3) / 2 = 7/12
    assert average_precision(ranking, k=2, cut="answers") == pytest.approx(7 / 12)
    # k = 2, by places: only the answer at 2 is inside, min(2, 3) = 2: (1/2) / 2
    assert average_precision(ranking, k=2) == 0.25
    assert average_precision([False, False]) == 0.0
    assert mean_average_precision([ranking, [True], [False]]) == pytest.approx((5 / 9 + 1 + 0) / 3)


@given(
    ranking=st.lists(st.booleans(), min_size=1, max_size=15),
    k=st.none() | st.integers(1, 20),
    cut=st.sampled_from(["places", "answers"]),
)
def test_average_precision_equals_the_walk(ranking, k, cut):
    assert average_precision(ranking, k=k, cut=cut) == pytest.approx(precision_walk(ranking, k, cut))


@given(positive=VALUES, negative=VALUES)
def test_auc_equals_counting_pairs(positive, negative):
    assert auc(positive, negative) == pytest.approx(pair_auc(positive, negative))
    assert auc(positive, negative) + auc(negative, positive) == pytest.approx(1.0)
    assert auc([v * 2 + 7 for v in positive], [v * 2 + 7 for v in negative]) == auc(positive, negative)


def test_auc_extremes():
    assert auc([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert auc([0.0], [1.0]) == 0.0
    assert auc([1, 1, 1], [1, 1]) == 0.5  # a constant decision separates nothing


@pytest.mark.parametrize(("positive", "negative"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])])
def test_auc_refuses_empty_and_non_finite(positive, negative):
    with pytest.raises(GeoglotError):
        auc(positive, negative)


def test_average_precision_refuses_nonsense():
    for ranking in ([], [0, 1], [[True]]):
        with pytest.raises(GeoglotError, match="ranked_relevance"):
            average_precision(ranking)
    with pytest.raises(UsageError):
        average_precision([True], k=0)
    with pytest.raises(UsageError):
        average_precision([True], k=1, cut="first")
    with pytest.raises(GeoglotError, match="rankings"):
        mean_average_precision([])
