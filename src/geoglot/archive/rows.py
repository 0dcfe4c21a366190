"""Rows as columns: what travels between encoder, shard and index, with no object per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import ArchiveError
from geoglot.core.records import Bounds, Tile, Window

NO_TIME = np.iinfo(np.int64).min
"""Stands for "no acquisition time" in a column of microseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NORM_TOLERANCE = 5e-3


@dataclass(frozen=True, kw_only=True)
class Rows:
    """N tiles with their vectors.

    Attributes:
        ids: (N, 16) uint8, see :func:`row_ids`.
        sources: Content id (64 hexadecimal digits) and path of each source that has rows here.
        source: (N,) int32, position in `sources`.
        windows: (N, 4) int32: column, row, width, height in full-resolution pixels.
        levels: (N,) uint8.
        bounds: (4, N) float64: west, south, east, north in degrees; NaN where unlocated.
        footprints: (B,) uint8, the well-known binary of all footprints one after the other.
        footprint_ends: (N + 1,) int64, where each one begins and the last one ends; equal where unlocated.
        times: (N,) int64, microseconds since 1970 UTC; :data:`NO_TIME` where unknown.
        gsd: (N,) float64, metres per pixel; NaN where unknown.
        vectors: (N, D) float16, unit rows.
    """

    ids: NDArray[np.uint8]
    sources: tuple[tuple[str, str], ...]
    source: NDArray[np.int32]
    windows: NDArray[np.int32]
    levels: NDArray[np.uint8]
    bounds: NDArray[np.float64]
    footprints: NDArray[np.uint8]
    footprint_ends: NDArray[np.int64]
    times: NDArray[np.int64]
    gsd: NDArray[np.float64]
    vectors: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        """Length D of an embedding."""
        return int(self.vectors.shape[1])

    def footprint(self, row: int) -> bytes | None:
        """Well-known binary of one row's footprint, ``None`` where unlocated."""
        start, end = self.footprint_ends[row], self.footprint_ends[row + 1]
        return bytes(self.footprints[start:end]) if end > start else None

    def tile(self, row: int) -> Tile:
        """One row's tile as a record."""
        west, south, east, north = (float(value) for value in self.bounds[:, row])
        gsd = float(self.gsd[row])
        column, top, width, height = (int(value) for value in self.windows[row])
        return Tile(
            window=Window(column, top, width, height),
            level=int(self.levels[row]),
            footprint=self.footprint(row),
            bounds=None if np.isnan(west) else Bounds(west, south, east, north),
            gsd_m=None if np.isnan(gsd) else gsd,
            time=as_datetime(int(self.times[row])),
        )

    def take(self, chosen: NDArray[Any]) -> Rows:
        """The rows at the given positions, in that order (sources stay as they are)."""
        lengths = np.diff(self.footprint_ends)[chosen]
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
        data = self.footprints[np.repeat(self.footprint_ends[:-1][chosen], lengths) + within]
        return Rows(
            ids=self.ids[chosen],
            sources=self.sources,
            source=self.source[chosen],
            windows=self.windows[chosen],
            levels=self.levels[chosen],
            bounds=np.ascontiguousarray(self.bounds[:, chosen]),
            footprints=data,
            footprint_ends=ends,
            times=self.times[chosen],
            gsd=self.gsd[chosen],
            vectors=self.vectors[chosen],
        )


def row_ids(
    content: str, windows: NDArray[np.int32], levels: NDArray[np.uint8], bundle_sha256: str, preprocessing: int
) -> NDArray[np.uint8]:
    """Identifiers of tiles: the same tile of the same bytes seen by the same model has the same one, always.

    Args:
        content: SHA-256 of the source's bytes, hexadecimal.
        windows: (N, 4) int32.
        levels: (N,) uint8.
        bundle_sha256: Digest of the model bundle.
        preprocessing: Version of the preprocessing.

    Returns:
        (N, 16) uint8.

    Example:
        >>> windows = np.array([[0, 0, 256, 256], [192, 0, 256, 256]], np.int32)
        >>> ids = row_ids("ab" * 32, windows, np.zeros(2, np.uint8), "cd" * 32, 1)
        >>> ids.shape, bool((ids[0] == ids[1]).all())
        ((2, 16), False)
    """
    start = sha256(f"{content}|{bundle_sha256}|{preprocessing}|".encode())
    parts = np.concatenate([windows.astype("<i8"), levels.astype("<i8")[:, None]], axis=1)
    out = np.empty((len(windows), 16), np.uint8)
    for row, part in enumerate(parts):
        digest = start.copy()
        digest.update(part.tobytes())
        out[row] = np.frombuffer(digest.digest()[:16], np.uint8)
    return out


def rows_of(
    content: str,
    path: str,
    tiles: Sequence[Tile],
    vectors: NDArray[np.float32],
    *,
    bundle_sha256: str,
    preprocessing: int,
) -> Rows:
    """Columns of one source's tiles.

    Args:
        content: Content id of the source.
        path: Its path.
        tiles: N tiles.
        vectors: (N, D) unit rows.
        bundle_sha256: Digest of the model bundle.
        preprocessing: Version of the preprocessing.

    Raises:
        ArchiveError: A vector is not finite or not of unit length.
    """
    count = len(tiles)
    windows = np.array([tuple(tile.window) for tile in tiles], np.int32).reshape(count, 4)
    levels = np.array([tile.level for tile in tiles], np.uint8)
    unlocated = (np.nan,) * 4
    footprints = [tile.footprint or b"" for tile in tiles]
    rows = Rows(
        ids=row_ids(content, windows, levels, bundle_sha256, preprocessing),
        sources=((content, path),),
        source=np.zeros(count, np.int32),
        windows=windows,
        levels=levels,
        bounds=np.array([tuple(tile.bounds or unlocated) for tile in tiles], np.float64).reshape(count, 4).T.copy(),
        footprints=np.frombuffer(b"".join(footprints), np.uint8),
        footprint_ends=np.concatenate([[0], np.cumsum([len(data) for data in footprints])]).astype(np.int64),
        times=np.array([as_microseconds(tile.time) for tile in tiles], np.int64),
        gsd=np.array([np.nan if tile.gsd_m is None else tile.gsd_m for tile in tiles], np.float64),
        vectors=np.asarray(vectors, np.float16),
    )
    check_vectors(rows.vectors, path)
    return rows


def check_vectors(vectors: NDArray[np.float16], name: object) -> None:
    """Refuse vectors that are not finite or not of unit length (within 0.005, for float16).

    Raises:
        ArchiveError: One is not.

    Example:
        >>> check_vectors(np.array([[np.nan, 1]], np.float16), "a.tif")
        Traceback (most recent call last):
        geoglot.core.errors.ArchiveError: a.tif: has an embedding that is not finite or not of unit length (row 0). Remedy: check the model bundle with 'geoglot models'.
    """  # noqa: E501 (one message, one line)
    wide = vectors.astype(np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    bad = ~(np.abs(norms - 1.0) <= _NORM_TOLERANCE)
    if bad.any():
        cause = f"has an embedding that is not finite or not of unit length (row {int(np.argmax(bad))})"
        raise ArchiveError(name, cause=cause, remedy="check the model bundle with 'geoglot models'", stage="encode")


def joined(parts: Sequence[Rows]) -> Rows:
    """Several blocks of rows as one; sources of the same content and path become one."""
    numbers: dict[tuple[str, str], int] = {}
    source = []
    for part in parts:
        local = np.array([numbers.setdefault(pair, len(numbers)) for pair in part.sources], np.int32)
        source.append(local[part.source] if len(local) else part.source)
    starts = np.cumsum([0] + [len(part.footprints) for part in parts])
    ends = [part.footprint_ends[1:] + start for part, start in zip(parts, starts, strict=False)]
    return Rows(
        ids=np.concatenate([part.ids for part in parts]),
        sources=tuple(numbers),
        source=np.concatenate(source),
        windows=np.concatenate([part.windows for part in parts]),
        levels=np.concatenate([part.levels for part in parts]),
        bounds=np.concatenate([part.bounds for part in parts], axis=1),
        footprints=np.concatenate([part.footprints for part in parts]),
        footprint_ends=np.concatenate([np.zeros(1, np.int64), *ends]),
        times=np.concatenate([part.times for part in parts]),
        gsd=np.concatenate([part.gsd for part in parts]),
        vectors=np.concatenate([part.vectors for part in parts]),
    )


def as_microseconds(time: datetime | None) -> int:
    """Microseconds since 1970 UTC; a time without a zone is taken as UTC.

    Example:
        >>> as_microseconds(datetime(1970, 1, 1, 0, 0, 1))
        1000000
    """
    if time is None:
        return int(NO_TIME)
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return (aware - _EPOCH) // timedelta(microseconds=1)


def as_datetime(microseconds: int) -> datetime | None:
    """The inverse of :func:`as_microseconds`."""
    return None if microseconds == NO_TIME else _EPOCH + timedelta(microseconds=microseconds)
