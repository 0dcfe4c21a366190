"""ConvLSTM, or RRN: what picture and phrase say together is refined by the backbone's finer and finer stages.

Paper        R. Li, K. Li, Y.-C. Kuo, M. Shu, X. Qi, X. Shen, J. Jia, Referring Image Segmentation via Recurrent
             Refinement Networks, CVPR 2018
Input        images (B, 3, H, W) in [0, 1], tokens (B, L)
Output       logits (B, H, W)
Equations    DeepLab's ResNet-101, stride 8                  -> nn.convolutional_segmenter.dilate
             last state of an LSTM over the phrase           -> nn.phrase_lstm.PhraseLSTM
             fusion of picture, phrase and place             -> Model.fused
             laterals of the last three stages               -> Model.sequence
             convolutional LSTM over fusion, c5, c4, c3      -> nn.convolutional_lstm.ConvolutionalLSTM
             3x3 convolution, bilinear to pixels             -> Model.logits
             sigmoid cross-entropy                           -> nn.segmenter.sigmoid_cross_entropy
Deviations   1. The weights of the memory at every place belong to a grid of ``side / 8``; images of another size
                interpolate them. ``peepholes="channel"`` has one per channel instead.
             2. With a backbone that is no residual network the last three stages are resized to the grid of stride 8.
             3. Padding is not read at all.
Reproduces   results/segmentation/conv_lstm-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.convolutional_lstm import ConvolutionalLSTM
from geoglot.nn.convolutional_segmenter import (
    PLACE_CHANNELS,
    ConvolutionalConfig,
    ConvolutionalSegmenter,
    beside_places,
    unit,
)
from geoglot.nn.phrase_lstm import PhraseLSTM
from geoglot.nn.segmenter import resized

METHOD = MethodCard(
    title="ConvLSTM",
    paper="Li, Li, Kuo, Shu, Qi, Shen, Jia, Recurrent Refinement Networks, CVPR 2018",
    kind="segmenter",
    counted="all, with ResNet-101 and 12,112 words",
)


@dataclass(frozen=True, kw_only=True)
class Config(ConvolutionalConfig):
    """Sizes of the paper, see :class:`geoglot.nn.convolutional_segmenter.ConvolutionalConfig`.

    Attributes:
        hidden: Width of the phrase's vector.
        fusion: Width of the maps that the recurrence reads.
        peepholes: Weights of the memory for every ``place``, or for every ``channel``.
        variant: The paper's only one.
    """

    hidden: int = 1000
    fusion: int = 500
    peepholes: Literal["place", "channel"] = "place"
    variant: Literal["paper"] = "paper"


class Model(ConvolutionalSegmenter):
    """Backbone, phrase, fusion, refinement."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config
        self.image = nn.Conv2d(self.backbone.channels[-1], config.image, 1)
        self.phrase = PhraseLSTM(vocabulary=config.vocabulary, words=config.words, hidden=config.hidden)
        self.fusion = nn.Conv2d(config.image + config.hidden + PLACE_CHANNELS, config.fusion, 1)
        self.laterals = nn.ModuleList(nn.Conv2d(width, config.fusion, 1) for width in self.backbone.channels[:-4:-1])
        self.refinement = ConvolutionalLSTM(config.fusion, config.grid if config.peepholes == "place" else 0)
        self.score = nn.Conv2d(config.fusion, 1, 3, padding=1)

    def fused(self, coarsest: Tensor, tokens: Tensor) -> Tensor:
        """What picture and phrase say together. (B, C, h, w), (B, L) -> (B, fusion, h, w)."""
        _, phrase = self.phrase(tokens)
        return torch.relu(self.fusion(beside_places(unit(self.image(coarsest)), unit(phrase))))

    def sequence(self, images: Tensor, tokens: Tensor) -> list[Tensor]:
        """Fusion, then the laterals of the stages, the coarsest first. -> four of (B, fusion, h, w)."""
        coarsest_first = self.levels(images)[::-1]
        laterals = zip(self.laterals, coarsest_first, strict=True)
        return [self.fused(coarsest_first[0], tokens), *(torch.relu(lateral(found)) for lateral, found in laterals)]

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """The last state, scored and raised to the image's size. -> (B, H, W)."""
        score = self.score(self.refinement(self.sequence(images, tokens)))
        return resized(score, images.shape[-2:])[:, 0]


SMALL: Mapping[str, Any] = {
    "backbone": "compact",
    "channels": (8, 12, 12, 16),
    "words": 8,
    "image": 12,
    "hidden": 12,
    "fusion": 16,
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
    "image": 256,
    "hidden": 256,
    "fusion": 128,
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
