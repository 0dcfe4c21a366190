"""Arabic letters as they join, for drawing without a shaping engine.

Unicode's presentation forms hold every letter in up to four forms (alone, first, between, last). Which form a letter
takes depends on its neighbours alone, and which forms exist is in Python's own Unicode tables. Text for people only:
everything that a model reads stays in plain letters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_ARABIC = re.compile("[\u0600-\u06ff\u0750-\u077f]")
_LEFT_TO_RIGHT_RUN = re.compile(
    r"[0-9A-Za-z\u00c0-\u024f٠-٩](?:[0-9A-Za-z\u00c0-\u024f٠-٩.,:/'’-]*[0-9A-Za-z\u00c0-\u024f٠-٩])?%?"
)
_LAM = "ل"


def is_arabic(text: str) -> bool:
    """Whether a text holds an Arabic letter.

    Example:
        >>> is_arabic("مطار"), is_arabic("airport")
        (True, False)
    """
    return bool(_ARABIC.search(text))


def for_display(word: str) -> str:
    """A word as its glyphs stand from left to right: letters joined, right-to-left words turned round.

    Vowel marks are left out. Numbers and Latin letters inside an Arabic word keep their direction; other scripts come
    back as they are.

    Example:
        >>> for_display("airport")
        'airport'
        >>> [hex(ord(glyph)) for glyph in for_display("بيت")]  # last teh, middle yeh, first beh
        ['0xfe96', '0xfef4', '0xfe91']
        >>> for_display("سلام") == "".join(reversed("\ufeb3\ufefc\ufee1"))  # lam and alef are one glyph
        True
    """
    if not is_arabic(word):
        return word
    turned = join_letters(word)[::-1]
    turned = "".join(_mirror().get(character, character) for character in turned)
    return _LEFT_TO_RIGHT_RUN.sub(lambda run: run.group()[::-1], turned)


def join_letters(text: str) -> str:
    """Every Arabic letter in the form that its neighbours ask for, in reading order; vowel marks left out."""
    forms = _forms()
    letters = [c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) != "Mn"]
    letters = _with_lam_alef(letters)
    joined = []
    for position, letter in enumerate(letters):
        before = letters[position - 1] if position else ""
        after = letters[position + 1] if position + 1 < len(letters) else ""
        to_the_right = _joins_on(before) and _joins_back(letter)
        to_the_left = _joins_on(letter) and _joins_back(after)
        form = {(True, True): "medial", (True, False): "final", (False, True): "initial", (False, False): "isolated"}
        joined.append(forms.get(letter, {}).get(form[to_the_right, to_the_left], letter))
    return "".join(joined)


def _with_lam_alef(letters: list[str]) -> list[str]:
    """Lam and a following alef as one item: they have one glyph."""
    forms, merged = _forms(), list[str]()
    for letter in letters:
        if merged and merged[-1] == _LAM and _LAM + letter in forms:
            merged[-1] += letter
        else:
            merged.append(letter)
    return merged


def _joins_on(letter: str) -> bool:
    """Whether a letter connects to the one after it."""
    return letter == "\u0640" or "initial" in _forms().get(letter, {})


def _joins_back(letter: str) -> bool:
    """Whether a letter connects to the one before it."""
    return letter == "\u0640" or "final" in _forms().get(letter, {})


@cache
def _forms() -> dict[str, dict[str, str]]:
    """From a letter (or lam with alef) to its glyphs by form."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFBFF), *range(0xFE80, 0xFEFD)):
        glyph = chr(code)
        form, *letters = unicodedata.decomposition(glyph).split() or [""]
        base = "".join(chr(int(letter, 16)) for letter in letters)
        is_lam_alef = len(base) == 2 and base[0] == _LAM
        if form[1:-1] in ("isolated", "final", "initial", "medial") and (len(base) == 1 or is_lam_alef):
            forms.setdefault(base, {}).setdefault(form[1:-1], glyph)
    return forms


@cache
def _mirror() -> dict[str, str]:
    pairs = ("()", "[]", "{}", "«»", "‹›", "<>")
    return {pair[side]: pair[1 - side] for pair in pairs for side in (0, 1)}
