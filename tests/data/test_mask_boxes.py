from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geoglot.core.errors import DataError
from geoglot.data.mask_boxes import mask_to_boxes


def flooded(mask: np.ndarray) -> list[tuple[int, ...]]:
    """Class, row, column, width, height and pixels of every part, by flood fill over the eight neighbours."""
    height, width = mask.shape
    seen = np.zeros(mask.shape, dtype=bool)
    parts = []
    for y in range(height):
        for x in range(width):
            if seen[y, x]:
                continue
            queue, rows, columns = deque([(y, x)]), [y], [x]
            seen[y, x] = True
            while queue:
                a, b = queue.popleft()
                for u in range(max(a - 1, 0), min(a + 2, height)):
                    for v in range(max(b - 1, 0), min(b + 2, width)):
                        if not seen[u, v] and mask[u, v] == mask[y, x]:
                            seen[u, v] = True
                            queue.append((u, v))
                            rows.append(u)
                            columns.append(v)
            extent = (max(columns) - min(columns) + 1, max(rows) - min(rows) + 1)
            parts.append((int(mask[y, x]), min(rows), min(columns), *extent, len(rows)))
    return sorted(parts)


def as_rows(found) -> list[tuple[int, ...]]:
    rows = zip(*(array.tolist() for array in found), strict=True)
    return sorted((kind, box[1], box[0], box[2], box[3], area) for kind, box, area in rows)


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 2)))
def test_against_flood_fill(mask):
    found = mask_to_boxes(mask)
    assert as_rows(found) == flooded(mask)
    keys = [(kind, box[1], box[0]) for kind, box in zip(found.classes.tolist(), found.boxes.tolist(), strict=True)]
    assert keys == sorted(keys)


@pytest.mark.parametrize("seed", range(5))
def test_winding_parts_against_flood_fill(seed):
    noise = np.random.default_rng(seed).random((60, 50))
    smooth = sum(np.roll(noise, (dy, dx), (0, 1)) for dy in range(-2, 3) for dx in range(-2, 3)) / 25
    mask = np.digitize(smooth, [0.46, 0.5, 0.54])
    assert as_rows(mask_to_boxes(mask)) == flooded(mask)


def test_snake_is_one_part():
    mask = np.zeros((41, 30), dtype=np.uint8)
    mask[::4] = 1
    for turn, row in enumerate(range(0, 40, 4)):
        mask[row : row + 4, 0 if turn % 2 else -1] = 1
    found = mask_to_boxes(mask, ignore=(0,))
    assert found.boxes.tolist() == [[0, 0, 30, 41]]
    assert found.areas.tolist() == [int(mask.sum())]


def test_a_part_inside_another_has_its_own_box():
    mask = np.array([[5, 5, 5, 5, 5], [5, 0, 0, 0, 5], [5, 0, 5, 0, 5], [5, 0, 0, 0, 5], [5, 5, 5, 5, 5]])
    found = mask_to_boxes(mask)
    assert found.classes.tolist() == [0, 5, 5]
    assert found.boxes.tolist() == [[1, 1, 3, 3], [0, 0, 5, 5], [2, 2, 1, 1]]
    assert mask_to_boxes(mask, least_pixels=2).boxes.tolist() == [[1, 1, 3, 3], [0, 0, 5, 5]]


def test_rows_do_not_touch_around_the_border():
    # The last pixel of a row and the first of the next are neighbours in memory only.
    mask = np.array([[0, 0, 0, 1], [1, 0, 0, 0]])
    assert mask_to_boxes(mask, ignore=(0,)).boxes.tolist() == [[3, 0, 1, 1], [0, 1, 1, 1]]


@pytest.mark.parametrize("mask", [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), np.zeros(4, np.int64)])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(DataError, match="rows and columns of class indices"):
        mask_to_boxes(mask)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1)])
def test_tiny_masks(shape):
    assert len(mask_to_boxes(np.ones(shape, np.int32)).classes) == int(np.prod(shape) > 0)
    assert mask_to_boxes(np.ones(shape, bool), ignore=(1,)).boxes.shape == (0, 4)


def test_a_large_mask_takes_seconds():
    blocks = np.random.default_rng(0).integers(0, 6, (60, 60), dtype=np.uint8)
    mask = np.kron(blocks, np.ones((100, 100), dtype=np.uint8))  # 6000 x 6000
    assert as_rows(mask_to_boxes(mask)) == [
        (kind, row * 100, column * 100, width * 100, height * 100, area * 10_000)
        for kind, row, column, width, height, area in flooded(blocks)
    ]
