"""Scenes as tiles: strips of rows are read once, tiles are cut from them in memory.

A strip holds one row of tiles. Reading goes on in whole rows of blocks, and the rows that the next row of tiles needs
too (the overlap) stay, so that no block of a column chunk is decoded twice. A scene too wide for the memory of one
strip is read in chunks of tile columns, one below the other, so memory does not grow with the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Tile, Window
from geoglot.geo.acquisition import acquisition_time
from geoglot.geo.footprint import Locator, ground_sample_distance, locate
from geoglot.geo.mask import fill_invalid
from geoglot.geo.opening import GDAL_SETTINGS, Identified, identify, open_raster
from geoglot.geo.photo import read_photo
from geoglot.geo.resample import reduced, to_square, whole_factor
from geoglot.geo.scene import Scene
from geoglot.geo.source import TILES_PER_BATCH, ReadOptions, SourceInfo, TileBatch
from geoglot.geo.tiling import Level, plan, single_windows

STRIP_BYTES = 128 << 20
_PLACED_AT_ONCE = 16_384

Progress = Callable[[], None]


def read_source(
    path: Path,
    *,
    root: Path | None,
    options: ReadOptions,
    windows: Sequence[Window] | None = None,
    progress: Progress = lambda: None,
) -> Iterator[SourceInfo | TileBatch]:
    """Read one file in this very process: first what it is, then its tiles.

    Args:
        path: The file.
        root: Folder outside which it may not lead.
        options: How to read.
        windows: Only these windows of a scene, see :class:`geoglot.geo.source.Cut`.
        progress: Called after each piece of work, so that a watcher sees that something moves.

    Raises:
        SourceError: The file is refused. What GDAL and Pillow raise on damaged files comes through as it is.
    """
    source = identify(path, root=root)
    if source.driver in ("JPEG", "PNG", "WEBP"):
        yield from read_photo(source, path, root, options)
    else:
        yield from _read_scene(source, path, root, options, windows, progress)


def _read_scene(
    source: Identified,
    path: Path,
    root: Path | None,
    options: ReadOptions,
    windows: Sequence[Window] | None,
    progress: Progress,
) -> Iterator[SourceInfo | TileBatch]:
    import rasterio

    with rasterio.Env(**GDAL_SETTINGS), open_raster(source) as dataset:
        scene = Scene(dataset, subject=path, bands=options.bands, file_bytes=source.size)
        if windows is None:
            levels = plan(scene.width, scene.height, tile=options.tile, overlap=options.overlap, levels=options.levels)
        else:
            levels = single_windows(scene.width, scene.height, windows, side=options.side)
        locator = scene.locator()
        info = SourceInfo(
            path=str(path),
            driver=source.driver,
            width=scene.width,
            height=scene.height,
            band_count=scene.band_count,
            dtype=scene.dtype.name,
            crs=locator.name if locator else None,
            gsd_m=ground_sample_distance(locator, scene.width, scene.height) if locator else None,
            time=acquisition_time(path, root=root, expression=options.time_from, embedded=scene.embedded_time),
            kind="scene",
            tile_count=sum(level.tile_count for level in levels),
            transform=scene.transform() if locator else None,
        )
        yield info
        scene.prepare()
        progress()
        batch = _Batch()
        for level in levels:
            for tile, square in _tiles_of_level(scene, level, locator, info, options.side, progress):
                batch.add(tile, square)
                if batch.is_full:
                    yield batch.take()
        if batch.tiles:
            yield batch.take()


class _Batch:
    def __init__(self) -> None:
        self._squares: list[NDArray[np.uint8]] = []
        self.tiles: list[Tile] = []

    def add(self, tile: Tile, square: NDArray[np.uint8]) -> None:
        self._squares.append(square)
        self.tiles.append(tile)

    @property
    def is_full(self) -> bool:
        return len(self.tiles) == TILES_PER_BATCH

    def take(self) -> TileBatch:
        taken = TileBatch(pixels=np.stack(self._squares), tiles=self.tiles)
        self._squares, self.tiles = [], []
        return taken


def _tiles_of_level(
    scene: Scene, level: Level, locator: Locator | None, info: SourceInfo, side: int, progress: Progress
) -> Iterator[tuple[Tile, NDArray[np.uint8]]]:
    """All tiles of a level that hold data, with their pixels as (side, side, 3)."""
    for columns in _column_chunks(scene, level):
        strip = _Strip(scene, level, left=columns[0], right=columns[-1] + level.tile_width, side=side)
        slab = max(1, _PLACED_AT_ONCE // len(columns))
        for first in range(0, len(level.rows), slab):
            rows = level.rows[first : first + slab]
            slots = [(row, column) for row in rows for column in columns]
            placed: _Places | None = None  # worked out only where a slab holds data
            for number, (row, column) in enumerate(slots):
                if column == columns[0]:
                    strip.advance(row)
                    progress()
                square = None if strip.is_empty else strip.square(column)
                if square is None:
                    continue
                placed = placed or _Places(locator, level, slots)
                yield placed.tile(number, info), square


class _Places:
    """Where the tiles of a slab lie, all worked out in one go."""

    def __init__(self, locator: Locator | None, level: Level, slots: list[tuple[int, int]]) -> None:
        self._level = level
        self._windows = [level.window(column, row, level.tile_width, level.tile_height) for row, column in slots]
        self._placed = locate(locator, np.array(self._windows)) if locator else None

    def tile(self, number: int, info: SourceInfo) -> Tile:
        """The tile of one slot."""
        window, level = self._windows[number], self._level
        if self._placed is None or self._placed.footprints[number] is None:
            return Tile(window=window, level=level.level, time=info.time)
        return Tile(
            window=window,
            level=level.level,
            footprint=self._placed.footprints[number],
            bounds=self._placed.bounds[number],
            gsd_m=float(self._placed.gsd_m[number]) * level.scale,
            time=info.time,
        )


def _column_chunks(scene: Scene, level: Level) -> Iterator[tuple[int, ...]]:
    """Tile columns in groups whose strips fit the memory for one strip."""
    rows = level.tile_height + scene.aligned_rows
    widest = max(level.tile_width, STRIP_BYTES // (rows * scene.bytes_per_pixel))
    chunk: list[int] = []
    for column in level.columns:
        if chunk and column + level.tile_width - chunk[0] > widest:
            yield tuple(chunk)
            chunk = []
        chunk.append(column)
    yield tuple(chunk)


class _Strip:
    """Rows of one column chunk: those of the current row of tiles, and what was decoded with them.

    All coordinates are level pixels.
    """

    def __init__(self, scene: Scene, level: Level, *, left: int, right: int, side: int) -> None:
        self._scene, self._level, self._side = scene, level, side
        self._factor = whole_factor(level.tile_width, level.tile_height, side)
        self._reduced: NDArray[np.uint8] | None = None
        self._left, self._width = left, right - left
        self._level_height = level.rows[-1] + level.tile_height
        capacity = min(level.tile_height + scene.aligned_rows, self._level_height)
        self._pixels = np.empty((capacity, self._width, scene.channels), np.uint8)
        self._valid = np.ones(self._pixels.shape[:2], bool)
        self._all_valid = self._any_valid = True
        self._top = self._bottom = level.rows[0]

    def advance(self, row: int) -> None:
        """Hold the row of tiles that starts at a level row, no higher than the one before."""
        self._reduced = None
        keep = max(0, self._bottom - row)
        if keep and row > self._top:
            offset = row - self._top
            self._pixels[:keep] = self._pixels[offset : offset + keep].copy()
            self._valid[:keep] = self._valid[offset : offset + keep].copy()
        self._top = row
        self._bottom = row + keep
        needed = row + self._level.tile_height
        if self._bottom < needed:
            unit = self._scene.aligned_rows
            end = min(-(-needed // unit) * unit, self._level_height, row + len(self._pixels))
            self._read(keep, self._bottom, end - self._bottom)
            self._bottom = end

    @property
    def is_empty(self) -> bool:
        """Whether no pixel that is held has data."""
        return not self._all_valid and not self._any_valid

    def _read(self, position: int, row: int, height: int) -> None:
        window = self._level.window(self._left, row, self._width, height)
        valid = self._scene.read_into(window, self._pixels[position : position + height])
        if valid is not None:
            self._valid[position : position + height] = valid
            self._all_valid = False
            self._any_valid = bool(self._valid[: position + height].any())
        elif not self._all_valid:
            self._valid[position : position + height] = True
            self._any_valid = True

    def square(self, column: int) -> NDArray[np.uint8] | None:
        """The tile that starts at a level column, as (side, side, 3); ``None`` where it holds hardly any data.

        Where all of the strip is valid and tiles are reduced by a whole factor, the strip is reduced once and the
        tiles are cut from the result: a pixel where two tiles overlap is not worked on twice.
        """
        offset, height, width = column - self._left, self._level.tile_height, self._level.tile_width
        if self._all_valid and self._factor and offset % self._factor == 0:
            if self._reduced is None:
                self._reduced = reduced(self._pixels[:height], self._factor)
            start = offset // self._factor
            square = self._reduced[:, start : start + self._side]
        else:
            where = slice(0, height), slice(offset, offset + width)
            pixels = fill_invalid(self._pixels[where], None if self._all_valid else self._valid[where])
            if pixels is None:
                return None
            square = to_square(_in_colour(pixels), self._side)
        return _in_colour(square)


def _in_colour(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 1 or 3) -> (H, W, 3)."""
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
