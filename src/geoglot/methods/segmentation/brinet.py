"""BRINet: places look for their words, then for each other in the light of those words, up and down the levels.

Paper        Z. Hu, G. Feng, J. Sun, L. Zhang, H. Lu, Bi-Directional Relationship Inferring Network for Referring Image
             Segmentation, CVPR 2020
Input        images (B, 3, H, W) in [0, 1], tokens (B, L)
Output       logits (B, H, W)
Equations    DeepLab's ResNet-101, stride 8                  -> nn.convolutional_segmenter.dilate
             all states of an LSTM over the phrase           -> nn.phrase_lstm.PhraseLSTM
             places attend to words                          -> BidirectionalAttention.key_words
             words guide places to places                    -> BidirectionalAttention.relations
             both beside each other, and the level itself    -> BidirectionalAttention
             dilated convolutions of four rates              -> Surroundings
             gated fusion, up and down                       -> GatedFusion
             1x1 convolution, bilinear to pixels             -> Model.maps_of_logits
             sigmoid cross-entropy, of every level too       -> Model.losses
Deviations   1. The matrix that relates a place to all places has a row for each place of a grid of ``side / 8``; images
                of another size interpolate it.
             2. Padding is not read and not attended to; the paper's code repeats the last state there.
             3. Every level's own prediction counts ``auxiliary`` in the loss; its weight in the paper is not given.
             4. With a backbone that is no residual network the last three stages are resized to the grid of stride 8.
Reproduces   results/segmentation/brinet-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.convolutional_segmenter import (
    LEVELS,
    PLACE_CHANNELS,
    ConvolutionalConfig,
    ConvolutionalSegmenter,
    at_grid,
    beside_places,
    unit,
)
from geoglot.nn.phrase_lstm import PhraseLSTM
from geoglot.nn.recurrent import text_lengths, word_mask
from geoglot.nn.segmenter import SegmentationBatch, resized, sigmoid_cross_entropy

METHOD = MethodCard(
    title="BRINet",
    paper="Hu, Feng, Sun, Zhang, Lu, Bi-Directional Relationship Inferring Network, CVPR 2020",
    kind="segmenter",
    counted="all, with ResNet-101 and 12,112 words",
)


@dataclass(frozen=True, kw_only=True)
class Config(ConvolutionalConfig):
    """Sizes of the paper, see :class:`geoglot.nn.convolutional_segmenter.ConvolutionalConfig`.

    Attributes:
        hidden: Width of the phrase's states.
        relation: Width of the comparison of places.
        surroundings: Width of each dilated convolution.
        rates: Their dilations.
        auxiliary: What each level's own prediction counts in the loss.
        variant: The paper's only one.
    """

    hidden: int = 1000
    relation: int = 500
    surroundings: int = 512
    rates: tuple[int, ...] = (1, 3, 5, 7)
    auxiliary: float = 0.1
    variant: Literal["paper"] = "paper"


class BidirectionalAttention(nn.Module):
    """One level: places to words, and from there places to places. (B, C, H, W) -> (B, C, H, W).

    Args:
        image: C.
        hidden: Width of the phrase's states.
        relation: Width of the comparison of places.
        grid: Places on a side of the grid that the related places lie on.
    """

    def __init__(self, image: int, hidden: int, relation: int, grid: int) -> None:
        super().__init__()
        joined = image + hidden + PLACE_CHANNELS
        self.asking = nn.Conv2d(joined, image, 1)
        self.words = nn.Linear(hidden, image)
        self.guided = nn.Conv2d(image, relation, 1)
        self.guiding = nn.Conv2d(joined, relation, 1, bias=False)
        self.places = nn.Parameter(torch.randn(relation, grid, grid) * 0.05)
        self.value = nn.Conv2d(joined, image, 1)
        self.join = nn.Conv2d(2 * image, image, 1)
        self.own = nn.Conv2d(joined, image, 1)

    def forward(self, features: Tensor, states: Tensor, last: Tensor, real: Tensor) -> Tensor:
        """(B, C, H, W), states (B, L, H), the last of them (B, H), where words are (B, L) -> (B, C, H, W)."""
        joined = beside_places(features, unit(last))
        words = self.key_words(joined, states, real)
        value: Tensor = self.value(joined)
        found = (value.flatten(2) @ self.relations(joined, words)).view_as(value)
        out: Tensor = torch.relu(self.join(torch.cat([found, words], 1))) + self.own(joined)
        return out

    def key_words(self, joined: Tensor, states: Tensor, real: Tensor) -> Tensor:
        """What every place reads of the words. -> (B, C, H, W)."""
        asking: Tensor = self.asking(joined)
        words: Tensor = self.words(states)
        logits = words @ asking.flatten(2)
        weights = logits.masked_fill(~real[:, :, None], -torch.inf).softmax(1)
        return (words.transpose(1, 2) @ weights).view_as(asking)

    def relations(self, joined: Tensor, words: Tensor) -> Tensor:
        """How much every place takes of each. -> (B, N, N), columns sum to 1."""
        compared = torch.tanh(self.guided(words) + self.guiding(joined)).flatten(2)
        places = at_grid(self.places, joined.shape[-2:]).flatten(2)
        return (places.transpose(1, 2) @ compared).softmax(1)


class Surroundings(nn.Module):
    """Convolutions of several dilations beside each other, and the map itself. (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, width: int, each: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(width, each, 3, padding=rate, dilation=rate) for rate in rates)
        self.join = nn.Conv2d(width + len(rates) * each, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """All branches, joined."""
        found = [torch.relu(branch(features)) for branch in self.branches]
        return torch.relu(self.join(torch.cat([features, *found], 1)))


class GatedFusion(nn.Module):
    """As much of a level as fits what has been gathered. (B, C, H, W) twice -> (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both = nn.Conv2d(2 * width, width, 1)
        self.gate = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, gathered: Tensor, level: Tensor) -> Tensor:
        """sigmoid(conv(ReLU(conv([a; b])))) a + b."""
        both = torch.relu(self.both(torch.cat([gathered, level], 1)))
        return torch.sigmoid(self.gate(both)) * gathered + level


class Model(ConvolutionalSegmenter):
    """Backbone, phrase, attention both ways at three levels, fusion up and down."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config
        width = config.image
        self.phrase = PhraseLSTM(vocabulary=config.vocabulary, words=config.words, hidden=config.hidden)
        self.laterals = nn.ModuleList(nn.Conv2d(found, width, 1) for found in self.backbone.channels[-LEVELS:])
        self.attention = nn.ModuleList(
            BidirectionalAttention(width, config.hidden, config.relation, config.grid) for _ in range(LEVELS)
        )
        self.surroundings = nn.ModuleList(Surroundings(width, config.surroundings, config.rates) for _ in range(LEVELS))
        self.own_scores = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(LEVELS))
        self.up = nn.ModuleList(GatedFusion(width) for _ in range(LEVELS - 1))
        self.down = nn.ModuleList(GatedFusion(width) for _ in range(LEVELS - 1))
        self.smooth = nn.Conv2d(width, width, 3, padding=1)
        self.score = nn.Conv2d(width, 1, 1)

    def attended(self, images: Tensor, tokens: Tensor) -> list[Tensor]:
        """Three levels after their attention, the finest first. -> (B, image, h, w) each."""
        states, last = self.phrase(tokens)
        real = word_mask(text_lengths(tokens), tokens.shape[1])
        parts = zip(self.levels(images), self.laterals, self.attention, self.surroundings, strict=True)
        return [
            around(attention(unit(lateral(found)), states, last, real)) for found, lateral, attention, around in parts
        ]

    def fused(self, maps: Sequence[Tensor]) -> Tensor:
        """From the finest level to the coarsest, the other way round, and their sum. -> (B, image, h, w)."""
        total = torch.zeros_like(maps[0])
        for gates, (first, *others) in ((self.up, maps), (self.down, maps[::-1])):
            gathered = first
            for gate, level in zip(gates, others, strict=True):
                gathered = gate(gathered, level)
            total = total + gathered
        return total

    def maps_of_logits(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The prediction, (B, H, W), and those of the levels alone, (B, 3, H, W)."""
        maps = self.attended(images, tokens)
        own = torch.cat([score(found) for score, found in zip(self.own_scores, maps, strict=True)], 1)
        score = self.score(torch.relu(self.smooth(self.fused(maps))))
        size = images.shape[-2:]
        return resized(score, size)[:, 0], resized(own, size)

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """The prediction of all levels together. -> (B, H, W)."""
        return self.maps_of_logits(images, tokens)[0]

    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """``total``, ``mask`` of all levels together, and ``levels``, the mean over those alone."""
        logits, own = self.maps_of_logits(batch.images, batch.tokens)
        weight = self.config.foreground_weight
        main = sigmoid_cross_entropy(logits, batch.masks, foreground_weight=weight)
        alone = [sigmoid_cross_entropy(o, batch.masks, foreground_weight=weight) for o in own.unbind(1)]
        levels = torch.stack([found["mask"] for found in alone]).mean(0)
        total = main["total"] + self.config.auxiliary * sum(found["total"] for found in alone)
        return {"total": total, "mask": main["mask"], "levels": levels}


SMALL: Mapping[str, Any] = {
    "backbone": "compact",
    "channels": (8, 12, 12, 16),
    "words": 8,
    "image": 12,
    "hidden": 12,
    "relation": 8,
    "surroundings": 6,
}
"""Sizes at which the contract tests run in a moment."""

SMALL_RATE = 1e-2
"""Learning rate at which the small sizes learn."""

READS_ORDER = True
"""Whether the order of the words matters."""

COMPACT: Mapping[str, Any] = {
    "side": 128,
    "backbone": "compact",
    "words": 128,
    "image": 128,
    "hidden": 128,
    "relation": 64,
    "surroundings": 48,
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
        >>> paper_parameters() > 100_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
