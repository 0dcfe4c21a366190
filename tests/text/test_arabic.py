"""Arabic for pictures: letters join, words turn round; nothing else changes."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import features

from geoglot.text.arabic import for_display, is_arabic, join_letters


def names(glyphs: str) -> list[str]:
    return [unicodedata.name(glyph).removeprefix("ARABIC LETTER ").removeprefix("ARABIC ") for glyph in glyphs]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("مطار", ["MEEM INITIAL FORM", "TAH MEDIAL FORM", "ALEF FINAL FORM", "REH ISOLATED FORM"]),
        ("لا", ["LIGATURE LAM WITH ALEF ISOLATED FORM"]),
        ("بلا", ["BEH INITIAL FORM", "LIGATURE LAM WITH ALEF FINAL FORM"]),
        ("ماء", ["MEEM INITIAL FORM", "ALEF FINAL FORM", "HAMZA ISOLATED FORM"]),
        ("رُزّ", ["REH ISOLATED FORM", "ZAIN ISOLATED FORM"]),
        ("بـ", ["BEH INITIAL FORM", "TATWEEL"]),
        ("أحمر", ["ALEF WITH HAMZA ABOVE ISOLATED FORM", "HAH INITIAL FORM", "MEEM MEDIAL FORM", "REH FINAL FORM"]),
    ],
)
def test_letters_join(word: str, expected: list[str]) -> None:
    assert names(join_letters(word)) == expected
    assert names(for_display(word)) == expected[::-1]


def test_numbers_and_latin_letters_keep_their_direction() -> None:
    assert for_display("طريق25") == "25" + for_display("طريق")
    assert for_display("A7بيت") == for_display("بيت") + "A7"
    assert for_display("(مبنى)") == "(" + for_display("مبنى") + ")"
    assert for_display("١٢") == "١٢" or not is_arabic("١٢")
    assert for_display("3.5م") == for_display("م") + "3.5"


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x5FF)))
def test_other_scripts_come_back_as_they_are(text: str) -> None:
    assert for_display(text) == text


@given(st.text("ابتثجحخدذرزسشصضطظعغفقكلمنهوي", min_size=1, max_size=12))
def test_every_letter_is_kept_in_its_order(word: str) -> None:
    back = "".join(unicodedata.normalize("NFKD", glyph) for glyph in reversed(for_display(word)))
    assert back == unicodedata.normalize("NFKD", word)


@pytest.mark.skipif(not features.check("raqm"), reason="the oracle, Pillow's own shaping, needs FriBiDi")
@pytest.mark.parametrize("word", ["مطار", "طائرات", "الملاعب", "بجانب", "مستطيلة", "لأن", "خزانات", "ضخمة"])
def test_glyphs_are_those_of_a_shaping_engine(word: str) -> None:
    from PIL import Image, ImageDraw, ImageFont

    from geoglot.api.fonts import fitted

    def ink(text: str, engine: ImageFont.Layout) -> np.ndarray:
        font = ImageFont.truetype(fitted(word, 48)[0].path, 48, layout_engine=engine)
        image = Image.new("L", (600, 100))
        extra = {"direction": "rtl"} if engine == ImageFont.Layout.RAQM else {}
        ImageDraw.Draw(image).text((20, 70), text, font=font, fill=255, anchor="ls", **extra)
        return np.asarray(image, np.float64) / 255

    ours, theirs = ink(for_display(word), ImageFont.Layout.BASIC), ink(word, ImageFont.Layout.RAQM)
    assert theirs.sum() > 200
    # Advances are rounded in one engine and not in the other: a letter may stand a pixel aside.
    assert abs(ours.sum() - theirs.sum()) < 0.04 * theirs.sum()
    near = np.max([np.roll(ours, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-2, -1, 0, 1, 2)], axis=0)
    assert np.clip(theirs - near, 0, None).sum() < 0.05 * theirs.sum()
