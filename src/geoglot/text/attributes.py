"""Attributes of captioning: the frequent nouns and adjectives of the training captions, as labels of images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError, UsageError
from geoglot.text.part_of_speech import Tagger, part_of_speech
from geoglot.text.ptb import caption_words

THRESHOLDS: Final = {"ucm": 100, "sydney": 50, "rsicd": 200}
"""An attribute occurs more often than this in the training captions of a dataset."""


class AttributeDictionary:
    """Which of the known attributes the captions of an image name.

    Args:
        words: Attributes in the order of their columns.

    Raises:
        UsageError: A word occurs twice or is empty.

    Example:
        >>> attributes = AttributeDictionary(["river", "green"])
        >>> attributes.labels([["A green river.", "water"], ["A river bends.", "some houses"]])
        array([[1., 1.],
               [1., 0.]], dtype=float32)
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._columns = {word: column for column, word in enumerate(self.words)}
        if len(self._columns) != len(self.words) or "" in self._columns:
            raise UsageError("attributes", cause="hold a word twice or an empty word", remedy="give every word once")

    @classmethod
    def train(cls, captions: Iterable[str], *, above: int, tagger: Tagger = part_of_speech) -> AttributeDictionary:
        """Count nouns and adjectives.

        Args:
            captions: English training captions, every caption of every image; those of other languages carry no
                attributes of their own, their image has them.
            above: An attribute occurs as noun or adjective more often than this, see :data:`THRESHOLDS`.
            tagger: Names the part of speech of every word of a sentence.

        Returns:
            Frequent attributes first, equally frequent ones in the order of their letters.

        Raises:
            UsageError: ``above`` is negative.

        Example:
            >>> AttributeDictionary.train(["many green trees are near a river"] * 2, above=1).words
            ('green', 'river', 'trees')
        """
        if above < 0:
            raise UsageError(f"above = {above}", cause="is negative", remedy="0 keeps every noun and adjective")
        sentences = Counter(tuple(caption_words(caption)) for caption in captions)
        counts: Counter[str] = Counter()
        for words, times in sentences.items():
            for word, tag in zip(words, tagger(words), strict=True):
                if tag in ("noun", "adjective"):
                    counts[word] += times
        kept = sorted((-count, word) for word, count in counts.items() if count > above)
        return cls([word for _, word in kept])

    @classmethod
    def load(cls, path: Path) -> AttributeDictionary:
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing, damaged, or not an attribute dictionary.
        """
        remedy = "give the attributes.json that was written with the captioner"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            kind, words, size = content["kind"], content["words"], content["size"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(path, cause=f"is not an attribute dictionary ({error!r})", remedy=remedy) from error
        if kind != "attributes" or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise BundleError(path, cause="is not an attribute dictionary", remedy=remedy)
        if size != len(words):
            raise BundleError(path, cause=f"is damaged ({len(words)} words, size {size})", remedy=remedy)
        try:
            return cls(words)
        except UsageError as error:
            raise BundleError(path, cause=f"is damaged ({error.subject} {error.cause})", remedy=remedy) from error

    def save(self, path: Path) -> None:
        """Write the words as JSON."""
        content = {"kind": "attributes", "size": len(self), "words": list(self.words)}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.words)

    def labels(self, captions_of_images: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """What the English captions of every image name.

        Args:
            captions_of_images: For each of N images, its captions.

        Returns:
            float32 (N, A), 1 where one of the captions holds the word.
        """
        found = np.zeros((len(captions_of_images), len(self)), dtype=np.float32)
        for row, captions in zip(found, captions_of_images, strict=True):
            columns = {self._columns.get(word, -1) for caption in captions for word in caption_words(caption)}
            row[sorted(columns - {-1})] = 1
        return found
