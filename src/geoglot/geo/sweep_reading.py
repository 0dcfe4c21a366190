"""The pixels of a sweep, read in a decoder's child: strips of working rows, from which windows are cut.

A working pixel is the mean of a whole number of full-resolution pixels each way, as far as that goes; what is left of
the scale is done by an antialiased bilinear filter. Both are bound to the source's own grid, so a working pixel has
the same value however the source is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Window
from geoglot.geo.acquisition import acquisition_time
from geoglot.geo.footprint import ground_sample_distance
from geoglot.geo.opening import GDAL_SETTINGS, Identified, identify, open_raster
from geoglot.geo.photo import whole_photo
from geoglot.geo.scene import Scene
from geoglot.geo.source import ReadOptions, SourceInfo, WindowBatch
from geoglot.geo.sweep import Sweep, SweepGrid, sweep_grid

Progress = Callable[[], None]
_BATCH_PIXELS = 2 << 20
_MOST_WINDOWS = 16
_PIECE_BYTES = 96 << 20
_MARGIN = 3


def read_sweep(
    asked: Sweep, *, options: ReadOptions, root: Path | None, progress: Progress = lambda: None
) -> Iterator[SourceInfo | WindowBatch]:
    """Read one file in this very process: first what it is, then its windows.

    Raises:
        SourceError: The file is refused. What GDAL and Pillow raise on damaged files comes through as it is.
    """
    import rasterio

    source = identify(asked.path, root=root)
    if source.driver in ("JPEG", "PNG", "WEBP"):
        info, pixels, valid = whole_photo(source, asked.path, root, options)
        yield info
        progress()
        grid = sweep_grid(info.width, info.height, None, asked)
        yield from _windows(_Held(pixels, valid, grid), grid, asked, progress)
        return
    with rasterio.Env(**GDAL_SETTINGS), open_raster(source) as dataset:
        scene = Scene(dataset, subject=asked.path, bands=options.bands, file_bytes=source.size)
        info = _info(scene, source, asked, root, options)
        yield info
        if asked.areas == ():
            return
        scene.prepare()
        progress()
        grid = sweep_grid(info.width, info.height, info.gsd_m, asked)
        yield from _windows(_Streamed(scene, grid, progress), grid, asked, progress)


def _info(scene: Scene, source: Identified, asked: Sweep, root: Path | None, options: ReadOptions) -> SourceInfo:
    locator = scene.locator()
    gsd_m = ground_sample_distance(locator, scene.width, scene.height) if locator else None
    return SourceInfo(
        path=str(asked.path),
        driver=source.driver,
        width=scene.width,
        height=scene.height,
        band_count=scene.band_count,
        dtype=scene.dtype.name,
        crs=locator.name if locator else None,
        gsd_m=gsd_m,
        time=acquisition_time(asked.path, root=root, expression=options.time_from, embedded=scene.embedded_time),
        kind="scene",
        tile_count=sweep_grid(scene.width, scene.height, gsd_m, asked).count(asked.areas),
        transform=scene.transform() if locator else None,
    )


class _BaseRows(Protocol):
    """The source reduced by a whole factor, given in rows from top to bottom."""

    factor: int

    def take(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Rows [start, stop), (n, W, 3), and where they hold data; never above rows that were taken before."""


def whole_part(scale: float) -> int:
    """The whole factor by which a source is reduced before what is left is filtered.

    Example:
        >>> whole_part(0.5), whole_part(1.0), whole_part(2.7), whole_part(4.0)
        (1, 1, 2, 4)
    """
    return max(1, math.floor(scale + 1e-9))


class _Held:
    """A photo, which is in memory anyway."""

    def __init__(self, pixels: NDArray[np.uint8], valid: NDArray[np.bool_] | None, grid: SweepGrid) -> None:
        self.factor = whole_part(grid.scale)
        self._pixels, self._valid = _boxes(pixels, valid, self.factor)

    def take(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        return self._pixels[start:stop], None if self._valid is None else self._valid[start:stop]


class _Streamed:
    """A scene, of which only the rows that are needed are held."""

    def __init__(self, scene: Scene, grid: SweepGrid, progress: Progress) -> None:
        self._scene, self._progress = scene, progress
        self.factor = whole_part(grid.scale)
        self._whole = scene.height // self.factor
        self._height = -(-scene.height // self.factor)
        self._pixels = np.zeros((0, -(-scene.width // self.factor), 3), np.uint8)
        self._valid = np.zeros(self._pixels.shape[:2], bool)
        self._top = self._bottom = 0
        # out of the file come rows of blocks, whole ones, as many as a piece of memory holds
        unit = max(1, scene.aligned_rows // self.factor)
        row_bytes = max(1, scene.width // self.factor) * scene.bytes_per_pixel
        self._piece = max(unit, _PIECE_BYTES // row_bytes // unit * unit)

    def take(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        kept = max(0, self._bottom - max(start, self._top))
        parts = [(self._pixels[len(self._pixels) - kept :], self._valid[len(self._valid) - kept :])]
        self._top = start
        row = max(start, self._bottom) if kept else start
        while row < stop:
            until = min(self._height, (row // self._piece + 1) * self._piece)
            parts.append(self._read(row, until))
            row = until
            self._progress()
        if len(parts) > 1:
            self._pixels = np.concatenate([part for part, _ in parts])
            self._valid = np.concatenate([part for _, part in parts])
        else:
            self._pixels, self._valid = parts[0]
        self._bottom = row if len(parts) > 1 else self._bottom
        return self._pixels[: stop - start], self._valid[: stop - start]

    def _read(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        scene, factor = self._scene, self.factor
        first = min(start, self._whole - 1)
        rows, columns = max(1, min(stop, self._whole) - first), scene.width // factor
        out = np.empty((rows, columns, scene.channels), np.uint8)
        window = Window(0, first * factor, columns * factor, rows * factor)
        valid = scene.read_into(window, out)
        colours = out if scene.channels == 3 else np.repeat(out, 3, axis=2)
        there = np.ones(out.shape[:2], bool) if valid is None else valid
        # the last pixel, of which there is only a part, is like its neighbour
        pad = ((start - first, stop - first - rows), (0, self._pixels.shape[1] - columns))
        if pad[0][0]:
            colours, there = colours[-1:], there[-1:]
            pad = ((0, stop - start - 1), pad[1])
        return np.pad(colours, (*pad, (0, 0)), mode="edge"), np.pad(there, pad, mode="edge")


def _boxes(
    pixels: NDArray[np.uint8], valid: NDArray[np.bool_] | None, factor: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """A picture reduced by a whole factor; what does not fill a box at its end is like what comes before."""
    from geoglot.geo.resample import reduced

    if factor == 1:
        return pixels, valid
    down, across = -pixels.shape[0] % factor, -pixels.shape[1] % factor
    whole = reduced(np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="edge"), factor)
    if valid is None:
        return whole, None
    padded = np.pad(valid, ((0, down), (0, across)), mode="edge")
    shares = padded.reshape(whole.shape[0], factor, whole.shape[1], factor).mean(axis=(1, 3))
    return whole, shares >= 0.5


class _Strip:
    """Working rows of a row of windows."""

    def __init__(self, base: _BaseRows, grid: SweepGrid) -> None:
        self._base, self._grid = base, grid
        self._rest = grid.scale / base.factor
        self._rows = -(-grid.source_height // base.factor)

    def read(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Working rows [start, stop): (n, width, 3) and (n, width)."""
        rest, width = self._rest, self._grid.width
        if rest == 1.0:
            pixels, valid = self._base.take(start, stop)
            return pixels, np.ones(pixels.shape[:2], bool) if valid is None else valid
        margin = math.ceil(_MARGIN * max(1.0, rest))
        first, last = max(0, math.floor(start * rest) - margin), min(self._rows, math.ceil(stop * rest) + margin)
        pixels, valid = self._base.take(first, last)
        box = (0.0, start * rest - first, width * rest, stop * rest - first)
        resized = _resized(pixels, box, (width, stop - start))
        if valid is None or valid.all():
            return resized, np.ones(resized.shape[:2], bool)
        there = _resized(valid.astype(np.uint8) * 255, box, (width, stop - start)) >= 128
        return resized, there


def _resized(
    pixels: NDArray[np.uint8], box: tuple[float, float, float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A part of a picture in another size; what sticks out of it is like its edge."""
    from PIL import Image

    down, across = math.ceil(box[3] - pixels.shape[0] - 1e-6), math.ceil(box[2] - pixels.shape[1] - 1e-6)
    pad = ((0, max(0, down)), (0, max(0, across)), *(((0, 0),) if pixels.ndim == 3 else ()))
    whole = np.pad(pixels, pad, mode="edge")
    bounded = (box[0], box[1], min(box[2], whole.shape[1]), min(box[3], whole.shape[0]))
    return np.asarray(Image.fromarray(whole).resize(size, Image.Resampling.BILINEAR, box=bounded))


def _windows(base: _BaseRows, grid: SweepGrid, asked: Sweep, progress: Progress) -> Iterator[WindowBatch]:
    strip = _Strip(base, grid)
    together = max(1, min(_MOST_WINDOWS, _BATCH_PIXELS // grid.side**2))
    for row in grid.rows[asked.from_row :]:
        columns = grid.wanted(row, asked.areas)
        if not columns:
            continue
        pixels, valid = strip.read(row, min(row + grid.side, grid.height))
        progress()
        squares: list[NDArray[np.uint8]] = []
        places: list[int] = []
        for column in columns:
            square = _square(pixels, valid, column, grid.side)
            if square is None:
                continue
            squares.append(square)
            places.append(column)
            if len(squares) == together:
                yield WindowBatch(pixels=np.stack(squares), row=row, columns=tuple(places))
                squares, places = [], []
        if squares:
            yield WindowBatch(pixels=np.stack(squares), row=row, columns=tuple(places))


def _square(pixels: NDArray[np.uint8], valid: NDArray[np.bool_], column: int, side: int) -> NDArray[np.uint8] | None:
    """(side, side, 4); beyond the source's edge a mirror of it, without data; ``None`` where there is none at all."""
    colours, there = pixels[:, column : column + side], valid[:, column : column + side]
    if not there.any():
        return None
    if not there.all():
        colours = colours.copy()
        colours[~there] = np.rint(colours[there].mean(axis=0)).astype(np.uint8)
    square = np.zeros((side, side, 4), np.uint8)
    height, width = there.shape
    square[:height, :width, 3] = there * np.uint8(255)
    pad = ((0, side - height), (0, side - width), (0, 0))
    square[..., :3] = np.pad(colours, pad, mode="symmetric") if height < side or width < side else colours
    return square
