"""Vectors of places beside the vectors of the archive's model, so that a second view finds its place among many.

All lies in one derived file of NumPy arrays, ``index/places.npz``: ``ids`` (N, 16) uint8, ``vectors`` (N, A) float16
and ``bundle``, the digest of the place bundle. It is made from the pictures, can be made again, and is never the only
copy of anything: a tile without a vector is found by the archive's own alone, a vector without a tile finds nothing.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.captioning import CaptioningProgress, Wanted, lacking, read_again
from geoglot.archive.captions import live_ids
from geoglot.archive.errors_log import append_error
from geoglot.archive.filter import ids_among, path_test
from geoglot.archive.layout import Layout
from geoglot.core.errors import ArchiveError, GeoglotError

if TYPE_CHECKING:
    from geoglot.archive.store import ArchiveStore
    from geoglot.models.place import PlaceBundle

FLUSH_TILES: Final = 20_000
"""The file is written anew at least after so many tiles: what a kill costs at most."""
_TOGETHER: Final = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaceVectors:
    """The vectors of places of an archive.

    Attributes:
        bundle: Digest of the place bundle.
        ids: (N, 16) uint8, of tiles; some may be no more.
        vectors: (N, A) float16 unit rows.
    """

    bundle: str
    ids: NDArray[np.uint8]
    vectors: NDArray[np.float16]

    def best(self, asked: NDArray[np.float32], count: int) -> list[str]:
        """Identifiers of the tiles most like any of some pictures, best first.

        Args:
            asked: (E, A) float32.
            count: How many at most.

        Example:
            >>> ids = np.arange(32, dtype=np.uint8).reshape(2, 16)
            >>> held = PlaceVectors(bundle="", ids=ids, vectors=np.eye(2, dtype=np.float16))
            >>> held.best(np.array([[0.1, 0.9]], np.float32), 1)
            ['101112131415161718191a1b1c1d1e1f']
        """
        scores = np.full(len(self.ids), -np.inf, np.float32)
        for start in range(0, len(self.ids), FLUSH_TILES):
            rows = slice(start, start + FLUSH_TILES)
            scores[rows] = (self.vectors[rows].astype(np.float32) @ asked.T).max(axis=1, initial=-np.inf)
        count = min(count, len(scores))
        nearest = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, np.int64)
        return [self.ids[row].tobytes().hex() for row in nearest[np.argsort(-scores[nearest], kind="stable")]]


@dataclass(kw_only=True)
class PlacesReport:
    """What was done.

    Attributes:
        tiles: Tiles that got a vector.
        unchanged: Tiles that had one.
        dropped: Vectors of tiles that are no more.
        failed: One error for each file that could not be read again.
        seconds: Wall time.
    """

    tiles: int = 0
    unchanged: int = 0
    dropped: int = 0
    failed: list[GeoglotError] = field(default_factory=list)
    seconds: float = 0.0

    def as_record(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {**self.__dict__, "failed": [error.as_record() for error in self.failed]}


def read_places(layout: Layout) -> PlaceVectors | None:
    """The vectors of places; ``None`` where there are none.

    Raises:
        ArchiveError: The file is damaged.
    """
    if not layout.places.is_file():
        return None
    try:
        with np.load(layout.places, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in ("bundle", "ids", "vectors")}
        ids, vectors = held["ids"], held["vectors"]
        if ids.shape != (len(vectors), 16) or ids.dtype != np.uint8 or vectors.dtype != np.float16 or vectors.ndim != 2:
            raise ValueError(f"arrays of {ids.dtype} {ids.shape} and {vectors.dtype} {vectors.shape}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        remedy = "run 'geoglot index --places' to make it again"
        raise ArchiveError(layout.places, cause=f"is damaged ({error})", remedy=remedy, stage="read") from error
    return PlaceVectors(bundle=str(held["bundle"]), ids=ids, vectors=vectors)


def index_places(
    store: ArchiveStore,
    place: PlaceBundle,
    *,
    bands: Sequence[int] | None = None,
    sources: Sequence[str] = (),
    progress: Callable[[CaptioningProgress], None] | None = None,
) -> PlacesReport:
    """Write the vectors of places that are missing; those of another bundle are made anew.

    Args:
        store: Open for writing.
        place: Describes places.
        bands: Red, green and blue as band numbers; ``None`` chooses.
        sources: Only files whose paths match one of these globs or begin with one of these prefixes.
        progress: Called after each batch.

    Raises:
        ArchiveError: The archive is open for reading only, or the disk is full.
        BundleError: The bundle makes no vectors of places.
    """
    started = time.monotonic()
    _ = store.catalogue  # a store that is open for reading is told at once
    report = PlacesReport()
    known = _known(store, place.sha256)
    if known is not None:
        live = ids_among(known.ids, live_ids(store))
        report.dropped = int((~live).sum())
        known = PlaceVectors(bundle=known.bundle, ids=known.ids[live], vectors=known.vectors[live])
    has = known.ids if known is not None else np.zeros((0, 16), np.uint8)
    work, report.unchanged = lacking(store, [has], path_test(sources) if sources else None)
    taker = _Taker(store, place, known, report)
    taker.total = sum(len(some.ids) for some in work)
    taker.progress = progress
    try:
        read_again(store, work, place.side, bands, taker)
        if report.dropped:
            taker.flush()
    finally:
        report.seconds = time.monotonic() - started
    return report


def _known(store: ArchiveStore, bundle: str) -> PlaceVectors | None:
    """What is there of a bundle; a damaged file is made again."""
    try:
        known = read_places(store.layout)
    except ArchiveError:
        return None
    return known if known is not None and known.bundle == bundle else None


class _Taker:
    """Gathers pictures, describes them in batches, writes the file now and then."""

    def __init__(
        self, store: ArchiveStore, place: PlaceBundle, known: PlaceVectors | None, report: PlacesReport
    ) -> None:
        self._store, self._place, self._report = store, place, report
        self._ids = [] if known is None else [known.ids]
        self._vectors = [] if known is None else [known.vectors]
        self._waiting: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        self._unwritten = 0
        self.total = 0
        self.progress: Callable[[CaptioningProgress], None] | None = None
        self.path = ""

    def add(self, some: Wanted, rows: NDArray[np.int64], picture: NDArray[np.uint8]) -> None:
        """Take one picture, which stands for some tiles of a file."""
        self._waiting.append((some.ids[rows], picture))
        if len(self._waiting) >= _TOGETHER:
            self._describe()

    def nothing(self, some: Wanted, rows: NDArray[np.int64]) -> None:
        """Tiles that hold no data have no place."""

    def fail(self, error: GeoglotError) -> None:
        """A file cannot be read: it costs itself alone."""
        self._report.failed.append(error)
        append_error(self._store.layout.errors, error, self._store.filesystem)

    def finish(self) -> None:
        """Describe and write what is left."""
        self._describe()
        if self._unwritten:
            self.flush()

    def flush(self) -> None:
        """Write the file anew."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            bundle=np.array(self._place.sha256),
            ids=np.concatenate([np.zeros((0, 16), np.uint8), *self._ids]),
            vectors=np.concatenate(self._vectors) if self._vectors else np.zeros((0, 1), np.float16),
        )
        self._store.filesystem.write_atomic(self._store.layout.places, buffer.getvalue())
        self._unwritten = 0

    def _describe(self) -> None:
        taken, self._waiting = self._waiting, []
        if taken:
            described = self._place.describe(np.stack([picture for _, picture in taken]))
            vectors = self._place.vectors(described).astype(np.float16)
            several = [len(ids) for ids, _ in taken]
            self._ids.append(np.concatenate([ids for ids, _ in taken]))
            self._vectors.append(np.repeat(vectors, several, axis=0))
            self._report.tiles += sum(several)
            self._unwritten += sum(several)
        if self.progress is not None:
            done = self._report.tiles
            self.progress(CaptioningProgress(tiles_done=done, tiles_total=self.total, path=self.path))
        if self._unwritten >= FLUSH_TILES:
            self.flush()
