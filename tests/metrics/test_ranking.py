from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle_ranking import duplicate_aware, plain_ranks

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.ranking import (
    RetrievalRanks,
    direction_recall,
    distinct_captions,
    duplicate_aware_ranks,
    first_answer_ranks,
    recall_at,
    retrieval_ranks,
    retrieval_recall,
)
from geoglot.metrics.scores import CosineScores

POLICIES = ("stable", "pessimistic", "optimistic")


def test_hand_computed_case_both_ways():
    # images a, b, c; captions 0, 1 of a, 2 of b, 3 of c
    #        0    1    2    3
    # a    0.1  0.8  0.9  0.2     best own caption 1 (0.8), beaten by 2 (0.9)            -> 2
    # b    0.7  0.3  0.6  0.1     own 2 (0.6), beaten by 0 (0.7)                          -> 2
    # c    0.2  0.9  0.8  0.1     own 3 (0.1), beaten by all three                        -> 4
    # caption 0 asks for a: b 0.7, c 0.2 score more -> 3;  1 asks for a: c 0.9 -> 2
    # caption 2 asks for b: a 0.9, c 0.8 -> 3;             3 asks for c: a 0.2, b 0.1 = c 0.1, b is before c -> 3
    scores = np.array([[0.1, 0.8, 0.9, 0.2], [0.7, 0.3, 0.6, 0.1], [0.2, 0.9, 0.8, 0.1]])
    ranks = retrieval_ranks(scores, [0, 0, 1, 2])
    assert ranks.image_to_text.tolist() == [2, 2, 4]
    assert ranks.text_to_image.tolist() == [3, 2, 3, 3]
    assert retrieval_ranks(scores, [0, 0, 1, 2], ties="optimistic").text_to_image.tolist() == [3, 2, 3, 2]
    figures = retrieval_recall(ranks)
    # R@1 0 and 0, R@5 and R@10 100: rsum 400, mR 400/6; mean ranks 8/3 and 11/4; medians 2 and 3
    assert figures.rsum == 400.0
    assert figures.mean_recall == pytest.approx(66.666667)
    assert figures.image_to_text.mean_rank == pytest.approx(8 / 3)
    assert (figures.image_to_text.median_rank, figures.text_to_image.median_rank) == (2, 3)
    assert (figures.image_to_text.queries, figures.text_to_image.queries) == (3, 4)


@pytest.mark.parametrize(("ties", "image", "text"), [("stable", [1, 3], [1, 1, 2]), ("pessimistic", [2, 3], [2, 2, 2])])
def test_collapsed_model_gains_nothing_from_ties(ties, image, text):
    # All scores equal, captions 0 and 1 of image 0, caption 2 of image 1. Pessimistic: image 0 has one wrong
    # caption before it (rank 2), image 1 two (rank 3); every caption one wrong image (rank 2).
    ranks = retrieval_ranks(np.zeros((2, 3)), [0, 0, 1], ties=ties)
    assert ranks.image_to_text.tolist() == image
    assert ranks.text_to_image.tolist() == text


def test_perfect_and_reversed_models():
    perfect = retrieval_recall(retrieval_ranks(np.eye(20), np.arange(20)))
    assert perfect.mean_recall == 100.0
    wrong = retrieval_recall(retrieval_ranks(-np.eye(20), np.arange(20)))
    assert wrong.image_to_text.recall == {1: 0.0, 5: 0.0, 10: 0.0}
    assert wrong.image_to_text.mean_rank == 20.0


def test_duplicates_hand_computed():
    # a: "x", "x", "y";  b: "x", "z".  Distinct texts x, y, z; x is right for both images.
    texts, text_of_caption = distinct_captions(["x", "x", "y", "x", "z"])
    assert texts == ["x", "y", "z"]
    carriers = np.stack([[0, 0, 0, 1, 1], text_of_caption], axis=1)
    #       x    y    z
    # a   0.5  0.4  0.9    first own text x, beaten by z -> 2
    # b   0.6  0.7  0.1    first own text x, beaten by y -> 2
    # x asks: b 0.6 is right -> 1; y asks for a: b 0.7 before -> 2; z asks for b: a 0.9 before -> 2
    ranks = duplicate_aware_ranks(np.array([[0.5, 0.4, 0.9], [0.6, 0.7, 0.1]]), carriers)
    assert ranks.image_to_text.tolist() == [2, 2]
    assert ranks.text_to_image.tolist() == [1, 2, 2]
    # Plain protocol, the same model: caption 0 ("x" of a) asks for a only, and b stands before it -> 2.
    plain = retrieval_ranks(np.array([[0.5, 0.5, 0.4, 0.5, 0.9], [0.6, 0.6, 0.7, 0.6, 0.1]]), [0, 0, 0, 1, 1])
    assert plain.text_to_image.tolist() == [2, 2, 2, 1, 2]
    # Under the plain protocol a's own "x" is caption 0; z is the only better one -> 2. b's own "x" is caption 3:
    # y scores more and the two equal "x" of a come first -> 4.
    assert plain.image_to_text.tolist() == [2, 4]


def _tied_case(data, images, captions):
    scores = data.draw(arrays(np.float32, (images, captions), elements=st.sampled_from([-0.5, 0.0, 0.25, 0.5])))
    own = list(range(images)) + data.draw(
        st.lists(st.integers(0, images - 1), min_size=captions - images, max_size=captions - images)
    )
    return scores, data.draw(st.permutations(own))


@given(data=st.data(), images=st.integers(1, 6), more=st.integers(0, 8), ties=st.sampled_from(POLICIES))
def test_equals_nested_loops_with_many_ties(data, images, more, ties):
    scores, own = _tied_case(data, images, images + more)
    ranks = retrieval_ranks(scores, own, ties=ties)
    image_to_text, text_to_image = plain_ranks(scores.tolist(), own, ties)
    assert ranks.image_to_text.tolist() == image_to_text
    assert ranks.text_to_image.tolist() == text_to_image


@given(data=st.data(), images=st.integers(1, 5), ties=st.sampled_from(POLICIES))
def test_duplicate_aware_equals_nested_loops(data, images, ties):
    captions = data.draw(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1), min_size=images, max_size=images))
    texts, text_of_caption = distinct_captions([c for own in captions for c in own])
    image_of_caption = [i for i, own in enumerate(captions) for _ in own]
    scores = data.draw(arrays(np.float32, (images, len(texts)), elements=st.sampled_from([-1.0, 0.0, 1.0])))
    ranks = duplicate_aware_ranks(scores, np.stack([image_of_caption, text_of_caption], axis=1), ties=ties)
    image_to_text, text_to_image = duplicate_aware(scores.tolist(), captions, ties)
    assert ranks.image_to_text.tolist() == image_to_text
    assert ranks.text_to_image.tolist() == text_to_image


@given(data=st.data(), images=st.integers(1, 5), more=st.integers(0, 6), cells=st.integers(1, 60))
def test_chunked_equals_whole(data, images, more, cells):
    scores, own = _tied_case(data, images, images + more)
    for ties in POLICIES:
        whole = retrieval_ranks(scores, own, ties=ties)
        chunked = retrieval_ranks(scores, own, ties=ties, cells_per_block=cells)
        assert np.array_equal(whole.image_to_text, chunked.image_to_text)
        assert np.array_equal(whole.text_to_image, chunked.text_to_image)


@given(data=st.data(), images=st.integers(1, 6), more=st.integers(0, 6))
def test_policies_bracket_and_permutation_changes_nothing(data, images, more):
    scores, own = _tied_case(data, images, images + more)
    own = np.array(own)
    by_policy = {ties: retrieval_ranks(scores, own, ties=ties) for ties in POLICIES}
    for way in ("image_to_text", "text_to_image"):
        low, middle, high = (getattr(by_policy[t], way) for t in ("optimistic", "stable", "pessimistic"))
        assert (low <= middle).all()
        assert (middle <= high).all()
    rows = np.array(data.draw(st.permutations(range(images))))
    columns = np.array(data.draw(st.permutations(range(images + more))))
    moved_own = np.argsort(rows)[own][columns]
    for ties in ("optimistic", "pessimistic"):  # stable looks at the index, so only these are free of the order
        moved = retrieval_ranks(scores[rows][:, columns], moved_own, ties=ties)
        assert np.array_equal(moved.image_to_text, by_policy[ties].image_to_text[rows])
        assert np.array_equal(moved.text_to_image, by_policy[ties].text_to_image[columns])


@given(
    scores=arrays(np.int64, (4, 7), elements=st.integers(-1000, 1000)),
    shift=st.integers(-(10**6), 10**6),
    scale=st.integers(1, 1000),
    ties=st.sampled_from(POLICIES),
)
def test_shift_and_positive_scale_change_nothing(scores, shift, scale, ties):
    own = [0, 1, 2, 3, 0, 0, 2]
    before, after = retrieval_ranks(scores, own, ties=ties), retrieval_ranks(scores * scale + shift, own, ties=ties)
    assert np.array_equal(before.image_to_text, after.image_to_text)
    assert np.array_equal(before.text_to_image, after.text_to_image)


def test_all_negative_scores_rank_like_any_other():
    # -0.1 > -0.5 > -0.9: the answer at -0.1 is first.
    assert first_answer_ranks(np.array([[-0.9, -0.1, -0.5]]), [(0, 1)]).tolist() == [1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_scores_are_refused_and_named(bad):
    scores = np.zeros((5, 9), dtype=np.float32)
    scores[3, 7] = bad
    with pytest.raises(GeoglotError, match=r"scores\[3, 7\]: is -?(nan|inf)"):
        retrieval_ranks(scores, np.arange(9) % 5)
    with pytest.raises(GeoglotError, match=r"scores\[3, 7\]"):  # in a later block the row is still counted from the top
        retrieval_ranks(scores, np.arange(9) % 5, cells_per_block=9)


def test_all_nan_embeddings_do_not_win():
    with pytest.raises(GeoglotError, match=r"query vectors\[0, 0\]: is nan"):
        CosineScores(np.full((3, 4), np.nan), np.ones((3, 4)))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_empty_is_refused(shape):
    with pytest.raises(GeoglotError, match="scores: have shape"):
        retrieval_ranks(np.zeros(shape), np.zeros(shape[1], dtype=int))


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ([0, 0, 0], "query 1: has no right answer"),
        ([0, 1, 2], "points at query 2, there are 2"),
        ([0, 1, -1], "points at query -1, there are 2"),
        ([0, 1], "image_of_caption"),
        ([0.0, 1.0, 1.0], "image_of_caption"),
        ([[0, 1, 1]], "image_of_caption"),
    ],
)
def test_wrong_correspondence_is_refused(own, message):
    with pytest.raises(GeoglotError, match=message):
        retrieval_ranks(np.zeros((2, 3)), own)


def test_unknown_policy_and_strange_scores_are_refused():
    with pytest.raises(UsageError, match="is no tie policy"):
        retrieval_ranks(np.zeros((1, 1)), [0], ties="random")
    with pytest.raises(GeoglotError, match="not real numbers"):
        retrieval_ranks(np.zeros((1, 1), dtype=complex), [0])
    with pytest.raises(GeoglotError, match="answers"):
        first_answer_ranks(np.zeros((1, 1)), np.zeros((0, 2), dtype=int))


def test_single_image_and_k_beyond_the_gallery():
    ranks = retrieval_ranks(np.array([[0.3]]), [0])
    assert retrieval_recall(ranks).mean_recall == 100.0
    assert recall_at(ranks.image_to_text, 1000) == 100.0


def test_recall_refuses_nonsense():
    with pytest.raises(UsageError, match="k = 0"):
        recall_at([1], 0)
    for ranks in ([], [[1]], [1.5]):
        with pytest.raises(GeoglotError, match="ranks"):
            recall_at(ranks, 1)
    with pytest.raises(GeoglotError, match="rank 0: is below 1"):
        direction_recall([0, 1])


def test_median_of_an_even_number_is_rounded_down():
    assert direction_recall([1, 2]).median_rank == 1  # 1.5
    assert direction_recall([3, 5, 4, 4]).median_rank == 4


def test_rsum_is_the_sum_of_six():
    figures = retrieval_recall(RetrievalRanks(image_to_text=np.array([1, 6]), text_to_image=np.array([2, 11])))
    # 50 + 50 + 100 and 0 + 50 + 50
    assert figures.rsum == 300.0
    assert figures.mean_recall == 50.0


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(1, 500))
def test_cosine_blocks_equal_the_whole_matrix_and_keep_ties(seed, cells):
    generator = np.random.default_rng(seed)
    images = generator.standard_normal((7, 33)).astype(np.float32)
    texts = np.repeat(generator.standard_normal((4, 33)).astype(np.float32), 6, axis=0)  # six copies of each
    lazy = CosineScores(images, texts)
    whole = lazy[slice(0, 7)]
    assert np.array_equal(whole, whole[:, ::6].repeat(6, axis=1))  # copies score exactly the same
    own = np.arange(24) % 7
    expected = plain_ranks(whole.tolist(), own.tolist(), "stable")
    ranks = retrieval_ranks(lazy, own, cells_per_block=cells)
    assert (ranks.image_to_text.tolist(), ranks.text_to_image.tolist()) == expected


def test_a_score_does_not_depend_on_where_it_stands_in_the_matrix():
    # A linear algebra library sums rows alone, in blocks and at the edge in different orders: without the rounding
    # to float32 the last bits of the same product differ between these.
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((67, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = CosineScores(vectors, np.tile(vectors[:9], (13, 1)))
    whole = scores[slice(0, 67)]
    assert np.array_equal(whole, np.tile(whole[:, :9], (1, 13)))
    assert np.array_equal(whole, np.concatenate([scores[slice(i, i + 1)] for i in range(67)]))
    assert np.array_equal(whole.T, scores.T[slice(0, 117)])


def test_equals_the_sorting_definition_of_the_published_tables():
    # Five captions in a row per image, no ties: sort every row downwards and look for the first own caption.
    scores = np.random.default_rng(1).standard_normal((30, 150))
    by_image = [min(np.flatnonzero(np.argsort(-row) // 5 == i)) + 1 for i, row in enumerate(scores)]
    by_text = [int(np.flatnonzero(np.argsort(-scores[:, j]) == j // 5)[0]) + 1 for j in range(150)]
    for ties in POLICIES:
        ranks = retrieval_ranks(scores, np.repeat(np.arange(30), 5), ties=ties)
        assert ranks.image_to_text.tolist() == by_image
        assert ranks.text_to_image.tolist() == by_text


def test_cosine_scores_refuse_other_shapes():
    with pytest.raises(GeoglotError, match="embeddings"):
        CosineScores(np.ones((2, 3)), np.ones((2, 4)))


def test_a_large_gallery_needs_only_blocks_of_memory():
    # 6,000 x 6,000 scores would be 144 MB as float32; blocks of 2**20 cells stay far below.
    import tracemalloc

    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((6000, 8)).astype(np.float32)
    scores = CosineScores(vectors, vectors)
    tracemalloc.start()
    ranks = first_answer_ranks(scores, np.stack([np.arange(6000)] * 2, axis=1), cells_per_block=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ranks.shape == (6000,)
    assert peak < 40e6
