"""The words that a captioner can write, and captions as rows of their ids.

Ids 0 to 3 are no words: padding, start, end, unknown. Then come the words of the training captions, of all languages of
the run in one list: the language of a caption reaches the captioner as a number of its own, not through the words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError, UsageError
from geoglot.text.ptb import join_words, written_words

PADDING: Final = 0
START: Final = 1
END: Final = 2
UNKNOWN: Final = 3
RESERVED: Final = ("<padding>", "<start>", "<end>", "<unknown>")
"""How ids 0 to 3 are shown to people; no caption word can look like them."""


class CaptionVocabulary:
    """Captions to ids and back.

    Args:
        words: Words in the order of their ids; the first has id 4.
        max_length: Words kept per caption, start and end not counted.

    Raises:
        UsageError: A word occurs twice, holds a space or is a reserved one, or the length is below 1.

    Example:
        >>> vocabulary = CaptionVocabulary(["a", "river", "bridge"])
        >>> vocabulary.encode(["A bridge over a river.", "River"])
        array([[1, 4, 6, 3, 4, 5, 2],
               [1, 5, 2, 0, 0, 0, 0]])
        >>> vocabulary.decode([1, 4, 6, 2, 5]), len(vocabulary)
        ('a bridge', 7)
    """

    def __init__(self, words: Sequence[str], *, max_length: int = 34) -> None:
        self.words = tuple(words)
        self.max_length = max_length
        self._ids = {word: place for place, word in enumerate(self.words, len(RESERVED))}
        if max_length < 1:
            raise UsageError(f"max_length = {max_length}", cause="is below 1", remedy="34 fits every RSICD caption")
        if len(self._ids) != len(self.words):
            twice = next(word for word, times in Counter(self.words).items() if times > 1)
            raise UsageError(repr(twice), cause="occurs twice in a caption vocabulary", remedy="give every word once")
        for word in self.words:
            if not word or word != "".join(word.split()) or word in RESERVED:
                raise UsageError(
                    repr(word), cause="is no caption word", remedy="give words as written_words makes them"
                )

    @classmethod
    def train(cls, captions: Iterable[str], *, least: int = 5, max_length: int = 34) -> CaptionVocabulary:
        """Count the words of training captions.

        Args:
            captions: Training captions of every language of the run.
            least: Times that a word occurs at least; rarer words become the unknown word.
            max_length: Words kept per caption.

        Returns:
            Frequent words first, equally frequent ones in the order of their letters.

        Raises:
            UsageError: ``least`` or ``max_length`` is below 1.

        Example:
            >>> CaptionVocabulary.train(["many planes", "many planes at a pier"], least=2).words
            ('many', 'planes')
        """
        if least < 1:
            raise UsageError(f"least = {least}", cause="is below 1", remedy="1 keeps every word")
        counts = Counter(word for caption in captions for word in written_words(caption))
        kept = sorted((-count, word) for word, count in counts.items() if count >= least)
        return cls([word for _, word in kept], max_length=max_length)

    @classmethod
    def load(cls, path: Path) -> CaptionVocabulary:
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing, damaged, or not a caption vocabulary.
        """
        remedy = "give the vocabulary.json that was written with the captioner"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            kind, words, length = content["kind"], content["words"], content["max_length"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(path, cause=f"is not a caption vocabulary ({error!r})", remedy=remedy) from error
        if kind != "captions" or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise BundleError(path, cause="is not a caption vocabulary", remedy=remedy)
        if not isinstance(length, int) or isinstance(length, bool):
            raise BundleError(path, cause=f"is damaged (max_length {length!r})", remedy=remedy)
        if content.get("size") != len(words) + len(RESERVED):
            raise BundleError(path, cause=f"is damaged ({len(words)} words, size {content.get('size')})", remedy=remedy)
        try:
            return cls(words, max_length=length)
        except UsageError as error:
            raise BundleError(path, cause=f"is damaged ({error.subject} {error.cause})", remedy=remedy) from error

    def save(self, path: Path) -> None:
        """Write words, size and length as JSON."""
        content = {"kind": "captions", "max_length": self.max_length, "size": len(self), "words": list(self.words)}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        """Number of ids: the four reserved ones and the words."""
        return len(RESERVED) + len(self.words)

    def ids(self, caption: str) -> list[int]:
        """START, the caption's words, at most ``max_length`` of them, END."""
        words = written_words(caption)[: self.max_length]
        return [START, *(self._ids.get(word, UNKNOWN) for word in words), END]

    def encode(self, captions: Sequence[str]) -> NDArray[np.int64]:
        """Captions as rows, right-padded with ``PADDING``.

        Args:
            captions: N sentences.

        Returns:
            int64 (N, L), L = longest caption here + 2.
        """
        rows = [self.ids(caption) for caption in captions]
        tokens = np.full((len(rows), max(map(len, rows), default=2)), PADDING, dtype=np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return tokens

    def decode(self, ids: Iterable[int]) -> str:
        """The sentence of ids, up to END; padding, start and unknown are left out.

        Raises:
            UsageError: An id is outside the vocabulary.
        """
        return join_words(word for word, number in self._shown(ids) if number >= len(RESERVED))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """One word per id up to END, for a picture of a decoder's steps; an unknown word as ``<unknown>``."""
        return [word for word, number in self._shown(ids) if number not in (PADDING, START)]

    def id_of(self, word: str) -> int:
        """Id of a word, ``UNKNOWN`` where the vocabulary lacks it."""
        return self._ids.get(word, UNKNOWN)

    def _shown(self, ids: Iterable[int]) -> list[tuple[str, int]]:
        shown = []
        for number in map(int, ids):
            if number == END:
                break
            if not 0 <= number < len(self):
                raise UsageError(
                    f"id {number}", cause=f"is outside a vocabulary of {len(self)}", remedy="check the model"
                )
            shown.append((self.words[number - len(RESERVED)] if number >= len(RESERVED) else RESERVED[number], number))
        return shown
