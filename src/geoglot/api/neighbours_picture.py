"""The nearest neighbours of a query on one sheet: thumbnails, or captions, each with rank and score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.drawing import INK, LINE, QUIET, Canvas, Colour, broken, picture_kind
from geoglot.api.query import text_direction

if TYPE_CHECKING:
    from geoglot.api.neighbours import Neighbour, Neighbours

_THUMBNAIL = 200
_ACROSS = 5
_GAP = 18
_TRUE: Final[Colour] = (38, 132, 88)
_QUERY_SIDE = 300


def draw(neighbours: Neighbours, path: Path) -> Path:
    """Write the sheet.

    Raises:
        UsageError: The suffix is unknown, or no font on this machine has the letters of a text.
    """
    picture_kind(path)
    canvas = Canvas(_ACROSS * _THUMBNAIL + (_ACROSS - 1) * _GAP + 72)
    if neighbours.asked_by == "text":
        canvas.paragraph(neighbours.query, size=28, style="bold")
    else:
        canvas.paragraph(Path(neighbours.query).name, size=28, style="bold")
    canvas.space(4)
    canvas.paragraph(_about(neighbours), size=16, colour=QUIET)
    canvas.space(16)
    if neighbours.asked_by == "text":
        _thumbnails(canvas, neighbours)
    else:
        _captions(canvas, neighbours)
    return canvas.save(path)


def _about(neighbours: Neighbours) -> str:
    what = "pictures" if neighbours.asked_by == "text" else "captions"
    parts = [f"nearest of {neighbours.candidates:,} {what}", neighbours.data, neighbours.model]
    if neighbours.true_rank is not None:
        parts.append(f"true one at rank {neighbours.true_rank:,}")
    return "  ·  ".join(parts)


def _thumbnails(canvas: Canvas, neighbours: Neighbours) -> None:
    from geoglot.engine.prediction import read_square

    cell = _THUMBNAIL + 44
    for number, one in enumerate(neighbours.found):
        column = number % _ACROSS
        if column == 0:
            canvas.need(cell + _GAP)
        x = canvas.margin + column * (_THUMBNAIL + _GAP)
        if one.true:
            canvas.box(x - 5, canvas.y - 5, _THUMBNAIL + 10, _THUMBNAIL + 10, fill=_TRUE, radius=12)
        canvas.picture(read_square(Path(str(one.path)), _THUMBNAIL), x, canvas.y, radius=8)
        _label(canvas, one, x, canvas.y + _THUMBNAIL + 8)
        if column == _ACROSS - 1 or number == len(neighbours.found) - 1:
            canvas.y += cell + _GAP
    canvas.y -= _GAP


def _label(canvas: Canvas, one: Neighbour, x: int, y: int) -> None:
    words = [f"{one.rank}.", f"{one.score:.3f}", one.category or one.id]
    [line, *_] = broken(" ".join(words), 15, "regular", _THUMBNAIL, most_lines=1)
    canvas.line(line, x, y, size=15, colour=_TRUE if one.true else INK)


def _captions(canvas: Canvas, neighbours: Neighbours) -> None:
    """The picture on the left, the captions in lines beside it."""
    top = canvas.y
    canvas.need(_QUERY_SIDE)
    canvas.picture(_query_picture(Path(neighbours.query)), canvas.margin, top)
    left = canvas.margin + _QUERY_SIDE + 28
    numbers, size = 100, 18
    width = canvas.width - canvas.margin - left - numbers
    for one in neighbours.found:
        turned = text_direction(str(one.text)) == "rtl"
        colour = _TRUE if one.true else INK
        lines = broken(str(one.text), size, "regular", width, most_lines=2)
        canvas.need(round(1.4 * size) * len(lines) + 18)
        canvas.line([f"{one.rank}."], left, canvas.y, size=size, colour=colour)
        canvas.line([f"{one.score:.3f}"], left + 44, canvas.y + 2, size=14, colour=QUIET)
        for line in lines:
            x = left + numbers
            if turned:
                from geoglot.api.drawing import line_width

                x = canvas.width - canvas.margin - line_width(line, size, "regular")
            canvas.line(line, x, canvas.y, size=size, colour=colour, right_to_left=turned)
            canvas.y += round(1.4 * size)
        canvas.box(left, canvas.y + 5, canvas.width - canvas.margin - left, 1, fill=LINE, radius=0)
        canvas.y += 14
    canvas.y = max(canvas.y, top + _QUERY_SIDE)


def _query_picture(path: Path) -> NDArray[np.uint8]:
    from geoglot.api.explain_source import only_picture

    return only_picture(path, side=_QUERY_SIDE)
