"""Regions as a raster on the grid of the scene they were found in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapely import Polygon

    from geoglot.geo.probability import Maps

NO_DATA = 255
_COLOURS = {0: (0, 0, 0, 0), 1: (255, 64, 0, 160), NO_DATA: (0, 0, 0, 0)}


def write_mask(
    path: Path, maps: Maps, outlines: Sequence[Sequence[Polygon]], phrases: Sequence[str], side: int
) -> None:
    """Write a cloud-optimised GeoTIFF: a band per phrase, 1 where it is meant, 0 elsewhere, 255 without data.

    Args:
        path: Destination.
        maps: Of the scene: its grid, and where it has data.
        outlines: For each phrase the polygons in pixels.
        phrases: Names of the bands.
        side: Side of the blocks that are drawn at a time, pixels.

    Raises:
        GeoglotError: The file cannot be written.
    """
    from geoglot.geo.cog import write_cog

    grid, info = maps.grid, maps.info
    placed = info.transform is not None
    write_cog(
        path,
        _blocks(maps, outlines, side),
        shape=(len(outlines), grid.source_height, grid.source_width),
        dtype="uint8",
        nodata=NO_DATA,
        crs=info.crs if placed else None,
        transform=info.transform,
        names=list(phrases),
        colours=_COLOURS if len(outlines) == 1 else None,
    )


def _blocks(maps: Maps, outlines: Sequence[Sequence[Polygon]], side: int) -> Iterator[tuple[int, int, Any]]:
    import numpy as np
    from rasterio.features import rasterize
    from shapely import STRtree, box

    grid = maps.grid
    trees = [STRtree(list(some)) for some in outlines]
    for row in range(0, grid.source_height, side):
        high = min(side, grid.source_height - row)
        band = maps.band(0, row, high)
        for column in range(0, grid.source_width, side):
            wide = min(side, grid.source_width - column)
            drawn = np.zeros((len(outlines), high, wide), np.uint8)
            here = box(column, row, column + wide, row + high)
            for number, (tree, some) in enumerate(zip(trees, outlines, strict=True)):
                near = [some[place] for place in tree.query(here)]
                if near:
                    move = (1, 0, column, 0, 1, row)
                    rasterize(near, out=drawn[number], transform=_affine(move), default_value=1)
            drawn[:, ~band.valid(column, wide)] = NO_DATA
            yield row, column, drawn


def _affine(numbers: Sequence[float]) -> Any:
    import rasterio

    return rasterio.Affine(*numbers)
