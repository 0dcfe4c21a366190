"""Boxes around the connected parts of every class of a segmentation mask.

A box is the smallest one around the outer contour of a part: the least and greatest column and row of its pixels.
Pixels touch by sides and by corners, as contours are followed. Parts of other classes inside a part have boxes of
their own and change nothing about the outer one, so no contour need be followed: the parts are labelled.

Every row is cut into runs of one class; runs of neighbouring rows that touch and have the same class are joined.
The cost grows with the number of runs, not of pixels.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError


class Boxes(NamedTuple):
    """Boxes of a mask.

    Attributes:
        classes: int64, (N,), class index.
        boxes: int64, (N, 4), column and row of the top-left pixel, width, height, in pixels.
        areas: int64, (N,), pixels of the part itself.
    """

    classes: NDArray[np.int64]
    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]


def mask_to_boxes(mask: NDArray[Any], *, ignore: Collection[int] = (), least_pixels: int = 1) -> Boxes:
    """A box around every connected part of every class.

    Args:
        mask: Class indices, whole numbers, (H, W).
        ignore: Classes without boxes.
        least_pixels: Parts with fewer pixels are left out.

    Returns:
        Boxes by class, then row, then column of their top-left pixel.

    Raises:
        DataError: The mask has another shape, or no whole numbers.

    Example:
        >>> mask = np.array([[1, 0, 0, 2],
        ...                  [0, 1, 0, 2],
        ...                  [0, 0, 0, 0]])
        >>> found = mask_to_boxes(mask, ignore=(0,))
        >>> found.classes.tolist(), found.boxes.tolist(), found.areas.tolist()
        ([1, 2], [[0, 0, 2, 2], [3, 0, 1, 2]], [2, 2])
    """
    if mask.ndim != 2 or mask.dtype.kind not in "iub":
        cause = f"has shape {mask.shape} and type {mask.dtype}, not rows and columns of class indices"
        raise DataError("mask", cause=cause, remedy="give one whole number per pixel")
    if mask.size == 0:
        return Boxes(np.zeros(0, np.int64), np.zeros((0, 4), np.int64), np.zeros(0, np.int64))
    rows, starts, ends, classes = runs(mask)
    parts = joined(len(rows), *touching(rows, starts, ends, classes, mask.shape[1]))
    order = np.argsort(parts, kind="stable")
    firsts = np.flatnonzero(np.r_[True, np.diff(parts[order]) > 0])
    left = np.minimum.reduceat(starts[order], firsts)
    right = np.maximum.reduceat(ends[order], firsts)
    top = rows[order][firsts]  # runs are in the order of rows
    bottom = np.maximum.reduceat(rows[order], firsts) + 1
    areas = np.add.reduceat((ends - starts)[order], firsts)
    found = classes[order][firsts]
    boxes = np.stack([left, top, right - left, bottom - top], axis=1)
    keep = (areas >= least_pixels) & ~np.isin(found, list(ignore))
    sort = np.lexsort((left[keep], top[keep], found[keep]))
    return Boxes(found[keep][sort], boxes[keep][sort], areas[keep][sort])


def runs(mask: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
    """Runs of one class in the rows of a mask, in reading order: row, first column, column after the last, class."""
    height, width = mask.shape
    begins = np.ones((height, width), dtype=bool)
    np.not_equal(mask[:, 1:], mask[:, :-1], out=begins[:, 1:])
    places = np.flatnonzero(begins)
    rows, starts = np.divmod(places, width)
    ends = np.append(places[1:], mask.size) - rows * width
    return rows, starts, ends, mask.reshape(-1)[places].astype(np.int64)


def touching(
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    classes: NDArray[np.int64],
    width: int,
    *,
    corners: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of runs of one class in neighbouring rows that touch by a side (or, with ``corners``, by a corner).

    Args:
        rows: As :func:`runs` returns them, like the next three.
        starts: First columns.
        ends: Columns after the last.
        classes: Classes.
        width: Of the mask, pixels.
        corners: Whether touching by a corner counts.

    Returns:
        Upper and lower run of every pair.
    """
    stride = width + 2
    # A run [s, e) touches [s', e') of the row below when s' <= e and s <= e'; by a side when s' < e and s < e'. The
    # runs of a row fill it, so both keys grow with the run's number, and those that touch are neighbours.
    sides: tuple[Literal["left", "right"], ...] = ("left", "right") if corners else ("right", "left")
    first = np.searchsorted(rows * stride + ends, (rows + 1) * stride + starts, side=sides[0])
    last = np.searchsorted(rows * stride + starts, (rows + 1) * stride + ends, side=sides[1])
    counts = np.where(rows < rows[-1], np.maximum(last - first, 0), 0)
    upper = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    lower = np.repeat(first, counts) + within
    same = classes[upper] == classes[lower]
    return upper[same], lower[same]


def joined(count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least number of each connected group, for every member (N,)."""
    parent = np.arange(count)
    while len(left):
        a, b = parent[left], parent[right]
        low, high = np.minimum(a, b), np.maximum(a, b)
        np.minimum.at(parent, high, low)
        while True:  # every chain of parents becomes one step long
            grand = parent[parent]
            if np.array_equal(grand, parent):
                break
            parent = grand
        open_still = parent[left] != parent[right]
        left, right = left[open_still], right[open_still]
    return parent
