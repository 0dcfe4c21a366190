"""Small pictures of hits and scenes, cut by the decoder (in its child process, as any user's file)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.api.answer import Answer
from geoglot.api.report import ReportContent
from geoglot.api.report_map import Overview
from geoglot.core.errors import SourceError
from geoglot.core.records import Bounds, Hit, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.archive import Archive

PICTURE_SIDE = 224
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
    examples = {str(t.picture): t.picture for answer in answers for t in answer.query.terms if t.picture is not None}
    scenes = {scene for answer in answers if (scene := scene_of(answer)) is not None}
    overviews = {scene: cut_whole(scene) for scene in scenes}
    wholes = {name: cut_whole(path, side=PICTURE_SIDE) for name, path in examples.items()}
    return ReportContent(
        answers=answers,
        title=title,
        facts=facts,
        pictures=cut_pictures(hit for answer in answers for hit in answer),
        examples={name: whole.jpeg for name, whole in wholes.items() if whole is not None},
        overviews={name: whole for name, whole in overviews.items() if whole is not None},
        extent=Bounds(*info["extent"]) if info.get("extent") else None,
        archive=str(archive.path),
    )


def cut_pictures(hits: Iterable[Hit], *, side: int = PICTURE_SIDE) -> dict[str, bytes]:
    """A JPEG per hit, by hit id. A source that is gone or changed has none: the page says so.

    Args:
        hits: From any number of sources; each source is opened once.
        side: Side of the pictures in pixels.
    """
    from geoglot.geo.decoder import Decoder, ReadOptions

    wanted: dict[str, dict[str, Window]] = {}
    for hit in hits:
        wanted.setdefault(hit.source, {})[hit.id] = hit.tile.window
    found: dict[str, bytes] = {}
    with Decoder(ReadOptions(side=side)) as decoder:
        for source, windows in wanted.items():
            try:
                cut = decoder.cut(Path(source), list(windows.values()))
                found |= {key: as_jpeg(pixels) for key, pixels in zip(windows, cut, strict=True)}
            except SourceError:
                continue
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


def scene_of(hits: Sequence[Hit]) -> str | None:
    """The one source that all hits lie in as parts of it, if there is one.

    Example:
        >>> scene_of([]) is None
        True
    """
    sources = {hit.source for hit in hits}
    return sources.pop() if len(sources) == 1 and len({hit.tile.window for hit in hits}) > 1 else None
