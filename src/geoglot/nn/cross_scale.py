"""Two scales of a picture that exchange what they know through a token of language each.

With [t | V] a token before the places of a map, TL a pre-norm transformer block, and s' the other scale:

    [t_s | V_s] = TL([p_s(mean word) | V_s])                  within a scale
    X = [c_s(t_s') | V_s];  X <- X + MSA(LN(X))               across scales, every row asks: ``full``
    t   <- c_s(t_s') + MSA(LN(X)) of the first row alone      across scales, the token asks: ``crossvit``

The places leave; the tokens are dropped. Under ``crossvit`` what the token learns of the other scale therefore never
reaches a place: the exchange is computed and lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.nn.text_transformer import TransformerBlock

Exchange = Literal["crossvit", "full", "none"]
HEAD_WIDTH = 64


class ScaleExchange(nn.Module):
    """Maps of two scales, led by a vector of language. -> the same shapes.

    Args:
        widths: Of both maps, the finer first.
        words: Width of the vector of language.
        exchange: Which rows ask across scales; ``none``: there is no such step.
        ratio: Inner width of the blocks' perceptrons, in units of the map's width.

    Attributes:
        idle: Prefixes of parameters that cannot change the output.

    Example:
        >>> step = ScaleExchange((8, 16), words=6, exchange="full")
        >>> fine, coarse = step(torch.randn(1, 8, 4, 4), torch.randn(1, 16, 2, 2), torch.randn(1, 6))
        >>> fine.shape, coarse.shape
        (torch.Size([1, 8, 4, 4]), torch.Size([1, 16, 2, 2]))
    """

    def __init__(self, widths: Sequence[int], words: int, exchange: Exchange, *, ratio: int = 4) -> None:
        super().__init__()
        self.exchange = exchange
        self.project = nn.ModuleList(nn.Linear(words, width) for width in widths)
        self.within = nn.ModuleList(
            TransformerBlock(width, heads_of(width), ratio * width, dropout=0.0) for width in widths
        )
        self.idle: tuple[str, ...] = ()
        if exchange != "none":
            fine, coarse = widths
            self.cross = nn.ModuleList((nn.Linear(coarse, fine), nn.Linear(fine, coarse)))
            self.across = nn.ModuleList(TokenAttention(width, heads_of(width)) for width in widths)
            self.idle = ("cross.", "across.") if exchange == "crossvit" else ()

    def forward(self, fine: Tensor, coarse: Tensor, language: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W), (B, C', H', W'), (B, E) -> what became of both maps."""
        sequences = []
        for features, project, block in zip((fine, coarse), self.project, self.within, strict=True):
            places = features.flatten(2).transpose(1, 2)
            sequence = torch.cat([project(language)[:, None], places], 1)
            sequences.append(block(sequence, sequence.new_ones(sequence.shape[:2], dtype=torch.bool)))
        if self.exchange != "none":
            sequences = self.exchanged(sequences)
        return _as_map(sequences[0][:, 1:], fine), _as_map(sequences[1][:, 1:], coarse)

    def exchanged(self, sequences: Sequence[Tensor]) -> list[Tensor]:
        """Each scale with the other's token in front. [(B, 1 + N, C), (B, 1 + N', C')] -> the same shapes."""
        out = []
        for scale, (cross, attention) in enumerate(zip(self.cross, self.across, strict=True)):
            guest = cross(sequences[1 - scale][:, :1])
            joined = torch.cat([guest, sequences[scale][:, 1:]], 1)
            asking = 1 if self.exchange == "crossvit" else joined.shape[1]
            changed = joined[:, :asking] + attention(joined, asking)
            out.append(torch.cat([changed, joined[:, asking:]], 1))
        return out


class TokenAttention(nn.Module):
    """Multi-head attention behind a norm, in which only the first rows ask. (B, N, C) -> (B, asking, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, rows: Tensor, asking: int) -> Tensor:
        """What the first ``asking`` rows find in all."""
        batch, _, width = rows.shape
        normed = self.norm(rows)
        query = self._split(self.query(normed[:, :asking]))
        key, value = self._split(self.key(normed)), self._split(self.value(normed))
        weights = (query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5).softmax(-1)
        out: Tensor = self.output((weights @ value).transpose(1, 2).reshape(batch, asking, width))
        return out

    def _split(self, rows: Tensor) -> Tensor:
        batch, count, width = rows.shape
        return rows.view(batch, count, self.heads, width // self.heads).transpose(1, 2)


def heads_of(width: int) -> int:
    """Heads of 64, at least one.

    Example:
        >>> heads_of(512), heads_of(1024), heads_of(48)
        (8, 16, 1)
    """
    return max(width // HEAD_WIDTH, 1) if width % HEAD_WIDTH == 0 else 1


def _as_map(places: Tensor, like: Tensor) -> Tensor:
    return places.transpose(1, 2).reshape(like.shape)
