"""Which words of a query a model has ever seen.

Sub-words give every word a vector, also one that occurred in no training caption: "a giraffe" then finds whatever its
pieces resemble. A list of the words seen tells such a query from one that the model can answer.

A word counts as known when the list holds it, or holds one that begins alike (the first seven tenths of its letters,
at least four): inflections differ at the end. Arabic words are also looked up without the article and the particles
that are written together with them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cached_property

from geoglot.text.normalise import normalise

_SHORTEST_STEM = 4
_STEM_SHARE = 0.7
_ARABIC_PREFIX = re.compile("^(?:وال|بال|كال|فال|لل|ال|و|ب|ل|ك|ف)(?=\\w{2})")


def content_words(text: str) -> list[str]:
    """Normalised words that carry meaning: from four letters on, in Arabic from three.

    Example:
        >>> content_words("a bridge over the sea"), content_words("جسر في المدينة")
        (['bridge', 'over'], ['جسر', 'المدينه'])
    """
    return [word for word in normalise(text).split() if len(word) > (3 if word.isascii() else 2)]


class KnownWords:
    """The words of a model's training captions.

    Args:
        words: In any order and spelling.

    Example:
        >>> known = KnownWords(["many planes", "a bridge over a river"])
        >>> known.unknown("Many plane and a giraffe")
        ('giraffe',)
        >>> known.understands("a giraffe"), known.understands("a bridge over a giraffe")
        (False, True)
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(word for text in words for word in normalise(text).split())

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        return frozenset(form[:length] for form in self._forms for length in range(_SHORTEST_STEM, len(form) + 1))

    @cached_property
    def _forms(self) -> frozenset[str]:
        return self.words | {_bare(word) for word in self.words}

    def knows(self, word: str) -> bool:
        """Whether a normalised word, or one that begins alike, was seen; numbers always count as known."""
        return word.isdecimal() or any(
            form in self._forms or form[: max(_SHORTEST_STEM, math.ceil(_STEM_SHARE * len(form)))] in self._beginnings
            for form in (word, _bare(word))
        )

    def unknown(self, text: str) -> tuple[str, ...]:
        """The words of a text that carry meaning and were never seen, normalised, in order."""
        return tuple(word for word in dict.fromkeys(content_words(text)) if not self.knows(word))

    def understands(self, text: str) -> bool:
        """Whether more than half of the words that carry meaning were seen."""
        content = content_words(text)
        unknown = sum(not self.knows(word) for word in content)
        return not unknown or 2 * unknown < len(content)

    def to_bytes(self) -> bytes:
        """One word per line, sorted, UTF-8."""
        return "\n".join(sorted(self.words)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> KnownWords:
        """The inverse of :meth:`to_bytes`.

        Raises:
            ValueError: The bytes are no UTF-8.
        """
        return cls(content.decode().split("\n"))


def _bare(word: str) -> str:
    """An Arabic word without what is written together with it."""
    return _ARABIC_PREFIX.sub("", word)
