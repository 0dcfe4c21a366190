"""Drawing one block: every sketch that reaches it, layer by layer, at twice the resolution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from geoglot.data.scenery.materials import CLASS_OF, CODE
from geoglot.data.scenery.plan import Plan
from geoglot.data.scenery.shading import Fields, FloatImage, Place, shade
from geoglot.data.scenery.sketch import SUBPIXELS, SUN_SHIFT, Drawing, Layer
from geoglot.data.scenery.texture import tree_crown

_STEP = 8
_GROUND = (116, 118, 86, CODE["meadow"])
_WATER = {"sea": (60, 90, 100), "river": (84, 92, 76), "lake": (64, 86, 88)}
_SAND = (206, 190, 158)
# What shadow makes of red, green, blue and the surface code: less light, bluer, the same surface.
_SHADED = [level * keep >> 8 for keep in (106, 113, 132) for level in range(256)] + list(range(256))
_ROWED = tuple(CODE[name] for name in ("crop_u", "crop_v", "wide_u", "wide_v"))

BEACH_WIDTH = 34.0
"""Width of the sand along the sea, metres."""


@dataclass(frozen=True)
class Block:
    """A drawn block: picture (S, S, 3) uint8 and class values (S, S) uint8."""

    picture: NDArray[np.uint8]
    classes: NDArray[np.uint8]


class _Water:
    """Distance fields of a block on a coarse grid, spread over pixels or subpixels on request."""

    def __init__(self, plan: Plan, place: Place) -> None:
        count = place.side // _STEP + 1
        steps = np.arange(count) * _STEP
        x, y = np.meshgrid((steps + place.column) * place.gsd_m, (steps + place.row) * place.gsd_m)
        u, v = plan.warp.to_plan(x, y)
        self.u, self.v = u.astype(np.float32), v.astype(np.float32)
        self.sea, self.lake = plan.still_water(u, v)
        self.river = plan.river_distance(u, v)
        self._side = place.side

    def spread(self, coarse: FloatImage, density: int) -> FloatImage:
        """Bilinear values at the centres of pixels (density 1) or subpixels (2)."""
        count = self._side * density
        at = (np.arange(count, dtype=np.float32) + 0.5) / (_STEP * density)
        low = at.astype(np.int64)
        weight = at - low.astype(np.float32)
        down = coarse[low] * (1 - weight)[:, None] + coarse[low + 1] * weight[:, None]
        left = np.ascontiguousarray(down[:, low])
        left += (down[:, low + 1] - left) * weight
        return np.asarray(left, dtype=np.float32)


class _Part:
    """The polygons and trees of one drawing that touch a block, relative to its corner."""

    def __init__(self, drawing: Drawing, left: int, top: int, side: int) -> None:
        corner = np.array((left, top), dtype=np.int32)
        chosen = _touching(drawing.box, left, top, side)
        points, self._start = _relative(drawing.points, drawing.start, chosen, corner)
        self._points = points
        self._chosen: list[int] = chosen.tolist()
        self._layer_start = np.searchsorted(drawing.layer[chosen], np.arange(len(Layer) + 1)).tolist()
        self._ink, self._thing = drawing.ink, drawing.thing
        shadows = _touching(drawing.shadow_box, left, top, side)
        self._shadow_points, self._shadow_start = _relative(
            drawing.shadow_points, drawing.shadow_start, shadows, corner
        )
        trees = drawing.trees
        # A tree also throws a shadow, up to three radii away.
        reach = trees[:, 2] * 3 + 2
        x, y = trees[:, 0] - left, trees[:, 1] - top
        near = (x > -reach) & (x < side + reach) & (y > -reach) & (y < side + reach)
        self.trees: list[list[int]] = (trees[near] - np.array((left, top, 0, 0, 0), dtype=np.int32)).tolist()

    def polygons(self, layer: int) -> Iterator[tuple[list[int], int]]:
        """Flat coordinates of each polygon of a layer, with its index in the drawing."""
        points, start, chosen = self._points, self._start, self._chosen
        for k in range(self._layer_start[layer], self._layer_start[layer + 1]):
            yield points[start[k] : start[k + 1]], chosen[k]

    def painted(self, layer: int) -> Iterator[tuple[list[int], tuple[int, int, int, int]]]:
        """Flat coordinates and ink of each polygon of a layer."""
        for points, index in self.polygons(layer):
            yield points, self._ink[index]

    def numbered(self, layer: int) -> Iterator[tuple[list[int], int]]:
        """Flat coordinates and thing number of each polygon of a layer."""
        for points, index in self.polygons(layer):
            yield points, int(self._thing[index])

    def shadows(self) -> Iterator[list[int]]:
        """Flat coordinates of each shadow."""
        start = self._shadow_start
        for k in range(len(start) - 1):
            yield self._shadow_points[start[k] : start[k + 1]]


def _relative(
    points: NDArray[np.int32], start: NDArray[np.int64], chosen: NDArray[np.int64], corner: NDArray[np.int32]
) -> tuple[list[int], list[int]]:
    """Flat coordinates of the chosen polygons from a corner, and where each one's coordinates begin."""
    length = start[chosen + 1] - start[chosen]
    first = np.concatenate([[0], np.cumsum(length)])
    index = np.repeat(start[chosen] - first[:-1], length) + np.arange(first[-1])
    return (points[index] - corner).ravel().tolist(), (2 * first).tolist()


def _touching(box: NDArray[np.int32], left: int, top: int, side: int) -> NDArray[np.int64]:
    inside = (box[:, 2] >= left) & (box[:, 0] <= left + side) & (box[:, 3] >= top) & (box[:, 1] <= top + side)
    return np.flatnonzero(inside)


def _parts(drawings: Iterable[Drawing], place: Place) -> list[_Part]:
    side = place.side * SUBPIXELS
    left, top = place.column * SUBPIXELS, place.row * SUBPIXELS
    return [
        _Part(drawing, left, top, side)
        for drawing in drawings
        if drawing.box_all[2] >= left
        and drawing.box_all[0] <= left + side
        and drawing.box_all[3] >= top
        and drawing.box_all[1] <= top + side
    ]


def draw_block(plan: Plan, drawings: Iterable[Drawing], place: Place) -> Block:
    """Draw the picture and the class map of a block.

    Args:
        plan: For water and crop rows.
        drawings: All that may reach the block, in a fixed order.
        place: Where the block lies; its side is a multiple of 8.
    """
    side = place.side * SUBPIXELS
    pixels = np.empty((side, side, 4), dtype=np.uint8)
    pixels.view(np.uint32)[:] = np.array(_GROUND, dtype=np.uint8).view(np.uint32)
    canvas = Image.frombuffer("CMYK", (side, side), pixels, "raw", "CMYK", 0, 1)
    # The image works on the array's own memory, so that drawing and NumPy can take turns without copies.
    canvas.readonly = 0
    parts = _parts(drawings, place)
    water = _Water(plan, place)
    pen = ImageDraw.Draw(canvas)
    _paint(pen, parts, Layer.LAND)
    _pour(pixels, water)
    for layer in (Layer.GROUND, Layer.ROAD, Layer.MARKING):
        _paint(pen, parts, layer)
    _cast_shadows(canvas, parts)
    for layer in (Layer.DECK, Layer.DECK_MARKING, Layer.VEHICLE, Layer.ROOF, Layer.ROOF_DETAIL):
        _paint(pen, parts, layer)
    for part in parts:
        for x, y, radius, look, _ in part.trees:
            image, mask = tree_crown(radius, look)
            half = image.width // 2
            canvas.paste(image, (x - half, y - half), mask)
    _paint(pen, parts, Layer.TOP)
    surface = np.ascontiguousarray(pixels[::SUBPIXELS, ::SUBPIXELS, 3])
    flat = np.asarray(canvas.reduce(SUBPIXELS))[..., :3]
    picture = shade(flat, surface, place, _fields(water, surface))
    return Block(picture=picture, classes=CLASS_OF[surface])


def draw_things(drawings: Iterable[Drawing], place: Place) -> NDArray[np.int32]:
    """The number of the thing that each pixel of a block shows: (S, S) int32, 0 for none."""
    side = place.side * SUBPIXELS
    canvas = Image.new("I", (side, side), 0)
    pen = ImageDraw.Draw(canvas)
    parts = _parts(drawings, place)
    for layer in Layer:
        if layer is Layer.LAND:
            continue
        if layer is Layer.TOP:
            for part in parts:
                for x, y, radius, look, thing in part.trees:
                    mask = tree_crown(radius, look)[1]
                    half = mask.width // 2
                    canvas.paste(thing, (x - half, y - half), mask)
        for part in parts:
            for points, thing in part.numbered(layer):
                pen.polygon(points, fill=thing)
    return np.asarray(canvas)[::SUBPIXELS, ::SUBPIXELS].astype(np.int32)


def _paint(pen: ImageDraw.ImageDraw, parts: list[_Part], layer: int) -> None:
    polygon = pen.polygon
    for part in parts:
        for points, ink in part.painted(layer):
            polygon(points, fill=ink)


def _pour(pixels: NDArray[np.uint8], water: _Water) -> None:
    """Put sea with its sand, lakes and rivers over the land."""
    margin = 12.0
    if water.sea.max() > -BEACH_WIDTH - margin:
        shore = water.spread(water.sea, SUBPIXELS)
        pixels[shore > -BEACH_WIDTH] = (*_SAND, CODE["beach"])
        pixels[shore > 0] = (*_WATER["sea"], CODE["sea"])
    for name, coarse in (("lake", water.lake), ("river", water.river)):
        if coarse.max() > -margin:
            bank = water.spread(coarse, SUBPIXELS)
            sea = pixels[..., 3] == CODE["sea"]
            pixels[(bank > -2.5) & ~sea] = (112, 104, 80, CODE["bare"])
            pixels[(bank > 0) & ~sea] = (*_WATER[name], CODE[name])


def _cast_shadows(canvas: Image.Image, parts: list[_Part]) -> None:
    mask = Image.new("1", canvas.size, 0)
    pen = ImageDraw.Draw(mask)
    for part in parts:
        for points in part.shadows():
            pen.polygon(points, fill=1)
        for x, y, radius, look, _ in part.trees:
            crown = tree_crown(radius, look)[1]
            half = crown.width // 2
            for height in (0.8, 1.6):
                dx, dy = round(SUN_SHIFT[0] * radius * height), round(SUN_SHIFT[1] * radius * height)
                mask.paste(1, (x - half + dx, y - half + dy), crown)
    if mask.getbbox() is not None:
        canvas.paste(canvas.point(_SHADED), (0, 0), mask)


def _fields(water: _Water, surface: NDArray[np.uint8]) -> Fields:
    present = np.bincount(surface.ravel(), minlength=len(CODE)) > 0
    sandy, fresh = present[CODE["sea"]] or present[CODE["beach"]], present[CODE["river"]] or present[CODE["lake"]]
    rowed = any(present[code] for code in _ROWED)
    return Fields(
        shore=water.spread(water.sea, 1) if sandy else None,
        bank=water.spread(np.maximum(water.river, water.lake), 1) if fresh else None,
        plan=(water.spread(water.u, 1), water.spread(water.v, 1)) if rowed else None,
    )
