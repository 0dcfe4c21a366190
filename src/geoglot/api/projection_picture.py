"""A map of images and captions: colour tells the scene class, shape tells pictures and languages apart."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from geoglot.api.drawing import INK, QUIET, Canvas, Colour
from geoglot.api.reports.words import LANGUAGE_NAMES

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

    from geoglot.engine.projection import Projection

_PLOT = 980
_LEGEND = 250
_SHARPER = 3
_UNKNOWN: Final[Colour] = (150, 150, 150)
_SHAPES: Final = ("triangle", "square", "diamond", "cross")


def draw(projection: Projection, path: Path) -> Path:
    """Write the map.

    Raises:
        UsageError: The suffix is unknown.
    """
    from PIL import Image
    from PIL import ImageDraw as Draw

    canvas = Canvas(_PLOT + _LEGEND + 96)
    canvas.paragraph("Images and captions on one map", size=28, style="bold")
    about = f"t-SNE  ·  {projection.data}  ·  {projection.model}  ·  {len(projection.kinds):,} points"
    canvas.paragraph(about, size=16, colour=QUIET)
    canvas.space(14)
    colours = category_colours(sorted(set(projection.categories)))
    shapes = shapes_of(projection)
    large = Image.new("RGB", (_PLOT * _SHARPER, _PLOT * _SHARPER), (255, 255, 255))
    pen = Draw.Draw(large)
    places = _on_sheet(projection)
    # Images last: they are fewer than the captions and would lie below them.
    for index in sorted(range(len(places)), key=lambda number: projection.kinds[number] == "image"):
        x, y = places[index]
        _mark(pen, shapes[projection.kinds[index]], x, y, 5.0 * _SHARPER, colours[projection.categories[index]])
    canvas.need(_PLOT)
    canvas.picture(np.asarray(large.resize((_PLOT, _PLOT), Image.Resampling.LANCZOS)), canvas.margin, canvas.y)
    _legend(canvas, shapes, colours)
    canvas.y += _PLOT
    return canvas.save(path)


def category_colours(categories: list[str]) -> dict[str, Colour]:
    """A colour per class, neighbours in the list far apart in hue; grey where the class is unknown.

    Example:
        >>> colours = category_colours(["", "beach", "port"])
        >>> colours[""], colours["beach"] != colours["port"]
        ((150, 150, 150), True)
    """
    known = [category for category in categories if category]
    colours = {"": _UNKNOWN} if "" in categories else {}
    for number, category in enumerate(known):
        hue = number / max(1, len(known))
        lightness, saturation = ((0.40, 0.75), (0.58, 0.62), (0.32, 0.5))[number % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
        colours[category] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours


def shapes_of(projection: Projection) -> dict[str, str]:
    """Which shape stands for pictures and for each language."""
    languages = list(dict.fromkeys(kind for kind in projection.kinds if kind != "image"))
    return {"image": "disc", **{kind: _SHAPES[n % len(_SHAPES)] for n, kind in enumerate(languages)}}


def _on_sheet(projection: Projection) -> list[tuple[float, float]]:
    """Points in pixels of the large plot, y upwards, with a margin."""
    points = projection.points.astype(np.float64)
    low, high = points.min(0), points.max(0)
    scaled = (points - (low + high) / 2) / max(float((high - low).max()), 1e-9) * 0.94 + 0.5
    side = _PLOT * _SHARPER
    return [(float(x * side), float((1 - y) * side)) for x, y in scaled]


def _mark(pen: ImageDraw, shape: str, x: float, y: float, radius: float, colour: Colour) -> None:
    edge: Colour = (255, 255, 255)
    if shape == "disc":
        large = radius * 1.35
        pen.ellipse((x - large, y - large, x + large, y + large), fill=colour, outline=INK, width=_SHARPER)
    elif shape == "square":
        half = radius * 0.78
        pen.rectangle((x - half, y - half, x + half, y + half), fill=colour, outline=edge, width=1)
    elif shape == "cross":
        width = round(radius * 0.62)
        pen.line((x - radius * 0.9, y - radius * 0.9, x + radius * 0.9, y + radius * 0.9), fill=colour, width=width)
        pen.line((x - radius * 0.9, y + radius * 0.9, x + radius * 0.9, y - radius * 0.9), fill=colour, width=width)
    else:
        corners = [(0, -1), (0.95, 0.75), (-0.95, 0.75)] if shape == "triangle" else [(0, -1), (1, 0), (0, 1), (-1, 0)]
        pen.polygon([(x + dx * radius, y + dy * radius) for dx, dy in corners], fill=colour, outline=edge)


def _legend(canvas: Canvas, shapes: dict[str, str], colours: dict[str, Colour]) -> None:
    from PIL import ImageDraw as Draw

    left, y = canvas.margin + _PLOT + 24, canvas.y + 4
    small = 15 if len(colours) <= 32 else 12
    entries = [
        (shape, QUIET, "images" if kind == "image" else LANGUAGE_NAMES.get(kind, kind))
        for kind, shape in shapes.items()
    ]
    entries += [("swatch", colour, category or "unknown") for category, colour in colours.items()]
    step = min(28, (_PLOT - 30) // max(1, len(entries)))
    for number, (shape, colour, label) in enumerate(entries):
        if number == len(shapes):
            y += 16
        if shape == "swatch":
            canvas.box(left, y + 4, 14, 14, fill=colour, radius=4)
        else:
            _mark(Draw.Draw(canvas.image), shape, left + 7, y + 11, 7, colour)
        canvas.line([label], left + 26, y, size=small, colour=INK)
        y += step
