"""Regions, distances, outlines and contact of masks, against plain loops over pixels."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import UsageError
from geoglot.data.mask_regions import contact, label_regions, outline, within, without_strips

SIDES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
CORNERS = [*SIDES, (-1, -1), (-1, 1), (1, -1), (1, 1)]


@st.composite
def masks(draw: st.DrawFn, most: int = 9) -> np.ndarray:
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits, dtype=bool).reshape(height, width)


def flooded(mask: np.ndarray, connectivity: int, kinds: np.ndarray | None = None) -> np.ndarray:
    """Region numbers in reading order by flooding from every pixel not yet seen."""
    labels = np.zeros(mask.shape, dtype=int)
    number = 0
    for row, column in np.argwhere(mask):
        if labels[row, column]:
            continue
        number += 1
        kind = 0 if kinds is None else kinds[row, column]
        if kind:  # an object is one region wherever its pixels are
            labels[mask & (kinds == kind)] = number
            continue
        waiting = deque([(row, column)])
        labels[row, column] = number
        while waiting:
            y, x = waiting.popleft()
            for dy, dx in SIDES if connectivity == 4 else CORNERS:
                v, u = y + dy, x + dx
                if not (0 <= v < mask.shape[0] and 0 <= u < mask.shape[1]):
                    continue
                if mask[v, u] and not labels[v, u] and (kinds is None or kinds[v, u] == 0):
                    labels[v, u] = number
                    waiting.append((v, u))
    return labels


@settings(max_examples=80, deadline=None)
@given(masks(), st.sampled_from([4, 8]))
def test_regions_are_those_of_a_flood(mask: np.ndarray, connectivity: int) -> None:
    labels, count = label_regions(mask, connectivity=connectivity)
    expected = flooded(mask, connectivity)
    assert labels.tolist() == expected.tolist()
    assert count == expected.max(initial=0)


@settings(max_examples=80, deadline=None)
@given(masks(), st.sampled_from([4, 8]), st.integers(0, 2**31))
def test_objects_are_regions_of_their_own(mask: np.ndarray, connectivity: int, seed: int) -> None:
    objects = np.random.default_rng(seed).integers(0, 4, mask.shape)
    labels, count = label_regions(mask, connectivity=connectivity, instances=objects)
    expected = flooded(mask, connectivity, objects)
    assert labels.tolist() == expected.tolist()
    assert count == expected.max(initial=0)


def test_two_objects_that_touch_are_two_regions_and_one_cut_in_two_is_one() -> None:
    mask = np.ones((1, 5), dtype=bool)
    labels, count = label_regions(mask, instances=np.array([[7, 7, 9, 0, 7]]))
    assert labels.tolist() == [[1, 1, 2, 3, 1]]
    assert count == 3


def test_a_full_and_an_empty_mask() -> None:
    assert label_regions(np.ones((2, 2), dtype=bool))[0].tolist() == [[1, 1], [1, 1]]
    labels, count = label_regions(np.zeros((2, 3), dtype=bool))
    assert (labels.tolist(), count) == ([[0, 0, 0], [0, 0, 0]], 0)


def test_another_connectivity_is_refused() -> None:
    with pytest.raises(UsageError, match="choose 4 or 8"):
        label_regions(np.ones((2, 2), dtype=bool), connectivity=6)  # type: ignore[arg-type]


def reached(mask: np.ndarray, radius: float) -> np.ndarray:
    """By the distance from every pixel to every pixel of the mask."""
    spots = np.argwhere(mask)
    found = mask.copy()
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if len(spots):
                squares = ((spots - (row, column)) ** 2).sum(axis=1)
                found[row, column] = squares.min() <= radius * radius + 1e-9
    return found


@settings(max_examples=100, deadline=None)
@given(masks(), st.sampled_from([0.0, 0.9, 1.0, 1.4, 1.5, 2.0, 2.9, 5.0, 30.0]))
def test_within_is_the_distance_to_the_nearest_pixel(mask: np.ndarray, radius: float) -> None:
    assert within(mask, radius).tolist() == reached(mask, radius).tolist()


def test_within_leaves_its_argument_alone() -> None:
    mask = np.eye(3, dtype=bool)
    within(mask, 0.0)[0, 1] = True
    assert mask.tolist() == np.eye(3, dtype=bool).tolist()


@settings(max_examples=60, deadline=None)
@given(masks(), st.sampled_from([1.0, 1.5, 2.0]))
def test_strips_are_left_out_and_nothing_is_added(mask: np.ndarray, radius: float) -> None:
    kept = without_strips(mask, radius)
    assert not (kept & ~mask).any()
    assert without_strips(kept, radius).tolist() == kept.tolist() or (kept != mask).any()
    assert without_strips(mask, 0.5).tolist() == mask.tolist()


def test_a_street_is_a_strip_and_a_square_is_not() -> None:
    mask = np.zeros((9, 12), dtype=bool)
    mask[1:8, 0:7] = True  # 7 x 7
    mask[4, 7:12] = True  # one pixel wide
    kept = without_strips(mask, 2.0)
    assert kept[2:7, 1:6].all()
    assert not kept[4, 9:].any()


@settings(max_examples=60, deadline=None)
@given(masks(), st.integers(0, 2**31), st.sampled_from([1.0, 1.5, 3.0]))
def test_contact_is_counted_pixel_by_pixel(mask: np.ndarray, seed: int, radius: float) -> None:
    reference = np.random.default_rng(seed).random(mask.shape) < 0.2
    labels, count = label_regions(mask)
    edge = outline(labels)
    near = reached(reference, radius)
    expected = []
    for number in range(1, count + 1):
        rim = 0
        touched = 0
        for row, column in np.argwhere(labels == number):
            sides = [(row + dy, column + dx) for dy, dx in SIDES]
            is_rim = any(
                not (0 <= v < mask.shape[0] and 0 <= u < mask.shape[1]) or labels[v, u] != number for v, u in sides
            )
            assert edge[row, column] == is_rim
            rim += is_rim
            touched += is_rim and near[row, column]
        expected.append(touched / rim)
    assert contact(labels, count, reference, radius)[0].tolist() == expected
