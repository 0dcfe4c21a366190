"""What an archive knows of one file: its tiles' windows, levels and vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.reading import content_of
from geoglot.archive.store import ArchiveStore


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneVectors:
    """The tiles of one file.

    Attributes:
        windows: (N, 4) int64 column, row, width, height in full-resolution pixels.
        levels: (N,) int64.
        vectors: (N, D) float32 unit rows.
    """

    windows: NDArray[np.int64]
    levels: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.levels)


def vectors_of(store: ArchiveStore, path: Path) -> SceneVectors | None:
    """The tiles that an archive holds of a file as it is now.

    Args:
        store: The archive.
        path: The file.

    Returns:
        Its tiles; ``None`` where the archive has none, or the file has changed since.

    Raises:
        ArchiveError: A row is damaged.
        SourceError: The file cannot be read.
    """
    real = str(path.resolve())
    known = [source for source in store.read(lambda catalogue: list(catalogue.sources())) if source.path == real]
    if not known or known[0].state != "done" or known[0].content is None:
        return None
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) != (known[0].size, known[0].modified_ns) and (
        content_of(path).content != known[0].content
    ):
        return None
    searcher = store.searcher
    parts = []
    for segment, live in zip(searcher.segments, searcher.live, strict=True):
        numbers = [number for number, (content, _) in enumerate(segment.sources) if content == known[0].content]
        mine = np.isin(segment.source, numbers)
        rows = np.flatnonzero(mine if live is None else mine & live)
        if len(rows):
            segment.check_rows(rows)
            parts.append((segment.windows[rows], segment.levels[rows], segment.vectors[rows]))
    if not parts:
        return None
    windows, levels, vectors = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return SceneVectors(
        windows=windows.astype(np.int64), levels=levels.astype(np.int64), vectors=vectors.astype(np.float32)
    )
