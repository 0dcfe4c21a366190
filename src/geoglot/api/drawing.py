"""A small drawing kit on Pillow: text in four languages, chips, frames, a colour ramp for heat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.fonts import Style, fitted, text_width
from geoglot.api.printable import printable
from geoglot.api.query import text_direction
from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

Colour = tuple[int, int, int]

PAPER: Final[Colour] = (252, 251, 248)
INK: Final[Colour] = (28, 34, 43)
QUIET: Final[Colour] = (104, 112, 122)
LINE: Final[Colour] = (222, 220, 213)
_RAMP: Final = np.array(
    [(48, 40, 110), (124, 48, 132), (200, 62, 100), (240, 116, 60), (252, 190, 72), (255, 246, 190)], np.float64
)
PICTURE_SUFFIXES: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_SHARPER = 4


def heat_colour(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Values in [0, 1] as colours from night blue over red to pale yellow. (...,) -> (..., 3), in [0, 255].

    Example:
        >>> heat_colour(np.array([0.0, 1.0], np.float32)).tolist()
        [[48.0, 40.0, 110.0], [255.0, 246.0, 190.0]]
    """
    at = np.linspace(0, 1, len(_RAMP))
    return np.stack([np.interp(values, at, _RAMP[:, channel]) for channel in range(3)], axis=-1)


def with_heat(picture: NDArray[np.uint8], heat: NDArray[np.float32], *, strength: float = 0.72) -> NDArray[np.uint8]:
    """A picture, paled to grey, with heat on it. (H, W, 3), (H, W) in [0, 1] -> (H, W, 3) uint8."""
    grey = picture.astype(np.float64) @ (0.299, 0.587, 0.114)
    pale = (0.75 * grey[..., None] + 0.25 * picture) * 0.78 + 26
    share = (strength * heat.astype(np.float64) ** 0.8)[..., None]
    mixed = pale * (1 - share) + heat_colour(heat) * share
    return np.round(mixed).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A word in a coloured box, with a number beside it."""

    text: str
    number: str
    fill: Colour
    ink: Colour = INK


class Canvas:
    """A sheet that grows downwards.

    Args:
        width: Pixels.
        margin: Pixels left free at every edge.
    """

    def __init__(self, width: int, *, margin: int = 36) -> None:
        from PIL import Image

        self.width, self.margin = width, margin
        self.image = Image.new("RGB", (width, 64), PAPER)
        self.y = margin

    @property
    def inner(self) -> int:
        """Width between the margins."""
        return self.width - 2 * self.margin

    def need(self, height: int) -> None:
        """Make room for so many more pixels."""
        from PIL import Image

        if self.y + height > self.image.height:
            taller = Image.new("RGB", (self.width, self.y + height + 256), PAPER)
            taller.paste(self.image, (0, 0))
            self.image = taller

    def space(self, height: int) -> None:
        """Leave so many pixels free."""
        self.need(height)
        self.y += height

    def paragraph(
        self,
        text: str,
        *,
        size: int,
        style: Style = "regular",
        colour: Colour = INK,
        most_lines: int = 3,
        right_to_left: bool | None = None,
    ) -> None:
        """Text over the whole width, broken at spaces; right to left where the text or the caller says so."""
        turned = text_direction(text) == "rtl" if right_to_left is None else right_to_left
        for line in broken(printable(text), size, style, self.inner, most_lines=most_lines):
            self.need(round(1.5 * size))
            width = line_width(line, size, style)
            x = self.width - self.margin - width if turned else self.margin
            self.line(line, x, self.y, size=size, style=style, colour=colour, right_to_left=turned)
            self.y += round(1.42 * size)

    def line(
        self,
        words: Sequence[str],
        x: int,
        y: int,
        *,
        size: int,
        style: Style = "regular",
        colour: Colour = INK,
        right_to_left: bool = False,
    ) -> None:
        """One line whose left end is at x, y; y is the top of its box of 1.3 times its size."""
        from PIL import ImageDraw

        draw = ImageDraw.Draw(self.image)
        for word in in_order(words, right_to_left=right_to_left):
            font, glyphs = fitted(word, size, style)
            draw.text((x, y + round(1.02 * size)), glyphs, font=font, fill=colour, anchor="ls")
            x += round(font.getlength(glyphs)) + _gap(size)

    def picture(self, pixels: NDArray[np.uint8], x: int, y: int, *, radius: int = 10) -> None:
        """A picture with round corners at x, y."""
        from PIL import Image

        picture = Image.fromarray(pixels)
        self.image.paste(picture, (x, y), _round_mask(picture.size, radius))

    def box(self, x: int, y: int, width: int, height: int, *, fill: Colour, radius: int) -> None:
        """A filled box with round, smooth corners."""
        self.image.paste(fill, (x, y, x + width, y + height), _round_mask((width, height), radius))

    def chips(self, chips: Sequence[Chip], *, size: int = 22, right_to_left: bool = False) -> None:
        """Chips in reading order, in as many lines as they need."""
        height, pad, gap = round(1.9 * size), round(0.6 * size), round(0.5 * size)
        small = round(0.62 * size)
        x = 0
        for chip in chips:
            text, number = text_width(chip.text, size), text_width(chip.number, small)
            between = round(0.4 * size) if chip.number else 0
            width = min(self.inner, 2 * pad + text + between + number)
            if x and x + width > self.inner:
                self.y += height + gap
                x = 0
            self.need(height + gap)
            left = self.width - self.margin - x - width if right_to_left else self.margin + x
            self.box(left, self.y, width, height, fill=chip.fill, radius=height // 2)
            word_x, number_x = left + pad, left + pad + text + between
            if right_to_left:
                word_x, number_x = left + pad + number + between, left + pad
            top = self.y + (height - round(1.3 * size)) // 2
            self.line([chip.text], word_x, top, size=size, colour=chip.ink, right_to_left=right_to_left)
            drop = round(1.02 * size) - round(1.02 * small)
            self.line([chip.number], number_x, top + drop, size=small, colour=chip.ink)
            x += width + gap
        self.y += height

    def save(self, path: Path) -> Path:
        """Write the sheet, whole or not at all.

        Raises:
            UsageError: The suffix is none that is known.
        """
        from geoglot.core.runs import whole_file

        kind = picture_kind(path)
        self.need(self.margin)
        sheet = self.image.crop((0, 0, self.width, self.y + self.margin))
        with whole_file(path) as temporary:
            sheet.save(temporary, kind, quality=92)
        return path


def picture_kind(path: Path, *, also: Sequence[str] = ()) -> str:
    """Pillow's name of the format that a suffix asks for.

    Raises:
        UsageError: None does.

    Example:
        >>> picture_kind(Path("why.png"))
        'PNG'
    """
    kind = PICTURE_SUFFIXES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join([*PICTURE_SUFFIXES, *also])
        raise UsageError(path, cause="has no known suffix", remedy=f"name it {known}")
    return kind


def broken(text: str, size: int, style: Style, width: int, *, most_lines: int) -> list[list[str]]:
    """Words in lines that fit a width; what does not fit the last line is cut, with three dots."""
    lines: list[list[str]] = [[]]
    for word in text.split():
        if lines[-1] and line_width([*lines[-1], word], size, style) > width:
            if len(lines) == most_lines:
                lines[-1][-1] = "..."
                return lines
            lines.append([])
        lines[-1].append(_shortened(word, size, style, width))
    return lines


def line_width(words: Sequence[str], size: int, style: Style) -> int:
    """Width of a line in pixels."""
    return sum(text_width(word, size, style) for word in words) + _gap(size) * max(0, len(words) - 1)


def in_order(words: Sequence[str], *, right_to_left: bool) -> list[str]:
    """Words as they stand from left to right; in a right-to-left line, words of other scripts keep theirs.

    Example:
        >>> in_order(["مطار", "New", "York", "كبير"], right_to_left=True)
        ['كبير', 'New', 'York', 'مطار']
    """
    if not right_to_left:
        return list(words)
    placed: list[str] = []
    run = 0
    for word in words:
        run = run if text_direction(word) == "ltr" and any(c.isalpha() for c in word) else 0
        placed.insert(run, word)
        run = run + 1 if text_direction(word) == "ltr" and any(c.isalpha() for c in word) else 0
    return placed


def _shortened(word: str, size: int, style: Style, width: int) -> str:
    while len(word) > 4 and text_width(word, size, style) > width:
        word = word[: len(word) * 3 // 4] + "..."
    return word


def _gap(size: int) -> int:
    return round(0.32 * size)


def _round_mask(size: tuple[int, int], radius: int) -> Image.Image:
    from PIL import Image, ImageDraw

    large = Image.new("L", (size[0] * _SHARPER, size[1] * _SHARPER), 0)
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, large.width - 1, large.height - 1), radius=min(radius, *size) * _SHARPER, fill=255
    )
    return large.resize(size, Image.Resampling.BOX)
