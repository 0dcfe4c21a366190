"""Collapse overlapping tiles of one place to the best of them.

Two tiles show the same place when, in one source, they share at least a twentieth of the smaller one's area (so that
neighbours with the usual overlap do, and a tile does with the coarser one that holds it), or when, in different
sources, the intersection of their footprints is at least 0.3 of their union.
"""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Bounds, Tile

SAME_SOURCE_OVERLAP = 0.05
OTHER_SOURCE_IOU = 0.3
_NOWHERE = (math.nan,) * 4


class Places:
    """Distinct places in order of rank; candidates are offered best first.

    Says what :func:`same_place` says, of all places at once: boxes rule most of them out, and between two upright
    rectangles they decide; only what is left costs an intersection of polygons.
    """

    def __init__(self, most: int) -> None:
        self.positions: list[int] = []
        self.merged: list[int] = []
        self._most = most
        self._numbers: dict[str, int] = {}
        self._footprints: list[bytes | None] = []
        self._keys = np.zeros(most, np.int64)
        self._windows = np.zeros((4, most), np.int64)
        self._bounds = np.full((4, most), math.nan)
        self._areas = np.full(most, math.nan)

    def __len__(self) -> int:
        return len(self.positions)

    def offer(self, key: str, tile: Tile, position: int) -> bool:
        """Take a candidate: as a new place, or merged into the first better one that shows the same place.

        Args:
            key: What tells its source from others.
            tile: The candidate.
            position: Its rank.

        Returns:
            False when it would be one place too many; then nothing was taken.
        """
        number = self._numbers.setdefault(key, len(self._numbers))
        area = math.nan if tile.footprint is None else footprint_area(tile.footprint)
        place = self._first_same(number, tile, area)
        if place is not None:
            self.merged[place] += 1
            return True
        here = len(self)
        if here == self._most:
            return False
        self._keys[here] = number
        self._windows[:, here] = tile.window
        self._bounds[:, here] = tile.bounds or _NOWHERE
        self._areas[here] = area
        self._footprints.append(tile.footprint)
        self.positions.append(position)
        self.merged.append(1)
        return True

    def _first_same(self, number: int, tile: Tile, area: float) -> int | None:
        count = len(self)
        same_source = self._keys[:count] == number
        certain = same_source & self._windows_overlap(tile)
        if tile.bounds is None or math.isnan(area):
            return int(np.argmax(certain)) if certain.any() else None
        shared, upright = self._shared_boxes(tile.bounds, area)
        areas = self._areas[:count]
        with np.errstate(invalid="ignore"):
            certain |= ~same_source & upright & (shared >= OTHER_SOURCE_IOU * (areas + area - shared))
            possible = ~same_source & ~upright & (shared >= OTHER_SOURCE_IOU * np.maximum(areas, area) * (1 - 1e-9))
        for place in np.flatnonzero(certain | possible).tolist():
            if certain[place] or _footprint_iou(tile.footprint, self._footprints[place]) >= OTHER_SOURCE_IOU:
                return int(place)
        return None

    def _windows_overlap(self, tile: Tile) -> NDArray[np.bool_]:
        column, row, width, height = self._windows[:, : len(self)]
        own = tile.window
        across = np.minimum(column + width, own.column + own.width) - np.maximum(column, own.column)
        down = np.minimum(row + height, own.row + own.height) - np.maximum(row, own.row)
        smaller = np.minimum(width * height, own.area)
        result: NDArray[np.bool_] = (across > 0) & (down > 0) & (across * down >= SAME_SOURCE_OVERLAP * smaller)
        return result

    def _shared_boxes(self, own: Bounds, area: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Area shared by the boxes (an upper bound of what the footprints share), and where it is exact."""
        west, south, east, north = self._bounds[:, : len(self)]
        down = np.minimum(north, own.north) - np.maximum(south, own.south)
        across = np.minimum(east, own.east) - np.maximum(west, own.west)
        unclear = (west > east) | own.crosses_antimeridian
        across = np.where(unclear, 360.0, across)
        shared = np.where((across > 0) & (down > 0), across * down, 0.0)
        full = np.abs((east - west) * (north - south) - self._areas[: len(self)]) <= 1e-9 * self._areas[: len(self)]
        own_full = abs((own.east - own.west) * (own.north - own.south) - area) <= 1e-9 * area
        return shared, full & ~unclear & own_full


def footprint_area(data: bytes) -> float:
    """Area of a footprint in square degrees of the plane.

    Example:
        >>> import shapely
        >>> footprint_area(shapely.to_wkb(shapely.box(10, 50, 12, 51)))
        2.0
    """
    simple = len(data) > 13 and data[0] == 1 and struct.unpack_from("<II", data, 1) == (3, 1)
    if not simple:
        import shapely

        return float(shapely.area(shapely.from_wkb(data)))
    ring = np.frombuffer(data, "<f8", offset=13).reshape(-1, 2)
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2


def same_place(a: Tile, b: Tile, *, same_source: bool) -> bool:
    """Whether two tiles show the same place: the definition, one pair at a time.

    Example:
        >>> from geoglot.core.records import Window
        >>> first, second = Tile(window=Window(0, 0, 256, 256)), Tile(window=Window(192, 192, 256, 256))
        >>> same_place(first, second, same_source=True)  # share 64 x 64 of 256 x 256: 0.0625
        True
        >>> same_place(first, Tile(window=Window(256, 0, 256, 256)), same_source=True)
        False
    """
    if same_source:
        width = min(a.window.column + a.window.width, b.window.column + b.window.width) - max(
            a.window.column, b.window.column
        )
        height = min(a.window.row + a.window.height, b.window.row + b.window.height) - max(a.window.row, b.window.row)
        if width <= 0 or height <= 0:
            return False
        return width * height >= SAME_SOURCE_OVERLAP * min(a.window.area, b.window.area)
    if a.bounds is None or b.bounds is None or not _bounds_meet(a.bounds, b.bounds):
        return False
    return _footprint_iou(a.footprint, b.footprint) >= OTHER_SOURCE_IOU


def _bounds_meet(a: Bounds, b: Bounds) -> bool:
    if a.south > b.north or a.north < b.south:
        return False
    west, east = a.west <= b.east, a.east >= b.west
    if a.crosses_antimeridian and b.crosses_antimeridian:
        return True
    return west or east if a.crosses_antimeridian or b.crosses_antimeridian else west and east


def _footprint_iou(a: bytes | None, b: bytes | None) -> float:
    if a is None or b is None:
        return 0.0
    import shapely

    first, second = shapely.from_wkb(a), shapely.from_wkb(b)
    shared = float(shapely.area(shapely.intersection(first, second)))
    union = float(shapely.area(first)) + float(shapely.area(second)) - shared
    return shared / union if union > 0 else 0.0
