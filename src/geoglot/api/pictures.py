"""Small pictures of hits and scenes, cut by the decoder (in its child process, as any user's file)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.api.report_map import Overview
from geoglot.core.errors import SourceError
from geoglot.core.records import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.geo.decoder import ReadOptions

_QUALITY = 82


def cut_pictures(hits: Iterable[Hit], options: ReadOptions) -> dict[str, bytes]:
    """A JPEG per hit, by hit id. A source that is gone or changed simply has none.

    Args:
        hits: From any number of sources; each source is read once.
        options: The tiling that the sources were indexed with; ``side`` is the side of the pictures.
    """
    from geoglot.geo.decoder import Decoder, TileBatch

    wanted: dict[str, dict[tuple[tuple[int, ...], int], str]] = {}
    for hit in hits:
        wanted.setdefault(hit.source, {})[(tuple(hit.tile.window), hit.tile.level)] = hit.id
    found: dict[str, bytes] = {}
    with Decoder(options) as decoder:
        for source, places in wanted.items():
            missing = set(places)
            try:
                for part in decoder.read(Path(source)):
                    for pixels, tile in zip(part.pixels, part.tiles, strict=True) if isinstance(part, TileBatch) else ():
                        place = (tuple(tile.window), tile.level)
                        if place in missing:
                            missing.remove(place)
                            found[places[place]] = as_jpeg(pixels)
                    if not missing:
                        break
            except SourceError:
                continue  # the page says "picture not available"
    return found


def cut_whole(path: str | Path, *, side: int = 720) -> Overview | None:
    """A whole source in one small picture; ``None`` when it cannot be read any more."""
    from geoglot.geo.decoder import Decoder, ReadOptions, SourceInfo, TileBatch

    size = (0, 0)
    with Decoder(ReadOptions(tile=1 << 30, overlap=0.0, side=side)) as decoder:
        try:
            for part in decoder.read(Path(path)):
                if isinstance(part, SourceInfo):
                    size = (part.width, part.height)
                elif isinstance(part, TileBatch):
                    return Overview(jpeg=as_jpeg(part.pixels[0]), width=size[0], height=size[1])
        except SourceError:
            return None
    return None


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """``(H, W, 3)`` uint8 RGB as a JPEG."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()


def scene_of(answers: Sequence[Sequence[Hit]]) -> str | None:
    """The one georeferenced source that all hits of all answers lie in, if there is one."""
    sources = {hit.source for answer in answers for hit in answer}
    located = all(hit.tile.bounds is not None for answer in answers for hit in answer)
    return sources.pop() if len(sources) == 1 and located else None
