"""Pixels that look at words, and how much of what they found goes on to the next stage.

With x (B, N, C) the places of a map, l (B, L, E) the words, IN the normalisation of every channel over the places of
its own image, and * the product of entries:

    G = IN(W_g softmax(IN(W_q x) (W_k l)^T / sqrt(C)) (W_v l))        what each place reads, over the real words
    F = GELU(W_m (GELU(W_x x) * G))                                  places and what they read
    x + tanh(W_2 ReLU(W_1 F)) * F                                    what goes on to the next stage
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NO_WORD = -1e4
"""Added to what padding is worth; finite, so that a text without words reads zeros."""


class PlaceConvolution(nn.Linear):
    """A convolution of kernel 1 over places whose channels come last: a matrix and a bias for every place's vector."""


class PlaceNorm(nn.Module):
    """:func:`normalised_places` as a layer; it learns nothing."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return normalised_places(features)


def normalised_places(features: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Every channel of every image to mean 0 and variance 1 over its places. (B, N, C) -> (B, N, C).

    Example:
        >>> normalised_places(torch.tensor([[[1.0], [3.0]]])).round(decimals=3).flatten().tolist()
        [-1.0, 1.0]
    """
    centred = features - features.mean(1, keepdim=True)
    return centred * (centred.square().mean(1, keepdim=True) + epsilon).rsqrt()


class WordPixelAttention(nn.Module):
    """What the places of a map make of the words. (B, N, C), (B, L, E), (B, L) -> (B, N, C).

    Args:
        width: C, of a place's vector.
        words: E, of a word's vector.
        heads: Attention heads.
        dropout: Of F and of GELU(W_x x) while training.

    Example:
        >>> read = WordPixelAttention(8, 6)
        >>> read(torch.randn(2, 5, 8), torch.randn(2, 3, 6), torch.ones(2, 3, dtype=torch.bool)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, words: int, *, heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.places = PlaceConvolution(width, width)
        self.query = PlaceConvolution(width, width)
        self.key = PlaceConvolution(words, width)
        self.value = PlaceConvolution(words, width)
        self.reading = PlaceConvolution(width, width)
        self.joint = PlaceConvolution(width, width)
        self.norm = PlaceNorm()
        self.dropout = nn.Dropout(dropout)

    def forward(self, places: Tensor, words: Tensor, real: Tensor) -> Tensor:
        """F of the module's equations; ``real`` is True where there is a word."""
        seen = self.dropout(F.gelu(self.places(places)))
        out: Tensor = self.dropout(F.gelu(self.joint(seen * self.read(places, words, real))))
        return out

    def read(self, places: Tensor, words: Tensor, real: Tensor) -> Tensor:
        """G of the module's equations. -> (B, N, C)."""
        batch, count, width = places.shape
        kept = real.to(words.dtype)[:, :, None]
        query = self._split(self.norm(self.query(places)))
        key, value = self._split(self.key(words) * kept), self._split(self.value(words) * kept)
        logits = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
        weights = (logits + (1 - kept.transpose(1, 2)[:, None]) * NO_WORD).softmax(-1)
        found = (weights @ value).transpose(1, 2).reshape(batch, count, width)
        out: Tensor = self.norm(self.reading(found))
        return out

    def _split(self, vectors: Tensor) -> Tensor:
        batch, count, width = vectors.shape
        return vectors.view(batch, count, self.heads, width // self.heads).transpose(1, 2)


class LanguageGate(nn.Module):
    """How much of what was read is added to the map. (B, N, C), (B, N, C) -> (B, N, C).

    Example:
        >>> LanguageGate(4)(torch.ones(1, 2, 4), torch.zeros(1, 2, 4)).flatten().tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width, bias=False)
        self.outer = nn.Linear(width, width, bias=False)

    def forward(self, places: Tensor, read: Tensor) -> Tensor:
        """X + tanh(W_2 ReLU(W_1 F)) * F."""
        return places + torch.tanh(self.outer(torch.relu(self.inner(read)))) * read
