"""Scores of overlapping tiles as one smooth map of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Peak:
    """A place where the map is highest.

    Attributes:
        row: Of the cell.
        column: Of the cell.
        score: There.
    """

    row: int
    column: int
    score: float


def heat_of_tiles(
    windows: NDArray[np.int64],
    levels: NDArray[np.int64],
    scores: NDArray[np.float32],
    *,
    shape: tuple[int, int],
    cell: float,
) -> NDArray[np.float32]:
    """The map: in each cell the mean over the levels of what the tiles above it say.

    Within a level a tile counts most at its centre and hardly at its edge, so tiles fade into one another.

    Args:
        windows: (N, 4) column, row, width, height in full-resolution pixels.
        levels: (N,) level of each tile.
        scores: (N,).
        shape: Rows and columns of cells.
        cell: Full-resolution pixels of a cell, each way.

    Returns:
        (rows, columns) float32; NaN where no tile lies.

    Example:
        >>> two = np.array([[0, 0, 4, 4], [4, 0, 4, 4]])
        >>> heat_of_tiles(two, np.zeros(2), np.array([0.5, 1.0], np.float32), shape=(2, 5), cell=2)
        array([[0.5, 0.5, 1. , 1. , nan],
               [0.5, 0.5, 1. , 1. , nan]], dtype=float32)
    """
    total, count = np.zeros(shape), np.zeros(shape, np.int64)
    for level in np.unique(levels):
        some = levels == level
        heat = _one_level(windows[some], scores[some], shape, cell)
        there = np.isfinite(heat)
        total[there] += heat[there]
        count += there
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _one_level(
    windows: NDArray[np.int64], scores: NDArray[np.float32], shape: tuple[int, int], cell: float
) -> NDArray[np.float64]:
    total, weight = np.zeros(shape), np.zeros(shape)
    for (column, row, width, height), score in zip(windows.tolist(), scores.tolist(), strict=True):
        top, down = _tent(row / cell, (row + height) / cell, shape[0])
        left, across = _tent(column / cell, (column + width) / cell, shape[1])
        part = np.s_[top : top + len(down), left : left + len(across)]
        fade = np.outer(down, across)
        total[part] += score * fade
        weight[part] += fade
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)


def _tent(start: float, stop: float, length: int) -> tuple[int, NDArray[np.float64]]:
    """Weights of the cells whose centres a tile covers, in one direction: the first cell, and each one's weight."""
    first = max(0, int(np.ceil(start - 0.5)))
    last = min(length, max(first + 1, int(np.ceil(stop - 0.5))))
    centre, half = (start + stop) / 2, (stop - start) / 2
    places = np.arange(first, last) + 0.5
    return first, np.maximum(1 - np.abs(places - centre) / half, 0.02)


def peaks_of(heat: NDArray[np.float32], *, count: int, apart: float) -> list[Peak]:
    """The highest cells, no two of them nearer than some cells, the highest first.

    Args:
        heat: (rows, columns), NaN where nothing is known.
        count: How many at most.
        apart: Least distance of two peaks, cells.

    Example:
        >>> heat = np.array([[1.0, 3.0, 2.9, 0.0, 2.0]], np.float32)
        >>> [(peak.column, peak.score) for peak in peaks_of(heat, count=5, apart=2)]
        [(1, 3.0), (4, 2.0)]
    """
    left = np.where(np.isfinite(heat), heat, -np.inf)
    rows, columns = np.ogrid[: heat.shape[0], : heat.shape[1]]
    found: list[Peak] = []
    while len(found) < count:
        place = int(np.argmax(left))
        row, column = divmod(place, heat.shape[1])
        if not np.isfinite(left[row, column]):
            break
        found.append(Peak(row=row, column=column, score=float(heat[row, column])))
        left[(rows - row) ** 2 + (columns - column) ** 2 < apart**2] = -np.inf
    return _true_maxima(heat, found)


def _true_maxima(heat: NDArray[np.float32], found: list[Peak]) -> list[Peak]:
    """Without cells that only border a higher peak's slope."""
    kept = []
    for peak in found:
        around = heat[max(0, peak.row - 1) : peak.row + 2, max(0, peak.column - 1) : peak.column + 2]
        if peak.score >= np.nanmax(around):
            kept.append(peak)
    return kept
