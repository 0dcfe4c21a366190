"""The picture that is to be explained: as the model sees it, and as people see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Bounds, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.geo.decoder import Decoder
    from geoglot.geo.source import SourceInfo, TileBatch
    from geoglot.models.explainer import Explainer

SHOWN_SIDE = 560
"""Longer side of the picture that people see."""
MOST_TILES = 1000
"""A larger scene is for an archive: it would take a minute and more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """One tile of a source.

    Attributes:
        path: The file.
        kind: ``scene`` or ``photo``.
        window: The part, in full-resolution pixels.
        bounds: Where that is on Earth, when known.
        pixels: (side, side, 3) uint8, as the model sees it.
    """

    path: Path
    kind: str
    window: Window
    bounds: Bounds | None
    pixels: NDArray[np.uint8]


def opened(side: int, bands: Sequence[int] | None = None) -> Decoder:
    """A decoder that makes squares of that side. Its child process starts at once, so start early what is needed."""
    from geoglot.geo.decoder import Decoder, ReadOptions

    return Decoder(ReadOptions(side=side, bands=None if bands is None else tuple(bands)))


def best_tile(
    decoder: Decoder,
    path: Path,
    *,
    text: str,
    explainer: Explainer,
    window: Window | Sequence[int] | None = None,
) -> Seen:
    """The tile of a source that answers a text best: a photo is one tile, a window is one too.

    Raises:
        SourceError: The file cannot be read, or holds nothing.
        UsageError: The window misses it, or it has too many tiles to look at each.
    """
    best: tuple[float, Seen] | None = None
    for info, batch in _read(decoder, path, window=as_window(window)):
        scores = explainer.scores(batch.pixels, [text])[:, 0]
        number = int(scores.argmax())
        if best is None or scores[number] > best[0]:
            tile = batch.tiles[number]
            seen = Seen(path=path, kind=info.kind, window=tile.window, bounds=tile.bounds, pixels=batch.pixels[number])
            best = float(scores[number]), seen
    if best is None:
        raise SourceError(path, cause="holds no picture", remedy="choose one that is not empty", stage="decode")
    return best[1]


def shown(decoder: Decoder, tile: Seen) -> NDArray[np.uint8]:
    """The tile for eyes: (H, W, 3) uint8 in its own proportions, the longer side :data:`SHOWN_SIDE`."""
    import numpy as np
    from PIL import Image

    batches = [part for _, part in _read(decoder, tile.path, window=tile.window, kind=tile.kind)]
    longest = max(tile.window.width, tile.window.height)
    size = [max(8, round(SHOWN_SIDE * length / longest)) for length in (tile.window.width, tile.window.height)]
    image = Image.fromarray(batches[0].pixels[0])
    return np.asarray(image.resize((size[0], size[1]), Image.Resampling.LANCZOS))


def as_window(given: Window | Sequence[int] | None) -> Window | None:
    """Four numbers as a window.

    Raises:
        UsageError: They are not four, or describe nothing.

    Example:
        >>> as_window([0, 256, 256, 256])
        Window(column=0, row=256, width=256, height=256)
    """
    if given is None:
        return None
    numbers = tuple(given)
    if len(numbers) != 4 or min(numbers[:2]) < 0 or min(numbers[2:]) < 1:
        remedy = "give column, row, width and height in pixels, such as 0,256,256,256"
        raise UsageError(f"window={','.join(map(str, numbers))}", cause="is no window", remedy=remedy)
    return Window(*numbers)


def _read(decoder: Decoder, path: Path, *, window: Window | None, kind: str = "") -> list[tuple[SourceInfo, TileBatch]]:
    """What a source is, with each batch of its tiles, or with the one tile of a window."""
    from geoglot.geo.decoder import Cut, SourceInfo, TileBatch

    asked = path if window is None else Cut(path=path, windows=(window,))
    found: list[tuple[SourceInfo, TileBatch]] = []
    info: SourceInfo | None = None
    for _, part in decoder.read_many([asked]):
        if isinstance(part, SourceError):
            raise part
        if isinstance(part, SourceInfo):
            info = part
            _check(info, window, path, photo_expected=kind == "photo")
        elif isinstance(part, TileBatch) and info is not None:
            found.append((info, part))
    return found


def _check(info: SourceInfo, window: Window | None, path: Path, *, photo_expected: bool) -> None:
    if window is None:
        if info.tile_count > MOST_TILES:
            remedy = "give --window COLUMN,ROW,WIDTH,HEIGHT, as 'geoglot search' tells it of a hit"
            raise UsageError(path, cause=f"is a scene of {info.tile_count:,} tiles", remedy=remedy)
    elif info.kind == "photo" and not photo_expected:
        raise UsageError(path, cause="is a photo, which is read whole", remedy="leave the window out")
    elif window.column >= info.width or window.row >= info.height:
        cause = f"lies outside of {path}, which has {info.width} x {info.height} pixels"
        raise UsageError(f"window={','.join(map(str, window))}", cause=cause, remedy="give a window inside")


def only_picture(path: Path, *, side: int) -> NDArray[np.uint8]:
    """A picture as the model sees it, a scene squeezed into one square. -> (side, side, 3) uint8.

    Raises:
        SourceError: It cannot be read, or holds nothing.
        UsageError: It is not there.
    """
    from geoglot.api.selection import existing_paths

    existing_paths(path)
    everything = Window(0, 0, 1 << 31, 1 << 31)
    with opened(side) as decoder:
        for _, batch in _read(decoder, path, window=everything, kind="photo"):
            pixels: NDArray[np.uint8] = batch.pixels[0]
            return pixels
    raise SourceError(path, cause="holds no picture", remedy="choose one that is not empty", stage="decode")
