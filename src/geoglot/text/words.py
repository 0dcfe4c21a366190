"""Word vocabulary of the AMFMN family of methods: whole words, the rare and the function words as one unknown.

The family's recipe: lower case, fifteen punctuation marks dropped, stop-words left out of the vocabulary (in a sentence
they become the unknown word), words that occur at least five times, 0 = padding, the unknown word last, at most 47
words. Two things differ. Texts are brought to one spelling by :func:`geoglot.text.normalise.normalise`, which drops
every mark, parts words at hyphens and apostrophes and serves the four languages, instead of the English word tokenizer
of NLTK. And the stop-words are a list of our own, of English articles, pronouns, prepositions, conjunctions and
auxiliary verbs, so that the number of words is near the published one, not equal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.text.normalise import normalise
from geoglot.text.tokenizer import PADDING

UNKNOWN_WORD: Final = "<unk>"

FUNCTION_WORDS: Final[frozenset[str]] = frozenset(
    (
        "a an the "  # articles
        "i you he she it we they me him her us them my your his its our their "  # pronouns
        "this that these those who whom which what whose "
        "am is are was were be been being do does did done doing has have had having "  # auxiliary verbs
        "can could may might must shall should will would "
        "at by for from in into of off on onto out over to under up down with without about between through during "
        "before after above below against "  # prepositions
        "and or but nor so if than then as because while until when where why how "  # conjunctions
        "not no only own same too very just there here all any both each few more most other some such again once "
        "s t d ll m re ve"  # what is left of words with an apostrophe
    ).split()
)
"""English words that carry grammar rather than content."""


class WordTokenizer:
    """Texts to rows of word ids; 0 is padding, the last id the unknown word.

    Args:
        words: Known words in the order of their ids, the first has id 1.
        max_length: Words kept per text.

    Example:
        >>> tokenizer = WordTokenizer(["bridge", "river"])
        >>> tokenizer.encode(["A bridge over a river!", "Bridge"])
        array([[3, 1, 3, 3, 2],
               [1, 0, 0, 0, 0]])
        >>> tokenizer.size  # padding, two words, the unknown word
        4
    """

    def __init__(self, words: Sequence[str], *, max_length: int = 47) -> None:
        self.words = tuple(words)
        self.max_length = max_length
        self._ids = {word: place for place, word in enumerate(self.words, 1)}

    @classmethod
    def train(
        cls,
        sentences: Iterable[str],
        *,
        stop_words: Collection[str] = FUNCTION_WORDS,
        least: int = 5,
        max_length: int = 47,
    ) -> WordTokenizer:
        """Count the words of sentences.

        Args:
            sentences: Captions, of any of the four languages.
            stop_words: Words that are left out, compared after normalisation.
            least: Times that a word occurs at least.
            max_length: Words kept per text.

        Returns:
            A vocabulary, frequent words first, equally frequent ones in the order of their letters.

        Example:
            >>> WordTokenizer.train(["many planes at the airport"] * 5 + ["a pier"]).words
            ('airport', 'many', 'planes')
        """
        left_out = {word for text in stop_words for word in normalise(text).split()}
        counts = Counter(word for sentence in sentences for word in normalise(sentence).split())
        kept = [(-count, word) for word, count in counts.items() if count >= least and word not in left_out]
        return cls([word for _, word in sorted(kept)], max_length=max_length)

    @classmethod
    def load(cls, path: Path, *, max_length: int | None = None) -> WordTokenizer:
        """Read what :meth:`save` wrote.

        Args:
            path: The file.
            max_length: Instead of the saved length.

        Raises:
            BundleError: The file is missing or is not a word vocabulary.
        """
        remedy = "give the tokenizer.json of a run whose recipe says tokenizer = words"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            words, length = content["words"], content["max_length"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(path, cause=f"is not a word vocabulary ({error!r})", remedy=remedy) from error
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise BundleError(path, cause="is not a word vocabulary (words is no list of words)", remedy=remedy)
        if len(set(words)) != len(words):
            raise BundleError(path, cause="is not a word vocabulary (a word occurs twice)", remedy=remedy)
        if not isinstance(length, int) or length < 1:
            raise BundleError(path, cause=f"is not a word vocabulary (max_length {length!r})", remedy=remedy)
        return cls(words, max_length=length if max_length is None else max_length)

    def save(self, path: Path) -> None:
        """Write the words and the length as JSON."""
        content = {"kind": "words", "max_length": self.max_length, "words": list(self.words)}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    @property
    def unknown(self) -> int:
        """Id of the unknown word, the last."""
        return len(self.words) + 1

    @property
    def size(self) -> int:
        """Number of ids: padding, the words and the unknown word."""
        return len(self.words) + 2

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Word ids, right-padded with 0.

        Args:
            texts: Any strings; an empty one becomes a single unknown word.

        Returns:
            int64 array (N, L), L = longest text, at most ``max_length``.
        """
        unknown = self.unknown
        rows = [
            [self._ids.get(word, unknown) for word in normalise(text).split()[: self.max_length]] or [unknown]
            for text in texts
        ]
        tokens = np.full((len(rows), max(map(len, rows), default=1)), PADDING, dtype=np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return tokens

    def pieces(self, text: str) -> list[str]:
        """The words of a text as :meth:`encode` sees them, unknown ones as ``<unk>``.

        Example:
            >>> WordTokenizer(["pont"]).pieces("Un pont.")
            ['<unk>', 'pont']
        """
        words = normalise(text).split()[: self.max_length] or [UNKNOWN_WORD]
        return [word if word in self._ids else UNKNOWN_WORD for word in words]
