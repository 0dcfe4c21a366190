"""Two pictures of a referring dataset: its words as a cloud, and which share of their images the masks cover."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.drawing import INK, LINE, QUIET, Canvas, Colour
from geoglot.api.fonts import fitted
from geoglot.core.errors import UsageError

_WIDTH, _HEIGHT = 1000, 560
_LARGEST, _SMALLEST = 84, 13
_MOST_WORDS = 80
_GAP = 4
_INKS: Final[tuple[Colour, ...]] = (
    (23, 78, 84),
    (150, 62, 34),
    (38, 70, 130),
    (104, 84, 20),
    (92, 42, 100),
    (36, 96, 52),
)


def write_word_cloud(counts: Mapping[str, int], path: Path) -> Path:
    """Draw words, the more often said the larger; the same counts give the same picture.

    Args:
        counts: How often each word (or group of words) is said, in any of the four languages.
        path: PNG, JPEG or WebP file.

    Raises:
        UsageError: There is no word, the suffix is unknown, or no font has a word's letters.
    """
    canvas = Canvas(_WIDTH + 72)
    canvas.need(_HEIGHT)
    canvas.picture(word_cloud(counts), canvas.margin, canvas.y)
    canvas.y += _HEIGHT
    return canvas.save(path)


def word_cloud(counts: Mapping[str, int]) -> NDArray[np.uint8]:
    """The cloud itself, (560, 1000, 3) uint8.

    Raises:
        UsageError: There is no word, or no font has a word's letters.
    """
    from PIL import Image, ImageDraw

    words = sorted(((word, count) for word, count in counts.items() if count > 0), key=lambda pair: (-pair[1], pair[0]))
    if not words:
        raise UsageError("word cloud", cause="has no word to show", remedy="choose a dataset with phrases")
    sheet = Image.new("RGB", (_WIDTH, _HEIGHT), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    taken = np.zeros((_HEIGHT, _WIDTH), dtype=bool)
    ceiling = _LARGEST
    for number, (word, count) in enumerate(words[:_MOST_WORDS]):
        size = min(ceiling, max(_SMALLEST, round(_LARGEST * math.sqrt(count / words[0][1]))))
        while size >= _SMALLEST:
            font, glyphs = fitted(word, size, "bold")
            left, top, right, bottom = (round(edge) for edge in font.getbbox(glyphs))
            spot = _free_spot(taken, right - left + 2 * _GAP, bottom - top + 2 * _GAP)
            if spot is not None:
                column, row = spot
                taken[row : row + bottom - top + 2 * _GAP, column : column + right - left + 2 * _GAP] = True
                pen.text((column + _GAP - left, row + _GAP - top), glyphs, font=font, fill=_INKS[number % len(_INKS)])
                break
            ceiling = size = math.floor(size * 0.8)  # what comes is said less often: it is no larger
    return np.asarray(sheet)


def _free_spot(taken: NDArray[np.bool_], width: int, height: int) -> tuple[int, int] | None:
    """Column and row of the free box whose middle is nearest to that of the sheet, as flat as the sheet is."""
    rows, columns = taken.shape
    if width > columns or height > rows:
        return None
    sums = np.pad(taken.astype(np.int32).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    x = np.arange(columns - width + 1) + width / 2 - columns / 2
    y = (np.arange(rows - height + 1) + height / 2 - rows / 2) * columns / rows
    far = np.where(inside == 0, x[None, :] ** 2 + y[:, None] ** 2, np.inf)
    row, column = divmod(int(far.argmin()), far.shape[1])
    return (column, row) if np.isfinite(far[row, column]) else None


def write_mask_histogram(shares: NDArray[np.float64], path: Path) -> Path:
    """Draw how many masks cover which share of their image, in steps of five hundredths.

    Args:
        shares: (N,) in [0, 1].
        path: PNG, JPEG or WebP file.

    Raises:
        UsageError: There is no mask, or the suffix is unknown.
    """
    from geoglot.data.referring_statistics import share_histogram

    if not len(shares):
        raise UsageError("histogram", cause="has no mask to count", remedy="choose a dataset with triplets")
    edges, counts = share_histogram(shares)
    canvas = Canvas(960)
    canvas.paragraph("Share of the image that a mask covers", size=26, style="bold")
    canvas.paragraph(f"{len(shares):,} masks, {np.mean(shares < 0.05):.0%} of them below 5 %", size=16, colour=QUIET)
    canvas.space(14)
    high, step = 300, canvas.inner / len(edges)
    canvas.need(high + 60)
    floor = canvas.y + high
    canvas.box(canvas.margin, floor, canvas.inner, 2, fill=LINE, radius=0)
    for place, (edge, count) in enumerate(zip(edges.tolist(), counts.tolist(), strict=True)):
        x = canvas.margin + round(place * step)
        tall = round((high - 28) * count / counts.max())
        if tall:
            canvas.box(x + 3, floor - tall, round(step) - 6, tall, fill=_INKS[0], radius=2)
        if count:
            canvas.line([f"{count:,}"], x + 3, floor - tall - 20, size=13, colour=INK)
        if place % 2 == 0:
            canvas.line([f"{edge:.0%}"], x, floor + 8, size=13, colour=QUIET)
    canvas.y = floor + 40
    return canvas.save(path)
