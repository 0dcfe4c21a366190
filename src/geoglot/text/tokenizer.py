"""Sub-word tokenizer of a model bundle: normalisation, then byte-pair merges learnt from captions.

A word never seen in training still splits into known pieces, which matters most for Arabic with its prefixes.
The merges are applied by the ``tokenizers`` library and stored in its ``tokenizer.json`` format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.text.normalise import normalise

if TYPE_CHECKING:
    from tokenizers import Tokenizer as BackendTokenizer

PADDING = 0
UNKNOWN = 1


class Tokenizer:
    """Texts to rows of token ids.

    Args:
        backend: A ``tokenizers.Tokenizer`` whose id 0 is padding and id 1 the unknown token.
        max_length: Tokens kept per text.
    """

    def __init__(self, backend: BackendTokenizer, *, max_length: int = 32) -> None:
        self.backend = backend
        self.max_length = max_length

    @classmethod
    def train(cls, sentences: Iterable[str], *, vocabulary_size: int = 6000, max_length: int = 32) -> Tokenizer:
        """Learn merges from sentences; those that occur fewer than three times are not learnt.

        Example:
            >>> tokenizer = Tokenizer.train(["many planes", "many boats"] * 5, vocabulary_size=60)
            >>> tokenizer.encode(["many planes", "boats"]).shape[0]
            2
        """
        from tokenizers import Tokenizer as Backend
        from tokenizers import models, pre_tokenizers, trainers

        backend = Backend(models.BPE(unk_token="<unk>"))  # noqa: S106 (a token of text, not a secret)
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size, special_tokens=["<pad>", "<unk>"], min_frequency=3, show_progress=False
        )
        backend.train_from_iterator([normalise(s) for s in sentences], trainer)
        return cls(backend, max_length=max_length)

    @classmethod
    def load(cls, path: Path, *, max_length: int = 32) -> Tokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            BundleError: The file is missing or is not a tokenizer.
        """
        from tokenizers import Tokenizer as Backend

        try:
            return cls(Backend.from_file(str(path)), max_length=max_length)
        except Exception as error:
            raise BundleError(path, cause=f"is not a tokenizer ({error})", remedy="export the bundle again") from error

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        self.backend.save(str(path))

    @property
    def size(self) -> int:
        """Number of token ids."""
        return int(self.backend.get_vocab_size())

    def encode(self, texts: Sequence[str], *, dropout: float = 0.0) -> NDArray[np.int64]:
        """Token ids, right-padded with 0.

        Args:
            texts: Any strings; an empty one becomes a single unknown token.
            dropout: Probability with which a merge is skipped (for training: the same word is seen in several splits).

        Returns:
            int64 array (N, L), L = longest text, at most ``max_length``.
        """
        self.backend.model.dropout = dropout or None
        rows = [e.ids[: self.max_length] or [UNKNOWN] for e in self.backend.encode_batch([normalise(t) for t in texts])]
        tokens = np.full((len(rows), max(map(len, rows), default=1)), PADDING, dtype=np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return tokens
