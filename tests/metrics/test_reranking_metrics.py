"""Re-ranking against hand-computed cases and nested loops that follow the papers' sentences."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.ranking import retrieval_ranks
from geoglot.metrics.reranking import (
    Weights,
    multivariate_rerank,
    multivariate_rerank_of_query,
    reverse_rank,
    reverse_rank_of_query,
)

Matrix = NDArray[np.float64]


def naive_candidates(row: Matrix, k: int) -> list[int]:
    return sorted(range(len(row)), key=lambda j: (-row[j], j))[:k]


def naive_reverse_rank(matrix: Matrix, query: int, item: int) -> int:
    return sum(matrix[other, item] > matrix[query, item] for other in range(len(matrix)))


def naive_keys(matrix: Matrix, query: int, k: int) -> dict[int, tuple[int, float]]:
    """(reverse rank, minus score) of the candidates: smaller is better."""
    return {j: (naive_reverse_rank(matrix, query, j), -matrix[query, j]) for j in naive_candidates(matrix[query], k)}


def naive_reverse_better(matrix: Matrix, query: int, one: int, other: int, k: int) -> bool:
    keys = naive_keys(matrix, query, k)
    if one in keys and other in keys:
        return keys[one] < keys[other]
    if one in keys or other in keys:
        return one in keys
    return bool(matrix[query, one] > matrix[query, other])


def naive_multivariate(matrix: Matrix, query: int, k: int) -> dict[int, float]:
    keys = naive_keys(matrix, query, k)
    out = {}
    for j in keys:
        by_score = sum(matrix[query, other] > matrix[query, j] for other in keys)
        by_reverse = sum(keys[other] < keys[j] for other in keys)
        total = sum(max(matrix[other, j], 0) for other in range(len(matrix)))
        share = max(matrix[query, j], 0) / total if total > 0 else 0
        out[j] = 0.3 * share + math.exp(-0.05 * (by_score + 1)) + 1.1 * math.exp(-0.05 * (by_reverse + 1))
    return out


# Few distinct values: ties everywhere.
score_matrices = st.tuples(st.integers(1, 7), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0]))
)


@settings(max_examples=60, deadline=None)
@given(scores=score_matrices, k=st.integers(1, 12))
def test_reverse_order_is_the_naive_order(scores: Matrix, k: int) -> None:
    new = reverse_rank(scores, k_image_to_text=k, k_text_to_image=k)
    for matrix, out in ((scores, new.image_to_text), (scores.T, new.text_to_image)):
        for query in range(len(matrix)):
            for one in range(matrix.shape[1]):
                for other in range(matrix.shape[1]):
                    better = naive_reverse_better(matrix, query, one, other, k)
                    assert (out[query, one] > out[query, other]) == better


@settings(max_examples=60, deadline=None)
@given(scores=score_matrices, k=st.integers(1, 12))
def test_multivariate_is_the_naive_formula(scores: Matrix, k: int) -> None:
    new = multivariate_rerank(scores, k=k)
    for matrix, out in ((scores, new.image_to_text), (scores.T, new.text_to_image)):
        for query in range(len(matrix)):
            expected = naive_multivariate(matrix, query, k)
            rest = [j for j in range(matrix.shape[1]) if j not in expected]
            for j, value in expected.items():
                assert out[query, j] == pytest.approx(value, abs=1e-12)
            assert (out[query, rest] <= 0).all()
            order = np.sign(matrix[query, rest][:, None] - matrix[query, rest])
            assert (np.sign(out[query, rest][:, None] - out[query, rest]) == order).all()


@settings(max_examples=40, deadline=None)
@given(scores=score_matrices)
def test_one_query_agrees_with_the_matrix(scores: Matrix) -> None:
    reverse, fused = reverse_rank(scores, k_text_to_image=99), multivariate_rerank(scores, k=99)
    for text in range(scores.shape[1]):
        others = np.delete(scores, text, axis=1)
        assert np.allclose(reverse_rank_of_query(scores[:, text], others), reverse.text_to_image[text])
        assert np.allclose(multivariate_rerank_of_query(scores[:, text], others), fused.text_to_image[text])


def test_reverse_rank_by_hand() -> None:
    # Image 0 likes texts 0, 1, 2 in this order. Text 0 is liked more by images 1 and 2 (reverse rank 2), text 1 by
    # image 1 (1), text 2 by nobody (0): new order 2, 1, 0. With two candidates only 0 and 1 change places.
    scores = np.array([[0.9, 0.8, 0.7], [0.95, 0.85, 0.1], [0.97, 0.2, 0.3]])
    assert (-reverse_rank(scores).image_to_text[0]).argsort().tolist() == [2, 1, 0]
    assert (-reverse_rank(scores, k_image_to_text=2).image_to_text[0]).argsort().tolist() == [1, 0, 2]


def test_multivariate_by_hand() -> None:
    # Image 0, text 0: share 0.6 / (0.6 + 0.2) = 0.75, first by score and, as nobody beats it there, by reverse rank:
    # 0.3 x 0.75 + exp(-0.05) + 1.1 exp(-0.05) = 0.225 + 2.1 x 0.951229 = 2.222582.
    # Text 1: 0.4 / (0.4 + 0.6) = 0.4, second both ways (image 1 beats it): 0.12 + 2.1 exp(-0.1) = 2.020158.
    new = multivariate_rerank(np.array([[0.6, 0.4], [0.2, 0.6]]))
    assert new.image_to_text[0] == pytest.approx([2.222582, 2.020158], abs=1e-6)
    # Text 0 asks: image 0 has 0.6 / (0.6 + 0.4) = 0.6: 0.18 + 1.997581; image 1: 0.2 / 0.8, text 1 beats it.
    assert new.text_to_image[0] == pytest.approx([2.177581, 0.075 + 2.1 * math.exp(-0.1)], abs=1e-6)


def test_weights_are_used() -> None:
    only_share = multivariate_rerank([[0.6, 0.4], [0.2, 0.6]], weights=Weights(significance=1, reverse=0, decay=100))
    assert only_share.image_to_text[0] == pytest.approx([0.75, 0.4])


def test_copies_of_a_caption_stay_equal() -> None:
    scores = np.array([[0.5, 0.5, 0.1], [0.2, 0.2, 0.9]])
    for new in (reverse_rank(scores), multivariate_rerank(scores)):
        assert new.image_to_text[0, 0] == new.image_to_text[0, 1]
        assert (new.text_to_image[0] == new.text_to_image[1]).all()


def test_ranks_read_the_new_order_both_ways() -> None:
    generator = np.random.default_rng(0)
    scores, image = generator.random((4, 9)), np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
    ranks = reverse_rank(scores, k_image_to_text=1, k_text_to_image=1).ranks(image)
    plain = retrieval_ranks(scores, image)  # re-ordering one candidate changes nothing
    assert (ranks.image_to_text == plain.image_to_text).all()
    assert (ranks.text_to_image == plain.text_to_image).all()
    with pytest.raises(GeoglotError, match="texts"):
        reverse_rank(scores).ranks(image[:-1])


def test_the_input_is_not_touched() -> None:
    for dtype in (np.float32, np.float64):
        scores = np.random.default_rng(1).random((5, 8)).astype(dtype)
        before = scores.copy()
        reverse_rank(scores)
        multivariate_rerank(scores)
        assert (scores == before).all()


@pytest.mark.parametrize("rerank", [reverse_rank, multivariate_rerank])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_cannot_be_ranked_is_refused(rerank, bad: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GeoglotError, match="scores"):
        rerank(np.array([[0.1, bad], [0.2, 0.3]]))
    for shape in ((0, 3), (3, 0), (3,)):
        with pytest.raises(GeoglotError, match="shape"):
            rerank(np.zeros(shape))
    with pytest.raises(GeoglotError, match="real"):
        rerank(np.zeros((2, 2), dtype=complex))


@pytest.mark.parametrize("rerank", [reverse_rank_of_query, multivariate_rerank_of_query])
def test_a_query_that_does_not_fit_is_refused(rerank) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GeoglotError, match="shapes"):
        rerank([0.1, 0.2], [[0.1]])
    with pytest.raises(GeoglotError, match="other queries"):
        rerank([0.1], [[np.nan]])
    assert rerank([0.1, 0.2], np.zeros((2, 0))).argsort().tolist() == [0, 1]  # nobody to ask: the order stays


def test_k_below_one_is_refused() -> None:
    with pytest.raises(UsageError):
        reverse_rank([[1.0]], k_image_to_text=0)
    with pytest.raises(UsageError):
        multivariate_rerank([[1.0]], k=-1)


def test_a_whole_test_split_takes_a_moment() -> None:
    scores = np.random.default_rng(0).random((1093, 5465), dtype=np.float32)
    started = time.process_time()
    reverse_rank(scores)
    middle = time.process_time()
    multivariate_rerank(scores)
    assert middle - started < 2  # measured 0.4 s; the bound leaves room for a busy machine
    assert time.process_time() - middle < 2
