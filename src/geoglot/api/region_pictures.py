"""Pictures of regions: what lies there, with their outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.core.errors import GeoglotError, SourceError
from geoglot.core.records import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.segmenter import Region, Segmentation

SIDE = 320
"""Side of a picture, pixels."""
_AROUND = 1.6
_LEAST_SIDE = 96
_COLOUR = (255, 64, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionPicture:
    """A part of a scene with the outlines of the regions in it.

    Attributes:
        region: The one in the middle.
        window: What is shown, full-resolution pixels.
        pixels: (SIDE, SIDE, 3) uint8.
    """

    region: Region
    window: Window
    pixels: NDArray[np.uint8]


def region_pictures(found: Segmentation, *, most: int) -> list[RegionPicture]:
    """Pictures of the surest regions of a scene, each region in one picture at most.

    Args:
        found: What was found in the scene.
        most: How many pictures at most.

    Returns:
        The surest first; none where the scene cannot be read any more.
    """
    from geoglot.geo.decoder import Cut, Decoder, ReadOptions, SourceInfo, TileBatch

    outlines = [_in_pixels(region, found) for region in found.regions]
    shown = _without_seen(found, most)
    pictures: list[RegionPicture] = []
    try:
        with Decoder(ReadOptions(side=SIDE)) as decoder:
            photo = False
            for region in shown:
                window = _around(region.window, found.width, found.height)
                for _, part in decoder.read_many([Cut(path=Path(found.source), windows=(window,))]):
                    if isinstance(part, SourceError):
                        raise part
                    if isinstance(part, SourceInfo):
                        photo = part.kind == "photo"
                    if isinstance(part, TileBatch):
                        whole = Window(0, 0, found.width, found.height)
                        place = whole if photo else part.tiles[0].window
                        drawn = with_outlines(part.pixels[0], place, outlines)
                        pictures.append(RegionPicture(region=region, window=place, pixels=drawn))
                if photo:
                    break
    except GeoglotError:
        return pictures
    return pictures


def _without_seen(found: Segmentation, most: int) -> list[Region]:
    """The surest regions that lie in no picture of a surer one."""
    shown: list[Region] = []
    seen: list[Window] = []
    for region in sorted(found.regions, key=lambda one: -one.score):
        if len(shown) == most:
            break
        if any(_lies_in(region.window, window) for window in seen):
            continue
        shown.append(region)
        seen.append(_around(region.window, found.width, found.height))
    return shown


def _lies_in(inner: Window, outer: Window) -> bool:
    return (
        inner.column >= outer.column
        and inner.row >= outer.row
        and inner.column + inner.width <= outer.column + outer.width
        and inner.row + inner.height <= outer.row + outer.height
    )


def _around(window: Window, width: int, height: int) -> Window:
    """A square round a window, within the scene as far as there is room."""
    side = max(_LEAST_SIDE, round(max(window.width, window.height) * _AROUND))
    wide, high = min(side, width), min(side, height)
    left = min(max(0, window.column + (window.width - wide) // 2), width - wide)
    top = min(max(0, window.row + (window.height - high) // 2), height - high)
    return Window(left, top, wide, high)


def _in_pixels(region: Region, found: Segmentation) -> Any:
    import shapely
    from shapely.affinity import affine_transform

    shape = shapely.from_wkb(region.geometry)
    if found.transform is None:
        return shape
    import rasterio

    inverse = ~rasterio.Affine(*found.transform)
    return affine_transform(shape, [inverse.a, inverse.b, inverse.d, inverse.e, inverse.c, inverse.f])


def with_outlines(pixels: NDArray[np.uint8], window: Window, outlines: Sequence[Any]) -> NDArray[np.uint8]:
    """A picture of a window with polygons drawn over it: an edge, and a tint inside.

    Args:
        pixels: (H, W, 3) uint8.
        window: What it shows, in the pixels that the polygons are in.
        outlines: Polygons.
    """
    import numpy as np
    from PIL import Image, ImageDraw
    from shapely import box

    height, width = pixels.shape[:2]
    across, down = width / window.width, height / window.height
    tint = Image.new("L", (width, height), 0)
    edges = Image.new("L", (width, height), 0)
    here = box(window.column, window.row, window.column + window.width, window.row + window.height)
    inside, edge = ImageDraw.Draw(tint), ImageDraw.Draw(edges)
    for outline in outlines:
        if not outline.intersects(here):
            continue
        for number, ring in enumerate([outline.exterior, *outline.interiors]):
            points = [((x - window.column) * across, (y - window.row) * down) for x, y in ring.coords]
            inside.polygon(points, fill=0 if number else 70)
            edge.line(points, fill=255, width=2)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    colour = Image.new("RGB", picture.size, _COLOUR)
    picture.paste(colour, mask=tint)
    picture.paste(colour, mask=edges)
    return np.asarray(picture)
