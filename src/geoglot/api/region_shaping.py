"""From maps of probability to outlines: threshold, least size, holes, simplification, place and area."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoglot.core.errors import UsageError
from geoglot.core.records import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from shapely import Polygon

    from geoglot.geo.probability import Maps
    from geoglot.geo.regions import PixelRegion
    from geoglot.geo.source import SourceInfo

THRESHOLD = 0.5
"""Probability from which on a pixel is meant, where the model says nothing else."""
BLOCK = 1024
"""Side of the blocks in which outlines are drawn, full-resolution pixels; the result does not depend on it."""
LEAST_WORKING_PIXELS = 16
"""Regions smaller than a cell of scores are noise."""


@dataclass(frozen=True, kw_only=True)
class Shaping:
    """How probabilities become polygons.

    Attributes:
        threshold: Pixels from this probability on are meant, in (0, 1).
        blur: Probabilities are blurred before, standard deviation in cells of 4 working pixels: outlines get smoother,
            and single cells count less.
        least_peak: A region must be this sure somewhere.
        smallest_m2: Smaller regions are left out, square metres (or pixels, in a scene without a place).
        holes: Whether holes are kept.
        simplify_m: Outlines may be off by so much, metres (or pixels), to have fewer points; 0 keeps every corner.
        positions: Whether position words ("the largest", "next to the river") are rules; else they go to the model.
        block: Side of the blocks in which outlines are drawn; the result does not depend on it.

    Raises:
        UsageError: A value is out of its range.
    """

    threshold: float = THRESHOLD
    blur: float = 0.0
    least_peak: float = 0.0
    smallest_m2: float = 0.0
    holes: bool = True
    simplify_m: float = 0.0
    positions: bool = True
    block: int = BLOCK

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("threshold", self.threshold, 0.001, 0.999),
            ("blur", self.blur, 0, 16),
            ("least_peak", self.least_peak, 0, 1),
            ("smallest", self.smallest_m2, 0, 1e12),
            ("simplify", self.simplify_m, 0, 1e6),
            ("tile", self.block, 64, 8192),
        ):
            if not low <= value <= high:
                cause, remedy = f"is outside {low:g} to {high:g}", "choose another value"
                raise UsageError(f"{name}={value:g}", cause=cause, remedy=remedy)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shaped:
    """A region as users get it; attributes as of :class:`geoglot.api.segmenter.Region`.

    Attributes:
        outline: The polygon in pixels.
    """

    outline: Polygon
    score: float
    pixels: int
    area_m2: float | None
    geometry: bytes
    bounds: tuple[float, float, float, float]
    window: Window


def instances_of(maps: Maps, phrase: int, shaping: Shaping) -> list[PixelRegion]:
    """The regions of one map, without those that are too small or nowhere sure enough."""
    from geoglot.geo.regions import collect

    found = collect(_blocks(maps, phrase, shaping), threshold=shaping.threshold)
    least = math.ceil(LEAST_WORKING_PIXELS * maps.grid.scale**2)
    regions = found.regions(least_pixels=least, least_peak=shaping.least_peak)
    if not shaping.smallest_m2:
        return regions
    return [one for one in regions if _size(one.polygon, maps.info) >= shaping.smallest_m2]


def _size(outline: Polygon, info: SourceInfo) -> float:
    """Square metres, or pixels where those cannot be told."""
    area = area_m2(outline, info)
    return float(outline.area) if area is None else area


def _blocks(maps: Maps, phrase: int, shaping: Shaping) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """The probabilities of a map, block by block; nothing where nothing can be meant."""
    import numpy as np

    from geoglot.geo.probability import FULL

    width, height, side = maps.grid.source_width, maps.grid.source_height, shaping.block
    for row in range(0, height, side):
        high = min(side, height - row)
        band = maps.band(phrase, row, high, blur=shaping.blur)
        for column in range(0, width, side):
            wide = min(side, width - column)
            window = Window(column, row, wide, high)
            if band.highest(column, wide) < math.floor(shaping.threshold * FULL):
                yield window, np.zeros((high, wide), np.float32)
                continue
            yield window, np.where(band.valid(column, wide), band.block(column, wide), np.float32(0))


def shaped(region: PixelRegion, info: SourceInfo, shaping: Shaping) -> Shaped:
    """A region in its final outline, placed and measured."""
    import shapely

    from geoglot.geo.regions import simplified, without_holes

    outline = region.polygon if shaping.holes else without_holes(region.polygon)
    if shaping.simplify_m:
        outline = simplified(outline, shaping.simplify_m / (info.gsd_m or 1.0))
    placed = in_source_system(outline, info)
    left, top, right, bottom = (int(edge) for edge in region.polygon.bounds)
    bounds = placed.bounds
    return Shaped(
        outline=outline,
        score=min(1.0, region.score),
        pixels=region.pixels if shaping.holes else round(without_holes(region.polygon).area),
        area_m2=area_m2(outline, info),
        geometry=shapely.to_wkb(placed),
        bounds=(bounds[0], bounds[1], bounds[2], bounds[3]),
        window=Window(left, top, right - left, bottom - top),
    )


def in_source_system(outline: Polygon, info: SourceInfo) -> Polygon:
    """A polygon of pixels in the source's own system; as it is where there is none."""
    if info.transform is None:
        return outline
    from shapely.affinity import affine_transform

    a, b, c, d, e, f = info.transform
    return affine_transform(outline, [a, b, d, e, c, f])


def area_m2(outline: Polygon, info: SourceInfo) -> float | None:
    """Square metres on the ellipsoid that a polygon of pixels covers; ``None`` where it has no place on Earth."""
    if info.transform is None or info.crs is None:
        return None
    import numpy as np
    import pyproj

    from geoglot.geo.footprint import Locator

    locator = Locator(info.crs, info.transform)
    geodesic = pyproj.Geod(ellps="WGS84")

    def ring_area(ring: Any) -> float:
        points = np.asarray(ring.coords)
        longitude, latitude = locator(points[:, 0], points[:, 1])
        return abs(float(geodesic.polygon_area_perimeter(longitude, latitude)[0]))

    area = ring_area(outline.exterior) - sum(ring_area(ring) for ring in outline.interiors)
    return area if math.isfinite(area) else None
