"""A caption as words: as caption measures compare them, and as a captioner writes them.

Measures compare Penn Treebank words: lower case, punctuation dropped, contractions in two (``don't`` -> ``do n't``,
``river's`` -> ``river 's``), hyphenated words and numbers whole. The tokenizer of the public caption evaluation does
this to sentences of this kind, and scores are comparable only when its words are met. So its slip is kept that leaves
brackets in as words (``-lrb-``); the stop of an abbreviation, which it leaves too, is dropped here.

That tokenizer is made for English and drops most elisions of French and Italian (``c'è`` -> ``c è``). A captioner that
learned such words would write them. It learns :func:`written_words` instead, which keep the apostrophe and drop the
brackets, and :func:`join_words` puts them together again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = r"[^\W_]+"
_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)+\b"  # 1,093 and 0.5
    rf"|{_LETTERS}(?:['_/-]{_LETTERS})*"  # words, whole over hyphen, apostrophe, slash and underscore
    r"|'(?:s|re|ve|ll|d|m)\b"  # the second half of a contraction that was parted before
    r"|#[a-z]\w*"
    r"|[%&$€£+=@#<>°*~^|()\[\]{}]"
)
_PLAIN = re.compile(r"[a-z ]*(?:\. *)?")
_CONTRACTION = re.compile(r"(?P<first>.+?)(?P<second>n't|'(?:s|re|ve|ll|d|m))")
_ELIDED = re.compile(r"[^']+'?")
_WHOLE_ELISION = re.compile(r"[dlno]'[^\W\d_]{2,}[\w-]*|c'est|\w*qu'[aeiou]\w+")
_KEEPS_APOSTROPHE = frozenset(("d'", "l'", "j'", "y'"))
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_WORDS_OF: dict[str, tuple[str, ...]] = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    **{bracket: (word,) for bracket, word in _BRACKETS.items()},
}
_SPECIAL = frozenset(_WORDS_OF)
_SECOND_HALVES = frozenset(("n't", "'s", "'re", "'ve", "'ll", "'d", "'m"))


def caption_words(caption: str) -> list[str]:
    """The words of a caption as caption measures compare them.

    Args:
        caption: A sentence in any of the four languages.

    Returns:
        Lower-case words in their order; empty for a caption without a word.

    Example:
        >>> caption_words("Two medium-sized tanks, near the river's bend .")
        ['two', 'medium-sized', 'tanks', 'near', 'the', 'river', "'s", 'bend']
        >>> caption_words("C'è un'area d'erba."), caption_words(" . ")
        (['c', 'è', 'un', 'area', "d'erba"], [])
    """
    tokens = _tokens(caption)
    if _SPECIAL.isdisjoint(tokens) and "'" not in "".join(tokens):
        return tokens
    words: list[str] = []
    for token in tokens:
        if "'" not in token or token in _SECOND_HALVES:
            words.extend(_WORDS_OF.get(token, (token,)))
            continue
        first, second = _parted(token)
        if _WHOLE_ELISION.fullmatch(first):
            words.append(first)
        else:
            words.extend(part if part in _KEEPS_APOSTROPHE else part.rstrip("'") for part in _ELIDED.findall(first))
        words.extend(second)
    return words


def written_words(caption: str) -> list[str]:
    """The words of a caption as a captioner learns them: :func:`join_words` turns them back into a sentence.

    Example:
        >>> written_words("C'è un'area vicino alla river's bend.")
        ["c'", 'è', "un'", 'area', 'vicino', 'alla', 'river', "'s", 'bend']
    """
    words: list[str] = []
    for token in _tokens(caption):
        if token in _BRACKETS:
            continue
        if "'" not in token or token in _SECOND_HALVES:
            words.append(token)
            continue
        first, second = _parted(token)
        words += [*_ELIDED.findall(first), *second]
    return words


def join_words(words: Iterable[str]) -> str:
    """Written words as a sentence: spaces between them, none after an elision or before half a contraction.

    Example:
        >>> join_words(["c'", "è", "un'", "area"]), join_words(["the", "river", "'s", "bend"])
        ("c'è un'area", "the river's bend")
    """
    text = ""
    for word in words:
        joined = not text or text.endswith("'") or word in _SECOND_HALVES
        text += word if joined else f" {word}"
    return text


def _tokens(caption: str) -> list[str]:
    text = caption.lower()
    if _PLAIN.fullmatch(text):  # most captions, and many times faster
        return text.replace(".", " ").split()
    return _TOKEN.findall(unicodedata.normalize("NFC", text).replace("’", "'"))


def _parted(token: str) -> tuple[str, tuple[str, ...]]:
    """What stands before the second half of a contraction, and that half where there is one."""
    parts = _CONTRACTION.fullmatch(token)
    return (parts["first"], (parts["second"],)) if parts else (token, ())
