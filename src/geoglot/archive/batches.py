"""Tiles on their way from decoders to commits: gathered into batches, encoded, kept until a shard is worth writing."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.entries import Source
from geoglot.archive.errors_log import append_error
from geoglot.archive.rows import Rows, joined, row_ids, rows_of
from geoglot.core.errors import GeoglotError, SourceError
from geoglot.core.records import Tile

if TYPE_CHECKING:
    from geoglot.archive.ingest import ImageEncoder
    from geoglot.archive.store import ArchiveStore

_NORM_TOLERANCE = 2e-3


@dataclass(kw_only=True)
class Work:
    """One file on its way.

    Attributes:
        path: Absolute path.
        size: Bytes.
        modified_ns: Time of last modification.
        content: SHA-256 of its bytes, once known.
        kind: ``scene`` or ``photo``, once known.
        time: Acquisition time of its tiles, when it is one.
        tiles: Tiles that were delivered.
        known: Ids of its rows that are committed already.
        error: What went wrong with some of its tiles.
    """

    path: str
    size: int
    modified_ns: int
    content: str | None = None
    kind: str | None = None
    time: str | None = None
    tiles: int = 0
    known: set[bytes] | None = None
    error: GeoglotError | None = None


class Batches:
    """Encodes tiles and commits rows; what is not yet committed is in memory here."""

    def __init__(
        self,
        store: ArchiveStore,
        encoder: ImageEncoder,
        options: str,
        flush_rows: int,
        flush_seconds: float,
        batch: int,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._options = options
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._batch = batch
        self._waiting: list[tuple[Work, list[Tile], NDArray[np.uint8]]] = []
        self._waiting_tiles = 0
        self._rows: list[Rows] = []
        self._row_count = 0
        self._oldest = time.monotonic()
        self._sources: dict[str, Source] = {}
        self._closing: list[Work] = []
        self._forgotten: set[str] = set()
        self._replaced: set[str] = set()
        self._contents: set[str] = set()
        self._current: Work | None = None
        self.encoded = 0
        self.committed = 0
        self.finished = 0
        self.failed: list[GeoglotError] = []

    def start(self, work: Work, content: str) -> bool:
        """Begin with a file whose bytes are known now.

        Returns:
            Whether its tiles are needed; if not, its path is pointed at the rows there are.
        """
        work.content = content
        catalogue = self._store.catalogue
        same = list(catalogue.sources("WHERE content = ?", (content,)))
        finished = [s for s in same if s.state == "done" and s.options == self._options]
        if finished or content in self._contents:
            tiles = finished[0].tiles if finished else self._tiles_of(content)
            kind, acquired = (finished[0].kind, finished[0].time) if finished else (None, None)
            self._sources[work.path] = self._source(work, "done", kind=kind, time=acquired, tiles=tiles)
            # a file that was moved leaves its old path; one that was copied has two
            self._forgotten |= {s.path for s in same if s.path != work.path and not Path(s.path).exists()}
            self._flush_if_due()
            return False
        if any(s.options != self._options for s in same):
            self._replaced.add(content)
        elif catalogue.extents(content):
            work.known = self._store.ids_of(content)
        self._current = work
        return True

    def _tiles_of(self, content: str) -> int | None:
        every = [*(w.tiles for w in self._closing if w.content == content)]
        return every[0] if every else None

    def add(self, work: Work, part: Any) -> None:
        """Take a part of a file: its description, or a batch of tiles."""
        if not hasattr(part, "pixels"):
            work.kind = part.kind
            work.time = part.time.isoformat() if part.time else None
            return
        tiles, pixels = list(part.tiles), part.pixels
        work.tiles += len(tiles)
        if work.known:
            keep = self._unknown(work, tiles)
            tiles, pixels = [tiles[row] for row in keep], pixels[keep]
        if len(tiles):
            self._waiting.append((work, tiles, pixels))
            self._waiting_tiles += len(tiles)
        while self._waiting_tiles >= self._batch:
            self._encode()
        self._flush_if_due()

    def _unknown(self, work: Work, tiles: Sequence[Tile]) -> list[int]:
        windows = np.array([tuple(tile.window) for tile in tiles], np.int32).reshape(-1, 4)
        levels = np.array([tile.level for tile in tiles], np.uint8)
        identity = self._store.identity
        ids = row_ids(str(work.content), windows, levels, identity.bundle_sha256, identity.preprocessing)
        known = work.known or set()
        return [row for row, key in enumerate(ids) if key.tobytes() not in known]

    def finish(self, work: Work) -> None:
        """All tiles of a file have been taken."""
        self._closing.append(work)
        self._contents.add(str(work.content))
        self._current = None
        self._flush_if_due()

    def fail(self, work: Work, error: GeoglotError) -> None:
        """A file went wrong: what came before is kept, the error is recorded, the next ingest tries again."""
        work.error = error
        self._record(error)
        self._closing.append(work)
        self._current = None
        self._flush_if_due()

    def _record(self, error: GeoglotError) -> None:
        self.failed.append(error)
        append_error(self._store.layout.errors, error, self._store.filesystem)

    def _encode(self) -> None:
        """Encode up to one batch of waiting tiles."""
        taken: list[tuple[Work, list[Tile], NDArray[np.uint8]]] = []
        room = self._batch
        while self._waiting and room:
            work, tiles, pixels = self._waiting.pop(0)
            if len(tiles) > room:
                self._waiting.insert(0, (work, tiles[room:], pixels[room:]))
                tiles, pixels = tiles[:room], pixels[:room]
            taken.append((work, tiles, pixels))
            room -= len(tiles)
        batch = np.concatenate([pixels for _, _, pixels in taken])
        self._waiting_tiles -= len(batch)
        vectors = np.asarray(self._encoder.encode_images(batch), np.float32)
        if vectors.shape != (len(batch), self._encoder.dimension):
            cause = f"returned {vectors.shape} for {len(batch)} tiles of dimension {self._encoder.dimension}"
            raise _model_error(self._encoder.id, cause)
        norms = np.linalg.norm(vectors, axis=1)
        good = np.abs(norms - 1) <= _NORM_TOLERANCE
        start = 0
        for work, tiles, _ in taken:
            mine = slice(start, start + len(tiles))
            start += len(tiles)
            self._keep(work, tiles, vectors[mine], good[mine])

    def _keep(self, work: Work, tiles: Sequence[Tile], vectors: NDArray[np.float32], good: NDArray[np.bool_]) -> None:
        if not good.all() and work.error is None:
            cause = "the model gave an embedding that is not finite or not of unit length"
            remedy = "look at the file's values; if they are fine, check the model with 'geoglot models'"
            work.error = SourceError(work.path, cause=cause, remedy=remedy, stage="encode")
            self._record(work.error)
        chosen = np.flatnonzero(good).tolist()
        if not len(chosen):
            return
        identity = self._store.identity
        if not self._rows:
            self._oldest = time.monotonic()
        self._rows.append(
            rows_of(
                str(work.content),
                work.path,
                [tiles[row] for row in chosen],
                vectors[chosen],
                bundle_sha256=identity.bundle_sha256,
                preprocessing=identity.preprocessing,
            )
        )
        self._row_count += len(chosen)
        self.encoded += len(chosen)

    def _flush_if_due(self) -> None:
        waits = bool(self._rows or self._sources or self._closing)
        if not waits:
            self._oldest = time.monotonic()
        if self._row_count >= self._flush_rows or (waits and time.monotonic() - self._oldest >= self._flush_seconds):
            self.flush()

    def flush(self) -> None:
        """Commit all that has been taken so far: finished files as done, the current one as partial.

        Raises:
            ArchiveError: The disk is full or fails; what was committed before stays.
        """
        while self._waiting:
            self._encode()
        spoilt = {work.content for work in self._closing if work.error is not None}
        for path, source in self._sources.items():
            if source.content in spoilt:  # a copy of a file that went wrong after all
                self._sources[path] = replace(source, state="failed")
        for work in self._closing:
            self._sources[work.path] = self._closed(work)
        current = self._current
        if current is not None and any(rows.sources[0][0] == current.content for rows in self._rows):
            self._sources[current.path] = self._source(current, "partial", kind=current.kind, time=current.time)
        if self._rows or self._sources or self._forgotten:
            rows = joined(self._rows) if self._rows else None
            replaced = self._replaced & {part.sources[0][0] for part in self._rows}
            sources = list(self._sources.values())
            forgotten = sorted(self._forgotten)
            self.committed += self._store.commit(rows, sources, replaced=sorted(replaced), forgotten=forgotten)
            self._replaced -= replaced
        self.finished += sum(work.error is None for work in self._closing)
        self._rows, self._row_count, self._sources, self._closing, self._forgotten = [], 0, {}, [], set()
        self._contents = set()  # from here on the catalogue knows them
        self._oldest = time.monotonic()

    def _closed(self, work: Work) -> Source:
        if work.error is None:
            return self._source(work, "done", kind=work.kind, time=work.time, tiles=work.tiles)
        before = self._store.catalogue.source(work.path)
        has_rows = bool(work.known) or any(rows.sources[0][0] == work.content for rows in self._rows)
        if before is not None and before.content is not None and not has_rows:
            work.content = before.content  # its old rows are all there is of it
        return self._source(work, "failed", kind=work.kind, time=work.time, error=json.dumps(work.error.as_record()))

    def _source(self, work: Work, state: str, **values: Any) -> Source:
        return Source(
            path=work.path,
            size=work.size,
            modified_ns=work.modified_ns,
            content=work.content,
            state=state,
            options=self._options,
            **values,
        )


def _model_error(name: str, cause: str) -> GeoglotError:
    from geoglot.core.errors import BundleError

    return BundleError(name, cause=cause, remedy="check the model bundle with 'geoglot models'", stage="encode")
