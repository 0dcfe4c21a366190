"""Blocks that let two sequences ask each other: self-attention and guided attention (Yu et al. 2019), as GaLR has them.

    self     x <- N(x + A(x, x)); x <- N(x + M(x))
    guided   x <- N(x + A(x, x)); x <- N(x + A(x, y)); x <- N(x + M(x))

A(x, y) is multi-head attention of x to y, M a perceptron of one hidden layer, N a normalisation by the mean and the
unbiased standard deviation, to which a small number is added.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Normalisation(nn.Module):
    """a (x - mean) / (deviation + 1e-6) + b along the last axis; the deviation is divided by one less than the width.

    Example:
        >>> Normalisation(3)(torch.tensor([1.0, 2.0, 3.0]))
        tensor([-1.0000,  0.0000,  1.0000], grad_fn=<AddBackward0>)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        centred = features - features.mean(-1, keepdim=True)
        # A constant row has no deviation, and the root no slope there.
        variance = centred.square().sum(-1, keepdim=True) / (features.shape[-1] - 1)
        return self.scale * centred / (variance.clamp(min=1e-24).sqrt() + 1e-6) + self.shift


class Attention(nn.Module):
    """Multi-head attention of one sequence to another. (B, L, D), (B, M, D) -> (B, L, D)."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """(B, L, D), (B, M, D) -> (B, L, D)."""
        query, key, value = (
            layer(sequence).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, sequence in ((self.query, asking), (self.key, asked), (self.value, asked))
        )
        weights = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1)
        out: Tensor = self.merge((self.dropout(weights) @ value).transpose(1, 2).flatten(2))
        return out


def perceptron(width: int, *, dropout: float) -> nn.Sequential:
    """Two layers, the hidden one twice as wide."""
    return nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * width, width))


class SelfBlock(nn.Module):
    """Self-attention and a perceptron. (B, L, D) -> (B, L, D).

    Example:
        >>> SelfBlock(8, heads=2, dropout=0.0)(torch.zeros(3, 1, 8)).shape
        torch.Size([3, 1, 8])
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads=heads, dropout=dropout)
        self.attention_norm = Normalisation(width)
        self.perceptron = perceptron(width, dropout=dropout)
        self.perceptron_norm = Normalisation(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        sequence = self.attention_norm(sequence + self.dropout(self.attention(sequence, sequence)))
        out: Tensor = self.perceptron_norm(sequence + self.dropout(self.perceptron(sequence)))
        return out


class GuidedBlock(nn.Module):
    """Self-attention, attention to another sequence, and a perceptron. (B, L, D), (B, M, D) -> (B, L, D).

    Example:
        >>> GuidedBlock(8, heads=2, dropout=0.0)(torch.zeros(3, 1, 8), torch.zeros(3, 2, 8)).shape
        torch.Size([3, 1, 8])
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads=heads, dropout=dropout)
        self.attention_norm = Normalisation(width)
        self.guided = Attention(width, heads=heads, dropout=dropout)
        self.guided_norm = Normalisation(width)
        self.perceptron = perceptron(width, dropout=dropout)
        self.perceptron_norm = Normalisation(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Tensor, guide: Tensor) -> Tensor:
        """(B, L, D), (B, M, D) -> (B, L, D)."""
        sequence = self.attention_norm(sequence + self.dropout(self.attention(sequence, sequence)))
        sequence = self.guided_norm(sequence + self.dropout(self.guided(sequence, guide)))
        out: Tensor = self.perceptron_norm(sequence + self.dropout(self.perceptron(sequence)))
        return out
