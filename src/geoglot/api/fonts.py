"""Fonts for pictures: the package ships none, so the machine's own are looked up by name.

Text is drawn glyph by glyph (Arabic joined by :mod:`geoglot.text.arabic`), so no shaping library is needed. A text
whose letters no font has is refused, with what to do about it: a picture with empty boxes helps nobody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from geoglot.core.errors import UsageError
from geoglot.text.arabic import for_display

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Style = Literal["regular", "bold"]

_FILES: Final[dict[Style, tuple[str, ...]]] = {
    "regular": (
        "DejaVuSans.ttf",
        "SegoeUI.ttf",
        "segoeui.ttf",
        "Arial.ttf",
        "arial.ttf",
        "LiberationSans-Regular.ttf",
        "NotoSans-Regular.ttf",
        "NotoSansArabic-Regular.ttf",
        "NotoNaskhArabic-Regular.ttf",
        "tahoma.ttf",
        "Tahoma.ttf",
        "Arial Unicode.ttf",
        "GeezaPro.ttc",
        "FreeSans.ttf",
    ),
    "bold": (
        "DejaVuSans-Bold.ttf",
        "segoeuib.ttf",
        "Arial Bold.ttf",
        "arialbd.ttf",
        "LiberationSans-Bold.ttf",
        "NotoSans-Bold.ttf",
        "NotoSansArabic-Bold.ttf",
        "NotoNaskhArabic-Bold.ttf",
        "tahomabd.ttf",
        "Tahoma Bold.ttf",
        "FreeSansBold.ttf",
    ),
}
_NO_GLYPH = "\U0010ffff"
_BLANK: Final = frozenset(" \u00a0\u200f\u200e")


_PLAINER: Final = str.maketrans({"−": "-", "·": "-", "×": "x", "’": "'", "–": "-", "\u00a0": " "})
"""Signs that a Latin-only font may lack, and what people write instead."""


def fitted(text: str, size: int, style: Style = "regular") -> tuple[FreeTypeFont, str]:
    """The first font of the machine that has every letter of a text, and the text as its glyphs stand.

    Args:
        text: As people write it.
        size: Pixels.
        style: ``bold`` falls back to ``regular``.

    Returns:
        The font, and what to draw with it from left to right.

    Raises:
        UsageError: No font has them all.

    Example:
        >>> font, glyphs = fitted("airport", 20)
        >>> font.size, glyphs
        (20, 'airport')
    """
    path, glyphs = _chosen(text, style)
    return _load(path, size), glyphs


def text_width(text: str, size: int, style: Style = "regular") -> int:
    """Width of a text in pixels."""
    font, glyphs = fitted(text, size, style)
    return round(font.getlength(glyphs))


@lru_cache(4096)
def _chosen(text: str, style: Style) -> tuple[str, str]:
    styles: tuple[Style, ...] = (style, "regular") if style == "bold" else ("regular",)
    for written in (text, text.translate(_PLAINER)):
        glyphs = for_display(written)
        needed = frozenset(glyphs) - _BLANK
        for each in styles:
            for path in _font_files(each):
                if needed <= _covered(path, needed):
                    return path, glyphs
    raise UsageError(
        text,
        cause="has letters that no font on this machine can draw",
        remedy="write a page instead (-o FILE.html), or install a font that has them, such as DejaVu Sans",
    )


@cache
def _load(path: str, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    if not path:
        built_in = ImageFont.load_default(size)
        assert isinstance(built_in, ImageFont.FreeTypeFont)  # noqa: S101 (Pillow's own, where FreeType is there)
        return built_in
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _covered(path: str, glyphs: frozenset[str]) -> frozenset[str]:
    """Which of the glyphs a font has: those that it does not draw as its sign for a missing one."""
    font = _load(path, 24)
    nothing = _drawn(font, _NO_GLYPH)
    return frozenset(glyph for glyph in glyphs if _drawn(font, glyph) != nothing)


def _drawn(font: FreeTypeFont, glyph: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(glyph)
    return mask.size, bytes(mask)


@cache
def _font_files(style: Style) -> tuple[str, ...]:
    """Paths of fonts that are there, the preferred ones first; the empty path is Pillow's own Latin font."""
    there = {path.name: str(path) for folder in reversed([*_folders()]) for path in _files_below(folder)}
    return (*(there[name] for name in _FILES[style] if name in there), *([""] if style == "regular" else []))


def _files_below(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield from (Path(at, name) for name in names if name.endswith((".ttf", ".ttc", ".otf")))


def _folders() -> Iterator[Path]:
    """Where the systems keep fonts; then those that come with Matplotlib, where that is installed."""
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"
        yield home / "AppData/Local/Microsoft/Windows/Fonts"
    elif sys.platform == "darwin":
        yield from (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    else:
        shared = os.environ.get("XDG_DATA_HOME", str(home / ".local/share"))
        yield from (Path(shared) / "fonts", home / ".fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts"))
    for entry in sys.path:
        bundled = Path(entry) / "matplotlib/mpl-data/fonts/ttf"
        if bundled.is_dir():
            yield bundled
