"""Windows of a scene: rows and columns of tiles at each level.

Level l is the scene at 1/2**l of its resolution, so one of its tiles covers ``tile * 2**l`` full-resolution pixels.
Tiles start every ``tile * (1 - overlap)`` pixels; the last row and column are shifted inwards, so that every tile
is whole and none sticks out. A direction that is no longer than a tile has one window over its whole length.
A source whose level is one single window ends the levels there, for the next would show the same again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from geoglot.core.records import Window


def starts(length: int, tile: int, overlap: float) -> tuple[int, ...]:
    """Where tiles begin along one direction.

    Args:
        length: Pixels in that direction, at least 1.
        tile: Side of a tile, pixels.
        overlap: Share of a tile seen by its neighbour too, 0 to 0.9.

    Example:
        >>> starts(1000, 256, 0.25)  # every 192; the last is 1000 - 256
        (0, 192, 384, 576, 744)
        >>> starts(200, 256, 0.25)
        (0,)
    """
    if length <= tile:
        return (0,)
    stride = max(1, round(tile * (1 - overlap)))
    regular = range(0, length - tile, stride)
    return (*regular, length - tile)


@dataclass(frozen=True, kw_only=True)
class Level:
    """The grid of tiles of one level, in that level's own (reduced) pixels.

    Attributes:
        level: 0 is native resolution.
        columns: First column of each tile column, level pixels.
        rows: First row of each tile row, level pixels.
        tile_width: Level pixels in a tile's row.
        tile_height: Level pixels in a tile's column.
        source_width: Full-resolution pixels of the source.
        source_height: As source_width.
    """

    level: int
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    tile_width: int
    tile_height: int
    source_width: int
    source_height: int

    @property
    def scale(self) -> int:
        """Full-resolution pixels per level pixel."""
        return 1 << self.level

    @property
    def tile_count(self) -> int:
        """Number of tiles in the level."""
        return len(self.columns) * len(self.rows)

    def window(self, column: int, row: int, width: int, height: int) -> Window:
        """Full-resolution window of a rectangle of level pixels, cut at the source's edge."""
        scale = self.scale
        left, top = column * scale, row * scale
        right = min((column + width) * scale, self.source_width)
        bottom = min((row + height) * scale, self.source_height)
        return Window(left, top, right - left, bottom - top)

    def windows(self) -> Iterator[Window]:
        """Full-resolution windows of all tiles, row by row."""
        for row in self.rows:
            for column in self.columns:
                yield self.window(column, row, self.tile_width, self.tile_height)


def plan(width: int, height: int, *, tile: int, overlap: float, levels: int) -> list[Level]:
    """The tiles of a scene.

    Args:
        width: Full-resolution pixels, at least 1.
        height: As width.
        tile: Side of a tile at level 0, full-resolution pixels.
        overlap: Share of a tile, 0 to 0.9.
        levels: How many levels are wanted.

    Returns:
        One grid for each level, fewer than wanted where a level is already a single window.

    Example:
        >>> [level.tile_count for level in plan(1000, 1000, tile=256, overlap=0.25, levels=9)]
        [25, 9, 1]
        >>> list(plan(300, 100, tile=256, overlap=0.0, levels=1)[0].windows())
        [Window(column=0, row=0, width=256, height=100), Window(column=44, row=0, width=256, height=100)]
    """
    grids: list[Level] = []
    for level in range(levels):
        columns, tile_width = _direction(width, tile, overlap, level)
        rows, tile_height = _direction(height, tile, overlap, level)
        grids.append(
            Level(
                level=level,
                columns=columns,
                rows=rows,
                tile_width=tile_width,
                tile_height=tile_height,
                source_width=width,
                source_height=height,
            )
        )
        if grids[-1].tile_count == 1:
            break
    return grids


def single_windows(width: int, height: int, windows: Iterable[Window], *, side: int) -> list[Level]:
    """One grid of one tile for each window, at the level whose pixels are nearest to `side` from above.

    Windows are cut off at the scene's edges; those that lie outside are left out.

    Example:
        >>> level = single_windows(1000, 1000, [Window(512, 0, 4096, 4096)], side=200)[0]
        >>> level.level, list(level.windows())
        (1, [Window(column=512, row=0, width=488, height=1000)])
    """
    grids: list[Level] = []
    for window in windows:
        left, top = max(0, window.column), max(0, window.row)
        right, bottom = min(width, window.column + window.width), min(height, window.row + window.height)
        if left >= right or top >= bottom:
            continue
        level = max(0, (min(right - left, bottom - top) // side).bit_length() - 1)
        scale = 1 << level
        grids.append(
            Level(
                level=level,
                columns=(left // scale,),
                rows=(top // scale,),
                tile_width=-(-(right - left) // scale),
                tile_height=-(-(bottom - top) // scale),
                source_width=width,
                source_height=height,
            )
        )
    return grids


def _direction(length: int, tile: int, overlap: float, level: int) -> tuple[tuple[int, ...], int]:
    """Starts of the tiles, and how long they are, in level pixels."""
    scale = 1 << level
    if length <= tile * scale:
        return (0,), -(-length // scale)
    return starts(length // scale, tile, overlap), tile
