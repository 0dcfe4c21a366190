"""Where in a scene something is: a map of how much each part of it is like words or a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.query import build_query
from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.archive import Archive
    from geoglot.api.query import Query
    from geoglot.geo.decoder import Decoder
    from geoglot.geo.source import SourceInfo
    from geoglot.models.bundle import Bundle

LEVELS = 3
"""Resolutions at which a scene is looked at."""
CELLS_OF_A_TILE = 8
"""Cells of the map in a tile of the finest level, each way."""
_COARSEST_CELL = 64  # full-resolution pixels
Progress = Callable[[int, int, str], None]
"""Steps done, steps in all, and what is being done."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A part of a scene that is most like what was asked for.

    Attributes:
        rank: 1 for the best.
        score: Of the map at its highest cell there.
        window: The tile round it, full-resolution pixels.
        longitude: Of the highest cell, degrees; ``None`` in an unlocated scene.
        latitude: As longitude.
    """

    rank: int
    score: float
    window: Window
    longitude: float | None = None
    latitude: float | None = None

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "rank": self.rank,
            "score": round(self.score, 6),
            "window": list(self.window),
            "longitude": None if self.longitude is None else round(self.longitude, 7),
            "latitude": None if self.latitude is None else round(self.latitude, 7),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class HeatMap:
    """How much each part of a scene is like a query.

    Attributes:
        source: Path of the scene.
        query: What was asked, for people to read.
        scores: (rows, columns) float32 cosine similarities; NaN where the scene has no data.
        cell: Full-resolution pixels of a cell, each way.
        crs: Of the scene; ``None`` where it is unlocated.
        transform: From the cells' (column, row) to that system.
        places: Where the map is highest, best first.
        tiles: Vectors that the map was made of.
        reused: How many of them were in the archive.
        levels: Resolutions that were looked at.
        notes: What did not go as asked, in sentences for people.
    """

    source: str
    query: str
    scores: NDArray[np.float32]
    cell: int
    crs: str | None
    transform: tuple[float, ...] | None
    places: tuple[Place, ...]
    tiles: int
    reused: int
    levels: int
    notes: tuple[str, ...] = ()

    def save(self, path: str | Path) -> Path:
        """Write the map as a cloud-optimised GeoTIFF of one band, float32, NaN for no data.

        Raises:
            GeoglotError: The file cannot be written.
        """
        from geoglot.geo.cog import BLOCK, write_cog

        height, width = self.scores.shape
        write_cog(
            Path(path),
            (
                (row, column, self.scores[None, row : row + BLOCK, column : column + BLOCK])
                for row in range(0, height, BLOCK)
                for column in range(0, width, BLOCK)
            ),
            shape=(1, height, width),
            dtype="float32",
            nodata=float("nan"),
            crs=self.crs,
            transform=self.transform,
            names=["similarity"],
            smooth=True,
            tags={"QUERY": self.query, "CELL_PIXELS": str(self.cell)},
        )
        return Path(path)

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values, without the map itself."""
        return {
            "source": self.source,
            "query": self.query,
            "cells": [self.scores.shape[1], self.scores.shape[0]],
            "cell_pixels": self.cell,
            "crs": self.crs,
            "tiles": self.tiles,
            "reused": self.reused,
            "levels": self.levels,
            "places": [place.as_record() for place in self.places],
            "notes": list(self.notes),
        }


def locate(
    path: str | Path,
    text: str | None = None,
    *,
    like: str | Path | Sequence[str | Path] | None = None,
    archive: str | Path | Archive | None = None,
    model: str | Path | Bundle | None = None,
    levels: int = LEVELS,
    tile: int = 256,
    overlap: float = 0.5,
    bands: Sequence[int] | None = None,
    k: int = 5,
    progress: Progress = lambda done, total, words: None,
) -> HeatMap:
    """Map how much each part of a scene is like words, a picture, or both.

    Args:
        path: The scene (or a photo, which is looked at in parts likewise).
        text: What to look for, in a language that the model knows.
        like: Example picture or pictures.
        archive: One that may hold vectors of the scene: those are used instead of reading it again. Its model answers.
        model: Without an archive: a bundle's name or folder; ``compact`` by default.
        levels: Resolutions; each next one looks at parts twice as wide. Levels that the archive lacks are read.
        tile: Side of a part at the finest level, full-resolution pixels; that of the archive's tiles where it has some.
        overlap: Overlap of neighbouring parts that are read, 0 to 0.9.
        bands: Red, green and blue as band numbers from 1 on; chosen automatically when not given.
        k: How many places to name.
        progress: Called with steps done, steps in all and a few words.

    Raises:
        SourceError: The scene or a picture cannot be read, or holds nothing.
        UsageError: Nothing is asked, or an option makes no sense.
        ArchiveError: There is no such archive.

    Example:
        ``gg.locate("scene.tif", "a harbour").save("heat.tif")`` writes the map.

        >>> import geoglot as gg
        >>> gg.locate("scene.tif")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: query: asks for nothing. Remedy: give a text, --like PICTURE or --term 'WORDS:WEIGHT'.
    """  # noqa: E501 (one message, one line)
    from geoglot.api.archive import Archive
    from geoglot.api.selection import existing_paths

    query = build_query(text, like=like).with_language()
    if k < 0 or not 1 <= levels <= 9:
        raise UsageError(
            f"k={k}, levels={levels}", cause="make no sense", remedy="give k from 0 and levels from 1 to 9"
        )
    scene = existing_paths(path)[0]
    if isinstance(archive, Archive):
        return _located(scene, query, _Reader(archive, tile, overlap, levels, bands, progress), k)
    if archive is not None:
        with Archive.open(archive, model=model) as opened:
            return _located(scene, query, _Reader(opened, tile, overlap, levels, bands, progress), k)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="geoglot-") as folder, Archive.create(f"{folder}/a", model=model) as empty:
        return _located(scene, query, _Reader(empty, tile, overlap, levels, bands, progress), k)


def _located(scene: Path, query: Query, reader: _Reader, k: int) -> HeatMap:
    import numpy as np

    from geoglot.geo.heat import heat_of_tiles, peaks_of

    vector = reader.archive.query_vector(query)
    unknown, _ = reader.archive._words_of(query)
    seen = reader.read(scene)
    info, cell = seen.info, seen.cell
    heat = heat_of_tiles(seen.windows, seen.levels, seen.vectors @ vector, shape=seen.valid.shape, cell=cell)
    heat[~seen.valid] = np.nan
    peaks = peaks_of(heat, count=k, apart=seen.tile / cell)
    notes = [*unknown, *seen.notes]
    transform = None
    if info.transform is not None:
        a, b, c, d, e, f = info.transform
        transform = (a * cell, b * cell, c, d * cell, e * cell, f)
    else:
        notes.append("the scene says no place on Earth: the map is in its pixels")
    return HeatMap(
        source=str(scene),
        query=query.label,
        scores=heat,
        cell=cell,
        crs=info.crs if transform is not None else None,
        transform=transform,
        places=tuple(_place(rank, peak, info, seen.tile, cell) for rank, peak in enumerate(peaks, 1)),
        tiles=len(seen.levels),
        reused=seen.reused,
        levels=len(np.unique(seen.levels)),
        notes=tuple(notes),
    )


def _place(rank: int, peak: Any, info: SourceInfo, tile: int, cell: int) -> Place:
    column, row = (peak.column + 0.5) * cell, (peak.row + 0.5) * cell
    width, height = min(tile, info.width), min(tile, info.height)
    left = min(max(0, round(column - width / 2)), info.width - width)
    top = min(max(0, round(row - height / 2)), info.height - height)
    longitude = latitude = None
    if info.transform is not None and info.crs is not None:
        import numpy as np

        from geoglot.geo.footprint import Locator

        here = Locator(info.crs, info.transform)(np.array([column]), np.array([row]))
        if np.isfinite(here).all():
            longitude, latitude = float(here[0][0]), float(here[1][0])
    window = Window(left, top, width, height)
    return Place(rank=rank, score=peak.score, window=window, longitude=longitude, latitude=latitude)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Vectors:
    """Tiles of a scene, and which of its cells hold data."""

    info: SourceInfo
    windows: NDArray[np.int64]
    levels: NDArray[np.int64]
    vectors: NDArray[np.float32]
    valid: NDArray[np.bool_]
    reused: int
    tile: int
    cell: int
    notes: tuple[str, ...]


class _Reader:
    """Vectors of a scene's tiles: those that the archive has, and the others by reading the scene."""

    def __init__(
        self,
        archive: Archive,
        tile: int,
        overlap: float,
        levels: int,
        bands: Sequence[int] | None,
        progress: Progress,
    ) -> None:
        self.archive = archive
        self._bands = None if bands is None else tuple(bands)
        self._tile, self._overlap, self._levels, self._progress = tile, overlap, levels, progress

    def read(self, scene: Path) -> _Vectors:
        import numpy as np

        from geoglot.archive.scene_vectors import vectors_of
        from geoglot.geo.decoder import Decoder, ReadOptions

        known = vectors_of(self.archive.store, scene)
        missing = known is None and self.archive.store.info().rows > 0
        notes = ("the archive does not hold the scene as it is now: it is read",) if missing else ()
        tile = self._tile
        windows, levels, vectors = [], [], []
        if known is not None:
            finest = int(known.levels.min())
            tile = int(known.windows[known.levels == finest, 2:].max()) >> finest
            windows, levels, vectors = [known.windows], [known.levels], [known.vectors]
        cell = max(1, min(_COARSEST_CELL, tile // CELLS_OF_A_TILE))
        with Decoder(ReadOptions(bands=self._bands)) as decoder:
            info, valid = self._cells(decoder, scene, cell)
            done = set() if known is None else set(known.levels.tolist())
            for level, some, rows in self._encode(decoder, scene, info, tile, done):
                windows.append(some)
                levels.append(np.full(len(some), level))
                vectors.append(rows)
        if not vectors:
            raise SourceError(scene, cause="holds no picture", remedy="choose one that is not empty", stage="decode")
        return _Vectors(
            info=info,
            windows=np.concatenate(windows),
            levels=np.concatenate(levels),
            vectors=np.concatenate(vectors),
            valid=valid,
            reused=0 if known is None else len(known),
            tile=tile,
            cell=cell,
            notes=notes,
        )

    def _cells(self, decoder: Decoder, scene: Path, cell: int) -> tuple[SourceInfo, NDArray[np.bool_]]:
        """What the scene is, and in which cells it has data."""
        import numpy as np

        from geoglot.geo.decoder import SourceInfo, Sweep
        from geoglot.geo.sweep import sweep_grid

        asked = Sweep(path=scene, side=256, overlap=0.0, scale=cell)
        info: SourceInfo | None = None
        valid = np.zeros((0, 0), bool)
        for part in decoder.sweep(asked):
            if isinstance(part, SourceInfo):
                info = part
                grid = sweep_grid(info.width, info.height, info.gsd_m, asked)
                valid = np.zeros((grid.height, grid.width), bool)
                continue
            for column, square in zip(part.columns, part.pixels, strict=True):
                target = valid[part.row : part.row + asked.side, column : column + asked.side]
                target |= square[: target.shape[0], : target.shape[1], 3] > 0
        if info is None:
            raise SourceError(scene, cause="holds no picture", remedy="choose one that is not empty", stage="decode")
        return info, valid

    def _encode(
        self, decoder: Decoder, scene: Path, info: SourceInfo, tile: int, done: set[int]
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
        """Full-resolution windows and vectors, level by level, of the levels that are not done."""
        import numpy as np

        from geoglot.geo.decoder import SourceInfo, Sweep
        from geoglot.geo.mask import LEAST_VALID_SHARE
        from geoglot.geo.sweep import sweep_grid

        side = self.archive.encoder.side
        plans = []
        for level in range(self._levels):
            asked = Sweep(path=scene, side=side, overlap=self._overlap, scale=tile * 2**level / side)
            grid = sweep_grid(info.width, info.height, info.gsd_m, asked)
            if level not in done:
                plans.append((level, asked, grid))
            if grid.count() == 1:
                break
        total, read = sum(grid.count() for _, _, grid in plans), 0
        for level, asked, grid in plans:
            for part in decoder.sweep(asked):
                if isinstance(part, SourceInfo):
                    continue
                read += len(part.columns)
                self._progress(read, total, "parts of the scene looked at")
                seen = (part.pixels[..., 3] > 0).mean(axis=(1, 2)) >= LEAST_VALID_SHARE
                if not seen.any():
                    continue
                reach = round(side * grid.scale)
                columns = np.array(part.columns)[seen] * grid.scale
                windows = np.empty((len(columns), 4), np.int64)
                windows[:, 0], windows[:, 1] = np.rint(columns), round(part.row * grid.scale)
                windows[:, 2] = np.minimum(reach, info.width - windows[:, 0])
                windows[:, 3] = np.minimum(reach, info.height - windows[:, 1])
                squares = np.ascontiguousarray(part.pixels[seen][..., :3])
                yield level, windows, self.archive.encoder.encode_images(squares)
