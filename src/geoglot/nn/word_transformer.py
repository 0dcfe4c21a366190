"""An encoder-decoder transformer without positions (Vaswani et al. 2017): from a set of vectors to a sentence.

    attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V, by heads
    encoder layer: x <- LN(x + attention(x, x, x)), x <- LN(x + FF(x))
    decoder layer: the same with a look at the encoder's vectors in between

The encoder's answer does not depend on the order of the set. The decoder sees the words so far; which of them came
first it knows only by how many each word could see.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

HIDDEN_SCORE = -1e9
"""Of a place that shall not be seen; finite, so that a row that sees nothing is still a number."""


class MaskedAttention(nn.Module):
    """Attention with several heads.

    Args:
        width: D.
        heads: They divide D.

    Example:
        >>> attention = MaskedAttention(8, 2)
        >>> seen = torch.ones(3, 1, 5, dtype=torch.bool)
        >>> attention(torch.zeros(3, 4, 8), torch.zeros(3, 5, 8), seen).shape
        torch.Size([3, 4, 8])
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be divided by {heads} heads")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)  # softmax would not notice a bias
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def _split(self, vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, heads, L, d)."""
        rows, length, width = vectors.shape
        return vectors.view(rows, length, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, asking: Tensor, asked: Tensor, seen: Tensor) -> Tensor:
        """(B, Q, D), (B, K, D), (B, 1 or Q, K) bool, True = may be seen -> (B, Q, D)."""
        query, key, value = (
            self._split(self.query(asking)),
            self._split(self.key(asked)),
            self._split(self.value(asked)),
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        weights = scores.masked_fill(~seen[:, None], HIDDEN_SCORE).softmax(3)
        out: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return out


class WordLayer(nn.Module):
    """One layer of the encoder, or with ``memory`` of the decoder; the norm stands after the sum."""

    def __init__(self, width: int, heads: int, inner: int, *, dropout: float, memory: bool) -> None:
        super().__init__()
        self.own = MaskedAttention(width, heads)
        self.own_norm = nn.LayerNorm(width)
        self.other = MaskedAttention(width, heads) if memory else None
        self.other_norm = nn.LayerNorm(width) if memory else None
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, width))
        self.inner_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, vectors: Tensor, seen: Tensor, memory: Tensor | None = None, kept: Tensor | None = None
    ) -> Tensor:
        """(B, L, D), (B, 1 or L, L) bool, and for the decoder (B, S, D), (B, 1, S) bool -> (B, L, D)."""
        vectors = self.own_norm(vectors + self.dropout(self.own(vectors, vectors, seen)))
        if self.other is not None and self.other_norm is not None:
            vectors = self.other_norm(vectors + self.dropout(self.other(vectors, memory, kept)))
        out: Tensor = self.inner_norm(vectors + self.dropout(self.inner(vectors)))
        return out


class WordTransformer(nn.Module):
    """Encoder over a set, decoder over the words so far.

    Args:
        width: D.
        layers: Of the encoder, and of the decoder.
        heads: Of every attention.
        inner: Width between the two layers of FF.
        dropout: Of every branch.
    """

    def __init__(self, *, width: int, layers: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()

        def stack(memory: bool) -> nn.ModuleList:
            return nn.ModuleList(WordLayer(width, heads, inner, dropout=dropout, memory=memory) for _ in range(layers))

        self.encoder, self.decoder = stack(memory=False), stack(memory=True)

    def encode(self, vectors: Tensor, kept: Tensor) -> Tensor:
        """(B, S, D), (B, S) bool, True = belongs to the set -> (B, S, D)."""
        for layer in self.encoder:
            vectors = layer(vectors, kept[:, None, :])
        return vectors

    def decode(self, vectors: Tensor, real: Tensor, memory: Tensor, kept: Tensor) -> Tensor:
        """What follows every word, which sees itself and the words before it.

        Args:
            vectors: (B, L, D) of the words so far.
            real: (B, L) bool, False = padding.
            memory: (B, S, D), what :meth:`encode` gave.
            kept: (B, S) bool.

        Returns:
            (B, L, D).
        """
        places = torch.arange(vectors.shape[1], device=vectors.device)
        seen = (places[None, :] <= places[:, None])[None] & real[:, None, :]
        for layer in self.decoder:
            vectors = layer(vectors, seen, memory, kept[:, None, :])
        return vectors
