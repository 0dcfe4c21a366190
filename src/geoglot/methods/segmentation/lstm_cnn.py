"""LSTM-CNN: the phrase's vector beside every place of a convolutional map; two layers decide.

Paper        R. Hu, M. Rohrbach, T. Darrell, Segmentation from Natural Language Expressions, ECCV 2016
Input        images (B, 3, H, W) in [0, 1], tokens (B, L)
Output       logits (B, H, W)
Equations    fully convolutional VGG-16, its eighth layer for 1000 numbers a place   -> Scores
             last state of an LSTM over the phrase                                   -> nn.phrase_lstm.PhraseLSTM
             both at unit length, and where the place lies     -> nn.convolutional_segmenter.beside_places
             1x1 convolution, ReLU, 1x1 convolution                                  -> Model.coarse
             deconvolution to pixels                                                 -> bilinear_deconvolution
             sigmoid cross-entropy                             -> nn.segmenter.sigmoid_cross_entropy
Deviations   1. Trained at full resolution from the start; the paper trains at low resolution first.
             2. An error in foreground and one in background count the same (``foreground_weight``).
             3. With another backbone than VGG-16, or ``classifier=0``, a 1x1 convolution gives the image's numbers, and
                ``stage`` says from which stage; the deconvolution has its stride.
             4. Padding is not read at all, on whichever side the paper's code has it.
Reproduces   results/segmentation/lstm_cnn-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.backbone import Backbone, ResidualStages
from geoglot.nn.convolutional_segmenter import (
    PLACE_CHANNELS,
    ConvolutionalConfig,
    ConvolutionalSegmenter,
    beside_places,
    unit,
)
from geoglot.nn.phrase_lstm import PhraseLSTM
from geoglot.nn.resnet import ResNet

METHOD = MethodCard(
    title="LSTM-CNN",
    paper="Hu, Rohrbach, Darrell, Segmentation from Natural Language Expressions, ECCV 2016",
    kind="segmenter",
    counted="all, with VGG-16 and 12,112 words",
)


@dataclass(frozen=True, kw_only=True)
class Config(ConvolutionalConfig):
    """Sizes of the paper, see :class:`geoglot.nn.convolutional_segmenter.ConvolutionalConfig`.

    Attributes:
        classifier: Width of the sixth and seventh layer of VGG-16; 0: there are none.
        stage: Stage of the backbone that is looked at, 0 at stride 4 to 3 at stride 32.
        hidden: Width of the phrase's vector.
        fusion: Width of the layer over both sides.
        variant: The paper's only one.
    """

    side: int = 512
    backbone: str = "vgg16"
    classifier: int = 4096
    stage: int = 3
    hidden: int = 1000
    fusion: int = 500
    variant: Literal["paper"] = "paper"


class Scores(nn.Sequential):
    """The sixth to eighth layer of VGG-16 as convolutions, or a 1x1 convolution. (B, C, H, W) -> (B, image, H, W)."""

    def __init__(self, inputs: int, classifier: int, image: int) -> None:
        if not classifier:
            super().__init__(nn.Conv2d(inputs, image, 1))
            return
        super().__init__(
            nn.Conv2d(inputs, classifier, 7, padding=3),
            nn.ReLU(),
            nn.Dropout(),
            nn.Conv2d(classifier, classifier, 1),
            nn.ReLU(),
            nn.Dropout(),
            nn.Conv2d(classifier, image, 1),
        )


class Model(ConvolutionalSegmenter):
    """Backbone, phrase, two layers over both."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config
        self.scores = Scores(self.backbone.channels[config.stage], config.classifier, config.image)
        self.phrase = PhraseLSTM(vocabulary=config.vocabulary, words=config.words, hidden=config.hidden)
        self.fusion = nn.Conv2d(config.image + config.hidden + PLACE_CHANNELS, config.fusion, 1)
        self.score = nn.Conv2d(config.fusion, 1, 1)
        self.raise_ = bilinear_deconvolution(4 * 2**config.stage)
        self.idle = behind(self.backbone, config.stage)

    def coarse(self, images: Tensor, tokens: Tensor) -> Tensor:
        """One number per place of the stage. -> (B, 1, h, w)."""
        seen = unit(self.scores(self.maps(images)[self.config.stage]))
        _, phrase = self.phrase(tokens)
        out: Tensor = self.score(torch.relu(self.fusion(beside_places(seen, unit(phrase)))))
        return out

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """The coarse map raised to the image's size; what reaches beyond its edge is cut off. -> (B, H, W)."""
        raised: Tensor = self.raise_(self.coarse(images, tokens))
        height, width = images.shape[-2:]
        missing = (0, max(width - raised.shape[-1], 0), 0, max(height - raised.shape[-2], 0))
        return F.pad(raised, missing, mode="replicate")[:, 0, :height, :width]


def behind(backbone: Backbone, stage: int) -> tuple[str, ...]:
    """Names of the parts of a model's backbone that lie behind a stage, and are not looked at.

    Example:
        >>> from geoglot.nn.backbone import build_backbone
        >>> behind(build_backbone("resnet18"), 2)
        ('backbone.network.layer4.',)
    """
    network = backbone.network
    if isinstance(network, ResNet):
        return tuple(f"backbone.network.layer{number + 1}." for number in range(stage + 1, len(backbone.channels)))
    if isinstance(network, ResidualStages):
        blocks = range(sum(network.blocks[: stage + 1]), sum(network.blocks))
        return tuple(f"backbone.network.network.stages.{number}." for number in blocks)
    return ()


def bilinear_deconvolution(stride: int) -> nn.ConvTranspose2d:
    """A learnt deconvolution of one map that starts as bilinear interpolation. (B, 1, h, w) -> (B, 1, s h, s w).

    Example:
        >>> bilinear_deconvolution(2)(torch.ones(1, 1, 3, 3))[0, 0, 1:5, 1:5].unique().tolist()
        [1.0]
    """
    layer = nn.ConvTranspose2d(1, 1, 2 * stride, stride, stride // 2)
    line = 1 - ((torch.arange(2 * stride, dtype=torch.float32) + 0.5) / stride - 1).abs()
    with torch.no_grad():
        layer.weight.copy_((line[:, None] * line)[None, None])
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


SMALL: Mapping[str, Any] = {
    "backbone": "compact",
    "channels": (8, 12, 12, 16),
    "classifier": 0,
    "stage": 1,
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
    "classifier": 0,
    "stage": 2,
    "words": 128,
    "image": 256,
    "hidden": 256,
    "fusion": 128,
}
"""Sizes for two cores; a stride of 16 gives a grid of 8 x 8 places, the paper's is 16 x 16."""

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
