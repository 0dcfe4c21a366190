"""BERT's tokenizer from the ``vocab.txt`` that came with its weights: lower case, words cut into known pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as BackendTokenizer

PADDING_WORD: Final = "[PAD]"
MARKERS: Final = (PADDING_WORD, "[UNK]", "[CLS]", "[SEP]")
_REMEDY: Final = "give the vocab.txt that came with the weights"


class WordPieceTokenizer:
    """Texts to rows of piece ids between ``[CLS]`` and ``[SEP]``; 0 is padding.

    Args:
        backend: A ``tokenizers.Tokenizer`` of pieces with BERT's normaliser.
        max_length: Tokens kept per text, the two markers included.
    """

    def __init__(self, backend: BackendTokenizer, *, max_length: int = 20) -> None:
        self.backend = backend
        self.max_length = max_length
        backend.no_padding()
        backend.no_truncation()

    @classmethod
    def from_words(cls, words: Sequence[str], *, max_length: int = 20) -> WordPieceTokenizer:
        """A tokenizer of pieces in the order of their ids; a piece inside a word starts with ``##``.

        Raises:
            BundleError: A marker is missing, or the first piece is not the padding.

        Example:
            >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "road", "##s", "along"]
            >>> WordPieceTokenizer.from_words(words).encode(["Roads along", "road"])
            array([[2, 4, 5, 6, 3],
                   [2, 4, 3, 0, 0]])
        """
        from tokenizers import Tokenizer as Backend
        from tokenizers import models, normalizers, pre_tokenizers

        ids = {word: number for number, word in enumerate(words)}
        missing = next((marker for marker in MARKERS if marker not in ids), None)
        if missing is not None or ids[PADDING_WORD] != 0:
            raise BundleError(missing or PADDING_WORD, cause="is not where BERT has it", remedy=_REMEDY)
        backend = Backend(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106 - a token of text
        backend.normalizer = normalizers.BertNormalizer(lowercase=True)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return cls(backend, max_length=max_length)

    @classmethod
    def from_vocabulary(cls, path: Path, *, max_length: int = 20) -> WordPieceTokenizer:
        """Read ``vocab.txt``, a piece per line.

        Raises:
            BundleError: The file is missing or is not BERT's.
        """
        try:
            words = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise BundleError(path, cause=f"cannot be read ({type(error).__name__})", remedy=_REMEDY) from error
        return cls.from_words(words, max_length=max_length)

    @classmethod
    def load(cls, path: Path, *, max_length: int = 20) -> WordPieceTokenizer:
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing or is not such a tokenizer.
        """
        from tokenizers import Tokenizer as Backend

        try:
            backend = Backend.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # the package raises nothing more exact
            cause = f"is not a tokenizer ({type(error).__name__})"
            raise BundleError(path, cause=cause, remedy="give the tokenizer.json of a run") from error
        if any(backend.token_to_id(marker) is None for marker in MARKERS):
            raise BundleError(path, cause="is not BERT's tokenizer", remedy="give the tokenizer.json of a run")
        return cls(backend, max_length=max_length)

    @property
    def size(self) -> int:
        """Number of token ids."""
        return int(self.backend.get_vocab_size())

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        self.backend.save(str(path))

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """``[CLS]``, pieces, ``[SEP]``, right-padded with 0.

        Returns:
            int64 array (N, L), L = longest text, at most ``max_length``.
        """
        start, end = (self.backend.token_to_id(marker) for marker in ("[CLS]", "[SEP]"))
        kept = self.max_length - 2
        rows = [[start, *piece.ids[:kept], end] for piece in self.backend.encode_batch([*texts])]
        tokens = np.zeros((len(rows), max(map(len, rows), default=1)), dtype=np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return tokens
