"""CMSA: every place of the picture with every word attends to every other such pair, at three levels.

Paper        L. Ye, M. Rochan, Z. Liu, Y. Wang, Cross-Modal Self-Attention Network for Referring Image Segmentation,
             CVPR 2019
Input        images (B, 3, H, W) in [0, 1], tokens (B, L)
Output       logits (B, H, W)
Equations    DeepLab's ResNet-101, stride 8                  -> nn.convolutional_segmenter.dilate
             picture, word and place as one vector           -> PairAttention.pairs
             self-attention over all of them                 -> PairAttention.attended
             ... without ever holding all weights            -> nn.chunked_attention.chunked_attention
             mean over the words                             -> PairAttention
             gated fusion of the levels                      -> GatedFusion
             3x3 convolution, bilinear to pixels             -> Model.logits
             sigmoid cross-entropy                           -> nn.segmenter.sigmoid_cross_entropy
Deviations   1. Padding takes no part: it neither asks nor is asked, and the mean is over real words. A phrase without
                words counts as one padding word.
             2. Keys and values are the largest of two neighbours in words, rows and columns; a neighbour that is
                padding does not compete.
             3. The gates of a level come from its own map; the share ``alpha`` of its two others starts at 0.5.
             4. With a backbone that is no residual network the last three stages are resized to the grid of stride 8.
             5. Words are read as a set: their order is nowhere in the network.
Reproduces   results/segmentation/cmsa-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.chunked_attention import chunked_attention
from geoglot.nn.convolutional_segmenter import (
    LEVELS,
    PLACE_CHANNELS,
    ConvolutionalConfig,
    ConvolutionalSegmenter,
    place_channels,
    unit,
)
from geoglot.nn.recurrent import text_lengths, word_mask
from geoglot.nn.segmenter import resized

METHOD = MethodCard(
    title="CMSA",
    paper="Ye, Rochan, Liu, Wang, Cross-Modal Self-Attention Network, CVPR 2019",
    kind="segmenter",
    counted="all, with ResNet-101 and 12,112 words",
)


@dataclass(frozen=True, kw_only=True)
class Config(ConvolutionalConfig):
    """Sizes of the paper, see :class:`geoglot.nn.convolutional_segmenter.ConvolutionalConfig`.

    Attributes:
        pairs: Width of a place with a word at each level, the finest first; 0: as it comes.
        attention: Width of the attention at each level.
        fusion: Width of the fused maps.
        rows: Places with words that ask at a time; only memory depends on it.
        variant: The paper's only one.
    """

    pairs: tuple[int, ...] = (128, 256, 0)
    attention: tuple[int, ...] = (64, 128, 512)
    fusion: int = 500
    rows: int = 2048
    variant: Literal["paper"] = "paper"


class PairAttention(nn.Module):
    """One level: places with words, their attention to each other, the mean over words.

    Args:
        image: Width of a place's vector.
        words: Width of a word's vector.
        pairs: Width of both together; 0: as it comes.
        attention: Width of the attention.
        rows: How many ask at a time.
    """

    def __init__(self, image: int, words: int, pairs: int, attention: int, rows: int) -> None:
        super().__init__()
        width = image + words + PLACE_CHANNELS
        self.joint = nn.Linear(width, pairs) if pairs else None
        width = pairs or width
        self.query = nn.Linear(width, attention)
        self.key = nn.Linear(width, attention)
        self.value = nn.Linear(width, attention)
        self.output = nn.Linear(attention, width)
        self.width, self.rows = width, rows

    def forward(self, features: Tensor, words: Tensor, real: Tensor) -> Tensor:
        """(B, C, H, W), (B, L, E), (B, L) bool, each row with a word -> (B, width, H, W)."""
        pairs = self.pairs(features, words)
        changed = pairs + self.output(self.attended(pairs, real))
        kept = real.to(changed.dtype)[:, :, None, None, None]
        mean: Tensor = (changed * kept).sum(1) / kept.sum(1)
        return mean.permute(0, 3, 1, 2)

    def pairs(self, features: Tensor, words: Tensor) -> Tensor:
        """Every place with every word, both at unit length, and where the place lies. -> (B, L, H, W, width)."""
        batch, _, height, width = features.shape
        length = words.shape[1]
        where = place_channels(height, width).to(features).expand(batch, -1, -1, -1)
        places = torch.cat([unit(features), where], 1).permute(0, 2, 3, 1)[:, None]
        spread = F.normalize(words, dim=2)[:, :, None, None]
        size = (batch, length, height, width)
        pairs = torch.cat([places.expand(*size, -1), spread.expand(*size, -1)], -1)
        return pairs if self.joint is None else torch.relu(self.joint(pairs))

    def attended(self, pairs: Tensor, real: Tensor) -> Tensor:
        """What every pair finds in all pairs of real words. (B, L, H, W, C) -> (B, L, H, W, attention)."""
        key, value = (pooled(layer(pairs), real) for layer in (self.key, self.value))
        seen = F.max_pool1d(real[:, None].float(), 2, ceil_mode=True).squeeze(1) > 0
        seen = seen[:, :, None].expand(-1, -1, key.shape[2] * key.shape[3]).flatten(1)
        query = self.query(pairs)
        found = chunked_attention(query.flatten(1, 3), key.flatten(1, 3), value.flatten(1, 3), seen, rows=self.rows)
        return found.view_as(query)


def pooled(pairs: Tensor, real: Tensor) -> Tensor:
    """The largest of two neighbours in words, rows and columns. (B, L, H, W, C) -> (B, ceil(L/2), ceil(H/2), ...).

    A word that is padding does not compete; where both are, the result is 0.
    """
    lowest = pairs.masked_fill(~real[:, :, None, None, None], -torch.inf).permute(0, 4, 1, 2, 3)
    found = F.max_pool3d(lowest, 2, ceil_mode=True).permute(0, 2, 3, 4, 1)
    return found.masked_fill(found == -torch.inf, 0)


class GatedFusion(nn.Module):
    """A level that remembers of the two others what its gates let in. Three of (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(width, 3 * width, 3, padding=1)
        self.alpha = nn.Parameter(torch.tensor(0.5))

    def forward(self, own: Tensor, second: Tensor, third: Tensor) -> Tensor:
        """R tanh(c) + (1 - r) own, with c = f (a second + (1 - a) third) + (1 - f) i."""
        candidate, forget, reset = self.gates(own).chunk(3, 1)
        forget, reset = torch.sigmoid(forget + 1), torch.sigmoid(reset + 1)
        others = self.alpha * second + (1 - self.alpha) * third
        memory = forget * others + (1 - forget) * candidate
        return reset * torch.tanh(memory) + (1 - reset) * own


class Model(ConvolutionalSegmenter):
    """Backbone, words, pair attention of three levels, gated fusion."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config
        widths = (*self.backbone.channels[-LEVELS:-1], config.image)
        self.image = nn.Conv2d(self.backbone.channels[-1], config.image, 1)
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        sizes = zip(widths, config.pairs, config.attention, strict=True)
        levels = [PairAttention(width, config.words, pairs, inner, config.rows) for width, pairs, inner in sizes]
        self.attention = nn.ModuleList(levels)
        self.narrow = nn.ModuleList(nn.Conv2d(level.width, config.fusion, 1) for level in levels)
        self.fusion = nn.ModuleList(GatedFusion(config.fusion) for _ in widths)
        self.score = nn.Conv2d(config.fusion, 1, 3, padding=1)

    def attended(self, images: Tensor, tokens: Tensor) -> list[Tensor]:
        """Three levels after their attention, the finest first. -> (B, fusion, h, w) each."""
        first, second, coarsest = self.levels(images)
        real = word_mask(text_lengths(tokens), tokens.shape[1])
        words = self.embedding(tokens)
        levels = zip(self.attention, self.narrow, (first, second, self.image(coarsest)), strict=True)
        return [narrow(attention(found, words, real)) for attention, narrow, found in levels]

    def fused(self, maps: Sequence[Tensor]) -> Tensor:
        """The sum of what each level remembers of the others. -> (B, fusion, h, w)."""
        parts = [gate(maps[n], maps[n - 1], maps[n - 2]) for n, gate in enumerate(self.fusion)]
        return torch.stack(parts).sum(0)

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """The fused levels, scored and raised to the image's size. -> (B, H, W)."""
        score = self.score(self.fused(self.attended(images, tokens)))
        return resized(score, images.shape[-2:])[:, 0]


SMALL: Mapping[str, Any] = {
    "backbone": "compact",
    "channels": (8, 12, 12, 16),
    "words": 8,
    "image": 12,
    "pairs": (10, 12, 0),
    "attention": (6, 8, 8),
    "fusion": 16,
    "rows": 100,
}
"""Sizes at which the contract tests run in a moment."""

SMALL_RATE = 1e-2
"""Learning rate at which the small sizes learn."""

READS_ORDER = False
"""Whether the order of the words matters."""

COMPACT: Mapping[str, Any] = {
    "side": 128,
    "backbone": "compact",
    "words": 64,
    "image": 64,
    "pairs": (48, 48, 48),
    "attention": (32, 32, 32),
    "fusion": 96,
}
"""Sizes for two cores."""

RECIPE_DEFAULTS: Mapping[str, float] = {
    "iterations": 400_000,
    "batch": 1,
    "learning_rate": 2.5e-4,
    "weight_decay": 5e-4,
}
"""Training as in the comparison of the LGCE paper, with Adam."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters at the paper's sizes.

    Example:
        >>> paper_parameters() > 60_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
