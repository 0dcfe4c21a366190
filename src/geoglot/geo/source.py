"""What travels between an indexing process and its decoder child: options in, source and tiles out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.core.records import Tile, Window

TILES_PER_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How sources become tiles.

    Attributes:
        tile: Side of a tile at level 0, full-resolution pixels, 16 to 8192.
        overlap: Share of a tile that its neighbour sees too, 0 to 0.9.
        levels: How many levels; level l covers ``tile * 2**l`` full-resolution pixels.
        bands: Band numbers from 1, one (grey) or three (red, green, blue); ``None`` chooses by colour
            interpretation. Scenes only: a photo is always read in its own colours.
        side: Side of the square that the model wants, pixels.
        time_from: Regular expression with a group that holds the date in a file's name.
        max_pixels_photo: Photos that declare more pixels are refused before one is read.

    Raises:
        UsageError: A value is out of its range.

    Example:
        >>> ReadOptions(tile=512).overlap
        0.25
        >>> ReadOptions(overlap=1.0)
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: overlap=1.0: is outside 0 to 0.9. Remedy: choose a value in the range.
    """

    tile: int = 256
    overlap: float = 0.25
    levels: int = 1
    bands: tuple[int, ...] | None = None
    side: int = 128
    time_from: str | None = None
    max_pixels_photo: int = 300_000_000

    def __post_init__(self) -> None:
        _in_range("tile", self.tile, 16, 8192)
        _in_range("overlap", self.overlap, 0, 0.9)
        _in_range("levels", self.levels, 1, 16)
        _in_range("side", self.side, 8, 2048)
        _in_range("max_pixels_photo", self.max_pixels_photo, 1, 1 << 40)
        if self.bands is not None:
            object.__setattr__(self, "bands", tuple(self.bands))
            if len(self.bands) not in (1, 3) or min(self.bands) < 1:
                given = ",".join(map(str, self.bands))
                remedy = "give one band number (grey) or three (red, green, blue), counted from 1"
                raise UsageError(f"bands={given}", cause="is not a choice of bands", remedy=remedy)
        if self.time_from is not None:
            _check_expression(self.time_from)

    def as_record(self) -> dict[str, Any]:
        """The options as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ReadOptions:
        """The inverse of :meth:`as_record`, also after a trip through JSON.

        Example:
            >>> ReadOptions.from_record(ReadOptions(bands=(4, 3, 2)).as_record()).bands
            (4, 3, 2)
        """
        bands = record["bands"]
        return cls(**{**record, "bands": None if bands is None else tuple(bands)})


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        remedy = "choose a value in the range"
        raise UsageError(f"{name}={value}", cause=f"is outside {low} to {high}", remedy=remedy)


def _check_expression(expression: str) -> None:
    try:
        groups = re.compile(expression).groups
    except re.error as error:
        cause = f"is not a regular expression ({error})"
        raise UsageError(expression, cause=cause, remedy=r"try something like '_(\d{8})_'") from error
    if groups < 1:
        remedy = r"put brackets round the date, as in '_(\d{8})_'"
        raise UsageError(expression, cause="has no group that holds the date", remedy=remedy)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Some windows of a source, asked for instead of its grid of tiles: what a page shows of it.

    Attributes:
        path: The file.
        windows: Full-resolution windows of a scene, cut off at its edges; each is read at the level that suits
            the side of the pictures. A photo is always read whole.
        root: Folder outside which the file may not lead.
    """

    path: Path
    windows: tuple[Window, ...]
    root: Path | None = None


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What the child tells about a file before its tiles.

    Attributes:
        path: The file as it was asked for.
        driver: The one driver that may read it (``GTiff``, ``JPEG``, ``PNG``, ``WEBP``, ``JP2OpenJPEG``).
        width: Full-resolution pixels; for a photo after its EXIF orientation.
        height: As width.
        band_count: Bands in the file, alpha included.
        dtype: NumPy name of the pixel type.
        crs: ``EPSG:n`` where there is such a code, else WKT; ``None`` for an unlocated source.
        gsd_m: Ground sample distance at the source's centre, metres per full-resolution pixel.
        time: Acquisition time in UTC.
        kind: A scene is tiled, a photo is one tile.
        tile_count: Tiles planned; tiles that are (nearly) all nodata are left out, so fewer may come.
        transform: Affine (a, b, c, d, e, f) from (column, row) to the system of `crs`: x = a*column + b*row + c,
            y = d*column + e*row + f; of ground control points the plane nearest to them. ``None`` where there is none.
    """

    path: str
    driver: str
    width: int
    height: int
    band_count: int
    dtype: str
    crs: str | None
    gsd_m: float | None
    time: datetime | None
    kind: Literal["scene", "photo"]
    tile_count: int
    transform: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class TileBatch:
    """Up to 64 tiles, ready for an encoder.

    Attributes:
        pixels: (N, side, side, 3) uint8 RGB, stretched and resized.
        tiles: The N tiles: window, level, footprint, bounds, ground sample distance, time.
    """

    pixels: NDArray[np.uint8]
    tiles: list[Tile]


@dataclass(frozen=True, kw_only=True)
class WindowBatch:
    """Some windows of a :class:`geoglot.geo.sweep.Sweep`, those of one row of windows.

    Attributes:
        pixels: (N, side, side, 4) uint8: red, green, blue, and 255 where there is data, else 0.
        row: First working row of all N windows.
        columns: First working column of each.
    """

    pixels: NDArray[np.uint8]
    row: int
    columns: tuple[int, ...]
