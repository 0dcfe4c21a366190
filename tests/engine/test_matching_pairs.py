"""Which images are compared in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.errors import DataError
from geoglot.engine.matching.pairs import all_pairs, balance, balanced_pairs, class_batches

classes_of_images = st.lists(st.integers(0, 4), min_size=3, max_size=30).filter(
    lambda found: len(set(found)) > 1 and len(set(found)) < len(found)
)


@given(classes_of_images, st.integers(0, 60), st.integers(0, 3))
def test_balanced_pairs_keep_what_they_promise(categories: list[int], count: int, seed: int) -> None:
    names = np.array(categories)
    pairs = balanced_pairs(names, count, seed=(seed,))
    assert len(pairs) == len(pairs.second) == len(pairs.same) == count
    assert int(pairs.same.sum()) == count // 2
    assert not (pairs.first == pairs.second).any()
    assert ((names[pairs.first] == names[pairs.second]) == pairs.same).all()


def test_every_image_comes_first_before_one_comes_again() -> None:
    names = np.array([0, 0, 0, 1, 1, 2])  # the last image has no partner
    pairs = balanced_pairs(names, 10 + 12, seed=(0,))
    matching = np.bincount(pairs.first[pairs.same], minlength=6)
    others = np.bincount(pairs.first[~pairs.same], minlength=6)
    assert matching[5] == 0
    assert set(matching[:5]) == {2, 3}  # 11 matching pairs over 5 images
    assert set(others) == {1, 2}  # 11 others over 6


def test_partners_are_drawn_evenly() -> None:
    names = np.array([0] * 4 + [1] * 4)
    pairs = balanced_pairs(names, 16_000, seed=(1,))
    counts = np.zeros((8, 8))
    np.add.at(counts, (pairs.first, pairs.second), 1)
    # 8,000 matching pairs over 8 x 3 ordered pairs are 333 each, 8,000 others over 8 x 4 are 250; 5 deviations.
    same = names[:, None] == names[None]
    np.fill_diagonal(same, val=False)
    assert abs(counts[same] - 8000 / 24).max() < 5 * (8000 / 24) ** 0.5
    assert abs(counts[names[:, None] != names[None]] - 250).max() < 5 * 250**0.5


def test_pairs_are_drawn_anew_every_epoch_and_the_same_for_one() -> None:
    names = np.repeat(np.arange(5), 8)
    first, again, other = (balanced_pairs(names, 64, seed=(3, epoch)) for epoch in (0, 0, 1))
    assert (first.first == again.first).all()
    assert (first.second == again.second).all()
    assert (first.second != other.second).any()


@pytest.mark.parametrize("categories", [[0, 0, 0], [0, 1, 2], [4]])
def test_pairs_that_cannot_be_drawn_are_refused(categories: list[int]) -> None:
    with pytest.raises(DataError, match="the training images: have"):
        balanced_pairs(np.array(categories), 4, seed=(0,))


@given(classes_of_images, st.integers(2, 12), st.integers(2, 6), st.integers(0, 3))
def test_batches_by_class_hold_distinct_images_of_distinct_classes(
    categories: list[int], batch: int, classes: int, seed: int
) -> None:
    names = np.array(categories)
    for rows in class_batches(names, batch, classes, seed=(seed,)):
        assert len(set(rows.tolist())) == len(rows)
        found, counts = np.unique(names[rows], return_counts=True)
        assert len(found) == min(classes, len(set(categories)))
        sizes = [int((names == name).sum()) for name in found]
        assert counts.tolist() == [min(max(2, batch // len(found)), size) for size in sizes]


def test_an_epoch_of_batches_sees_every_image_once_where_the_numbers_allow() -> None:
    names = np.repeat(np.arange(6), 8)
    batches = list(class_batches(names, 12, 3, seed=(0,)))
    assert [len(rows) for rows in batches] == [12] * 4
    assert sorted(np.concatenate(batches).tolist()) == list(range(48))


def test_all_pairs_against_two_loops() -> None:
    names = np.array([3, 1, 3, 3, 1])
    for both in (True, False):
        pairs = all_pairs(names, both_orders=both)
        expected = [(i, j, names[i] == names[j]) for i in range(5) for j in range(5) if (i != j if both else i < j)]
        assert list(zip(pairs.first, pairs.second, pairs.same, strict=True)) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_weights_give_both_kinds_half(same: list[bool]) -> None:
    weights = balance(np.array(same))
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    if 0 < sum(same) < len(same):
        assert weights[np.array(same)].sum() == pytest.approx(0.5, abs=1e-5)
