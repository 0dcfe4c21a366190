"""Metrics of binary codes: arithmetic by hand, a loop over everything, properties, time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics import hashing
from geoglot.metrics.hashing import hamming_distances, hashing_figures, pack_codes, unpack_codes
from geoglot.metrics.precision import mean_average_precision


def random_codes(count: int, bits: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).choice([-1, 1], (count, bits))


def figures_by_loops(
    queries: NDArray[np.int64], items: NDArray[np.int64], mine: list[int], theirs: list[int], k: int, radius: int
) -> tuple[float, float, float, float]:
    """Everything from the definitions: rank by (distance, index), then walk down the ranking."""
    answers = places = precision = inside = 0.0
    for code, label in zip(queries, mine, strict=True):
        ranking = sorted((int((code != other).sum()), n) for n, other in enumerate(items))
        right = [theirs[n] == label for _, n in ranking]
        hits: list[tuple[int, float]] = []
        for place, is_right in enumerate(right, start=1):
            if is_right:
                hits.append((place, (len(hits) + 1) / place))
        counted = min(k, len(hits))
        if hits:
            answers += sum(p for _, p in hits[:k]) / counted
            places += sum(p for place, p in hits if place <= k) / counted
        precision += sum(right[:k]) / min(k, len(right))
        reach = sum(distance <= radius for distance, _ in ranking)
        near = [p for place, p in hits if place <= reach]
        inside += sum(near) / len(near) if near else 0.0
    count = len(queries)
    return answers / count, places / count, precision / count, inside / count


def test_packing_keeps_the_order_of_the_bits() -> None:
    """+1 -1 +1 +1 fills the four highest bits: 1011 0000 = 176; nine bits need two bytes."""
    assert pack_codes([[1, -1, 1, 1]]).tolist() == [[176]]
    assert pack_codes(np.ones((1, 9), dtype=int)).tolist() == [[255, 128]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 140), st.integers(0, 2**32 - 1))
def test_packing_is_undone(count: int, bits: int, seed: int) -> None:
    codes = random_codes(count, bits, seed)
    assert (unpack_codes(pack_codes(codes), bits) == codes).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 140), st.integers(0, 2**32 - 1))
def test_distances_count_differing_bits(queries: int, items: int, bits: int, seed: int) -> None:
    mine, theirs = random_codes(queries, bits, seed), random_codes(items, bits, seed + 1)
    found = hamming_distances(pack_codes(mine), pack_codes(theirs))
    assert (found == (mine[:, None] != theirs[None]).sum(2)).all()
    # For codes of -1 and +1 the distance is (bits - inner product) / 2.
    assert (found == (bits - mine @ theirs.T) / 2).all()


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_the_table_counts_as_numpy_does(width: int) -> None:
    words = np.random.default_rng(0).integers(0, 256, (5, 7, width), dtype=np.uint8).view(f"u{width}")[..., 0]
    expected = np.array([[bin(int(word)).count("1") for word in row] for row in words])
    assert (hashing._count_by_table(words) == expected).all()
    assert (hashing._bit_count(words) == expected).all()


def test_figures_by_hand() -> None:
    """Query 0000 of class 1. Items at distances 0, 1, 1, 2, 4 with classes 2, 1, 2, 1, 1: right at places 2, 4, 5.

    P = 1/2, 2/4, 3/5.
    k = 2, answers: (1/2 + 2/4) / 2 = 0.5; places: (1/2) / 2 = 0.25; precision 1/2.
    k = 4, answers: (1/2 + 2/4 + 3/5) / 3 = 8/15; places: (1/2 + 2/4) / 3 = 1/3; precision 2/4.
    Radius 0 finds nothing right; radius 1 finds place 2: 1/2; radius 2 finds 2 and 4: 1/2; radius 4 all: 8/15.
    """
    items = np.array([[0b0000], [0b0001], [0b0100], [0b0110], [0b1111]], dtype=np.uint8)
    found = hashing_figures(items[:1], items, [1], [2, 1, 2, 1, 1], cutoffs=(2, 4), radii=(0, 1, 2, 3, 4))
    assert found.map_answers == pytest.approx({2: 0.5, 4: 8 / 15})
    assert found.map_places == pytest.approx({2: 0.25, 4: 1 / 3})
    assert found.precision == pytest.approx({2: 0.5, 4: 0.5})
    assert found.map_radius == pytest.approx({0: 0.0, 1: 0.5, 2: 0.5, 3: 0.5, 4: 8 / 15})
    assert (found.queries, found.database, found.without_answer) == (1, 5, 0)


def test_equal_distances_are_settled_by_the_lower_index() -> None:
    """All three items are equally far: they stay as they lie, so the answer's place is its index."""
    items = np.zeros((3, 1), dtype=np.uint8)
    for place in range(3):
        labels = [int(n == place) for n in range(3)]
        assert hashing_figures(items[:1], items, [1], labels, cutoffs=(3,)).map_answers[3] == 1 / (place + 1)


def test_a_query_without_an_answer_counts_as_zero() -> None:
    """The first query's only item is right (1.0), the second's is not (0): mean one half."""
    codes = np.zeros((2, 1), dtype=np.uint8)
    found = hashing_figures(codes, codes[:1], [4, 5], [4], cutoffs=(1, 20))
    assert found.map_answers == {1: 0.5, 20: 0.5}
    assert found.map_radius[0] == 0.5
    assert found.precision == {1: 0.5, 20: 0.5}
    assert found.without_answer == 1


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 25),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 30),
    st.integers(0, 6),
    st.integers(0, 2**32 - 1),
)
def test_figures_against_loops(
    queries: int, items: int, bits: int, classes: int, k: int, radius: int, seed: int
) -> None:
    mine, theirs = random_codes(queries, bits, seed), random_codes(items, bits, seed + 1)
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, queries).tolist(), generator.integers(0, classes, items).tolist()
    found = hashing_figures(pack_codes(mine), pack_codes(theirs), *labels, cutoffs=(k,), radii=(radius,))
    expected = figures_by_loops(mine, theirs, *labels, k, radius)
    given_back = (found.map_answers[k], found.map_places[k], found.precision[k], found.map_radius[radius])
    assert given_back == pytest.approx(expected, abs=1e-12)


def test_both_readings_agree_with_the_general_average_precision() -> None:
    mine, theirs = random_codes(20, 12, 0), random_codes(60, 12, 1)
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 4, 20), generator.integers(0, 4, 60)
    found = hashing_figures(pack_codes(mine), pack_codes(theirs), *labels, cutoffs=(7,))
    distances = hamming_distances(pack_codes(mine), pack_codes(theirs))
    rankings = [
        labels[1][np.argsort(row, kind="stable")] == label for row, label in zip(distances, labels[0], strict=True)
    ]
    assert found.map_answers[7] == pytest.approx(mean_average_precision(rankings, k=7, cut="answers"), abs=1e-12)
    assert found.map_places[7] == pytest.approx(mean_average_precision(rankings, k=7, cut="places"), abs=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, labels = pack_codes(random_codes(37, 32, 0)), np.arange(37) % 5
    whole = hashing_figures(codes, codes, labels, labels)
    monkeypatch.setattr(hashing, "CELLS_PER_BLOCK", 100)
    assert hashing_figures(codes, codes, labels, labels) == whole


def test_codes_longer_than_a_byte_can_count() -> None:
    """300 bits all different: the distance does not fit a byte and must not wrap round to 44."""
    codes = pack_codes(np.array([[1] * 300, [-1] * 300]))
    assert hamming_distances(codes[:1], codes).tolist() == [[0, 300]]
    assert hashing_figures(codes[:1], codes[::-1], [1], [0, 1], cutoffs=(1,)).map_places[1] == 1.0


@pytest.mark.parametrize(
    ("codes", "labels"),
    [(np.zeros((2, 1), np.uint8), [1]), (np.zeros((2, 1), np.uint8), [0.5, 1.0]), (np.zeros((0, 1), np.uint8), [])],
)
def test_labels_that_do_not_fit_are_refused(codes: NDArray[np.uint8], labels: list[float]) -> None:
    with pytest.raises(GeoglotError, match="query_labels"):
        hashing_figures(codes, np.zeros((1, 1), np.uint8), labels, [1])


def test_codes_that_are_no_codes_are_refused() -> None:
    with pytest.raises(GeoglotError, match="other than -1 and"):
        pack_codes([[0, 1]])
    with pytest.raises(GeoglotError, match=r"shape \(2,\)"):
        pack_codes([1, 1])
    with pytest.raises(GeoglotError, match="not packed bits"):
        hamming_distances(np.ones((1, 8)), np.zeros((1, 1), np.uint8))
    with pytest.raises(GeoglotError, match="have 2 bytes, the queries 1"):
        hamming_distances(np.zeros((1, 1), np.uint8), np.zeros((1, 2), np.uint8))
    with pytest.raises(UsageError, match="k = 0"):
        hashing_figures(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), [1], [1], cutoffs=(0,))


def test_the_largest_published_direction_takes_well_under_a_second() -> None:
    """5,460 captions against 4,369 images at 64 bits, in processor time."""
    generator = np.random.default_rng(0)
    queries, items = (generator.integers(0, 256, (count, 8), dtype=np.uint8) for count in (5460, 4369))
    started = time.process_time()
    hashing_figures(queries, items, generator.integers(0, 31, 5460), generator.integers(0, 31, 4369))
    assert time.process_time() - started < 1.5
