from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_image_retrieval import cosine_scores, euclidean_scores, measures, ranking

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics import image_retrieval
from geoglot.metrics.image_retrieval import (
    average_precision_of_places,
    normalised_modified_rank,
    score_retrieval,
    vector_retrieval,
)

CUTOFFS = (1, 2, 3, 50)


def test_one_ranking_hand_computed():
    # Classes by score: A b A b b A, so the answers stand at 1, 3 and 6; G = 3.
    found = score_retrieval([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]], [0], [0, 1, 0, 1, 1, 0], cutoffs=(1, 3, 5, 100))
    # AP = (1/1 + 2/3 + 3/6) / 3 = (6 + 4 + 3) / 18
    assert found.mean_average_precision == pytest.approx(13 / 18)
    # K = 2 x 3 = 6: all inside. AVR = (1 + 3 + 6) / 3 = 10/3; (10/3 - 2) / (7.5 - 2) = (4/3) / 5.5 = 8/33
    assert found.anmrr == pytest.approx(8 / 33)
    # MPEG-7: one query, max G = 3, K = min(12, 6) = 6: the same.
    assert found.anmrr_mpeg7 == pytest.approx(8 / 33)
    # P@1 = 1/1, P@3 = 2/3, P@5 = 2/5, P@100 = 3/100: the gallery is smaller than k, and k stays the divisor.
    assert found.precision_at == pytest.approx({1: 1.0, 3: 2 / 3, 5: 0.4, 100: 0.03})
    # The first three places: two of class 0, one of class 1.
    assert found.confusion[0] == pytest.approx([2 / 3, 1 / 3])
    assert found.confusion[1].tolist() == [0.0, 0.0]


def test_the_two_definitions_of_anmrr_differ_where_classes_do():
    # Gallery: class 0 twice, class 1 four times. Query of class 0: answers at 1 and 6; query of class 1: at 1 to 4.
    gallery = [0, 1, 1, 1, 1, 0]
    scores = [[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], [2.0, 6.0, 5.0, 4.0, 3.0, 1.0]]
    found = score_retrieval(scores, [0, 1], gallery)
    # K = 4: AVR = (1 + 5) / 2 = 3; (3 - 1.5) / (5 - 1.5) = 3/7
    # MPEG-7: K = min(8, 2 x 4) = 8: AVR = (1 + 6) / 2 = 3.5; (3.5 - 1.5) / (10 - 1.5) = 4/17
    assert found.nmrr.tolist() == pytest.approx([3 / 7, 0.0])
    assert found.nmrr_mpeg7.tolist() == pytest.approx([4 / 17, 0.0])
    assert found.anmrr == pytest.approx(3 / 14)
    assert found.class_mean_average_precision == pytest.approx({0: (1 + 2 / 6) / 2, 1: 1.0})


def test_the_query_itself_can_be_left_out():
    # Scores of image 0 with itself, with 1 (other class) and with 2 (same class).
    scores = [[9.0, 5.0, 4.0]]
    kept = score_retrieval(scores, [0], [0, 1, 0], cutoffs=(1,))
    assert kept.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert kept.precision_at == {1: 1.0}
    assert kept.relevant.tolist() == [2]
    left = score_retrieval(scores, [0], [0, 1, 0], own=[0], cutoffs=(1,))
    assert left.mean_average_precision == 0.5  # the one answer stands at 2
    assert left.precision_at == {1: 0.0}
    assert left.relevant.tolist() == [1]


def test_equal_scores_go_to_the_lower_index_or_against_the_method():
    scores = [[1.0, 1.0, 1.0, 1.0]]
    # stable: places 1 and 3: (1 + 2/3) / 2; pessimistic: 3 and 4: (1/3 + 2/4) / 2
    assert score_retrieval(scores, [0], [0, 1, 0, 1]).mean_average_precision == pytest.approx(5 / 6)
    pessimistic = score_retrieval(scores, [0], [0, 1, 0, 1], ties="pessimistic")
    assert pessimistic.mean_average_precision == pytest.approx(5 / 12)
    assert pessimistic.confusion[0].tolist() == [0.0, 1.0]


def test_a_class_with_a_single_image_is_counted_and_left_out():
    scores = [[1.0, 0.5, 0.2], [0.0, 1.0, 0.9], [0.0, 0.9, 1.0]]
    found = score_retrieval(scores, [0, 1, 1], [0, 1, 1], own=[0, 1, 2], cutoffs=(1,))
    assert found.without_answer == 1
    assert found.answerable.tolist() == [False, True, True]
    assert found.mean_average_precision == 1.0
    assert found.anmrr == 0.0
    assert found.precision_at == {1: 1.0}
    assert found.class_mean_average_precision == {1: 1.0}
    with pytest.raises(GeoglotError, match="answers no query"):
        score_retrieval([[1.0]], [0], [0], own=[0])
    with pytest.raises(GeoglotError, match="answers no query"):
        score_retrieval([[1.0]], [0], [1])


def test_worst_of_all_is_one():
    # G = 2 of 10, K = 4: answers at 9 and 10, both count as 5: (5 - 1.5) / (5 - 1.5)
    found = score_retrieval([np.arange(10.0)], [0], [0, 0, *[1] * 8])
    assert found.anmrr == 1.0
    assert found.mean_average_precision == pytest.approx((1 / 9 + 2 / 10) / 2)


def test_helpers_on_places():
    assert average_precision_of_places([1, 2, 3]) == 1.0
    assert normalised_modified_rank([1, 2, 3], 6) == 0.0
    assert normalised_modified_rank([7, 8, 9], 6) == 1.0
    # exactly at K counts as its place, one further as 1.25 K
    assert normalised_modified_rank([2], 2) == pytest.approx((2 - 1) / (2.5 - 1))
    assert normalised_modified_rank([3], 2) == 1.0


@st.composite
def tasks(draw):
    """Queries that may or may not be images of the gallery; few distinct scores, so that ties abound."""
    values = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 2.0])
    gallery = draw(st.lists(st.integers(0, 3), min_size=1, max_size=14))
    own = draw(st.lists(st.integers(-1, len(gallery) - 1), min_size=1, max_size=6))
    queries = [gallery[column] if column >= 0 else draw(st.sampled_from(gallery)) for column in own]
    scores = [draw(st.lists(values, min_size=len(gallery), max_size=len(gallery))) for _ in own]
    return scores, queries, gallery, own


def expected(scores, queries, gallery, own, ties):
    counts = [sum(g == q for g in gallery) - (o >= 0) for q, o in zip(queries, own, strict=True)]
    largest = max(counts)
    return [
        measures(row, q, gallery, o, ties, largest, CUTOFFS) for row, q, o in zip(scores, queries, own, strict=True)
    ]


def compare(found, wanted):
    assert found.answerable.tolist() == [one is not None for one in wanted]
    for number, one in enumerate(wanted):
        if one is None:
            continue
        assert found.average_precision[number] == pytest.approx(one["ap"])
        assert found.nmrr[number] == pytest.approx(one["nmrr"])
        assert found.nmrr_mpeg7[number] == pytest.approx(one["nmrr_mpeg7"])
        for k in CUTOFFS:
            assert found.precision[k][number] == pytest.approx(one[f"p{k}"])
    kept = [one for one in wanted if one is not None]
    assert found.mean_average_precision == pytest.approx(sum(one["ap"] for one in kept) / len(kept))
    assert found.anmrr == pytest.approx(sum(one["nmrr"] for one in kept) / len(kept))


@given(task=tasks(), ties=st.sampled_from(["stable", "pessimistic"]), dtype=st.sampled_from(["f2", "f4", "f8"]))
def test_equals_the_nested_loops(task, ties, dtype):
    scores, queries, gallery, own = task
    wanted = expected(scores, queries, gallery, own, ties)
    if all(one is None for one in wanted):
        with pytest.raises(GeoglotError, match="answers no query"):
            score_retrieval(scores, queries, gallery, own=own)
        return
    found = score_retrieval(np.array(scores, dtype), queries, gallery, own=own, ties=ties, cutoffs=CUTOFFS)
    compare(found, wanted)
    # bounds
    assert ((found.average_precision >= 0) & (found.average_precision <= 1)).all()
    for values in (found.nmrr, found.nmrr_mpeg7):
        assert ((values > -1e-12) & (values < 1 + 1e-12)).all()
    rows = found.confusion.sum(1)
    asked = np.isin(np.arange(len(rows)), np.array(queries)[found.answerable])
    assert rows == pytest.approx(asked.astype(float))


@given(task=tasks(), depth=st.none() | st.integers(1, 16), ties=st.sampled_from(["stable", "pessimistic"]))
def test_confusion_equals_the_nested_loops(task, depth, ties):
    scores, queries, gallery, own = task
    wanted = np.zeros((max(queries + gallery) + 1,) * 2)
    asked = np.zeros(len(wanted))
    for row, query, column in zip(scores, queries, own, strict=True):
        relevant = {j for j, g in enumerate(gallery) if g == query and j != column}
        if relevant:
            order = ranking(row, relevant, column, ties)[: depth or len(relevant)]
            for j in order:
                wanted[query, gallery[j]] += 1 / len(order)
            asked[query] += 1
    if asked.any():
        found = score_retrieval(scores, queries, gallery, own=own, depth=depth, ties=ties)
        assert found.confusion == pytest.approx(wanted / np.maximum(asked, 1)[:, None])


def test_confusion_counts_twenty_queries_of_a_class():
    # 20 queries that find their class first, and five more that find the other one: the five are not counted.
    scores = np.array([[1.0, 0.0]] * 20 + [[0.0, 1.0]] * 5)
    found = score_retrieval(scores, [0] * 25, [0, 1])
    assert found.confusion[0].tolist() == [1.0, 0.0]
    assert found.precision_at[5] == pytest.approx(0.2)
    counted = {
        n: score_retrieval(scores, [0] * 25, [0, 1], confusion_queries=n).confusion[0, 1] for n in (0, 3, 25, 99)
    }
    assert counted == {0: 0.0, 3: 0.0, 25: 0.2, 99: 0.2}


@given(data=st.data())
def test_the_order_of_a_gallery_without_ties_means_nothing(data):
    gallery = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=12))
    scores = np.array([data.draw(st.permutations(range(len(gallery)))) for _ in range(3)], dtype=np.float32)
    queries = [data.draw(st.sampled_from(gallery)) for _ in range(3)]
    order = np.array(data.draw(st.permutations(range(len(gallery)))))
    first = score_retrieval(scores, queries, gallery, cutoffs=CUTOFFS)
    for ties in ("stable", "pessimistic"):
        again = score_retrieval(scores[:, order], queries, np.array(gallery)[order], cutoffs=CUTOFFS, ties=ties)
        for name in ("average_precision", "nmrr", "nmrr_mpeg7", "confusion"):
            assert np.array_equal(getattr(first, name), getattr(again, name))
        assert again.precision_at == first.precision_at


@given(gallery=st.lists(st.integers(0, 4), min_size=1, max_size=20), shift=st.integers(0, 100))
def test_perfect_and_hopeless(gallery, shift):
    queries = sorted(set(gallery))
    perfect = np.array([[float(g == q) + shift for g in gallery] for q in queries])
    found = score_retrieval(perfect, queries, gallery, ties="pessimistic")
    assert found.mean_average_precision == 1.0
    assert found.anmrr == pytest.approx(0.0, abs=1e-12)
    assert np.array_equal(found.confusion[queries][:, queries], np.eye(len(queries)))
    # none within K: three times as many irrelevant images stand before all the relevant ones
    for category in queries:
        many = [g for g in gallery if g == category]
        crowd = many + [category + 1] * 3 * len(many)
        row = [[-float(g == category) for g in crowd]]
        assert score_retrieval(row, [category], crowd).anmrr == pytest.approx(1.0)


VECTORS = st.lists(st.integers(-3, 3), min_size=3, max_size=3)


@given(
    gallery=st.lists(st.tuples(VECTORS, st.integers(0, 2)), min_size=2, max_size=10),
    metric=st.sampled_from(["euclidean", "cosine"]),
)
def test_vectors_equal_the_nested_loops(gallery, metric):
    vectors, categories = [v for v, _ in gallery], [c for _, c in gallery]
    own = list(range(len(gallery)))
    # Scores that are equal in exact arithmetic may differ in the last bit of the loops: between settling all of them
    # against and all of them for the method lies what the package finds.
    loops = (euclidean_scores if metric == "euclidean" else cosine_scores)(vectors, vectors)
    lowest = [[round(value, 5) for value in row] for row in loops]
    highest = [
        [value + 1e-4 * (category == own_category) for value, category in zip(row, categories, strict=True)]
        for row, own_category in zip(lowest, categories, strict=True)
    ]
    low = expected(lowest, categories, categories, own, "pessimistic")
    high = expected(highest, categories, categories, own, "pessimistic")
    if all(one is None for one in low):
        return
    found = vector_retrieval(vectors, vectors, categories, categories, metric=metric, own=own, cutoffs=CUTOFFS)
    for number, (worst, best) in enumerate(zip(low, high, strict=True)):
        if worst is not None:
            assert worst["ap"] - 1e-9 <= found.average_precision[number] <= best["ap"] + 1e-9
            assert best["nmrr"] - 1e-9 <= found.nmrr[number] <= worst["nmrr"] + 1e-9


def test_equal_vectors_tie_and_blocks_and_threads_change_nothing(monkeypatch):
    generator = np.random.default_rng(3)
    distinct = generator.standard_normal((40, 24)).astype(np.float32)
    vectors, categories = distinct[np.arange(120) % 40], np.arange(120) % 7
    own = np.arange(120)
    for metric in ("euclidean", "cosine"):
        monkeypatch.setattr(image_retrieval, "CELLS_PER_BLOCK", 1 << 22)
        whole = vector_retrieval(vectors, vectors, categories, categories, metric=metric, own=own, cutoffs=(2,))
        for cells, threads in ((1, 1), (1000, 3)):
            monkeypatch.setattr(image_retrieval, "CELLS_PER_BLOCK", cells)
            again = vector_retrieval(
                vectors, vectors, categories, categories, metric=metric, own=own, cutoffs=(2,), threads=threads
            )
            assert np.array_equal(whole.average_precision, again.average_precision)
            assert np.array_equal(whole.confusion, again.confusion)
        # The other two copies of a vector are of two other classes: both stand before everything, so P@2 is 0.
        assert whole.precision_at[2] == 0


def test_a_far_origin_loses_no_ranking():
    """Distances of vectors far from zero: the centre is taken off first."""
    generator = np.random.default_rng(0)
    vectors, categories = generator.standard_normal((60, 8)), np.arange(60) % 5
    near = vector_retrieval(vectors, vectors, categories, categories, own=np.arange(60))
    far = vector_retrieval(vectors + 1e5, vectors + 1e5, categories, categories, own=np.arange(60))
    assert np.array_equal(near.average_precision, far.average_precision)


def test_the_caller_keeps_his_scores():
    scores = np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    score_retrieval(scores, [0], [0, 1, 0], own=[0])
    assert scores.tolist() == [[3.0, 2.0, 1.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_no_number(bad):
    with pytest.raises(GeoglotError, match="scores"):
        score_retrieval([[1.0, bad]], [0], [0, 1])
    with pytest.raises(GeoglotError, match="gallery"):
        vector_retrieval([[1.0]], [[1.0], [bad]], [0], [0, 1])
    with pytest.raises(GeoglotError, match="queries"):
        vector_retrieval([[bad]], [[1.0], [1.0]], [0], [0, 1])


@pytest.mark.parametrize(
    ("scores", "mine", "theirs", "own", "named"),
    [
        (np.zeros((0, 3)), [], [0, 0, 0], None, "scores"),
        (np.zeros((2, 0)), [0, 0], [], None, "scores"),
        ([1.0, 2.0], [0, 0], [0, 0], None, "scores"),
        ([["a", "b"]], [0], [0, 0], None, "scores"),
        ([[1.0, 2.0]], [0, 1], [0, 0], None, "query_categories"),
        ([[1.0, 2.0]], [0], [0], None, "gallery_categories"),
        ([[1.0, 2.0]], [0.0], [0, 0], None, "query_categories"),
        ([[1.0, 2.0]], [-1], [0, 0], None, "categories"),
        ([[1.0, 2.0]], [0], [0, 0], [2], "own"),
        ([[1.0, 2.0]], [0], [0, 0], [-2], "own"),
        ([[1.0, 2.0]], [0], [1, 0], [0], "own"),
    ],
)
def test_refuses_what_does_not_fit(scores, mine, theirs, own, named):
    with pytest.raises(GeoglotError, match=named):
        score_retrieval(scores, mine, theirs, own=own)


def test_refuses_options_that_mean_nothing():
    for options in ({"cutoffs": (0,)}, {"depth": 0}, {"threads": 0}, {"ties": "lucky"}, {"confusion_queries": -1}):
        with pytest.raises(UsageError):
            score_retrieval([[1.0, 2.0]], [0], [0, 1], **options)
    with pytest.raises(UsageError, match="manhattan"):
        vector_retrieval([[1.0]], [[1.0]], [0], [0], metric="manhattan")
    with pytest.raises(GeoglotError, match="have 2 numbers, the queries 1"):
        vector_retrieval([[1.0]], [[1.0, 2.0]], [0], [0])


def test_a_zero_vector_has_cosine_zero():
    # With (1, 0): cosines 0 (zero vector, class 0), -1 (class 1), 1 (class 1). Answer at 2: AP = 1/2.
    found = vector_retrieval([[1, 0]], [[0, 0], [-1, 0], [2, 0]], [0], [0, 1, 1], metric="cosine")
    assert found.mean_average_precision == 0.5
