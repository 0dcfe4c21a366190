"""Small pictures of hits and scenes, cut by the decoder (in its child process, as any user's file)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.api.answer import Answer
from geoglot.api.reports.answers import ReportContent
from geoglot.api.reports.overview_map import Overview
from geoglot.core.records import Bounds, Hit, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.archive import Archive

PICTURE_SIDE = 224
_OVERVIEW_SIDE = 800
_EVERYTHING = Window(0, 0, 1 << 31, 1 << 31)
_QUALITY = 82


def gather(
    archive: Archive, answers: Sequence[Answer], *, title: str, facts: Mapping[str, str] | None = None
) -> ReportContent:
    """Everything that a report of these answers shows: facts, pictures of hits, examples and scenes."""
    info = archive.info()
    if facts is None:
        facts = {
            "Archive": str(archive.path),
            "Files": f"{info['sources']:,}",
            "Tiles": f"{info['tiles']:,}",
            "Model": str(info["model"]),
        }
    examples = {str(term.picture) for answer in answers for term in answer.query.terms if term.picture is not None}
    scenes = {scene for answer in answers if (scene := scene_of(answer)) is not None}
    wholes = cut_whole(examples, side=PICTURE_SIDE)
    return ReportContent(
        answers=answers,
        title=title,
        facts=facts,
        pictures=cut_pictures(hit for answer in answers for hit in answer),
        examples={name: whole.jpeg for name, whole in wholes.items()},
        overviews=cut_whole(sorted(scenes), side=_OVERVIEW_SIDE),
        extent=Bounds(*info["extent"]) if info.get("extent") else None,
        archive=str(archive.path),
    )


def cut_pictures(hits: Iterable[Hit], *, side: int = PICTURE_SIDE) -> dict[str, bytes]:
    """A JPEG per hit, by hit id. A source that is gone or changed has none: the page says so.

    Args:
        hits: From any number of sources; each source is opened once.
        side: Side of the pictures in pixels.
    """
    from geoglot.geo.decoder import Cut, Decoder, ReadOptions, TileBatch

    wanted: dict[str, dict[Window, list[str]]] = {}
    for hit in hits:
        wanted.setdefault(hit.source, {}).setdefault(hit.tile.window, []).append(hit.id)
    cuts = [Cut(path=Path(source), windows=tuple(windows)) for source, windows in wanted.items()]
    found: dict[str, bytes] = {}
    if not cuts:
        return found
    with Decoder(ReadOptions(side=side)) as decoder:
        for path, part in decoder.read_many(cuts):
            if not isinstance(part, TileBatch):
                continue  # what the source is, or an error: then the page says "picture not available"
            for pixels, tile in zip(part.pixels, part.tiles, strict=True):
                ids = _nearest(tile.window, wanted[str(path)])
                found |= dict.fromkeys(ids, as_jpeg(pixels))
    return found


def cut_whole(paths: Iterable[str | Path], *, side: int) -> dict[str, Overview]:
    """Whole sources, each in one small picture, by path. One that cannot be read any more is left out."""
    from geoglot.geo.decoder import Cut, Decoder, ReadOptions, SourceInfo, TileBatch

    cuts = [Cut(path=Path(path), windows=(_EVERYTHING,)) for path in paths]
    found: dict[str, Overview] = {}
    size = (0, 0)
    if not cuts:
        return found
    with Decoder(ReadOptions(side=side)) as decoder:
        for path, part in decoder.read_many(cuts):
            if isinstance(part, SourceInfo):
                size = (part.width, part.height)
            elif isinstance(part, TileBatch):
                found[str(path)] = Overview(jpeg=as_jpeg(part.pixels[0]), width=size[0], height=size[1])
    return found


def _nearest(window: Window, wanted: Mapping[Window, list[str]]) -> list[str]:
    """Ids of the hits that a cut-out picture stands for: at a coarse level a window may shift by a pixel or two."""

    def apart(other: Window) -> int:
        return sum(abs(a - b) for a, b in zip(window, other, strict=True))

    return wanted[min(wanted, key=apart)]


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """``(H, W, 3)`` uint8 RGB as a JPEG."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()


def scene_of(hits: Sequence[Hit]) -> str | None:
    """The one source that all hits lie in as parts of it, if there is one.

    Example:
        >>> scene_of([]) is None
        True
    """
    sources = {hit.source for hit in hits}
    return sources.pop() if len(sources) == 1 and len({hit.tile.window for hit in hits}) > 1 else None
