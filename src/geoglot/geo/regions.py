"""Connected regions of a raster that is seen block by block, as polygons of its pixels.

Polygons run along pixel edges, in (column, row). Pixels are connected through their edges, not through corners. A
region that runs over several blocks is one polygon in the end, and the same one whatever the blocks were.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Window

if TYPE_CHECKING:
    from shapely import LinearRing, Polygon


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelRegion:
    """One connected region.

    Attributes:
        polygon: Its outline in (column, row), with its holes.
        pixels: How many full-resolution pixels it has.
        score: Mean probability of its pixels.
        peak: Highest probability of its pixels.
    """

    polygon: Polygon
    pixels: int
    score: float
    peak: float


@dataclass
class _Part:
    """What lies of a region in one block."""

    polygon: Polygon
    pixels: int
    total: float
    peak: float


@dataclass
class RegionCollector:
    """Takes blocks row by row, from left to right, and joins what touches over their seams.

    Args:
        threshold: Probability from which on a pixel belongs to a region.

    Example:
        >>> collector = RegionCollector(threshold=0.5)
        >>> left, right = np.array([[0.9, 0.0], [0.7, 0.7]], np.float32), np.array([[0.0], [0.9]], np.float32)
        >>> collector.add(Window(0, 0, 2, 2), left)
        >>> collector.add(Window(2, 0, 1, 2), right)
        >>> region = collector.regions()[0]
        >>> region.pixels, round(region.score, 3), region.polygon.area
        (4, 0.8, 4.0)
    """

    threshold: float
    _parts: list[_Part] = field(default_factory=list)
    _root: list[int] = field(default_factory=list)
    _bottoms: dict[int, tuple[int, NDArray[np.int64]]] = field(default_factory=dict)
    _right: tuple[tuple[int, int, int], NDArray[np.int64]] | None = None

    def add(self, window: Window, probability: NDArray[np.float32]) -> None:
        """Take a block.

        Args:
            window: Where it lies; blocks come in rows, each as high as its row and as wide as its column.
            probability: (height, width) in [0, 1], 0 where there is no data.
        """
        labels = self._label(window, probability)
        if labels is None:
            self._bottoms.pop(window.column, None)
            self._right = None
            return
        above = self._bottoms.get(window.column)
        if above is not None and above[0] == window.row and len(above[1]) == window.width:
            self._join(above[1], labels[0])
        if self._right is not None and self._right[0] == (window.row, window.column, window.height):
            self._join(self._right[1], labels[:, 0])
        self._bottoms[window.column] = (window.row + window.height, labels[-1].copy())
        self._right = ((window.row, window.column + window.width, window.height), labels[:, -1].copy())

    def _label(self, window: Window, probability: NDArray[np.float32]) -> NDArray[np.int64] | None:
        """Number of the part that each pixel belongs to, from 1 on, 0 for none; remembers the parts."""
        inside = probability >= self.threshold
        if not inside.any():
            return None
        from rasterio.errors import NotGeoreferencedWarning
        from rasterio.features import rasterize, shapes
        from shapely import Polygon

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            rings = [shape["coordinates"] for shape, _ in shapes(inside.view(np.uint8), mask=inside, connectivity=4)]
            geometries = [({"type": "Polygon", "coordinates": each}, number) for number, each in enumerate(rings, 1)]
            local = rasterize(geometries, out_shape=inside.shape, dtype="int32")
        numbers, values = local[inside], probability[inside].astype(np.float64)
        pixels = np.bincount(numbers, minlength=len(rings) + 1)
        totals = np.bincount(numbers, weights=values, minlength=len(rings) + 1)
        peaks = np.zeros(len(rings) + 1)
        np.maximum.at(peaks, numbers, values)
        offset, corner = len(self._parts), np.array([window.column, window.row])
        for number, each in enumerate(rings, 1):
            shell, *holes = (np.asarray(ring) + corner for ring in each)
            part = _Part(Polygon(shell, holes), int(pixels[number]), float(totals[number]), float(peaks[number]))
            self._parts.append(part)
            self._root.append(offset + number - 1)
        return np.where(local > 0, local.astype(np.int64) + offset, 0)

    def _join(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        both = (one > 0) & (other > 0)
        for first, second in np.unique(np.column_stack([one[both], other[both]]), axis=0).tolist():
            a, b = self._find(first - 1), self._find(second - 1)
            self._root[max(a, b)] = min(a, b)

    def _find(self, number: int) -> int:
        while self._root[number] != number:
            self._root[number] = self._root[self._root[number]]
            number = self._root[number]
        return number

    def regions(self, *, least_pixels: int = 1, least_peak: float = 0.0) -> list[PixelRegion]:
        """The regions, from top to bottom and left to right.

        Args:
            least_pixels: Smaller ones are left out.
            least_peak: Regions that are nowhere so sure are left out.
        """
        members: dict[int, list[_Part]] = defaultdict(list)
        for number, part in enumerate(self._parts):
            members[self._find(number)].append(part)
        found = []
        for parts in members.values():
            pixels, peak = sum(part.pixels for part in parts), max(part.peak for part in parts)
            if pixels < least_pixels or peak < least_peak:
                continue
            score = sum(part.total for part in parts) / pixels
            outline = _joined([part.polygon for part in parts])
            found.append(PixelRegion(polygon=outline, pixels=pixels, score=score, peak=peak))
        return sorted(found, key=lambda region: (region.polygon.bounds[1], region.polygon.bounds[0]))


def _joined(polygons: list[Polygon]) -> Polygon:
    """Polygons that touch as one, without the points where seams ran, its rings in a fixed order."""
    import shapely

    plain: Any = polygons[0]
    if len(polygons) > 1:
        whole: Any = shapely.union_all(polygons, grid_size=1)
        plain = shapely.Polygon(_corners(whole.exterior), [_corners(ring) for ring in whole.interiors])
    if not plain.is_valid:
        plain = shapely.make_valid(plain)
    if plain.geom_type != "Polygon":  # what make_valid leaves of a ring that touches itself
        plain = max(shapely.get_parts(plain), key=shapely.area)
    normal: Polygon = plain.normalize()
    return normal


def _corners(ring: LinearRing) -> NDArray[np.float64]:
    """The points of a ring at which it turns: (N, 2)."""
    points: NDArray[np.float64] = np.asarray(ring.coords)[:-1]
    come, go = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = come[:, 0] * go[:, 1] != come[:, 1] * go[:, 0]
    return np.asarray(points[turns])


def collect(blocks: Iterable[tuple[Window, NDArray[np.float32]]], *, threshold: float) -> RegionCollector:
    """All blocks of a raster, collected."""
    collector = RegionCollector(threshold)
    for window, probability in blocks:
        collector.add(window, probability)
    return collector


def without_holes(polygon: Polygon) -> Polygon:
    """The outline alone.

    Example:
        >>> from shapely import Polygon
        >>> without_holes(Polygon([(0, 0), (3, 0), (3, 3), (0, 3)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])).area
        9.0
    """
    from shapely import Polygon

    return Polygon(polygon.exterior)


def simplified(polygon: Polygon, tolerance: float) -> Polygon:
    """The polygon with fewer points, nowhere farther from it than the tolerance; itself where nothing would be left.

    Args:
        polygon: In pixels.
        tolerance: Pixels.
    """
    import shapely

    plain = shapely.simplify(polygon, tolerance, preserve_topology=True)
    return plain if plain.geom_type == "Polygon" and not plain.is_empty and plain.is_valid else polygon
