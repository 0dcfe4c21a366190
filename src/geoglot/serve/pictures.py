"""Pictures for the page: cut by a decoder child, sent as PNG that was made here, whatever the file was.

Nothing of a user's file reaches a browser but pixels, and no file is opened but one that the archive knows, unchanged
since it was indexed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from geoglot.api.holdings import Holding
from geoglot.core.errors import SourceError
from geoglot.core.records import Window
from geoglot.geo.decoder import Cut, Decoder, ReadOptions, SourceInfo, TileBatch
from geoglot.serve.problems import ProblemError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDES: Final = (128, 256, 512, 1024)
"""Sides that decoders cut; other sides are made smaller from the next larger one."""
WHOLE: Final = Window(0, 0, 1 << 31, 1 << 31)
_CACHE_BYTES = 64 << 20
_MEMORY = 2 << 30
_SECONDS = 20.0


class Decoders:
    """Decoder children by the side of what they cut, each used by one thread at a time and kept for the next one.

    Args:
        most_pixels: Photos that declare more are refused.
    """

    def __init__(self, most_pixels: int) -> None:
        self._most_pixels = most_pixels
        self._idle: dict[int, list[Decoder]] = {}
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def of_side(self, side: int) -> Iterator[Decoder]:
        """A decoder, for as long as it is needed."""
        with self._lock:
            waiting = self._idle.setdefault(side, [])
            decoder = waiting.pop() if waiting else None
        if decoder is None:
            options = ReadOptions(side=side, max_pixels_photo=self._most_pixels)
            decoder = Decoder(options, memory_bytes=_MEMORY, seconds_without_progress=_SECONDS)
        sound = False
        try:
            yield decoder
            sound = True
        finally:
            with self._lock:
                keep = sound and not self._closed and len(self._idle[side]) < 2
                if keep:
                    self._idle[side].append(decoder)
            if not keep:
                decoder.close()

    @property
    def count(self) -> int:
        """Children that wait for work."""
        return sum(len(some) for some in self._idle.values())

    def close(self) -> None:
        """End all children that wait."""
        with self._lock:
            self._closed = True
            waiting = [decoder for some in self._idle.values() for decoder in some]
            self._idle.clear()
        for decoder in waiting:
            decoder.close()


class Cache:
    """The pictures that were sent last, up to a number of bytes. Keys say all that a picture depends on."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._most = most_bytes
        self._held = 0
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """A picture, if it is still here."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: tuple[object, ...], picture: bytes) -> None:
        """Keep a picture; the ones not asked for longest leave."""
        with self._lock:
            if key in self._kept or len(picture) > self._most // 4:
                return
            self._kept[key] = picture
            self._held += len(picture)
            while self._held > self._most:
                self._held -= len(self._kept.popitem(last=False)[1])


def check_unchanged(holding: Holding) -> Path:
    """The path of a source, if the file is still what was indexed.

    Raises:
        ProblemError: It is gone, or has changed.
    """
    path = Path(holding.path)
    try:
        status = path.stat()
    except OSError as error:
        raise ProblemError(410, f"{holding.name}: is not there any more.", "put it back, or index again") from error
    if (status.st_size, status.st_mtime_ns) != (holding.size, holding.modified_ns):
        raise ProblemError(410, f"{holding.name}: has changed since it was indexed.", "index again")
    return path


def cut(decoders: Decoders, holding: Holding, window: Window, side: int) -> tuple[SourceInfo, NDArray[np.uint8]]:
    """A window of a source in its own proportions, its longer side at most `side`. -> (H, W, 3) uint8.

    Raises:
        ProblemError: The file is gone, has changed, or cannot be read.
    """
    path = check_unchanged(holding)
    return read(decoders, path, window, side, name=holding.name)


def read(
    decoders: Decoders, path: Path, window: Window, side: int, *, name: str
) -> tuple[SourceInfo, NDArray[np.uint8]]:
    """A window of a file that was checked before; see :func:`cut`."""
    info: SourceInfo | None = None
    wanted = next((one for one in SIDES if one >= side), SIDES[-1])
    with decoders.of_side(wanted) as decoder:
        pixels: NDArray[np.uint8] | None = None
        for _, part in decoder.read_many([Cut(path=path, windows=(window,))]):
            if isinstance(part, SourceError):
                raise ProblemError(422, f"{name}: {part.cause}.", part.remedy)
            if isinstance(part, SourceInfo):
                info = part
            elif isinstance(part, TileBatch) and len(part.pixels):
                pixels = part.pixels[0]
    if info is None or pixels is None:
        raise ProblemError(404, f"{name}: holds no pixels there.")
    whole = info.kind == "photo" or window == WHOLE
    width, height = (info.width, info.height) if whole else (window.width, window.height)
    return info, in_proportion(pixels, width, height, side)


def in_proportion(pixels: NDArray[np.uint8], width: int, height: int, side: int) -> NDArray[np.uint8]:
    """A square as the decoder makes it, brought back to the proportions of what it shows.

    Example:
        >>> import numpy as np
        >>> in_proportion(np.zeros((64, 64, 3), np.uint8), 200, 100, 32).shape
        (16, 32, 3)
    """
    import numpy as np
    from PIL import Image

    longest = max(width, height)
    size = (max(1, round(side * width / longest)), max(1, round(side * height / longest)))
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3 or 4) uint8 as PNG."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return file.getvalue()
