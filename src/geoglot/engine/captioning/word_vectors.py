"""Word vectors from a text file in GloVe's format: a word and its numbers on every line, separated by spaces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError


@dataclass(frozen=True, kw_only=True)
class WordVectors:
    """Vectors of some words.

    Attributes:
        width: Numbers of each.
        vectors: (width,) float32 by word.
    """

    width: int
    vectors: Mapping[str, NDArray[np.float32]]

    def rows(self, words: Sequence[str]) -> NDArray[np.float32]:
        """One row per word, NaN where it has no vector. (N, width) float32."""
        found = np.full((len(words), self.width), np.nan, dtype=np.float32)
        for row, word in zip(found, words, strict=True):
            if word in self.vectors:
                row[:] = self.vectors[word]
        return found


def read_word_vectors(path: Path, words: Collection[str]) -> WordVectors:
    r"""Vectors of the words that a file knows, read line by line.

    Args:
        path: Text file; a first line of two numbers, as word2vec writes it, is passed over.
        words: Which words are wanted.

    Raises:
        DataError: The file is absent, a line is not finite numbers of one width, or none of the words is there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "vectors.txt"
        ...     _ = path.write_text("river 1.0 2.0\ntree 3.0 4.0\n")
        ...     read_word_vectors(path, {"tree", "sand"}).rows(["sand", "tree"]).tolist()
        [[nan, nan], [3.0, 4.0]]
    """
    remedy = "give a text file with a word and its numbers on every line"
    width = 0
    vectors: dict[str, NDArray[np.float32]] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                parts = line.rstrip().split(" ")
                if number == 1 and len(parts) == 2:
                    continue
                width = width or len(parts) - 1
                # A word may hold spaces: the last numbers are the vector.
                word = " ".join(parts[: len(parts) - width])
                if word not in words or word in vectors:
                    continue
                try:
                    vector = np.array(parts[len(parts) - width :], dtype=np.float32)
                except ValueError:
                    vector = np.empty(0, dtype=np.float32)
                if width < 1 or len(vector) != width or not np.isfinite(vector).all():
                    raise DataError(f"{path}, line {number}", cause="is no word vector", remedy=remedy)
                vectors[word] = vector
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy=remedy) from error
    if not vectors:
        raise DataError(path, cause="has a vector for none of the words", remedy=remedy)
    return WordVectors(width=width, vectors=vectors)
