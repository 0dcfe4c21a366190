"""Which of some regions are meant: rules of place, size and neighbourhood, over polygons in pixels.

North is the map's north, from the transform; in a picture without a place it is upwards. Left, right, top and bottom
are the picture's own. The numbers of all rules stand at the top of this file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.position import Direction, PositionRule

if TYPE_CHECKING:
    from shapely import Polygon

    from geoglot.geo.regions import PixelRegion

NEAR_M = 20.0
"""Next to, near, by: at most so far apart, metres."""
FAR_M = 50.0
"""Far from: at least so far apart, metres."""
ALONG_M, ALONG_SHARE = 12.0, 0.1
"""Along: at least this share of the outline lies at most so far away."""
INSIDE_M, INSIDE_SHARE = 3.0, 0.5
"""In, on: at least this share of the outline lies in it or at most so far away."""
SURROUNDED_M, SURROUNDED_SHARE = 6.0, 0.6
"""Surrounded by: at least this share of the outline lies at most so far away."""
LEAST_PIXELS = 8.0
"""No distance is taken for less than so many working pixels: outlines are not surer than that."""
TOWARD_DEGREES = 60.0
"""North of something: the way there deviates from the north by no more than this."""
OUTER_SHARE = 1 / 3
"""In the north: beyond this share of the way from the middle to the edge."""
MIDDLE_SHARE = 0.5
"""In the middle: within this share of the way from the middle to the edges."""
IN_PART_SHARE = 0.5
"""A region lies in a part of the picture if this share of its area does."""
NEARLY_SHARE = 0.5
"""Several largest: those of at least this share of the largest one's size."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How the directions of a picture lie.

    Attributes:
        width: Full-resolution pixels.
        height: As width.
        metres: Of a pixel; where no ground sample distance is known, a guess.
        least: Pixels that no distance is taken to be smaller than.
        north: (right, down) unit vector of the map's north in pixels.
        east: Likewise.
    """

    width: int
    height: int
    metres: float
    least: float
    north: tuple[float, float] = (0.0, -1.0)
    east: tuple[float, float] = (1.0, 0.0)

    @property
    def middle(self) -> NDArray[np.float64]:
        """The picture's middle in (column, row)."""
        return np.array([self.width / 2, self.height / 2])

    def axes(self, direction: Direction) -> list[NDArray[np.float64]]:
        """Unit vectors (right, down) that a direction goes along: one, or two of a corner."""
        frame, right, up = direction
        across, upwards = (self.east, self.north) if frame == "compass" else ((1.0, 0.0), (0.0, -1.0))
        parts = [(right, across), (up, upwards)]
        return [sign * np.asarray(axis) for sign, axis in parts if sign]

    def reach(self, axis: NDArray[np.float64]) -> float:
        """How far the picture reaches from its middle along an axis, pixels."""
        corners = np.array([(0, 0), (self.width, 0), (0, self.height), (self.width, self.height)]) - self.middle
        return float((corners @ axis).max())

    def pixels(self, metres: float) -> float:
        """A distance in pixels."""
        return max(self.least, metres / self.metres)


def frame_of(width: int, height: int, transform: Sequence[float] | None, *, metres: float, least: float) -> Frame:
    """The frame of a picture with a place, or of one without.

    Args:
        width: Full-resolution pixels.
        height: As width.
        transform: Affine (a, b, c, d, e, f) from (column, row) to a map; ``None`` where there is none.
        metres: Of a pixel.
        least: Pixels that no distance is taken to be smaller than.

    Example:
        >>> frame_of(10, 10, (0, 1, 0, 1, 0, 0), metres=1, least=1).north  # columns run to the north
        (1.0, 0.0)
    """
    if transform is None:
        return Frame(width=width, height=height, metres=metres, least=least)
    a, b, _, d, e, _ = transform
    inverse = np.linalg.inv(np.array([[a, b], [d, e]], np.float64))
    north, east = inverse @ (0.0, 1.0), inverse @ (1.0, 0.0)
    north, east = north / np.hypot(*north), east / np.hypot(*east)
    return Frame(
        width=width,
        height=height,
        metres=metres,
        least=least,
        north=(float(north[0]), float(north[1])),
        east=(float(east[0]), float(east[1])),
    )


def apply_rule(
    regions: Sequence[PixelRegion], rule: PositionRule, frame: Frame, anchors: Sequence[PixelRegion] = ()
) -> list[PixelRegion]:
    """The regions that a rule keeps, in their order.

    Args:
        regions: What was found.
        rule: One rule.
        frame: How the directions of the picture lie.
        anchors: Of rules that look at a neighbour: what it can be. Without any nothing is kept (and all are far).
    """
    if not regions:
        return []
    if rule.kind in ("near", "far", "along", "inside", "surrounded", "toward"):
        neighbours = _Neighbours(anchors)
        return [one for one in regions if _beside(one, rule, frame, neighbours)]
    if rule.kind == "part":
        part = _part(frame, rule.direction)
        return [one for one in regions if one.polygon.intersection(part).area >= IN_PART_SHARE * one.polygon.area]
    values = _values(regions, rule, frame)
    order = np.argsort(-values, kind="stable")
    chosen = order[rule.rank - 1 :]
    if rule.count is not None:
        chosen = chosen[: rule.count]
    elif len(chosen):
        best = abs(values[chosen[0]])
        sizes = np.abs(values[chosen])
        limit = sizes * NEARLY_SHARE <= best if values[chosen[0]] < 0 else sizes >= NEARLY_SHARE * best
        chosen = chosen[limit]
    return [regions[number] for number in sorted(chosen.tolist())]


def _values(regions: Sequence[PixelRegion], rule: PositionRule, frame: Frame) -> NDArray[np.float64]:
    """How well each region fits a ranking, the best highest."""
    if rule.kind == "size":
        sizes = [one.pixels if rule.size in ("largest", "smallest") else length_of(one.polygon) for one in regions]
        return np.array(sizes, np.float64) * (1 if rule.size in ("largest", "longest") else -1)
    places = np.array([(one.polygon.centroid.x, one.polygon.centroid.y) for one in regions]) - frame.middle
    if rule.kind == "central" or rule.direction is None:
        return -np.hypot(places[:, 0], places[:, 1])
    return np.asarray(np.sum([places @ axis / frame.reach(axis) for axis in frame.axes(rule.direction)], axis=0))


def length_of(polygon: Polygon) -> float:
    """The longer side of the narrowest rectangle round a polygon, pixels.

    Example:
        >>> from shapely import box
        >>> length_of(box(0, 0, 3, 40))
        40.0
    """
    rectangle: Any = polygon.minimum_rotated_rectangle
    corners = np.asarray(rectangle.exterior.coords)
    return float(np.hypot(*np.diff(corners[:3], axis=0).T).max())


def _part(frame: Frame, direction: Direction | None) -> Any:
    """A part of the picture as a polygon in pixels."""
    import shapely

    if direction is None:
        wide, high = frame.width * MIDDLE_SHARE / 2, frame.height * MIDDLE_SHARE / 2
        column, row = frame.middle
        return shapely.box(column - wide, row - high, column + wide, row + high)
    axes = frame.axes(direction)
    share = OUTER_SHARE if len(axes) == 1 else 0.0
    part: Any = None
    for axis in axes:
        half = _half_plane(frame, axis, share * frame.reach(axis))
        part = half if part is None else part.intersection(half)
    return part


def _half_plane(frame: Frame, axis: NDArray[np.float64], start: float) -> Polygon:
    """Everything in the picture that lies farther along an axis than some pixels from the middle."""
    from shapely import Polygon

    far = 2.0 * (frame.width + frame.height)
    across = np.array([-axis[1], axis[0]])
    edge = frame.middle + axis * start
    return Polygon(
        [edge - across * far, edge + across * far, edge + across * far + axis * far, edge - across * far + axis * far]
    )


class _Neighbours:
    """What regions are compared with; a region is no neighbour of itself."""

    def __init__(self, anchors: Sequence[PixelRegion]) -> None:
        from shapely import STRtree

        self._anchors = list(anchors)
        self._tree = STRtree([anchor.polygon for anchor in anchors])

    def within(self, region: PixelRegion, reach: float) -> list[Polygon]:
        """Neighbours that are at most so far away."""
        places = self._tree.query(region.polygon, predicate="dwithin", distance=reach).tolist()
        return [self._anchors[place].polygon for place in sorted(places) if self._anchors[place] is not region]

    def nearest(self, region: PixelRegion) -> Polygon | None:
        """The nearest neighbour."""
        import shapely

        others = [anchor.polygon for anchor in self._anchors if anchor is not region]
        if len(others) == len(self._anchors) and others:
            return others[int(self._tree.nearest(region.polygon))]
        if not others:
            return None
        return others[int(np.argmin(shapely.distance(region.polygon, np.asarray(others, object))))]


def _beside(region: PixelRegion, rule: PositionRule, frame: Frame, neighbours: _Neighbours) -> bool:
    """Whether a region lies to its neighbours as a rule says."""
    match rule.kind:
        case "near":
            return bool(neighbours.within(region, frame.pixels(NEAR_M)))
        case "far":
            return not neighbours.within(region, frame.pixels(FAR_M))
        case "along":
            return _share(region, neighbours, frame.pixels(ALONG_M)) >= ALONG_SHARE
        case "inside":
            return _share(region, neighbours, frame.pixels(INSIDE_M)) >= INSIDE_SHARE
        case "surrounded":
            return _share(region, neighbours, frame.pixels(SURROUNDED_M)) >= SURROUNDED_SHARE
        case _:
            anchor = neighbours.nearest(region)
            return anchor is not None and _lies_toward(region.polygon, anchor, rule, frame)


def _share(region: PixelRegion, neighbours: _Neighbours, reach: float) -> float:
    """The share of a region's outline that lies within reach of its neighbours."""
    import shapely

    near = neighbours.within(region, reach)
    if not near:
        return 0.0
    line = region.polygon.exterior
    window = shapely.box(*line.buffer(reach + 1).bounds)
    around = shapely.union_all([anchor.intersection(window).buffer(reach, quad_segs=4) for anchor in near])
    return float(line.intersection(around).length / line.length)


def _lies_toward(outline: Polygon, anchor: Polygon, rule: PositionRule, frame: Frame) -> bool:
    """Whether the way from a neighbour leads in a direction: from its nearest point, or its middle if they touch."""
    import shapely

    if rule.direction is None:
        return False
    centre = np.array([outline.centroid.x, outline.centroid.y])
    way = centre - np.asarray(shapely.shortest_line(anchor, outline.centroid).coords)[0]
    if np.hypot(*way) < 1e-9:
        way = centre - np.array([anchor.centroid.x, anchor.centroid.y])
    wanted: NDArray[np.float64] = np.sum(frame.axes(rule.direction), axis=0)
    length = np.hypot(*way) * np.hypot(*wanted)
    return bool(length > 0 and way @ wanted / length >= math.cos(math.radians(TOWARD_DEGREES)))
