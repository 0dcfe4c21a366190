"""The tokenizers that a recipe can ask for, behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.core import registry
from geoglot.core.errors import UsageError

KINDS = ("subword", "words", "clip", "multilingual", "bert")
FILE = "tokenizer.json"
_CLASSES = {
    "words": ("words", "WordTokenizer"),
    "clip": ("clip_tokens", "ClipTokenizer"),
    "multilingual": ("clip_tokens", "MultilingualTokenizer"),
    "bert": ("wordpiece", "WordPieceTokenizer"),
}


class AnyTokenizer(Protocol):
    """Texts to rows of token ids, 0 = padding."""

    max_length: int

    @property
    def size(self) -> int:
        """Number of token ids."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(N,) texts -> (N, L)."""

    def save(self, path: Path) -> None:
        """Write the tokenizer to a file."""


def tokenizer_class(kind: str) -> Any:
    """The class of a kind of tokenizer.

    Raises:
        UsageError: There is no such kind.
    """
    if kind == "subword":
        from geoglot.text.tokenizer import Tokenizer

        return Tokenizer
    if kind in _CLASSES:
        module, name = _CLASSES[kind]
        return getattr(registry.load("geoglot.text", module), name)
    raise UsageError(kind, cause="is no tokenizer", remedy=f"choose one of {', '.join(KINDS)}")


def encode(tokenizer: Any, texts: Sequence[str], *, dropout: float = 0.0) -> NDArray[np.int64]:
    """Token ids; merges are skipped with a probability where the tokenizer has merges learnt here."""
    from geoglot.text.tokenizer import Tokenizer

    if isinstance(tokenizer, Tokenizer):
        return tokenizer.encode(texts, dropout=dropout)
    tokens: NDArray[np.int64] = tokenizer.encode(texts)
    return tokens
