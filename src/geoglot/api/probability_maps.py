"""From a scene and phrases to maps of probability on disk: read, features once per window, scores per phrase, blend.

The work lies in a folder that is named after everything the result depends on. A run that was killed goes on where it
stopped; an equal one that is finished is used again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from geoglot.core.errors import SourceError
from geoglot.core.records import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.geo.decoder import Decoder
    from geoglot.geo.probability import Maps, MapWriter
    from geoglot.geo.source import SourceInfo
    from geoglot.geo.sweep import Sweep

_FORMAT = 1
_KEPT_BYTES = 4 << 30
Progress = Callable[[int, int, str], None]
"""Windows done, windows in all, and what is being done."""


class SegmentationModel(Protocol):
    """What is asked of a segmenter; :class:`geoglot.models.segmenter.SegmenterBundle` is one."""

    @property
    def id(self) -> str:
        """Name and version."""

    @property
    def sha256(self) -> str:
        """Of everything that it is made of."""

    @property
    def side(self) -> int:
        """Pixels of a window."""

    @property
    def gsd_m(self) -> float | None:
        """Ground sample distance that it was trained at."""

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 RGB -> (N, D, side / 4, side / 4) float32."""

    def phrases(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """-> (P, D + 1) float32."""

    def scores(self, features: NDArray[np.float32], phrases: NDArray[np.float32]) -> NDArray[np.float32]:
        """-> (N, P, side / 4, side / 4) float32 in [0, 1]."""

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words that it never saw."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How scenes are read.

    Attributes:
        overlap: Share of a window that its neighbour sees too, 0 to 0.75.
        gsd_m: Ground sample distance to work at, metres; the model's by default.
        scale: Full-resolution pixels of a working pixel, whatever the ground sample distances.
        bands: Red, green and blue as band numbers from 1 on; chosen automatically when not given.
        areas: Only what lies in one of these full-resolution windows, and round it; ``None`` means everything.
    """

    overlap: float = 0.25
    gsd_m: float | None = None
    scale: float | None = None
    bands: tuple[int, ...] | None = None
    areas: tuple[Window, ...] | None = None


@contextmanager
def probability_maps(
    path: Path,
    phrases: Sequence[str],
    model: SegmentationModel,
    reading: Reading,
    *,
    work: Path | None = None,
    progress: Progress = lambda done, total, words: None,
) -> Iterator[Maps]:
    """Maps of phrases in a scene, for as long as the block runs.

    Args:
        path: The scene, or a photo.
        phrases: One map each.
        model: What sees and understands.
        reading: How the scene is read.
        work: Folder for work that may be taken up again; a folder of the user's cache by default.
        progress: Called after each batch of windows.

    Raises:
        SourceError: The scene cannot be read.
        GeoglotError: The disk is full.
    """
    from geoglot.geo.probability import Maps

    with _workplace(work, _key(path, phrases, model, reading)) as folder:
        maps = Maps.open(folder)
        if maps is None:
            _make(path, phrases, model, reading, folder, progress)
            maps = Maps.open(folder)
        if maps is None:
            raise SourceError(path, cause="was lost while it was worked on", remedy="run it again", stage="write")
        yield maps


def _make(
    path: Path,
    phrases: Sequence[str],
    model: SegmentationModel,
    reading: Reading,
    folder: Path,
    progress: Progress,
) -> None:
    from dataclasses import replace

    from geoglot.geo.decoder import Decoder, ReadOptions, Sweep
    from geoglot.geo.probability import MapWriter
    from geoglot.geo.sweep import sweep_grid

    asked = Sweep(
        path=path,
        side=model.side,
        overlap=reading.overlap,
        gsd_m=model.gsd_m if reading.gsd_m is None else reading.gsd_m,
        scale=reading.scale,
        areas=reading.areas,
    )
    with Decoder(ReadOptions(bands=reading.bands)) as decoder:
        info = _describe(decoder, asked)
        grid = sweep_grid(info.width, info.height, info.gsd_m, asked)
        with MapWriter(folder, grid, len(phrases), info) as writer:
            _blend(decoder, replace(asked, from_row=writer.done_rows), writer, model, model.phrases(phrases), progress)


def _describe(decoder: Decoder, asked: Sweep) -> SourceInfo:
    """What a source is, without a pixel of it."""
    from dataclasses import replace

    from geoglot.geo.decoder import SourceInfo

    for part in decoder.sweep(replace(asked, areas=())):
        if isinstance(part, SourceInfo) and part.width > 0 and part.height > 0:
            return part
    raise SourceError(asked.path, cause="holds no picture", remedy="choose one that is not empty", stage="decode")


def _blend(
    decoder: Decoder,
    asked: Sweep,
    writer: MapWriter,
    model: SegmentationModel,
    vectors: NDArray[np.float32],
    progress: Progress,
) -> None:
    """Read on from where the writer stands, and blend everything in."""
    import numpy as np

    from geoglot.geo.decoder import WindowBatch

    grid = writer.grid
    per_row = [len(grid.wanted(row, asked.areas)) for row in grid.rows]
    total, before = sum(per_row), np.cumsum([0, *per_row])
    seen = 0
    for part in decoder.sweep(asked):
        if not isinstance(part, WindowBatch):
            continue
        while grid.rows[writer.done_rows] < part.row:
            writer.row_done(writer.done_rows)
            seen = 0
        pixels = np.ascontiguousarray(part.pixels[..., :3])
        scores = model.scores(model.features(pixels), vectors)
        writer.add(part.row, part.columns, scores, part.pixels[..., 3] > 0)
        seen += len(part.columns)
        progress(int(before[writer.done_rows]) + seen, total, "windows")
    while writer.done_rows < len(grid.rows):
        writer.row_done(writer.done_rows)
    progress(total, total, "windows")


def _key(path: Path, phrases: Sequence[str], model: SegmentationModel, reading: Reading) -> str:
    """A name for the work: equal work has an equal one."""
    status = path.stat()
    facts = {
        "format": _FORMAT,
        "file": [str(path.resolve()), status.st_size, status.st_mtime_ns],
        "model": [model.id, model.sha256, model.side, model.gsd_m],
        "phrases": list(phrases),
        "reading": [reading.overlap, reading.gsd_m, reading.scale, reading.bands, reading.areas],
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def cache_folder() -> Path:
    """Where work is kept unless told otherwise: in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "geoglot" / "segment"


@contextmanager
def _workplace(work: Path | None, key: str) -> Iterator[Path]:
    """The folder of some work, for this process alone; a passing one where another process is at it."""
    root = cache_folder() if work is None else work
    try:
        folder = root / key
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError:
        if work is not None:
            raise
        with tempfile.TemporaryDirectory(prefix="geoglot-") as passing:
            yield Path(passing)
        return
    with lock:
        if not _locked(lock.fileno()):
            with tempfile.TemporaryDirectory(prefix="geoglot-") as passing:
                yield Path(passing)
            return
        os.utime(folder)
        _tidy(root, folder)
        yield folder


def _locked(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks on this system: whoever comes first
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _tidy(root: Path, own: Path) -> None:
    """Remove the work that was used longest ago, beyond what is kept."""
    every = sorted((path for path in root.iterdir() if path.is_dir() and path != own), key=_used, reverse=True)
    kept = 0
    for folder in every:
        kept += sum(file.stat().st_blocks * 512 for file in folder.glob("*") if file.is_file())
        if kept > _KEPT_BYTES:
            with (folder / "lock").open("w") as lock:
                if _locked(lock.fileno()):
                    shutil.rmtree(folder, ignore_errors=True)


def _used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
