"""The drawing of a feature before any pixel: coloured polygons, shadows, trees and things.

Builders add shapes in metres, either in plan coordinates (the bend of the plan then bends them) or in a rigid frame
(courts, houses and planes stay as they are, only moved and turned). :meth:`Sketch.finish` transforms everything at once
to whole subpixels of the scene, two to a pixel, so that a block only has to subtract its corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from geoglot.data.scenery.classes import CLASS_INDEX
from geoglot.data.scenery.materials import CODE
from geoglot.data.scenery.warp import Warp

Point = tuple[float, float]
Colour = tuple[int, int, int]

PLAN = -1
"""In place of a frame: the points are plan coordinates."""

SUN_SHIFT = (-0.50, -0.62)
"""Where a shadow falls: metres right and down of the scene per metre of height (the sun stands in the south-east)."""

TOWARDS_SUN = (-SUN_SHIFT[0] / math.hypot(*SUN_SHIFT), -SUN_SHIFT[1] / math.hypot(*SUN_SHIFT))

SMALLEST_TREE_M = 1.5
"""Crown radius from which a tree is a thing of its own; smaller ones are bushes without a number."""

SUBPIXELS = 2
"""Subpixels per pixel and axis."""


class Layer(IntEnum):
    """Order of painting. Water comes after LAND, shadows after MARKING, trees after ROOF."""

    LAND = 0
    GROUND = 1
    ROAD = 2
    MARKING = 3
    DECK = 4
    DECK_MARKING = 5
    VEHICLE = 6
    ROOF = 7
    ROOF_DETAIL = 8
    TOP = 9


@dataclass(frozen=True)
class Thing:
    """A countable object: its class, its number in the scene and its outline in subpixels, (N, 2) column and row."""

    id: int
    class_name: str
    outline: NDArray[np.int32]


@dataclass(frozen=True)
class Drawing:
    """A finished sketch in subpixels of the scene; polygons are sorted by layer, then by order of drawing.

    Attributes:
        points: (P, 2) int32 vertices of all polygons, column and row.
        start: (N + 1,) first vertex of each polygon.
        box: (N, 4) int32 least column, least row, greatest column, greatest row of each polygon.
        layer: (N,) int64 sorted.
        ink: (N, 4) tuples of red, green, blue and surface code.
        thing: (N,) int64 number of the thing a polygon is part of, 0 for none.
        shadow_points: Vertices of all shadows, as ``points``.
        shadow_start: As ``start``.
        shadow_box: As ``box``.
        trees: (T, 5) int32 column, row, radius in subpixels, look, thing number.
        things: The countable objects.
        box_all: Least and greatest column and row over everything.
    """

    points: NDArray[np.int32]
    start: NDArray[np.int64]
    box: NDArray[np.int32]
    layer: NDArray[np.int64]
    ink: list[tuple[int, int, int, int]]
    thing: NDArray[np.int64]
    shadow_points: NDArray[np.int32]
    shadow_start: NDArray[np.int64]
    shadow_box: NDArray[np.int32]
    trees: NDArray[np.int32]
    things: tuple[Thing, ...]
    box_all: tuple[int, int, int, int]


class Sketch:
    """Collects the shapes of one feature.

    Args:
        first_id: Number of the first thing; the following ones count up from it.

    Example:
        >>> sketch = Sketch(first_id=1)
        >>> car = sketch.thing("car", ((0, 0), (4, 0), (4, 2), (0, 2)))
        >>> sketch.polygon(((0, 0), (4, 0), (4, 2), (0, 2)), (200, 0, 0), "car", Layer.VEHICLE, thing=car)
        >>> drawing = sketch.finish(Warp(1), gsd_m=0.5)
        >>> len(drawing.ink), drawing.things[0].class_name
        (1, 'car')
    """

    def __init__(self, first_id: int) -> None:
        self._first_id = first_id
        self._points: list[Point] = []
        self._frame_of: list[int] = []
        self._frames: list[tuple[float, float, float]] = []
        self._polygons: list[tuple[int, int, tuple[int, int, int, int], int]] = []  # start, layer, ink, thing
        self._things: list[tuple[int, str]] = []  # start, class
        self._shadows: list[tuple[int, float]] = []  # start, height
        self._ends: dict[int, int] = {}
        self._trees: list[tuple[int, float, int]] = []  # point, radius, look

    def frame(self, u: float, v: float, angle: float = 0.0) -> int:
        """A rigid frame at a plan point, turned by ``angle`` (radians, clockwise on the picture) within the plan."""
        self._frames.append((u, v, angle))
        return len(self._frames) - 1

    def _add(self, points: Sequence[Point], frame: int) -> int:
        start = len(self._points)
        self._points.extend(points)
        self._frame_of.extend([frame] * len(points))
        self._ends[start] = len(self._points)
        return start

    def polygon(
        self,
        points: Sequence[Point],
        colour: Colour,
        material: str,
        layer: Layer,
        *,
        frame: int = PLAN,
        thing: int = 0,
        height: float = 0.0,
    ) -> None:
        """A filled polygon; with a height in metres it also throws a shadow (convex shapes only)."""
        start = self._add(points, frame)
        red, green, blue = colour
        # Air between camera and ground takes some of the colour away.
        grey = (red + green + blue) * 0.06
        ink = (round(red * 0.82 + grey), round(green * 0.82 + grey), round(blue * 0.82 + grey), CODE[material])
        self._polygons.append((start, layer, ink, thing))
        if height > 0:
            self._shadows.append((start, height))

    def box(
        self,
        centre: Point,
        width: float,
        height: float,
        colour: Colour,
        material: str,
        layer: Layer,
        *,
        frame: int = PLAN,
        thing: int = 0,
        tall: float = 0.0,
    ) -> None:
        """A filled rectangle around a centre; ``tall`` is its height above ground, metres."""
        self.polygon(
            rectangle(centre, width, height), colour, material, layer, frame=frame, thing=thing, height=tall
        )

    def disc(
        self,
        centre: Point,
        radius: float,
        colour: Colour,
        material: str,
        layer: Layer,
        *,
        frame: int = PLAN,
        thing: int = 0,
        tall: float = 0.0,
        sides: int = 28,
    ) -> None:
        """A filled disc."""
        self.polygon(circle(centre, radius, sides), colour, material, layer, frame=frame, thing=thing, height=tall)

    def shadow(self, points: Sequence[Point], height: float, *, frame: int = PLAN) -> None:
        """The shadow alone of a convex shape."""
        self._shadows.append((self._add(points, frame), height))

    def thing(self, class_name: str, outline: Sequence[Point], *, frame: int = PLAN) -> int:
        """A new countable object; its number goes into the polygons that show it."""
        if class_name not in CLASS_INDEX:
            raise KeyError(class_name)
        self._things.append((self._add(outline, frame), class_name))
        return self._first_id + len(self._things) - 1

    def tree(self, at: Point, radius: float, look: int, *, frame: int = PLAN) -> None:
        """A tree or bush: crown radius in metres, ``look`` picks shape and colour. Crowns of 1.5 m and more count as things."""
        start = self._add((at,), frame)
        self._trees.append((start, radius, look))

    def finish(self, warp: Warp, *, gsd_m: float) -> Drawing:
        """Transform everything to whole subpixels."""
        scale = SUBPIXELS / gsd_m
        ground = self._ground(warp)
        whole = np.rint(ground * scale).astype(np.int32)
        order = sorted(range(len(self._polygons)), key=lambda index: self._polygons[index][1])
        chosen = [self._polygons[index] for index in order]
        points, start = self._gather(whole, [polygon[0] for polygon in chosen])
        box = _boxes(points, start)
        shadow_points, shadow_start = self._shadow_polygons(ground, scale)
        shadow_box = _boxes(shadow_points, shadow_start)
        trees = self._tree_rows(whole, scale)
        things = tuple(
            Thing(self._first_id + index, name, whole[begin : self._ends[begin]])
            for index, (begin, name) in enumerate(self._things)
        )
        margin = int(math.ceil(12 * scale))
        everything = np.concatenate([whole, shadow_points]) if len(whole) else np.zeros((1, 2), np.int32)
        low, high = everything.min(axis=0) - margin, everything.max(axis=0) + margin
        return Drawing(
            points=points,
            start=start,
            box=box,
            layer=np.array([polygon[1] for polygon in chosen], dtype=np.int64),
            ink=[polygon[2] for polygon in chosen],
            thing=np.array([polygon[3] for polygon in chosen], dtype=np.int64),
            shadow_points=shadow_points,
            shadow_start=shadow_start,
            shadow_box=shadow_box,
            trees=trees,
            things=things,
            box_all=(int(low[0]), int(low[1]), int(high[0]), int(high[1])),
        )

    def _tree_rows(self, whole: NDArray[np.int32], scale: float) -> NDArray[np.int32]:
        trees = np.zeros((len(self._trees), 5), dtype=np.int32)
        number = self._first_id + len(self._things)
        for row, (start, radius, look) in zip(trees, self._trees, strict=True):
            row[:2] = whole[start]
            row[2:4] = max(2, round(radius * scale)), look
            if radius >= SMALLEST_TREE_M:
                row[4] = number
                number += 1
        return trees

    def _ground(self, warp: Warp) -> NDArray[np.float64]:
        local = np.array(self._points, dtype=np.float64).reshape(-1, 2)
        frame = np.array(self._frame_of, dtype=np.int64)
        ground = np.empty_like(local)
        bent = frame < 0
        ground[bent, 0], ground[bent, 1] = warp.to_ground(local[bent, 0], local[bent, 1])
        if self._frames:
            u, v, angle = np.array(self._frames).T
            x, y = warp.to_ground(u, v)
            angle = angle + warp.angle(u, v)
            c, s = np.cos(angle), np.sin(angle)
            rigid = ~bent
            at = frame[rigid]
            px, py = local[rigid, 0], local[rigid, 1]
            ground[rigid, 0] = x[at] + c[at] * px - s[at] * py
            ground[rigid, 1] = y[at] + s[at] * px + c[at] * py
        return ground

    def _gather(self, whole: NDArray[np.int32], starts: list[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        begin = np.array(starts, dtype=np.int64)
        length = np.array([self._ends[start] - start for start in starts], dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(length)])
        index = np.repeat(begin - first[:-1], length) + np.arange(first[-1])
        return whole[index], first

    def _shadow_polygons(
        self, ground: NDArray[np.float64], scale: float
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Hulls of each convex shape and its shifted copy: every edge is emitted where the sun leaves it.

        Edges that face away from the sun belong to the shifted copy, the others to the foot; walking round the shape
        joins the two by itself.
        """
        pieces: list[NDArray[np.float64]] = []
        by_size: dict[int, list[tuple[int, float]]] = {}
        for start, height in self._shadows:
            by_size.setdefault(self._ends[start] - start, []).append((start, height))
        lengths: list[int] = []
        for size, members in by_size.items():
            begin = np.array([start for start, _ in members])
            shift = np.array([height for _, height in members])[:, None, None] * np.array(SUN_SHIFT)
            shape = ground[begin[:, None] + np.arange(size)]
            after = np.roll(shape, -1, axis=1)
            edge = after - shape
            twice_area = (shape[..., 0] * after[..., 1] - shape[..., 1] * after[..., 0]).sum(axis=1, keepdims=True)
            outward = (edge[..., 1] * shift[..., 0] - edge[..., 0] * shift[..., 1]) * np.sign(twice_area)
            moved = np.where(outward[..., None] > 0, shift, 0.0)
            hull = np.stack([shape + moved, after + moved], axis=2).reshape(len(members), 2 * size, 2)
            pieces.append(hull.reshape(-1, 2))
            lengths += [2 * size] * len(members)
        points = np.concatenate(pieces) if pieces else np.zeros((0, 2))
        first = np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64))]).astype(np.int64)
        return np.rint(points * scale).astype(np.int32), first


def _boxes(points: NDArray[np.int32], start: NDArray[np.int64]) -> NDArray[np.int32]:
    if len(start) < 2:
        return np.zeros((0, 4), dtype=np.int32)
    low = np.minimum.reduceat(points, start[:-1], axis=0)
    high = np.maximum.reduceat(points, start[:-1], axis=0)
    return np.concatenate([low, high], axis=1)


def rectangle(centre: Point, width: float, height: float) -> tuple[Point, ...]:
    """Corners of an upright rectangle around a centre."""
    x, y = centre
    w, h = width / 2, height / 2
    return ((x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h))


def circle(centre: Point, radius: float, sides: int = 28) -> tuple[Point, ...]:
    """Corners of a regular polygon that stands for a circle."""
    x, y = centre
    step = 2 * math.pi / sides
    return tuple((x + radius * math.cos(step * k), y + radius * math.sin(step * k)) for k in range(sides))


def turned(points: Sequence[Point], centre: Point, angle: float) -> list[Point]:
    """Points of a local shape turned by ``angle`` radians and moved to a centre."""
    c, s = math.cos(angle), math.sin(angle)
    x, y = centre
    return [(x + c * px - s * py, y + s * px + c * py) for px, py in points]


def band(start: Point, end: Point, left: float, right: float, step: float = 15.0) -> list[Point]:
    """Outline of a strip along a straight line of the plan, with enough vertices to follow the bend.

    Args:
        start: First end of the line.
        end: Other end.
        left: Offset of one side, metres to the right of the travel direction where positive.
        right: Offset of the other side.
        step: Greatest distance between vertices.
    """
    (u0, v0), (u1, v1) = start, end
    length = math.hypot(u1 - u0, v1 - v0)
    if length == 0:
        return [start] * 3
    du, dv = (u1 - u0) / length, (v1 - v0) / length
    count = max(1, math.ceil(length / step))
    along = [length * k / count for k in range(count + 1)]
    near = [(u0 + du * t - dv * left, v0 + dv * t + du * left) for t in along]
    far = [(u0 + du * t - dv * right, v0 + dv * t + du * right) for t in reversed(along)]
    return near + far


def area(u0: float, v0: float, u1: float, v1: float, step: float = 25.0) -> list[Point]:
    """Outline of a rectangle of the plan with enough vertices to follow the bend."""
    across, down = max(1, math.ceil((u1 - u0) / step)), max(1, math.ceil((v1 - v0) / step))
    us = [u0 + (u1 - u0) * k / across for k in range(across + 1)]
    vs = [v0 + (v1 - v0) * k / down for k in range(down + 1)]
    return (
        [(u, v0) for u in us]
        + [(u1, v) for v in vs[1:]]
        + [(u, v1) for u in reversed(us[:-1])]
        + [(u0, v) for v in reversed(vs[1:-1])]
    )
