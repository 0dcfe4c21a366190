"""Encoders of words for methods that look at a picture word by word: token ids to one vector per token.

``bert`` and ``xlm-roberta`` start from published weights; ``transformer`` and ``recurrent`` are small and learn their
vocabulary with the method. Of all of them: vectors of real tokens do not depend on the padding behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.nn.bert import XLM_ROBERTA_BASE, Bert, BertSizes
from geoglot.nn.recurrent import Recurrence, reverse_words, text_lengths
from geoglot.nn.text_transformer import TransformerBlock

TextKind = Literal["bert", "xlm-roberta", "transformer", "recurrent"]


@dataclass(frozen=True, kw_only=True)
class TextSizes:
    """Sizes of an encoder of words.

    Attributes:
        kind: Which.
        vocabulary: Number of token ids; 0 is padding.
        width: Width of a token's vector.
        layers: Blocks; of no use to ``recurrent``, which has one layer in both directions.
        heads: Attention heads.
        max_length: Longest text.
        dropout: While training.
        trained_layers: Of a published encoder, how many of its first blocks learn; embeddings and the other blocks stay
            as they are. ``None``: all learns, as it must where no published weights are loaded.
    """

    kind: TextKind = "bert"
    vocabulary: int = 30_522
    width: int = 768
    layers: int = 12
    heads: int = 12
    max_length: int = 20
    dropout: float = 0.1
    trained_layers: int | None = None


class WordTransformerEncoder(nn.Module):
    """Learnt words and places, pre-norm blocks, a norm. (B, L) -> (B, L, width)."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.05)
        self.position = nn.Parameter(torch.randn(sizes.max_length, sizes.width) * 0.02)
        blocks = (
            TransformerBlock(sizes.width, sizes.heads, 2 * sizes.width, dropout=sizes.dropout)
            for _ in range(sizes.layers)
        )
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64, 0 = padding, L at most ``max_length`` -> (B, L, width)."""
        features = self.dropout(self.embedding(tokens) + self.position[: tokens.shape[1]])
        for block in self.blocks:
            features = block(features, tokens != 0)
        out: Tensor = self.norm(features)
        return out


class RecurrentEncoder(nn.Module):
    """Learnt words read from both ends, half of the width each. (B, L) -> (B, L, width), 0 at padding."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        if sizes.width % 2:
            raise ValueError(f"the width {sizes.width} cannot be halved for two directions")
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width, padding_idx=0)
        self.forwards = Recurrence(sizes.width, sizes.width // 2)
        self.backwards = Recurrence(sizes.width, sizes.width // 2)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64, 0 = padding -> (B, L, width)."""
        words, lengths = self.dropout(self.embedding(tokens)), text_lengths(tokens)
        ahead = self.forwards(words, lengths)
        behind = reverse_words(self.backwards(reverse_words(words, lengths), lengths), lengths)
        return torch.cat([ahead, behind], 2)


def build_text_encoder(sizes: TextSizes) -> nn.Module:
    """The encoder of a kind: (B, L) int64, 0 = padding -> (B, L, width) float32.

    Example:
        >>> sizes = TextSizes(kind="recurrent", vocabulary=50, width=8)
        >>> build_text_encoder(sizes)(torch.tensor([[7, 9, 0]])).shape
        torch.Size([1, 3, 8])
    """
    if sizes.kind == "transformer":
        return WordTransformerEncoder(sizes)
    if sizes.kind == "recurrent":
        return RecurrentEncoder(sizes)
    bert = Bert(published_sizes(sizes))
    if sizes.trained_layers is not None:
        bert.freeze(sizes.trained_layers)
    return bert


def published_sizes(sizes: TextSizes) -> BertSizes:
    """Sizes of a published kind, with the given width, blocks and vocabulary."""
    base = BertSizes() if sizes.kind == "bert" else XLM_ROBERTA_BASE
    return replace(
        base,
        vocabulary=sizes.vocabulary,
        width=sizes.width,
        layers=sizes.layers,
        heads=sizes.heads,
        hidden=4 * sizes.width,
        dropout=sizes.dropout,
    )
