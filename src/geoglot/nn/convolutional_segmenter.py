"""What the convolutional methods share: a backbone of any kind, its levels on one grid, where each place lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.backbone import Backbone, build_backbone
from geoglot.nn.resnet import ResNet
from geoglot.nn.segmenter import SegmentationBatch, Segmenter, resized, sigmoid_cross_entropy

LEVELS = 3
"""The last stages that are looked at together."""
STRIDE = 8
"""Pixels on a side of a place of their common grid."""
PLACE_CHANNELS = 8


@dataclass(frozen=True, kw_only=True)
class ConvolutionalConfig:
    """What is asked of every convolutional method.

    Attributes:
        side: Pixels on a side of the images it is trained with. Weights that belong to places have its grid; any other
            side works, they are interpolated.
        vocabulary: Number of token ids; 0 is padding.
        max_length: Longest phrase, in tokens.
        backbone: Name for :func:`geoglot.nn.backbone.build_backbone`. A residual network keeps a stride of 8 by
            dilation, as in DeepLab.
        channels: Stage widths of the backbone ``compact``.
        tuned: Whether the backbone learns; else it stays as it is loaded.
        backbone_rate: Learning rate of a tuned backbone, in units of the recipe's.
        words: Width of a word's vector.
        image: Width of the projected image.
        foreground_weight: What an error in the foreground counts; one in the background counts 1.
    """

    side: int = 320
    vocabulary: int = 12_112
    max_length: int = 20
    backbone: str = "resnet101"
    channels: tuple[int, ...] = (40, 80, 160, 320)
    tuned: bool = True
    backbone_rate: float = 1.0
    words: int = 1000
    image: int = 1000
    foreground_weight: float = 1.0

    @property
    def grid(self) -> int:
        """Places on a side of the common grid."""
        return -(-self.side // STRIDE)


class ConvolutionalSegmenter(Segmenter):
    """A method of one map, before a backbone that it owns as ``backbone``.

    Args:
        config: See there.
    """

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.tuned = config.tuned
        self.rate = config.backbone_rate
        self.foreground_weight = config.foreground_weight
        self.backbone: Backbone = build_backbone(config.backbone, channels=config.channels)
        if isinstance(self.backbone.network, ResNet):
            dilate(self.backbone.network)
        if not config.tuned:
            self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> ConvolutionalSegmenter:
        """A frozen backbone stays in evaluation: its batch norms learn nothing either."""
        super().train(mode)
        if not self.tuned:
            self.backbone.eval()
        return self

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [0, 1] -> stage maps, finest first."""
        with torch.set_grad_enabled(self.tuned and torch.is_grad_enabled()):
            found: tuple[Tensor, ...] = self.backbone(images)
        return found

    def levels(self, images: Tensor) -> tuple[Tensor, ...]:
        """The last three stages on the grid of stride 8. (B, 3, H, W) -> three of (B, C_k, ceil(H/8), ceil(W/8))."""
        size = tuple(-(-extent // STRIDE) for extent in images.shape[-2:])
        return tuple(resized(found, size) for found in self.maps(images)[-LEVELS:])

    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """``total`` and ``mask``."""
        logits = self.logits(batch.images, batch.tokens)
        return sigmoid_cross_entropy(logits, batch.masks, foreground_weight=self.foreground_weight)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Biases of the method at twice the rate and without decay; the backbone at its own rate."""
        own = [p for name, p in self.named_parameters() if not name.startswith("backbone.")]
        return [
            {"params": [p for p in own if p.ndim > 1]},
            {"params": [p for p in own if p.ndim <= 1], "learning_rate_factor": 2.0, "weight_decay": 0.0},
            {"params": list(self.backbone.parameters()), "learning_rate_factor": self.rate},
        ]


def dilate(network: ResNet) -> None:
    """Let the last two stages of a residual network keep the stride of 8: dilation 2 and 4 in place of their strides.

    Example:
        >>> network = ResNet("resnet18").eval()
        >>> dilate(network)
        >>> [tuple(stage.shape[-2:]) for stage in network(torch.zeros(1, 3, 64, 64))]
        [(16, 16), (8, 8), (8, 8), (8, 8)]
    """
    for name, dilation in (("layer3", 2), ("layer4", 4)):
        for number, block in enumerate(network.get_submodule(name).children()):
            for convolution in block.modules():
                if not isinstance(convolution, nn.Conv2d):
                    continue
                convolution.stride = (1, 1)
                if convolution.kernel_size == (3, 3):
                    used = dilation if number else dilation // 2
                    convolution.dilation = convolution.padding = (used, used)


def place_channels(height: int, width: int) -> Tensor:
    """Where each place of a grid lies: left, top, right, bottom, centre x and y in [-1, 1]; 1 / width, 1 / height.

    Returns:
        (8, height, width) float32.

    Example:
        >>> place_channels(1, 2)[:, 0, 0].tolist()  # the left half of the image
        [-1.0, -1.0, 0.0, 1.0, -0.5, 0.0, 0.5, 1.0]
    """
    axes = []
    for extent in (width, height):
        first = 2 * torch.arange(extent, dtype=torch.float32) / extent - 1
        axes.append((first, first + 2 / extent, first + 1 / extent))
    (left, right, middle), (top, bottom, centre) = axes
    across = [line.expand(height, width) for line in (left, right, middle)]
    down = [line[:, None].expand(height, width) for line in (top, bottom, centre)]
    sizes = [torch.full((height, width), 1 / extent) for extent in (width, height)]
    return torch.stack([across[0], down[0], across[1], down[1], across[2], down[2], *sizes])


def beside_places(*parts: Tensor) -> Tensor:
    """Maps and vectors of one image, side by side at every place, and where the place lies.

    Args:
        parts: (B, C, H, W) or (B, C); the first is a map.

    Returns:
        (B, sum of C + 8, H, W).
    """
    batch, _, height, width = parts[0].shape
    spread = [p if p.ndim == 4 else p[:, :, None, None].expand(-1, -1, height, width) for p in parts]
    where = place_channels(height, width).to(parts[0]).expand(batch, -1, -1, -1)
    return torch.cat([*spread, where], 1)


def at_grid(weights: Tensor, size: Sequence[int]) -> Tensor:
    """Weights that belong to places, at another grid. (C, h, w) -> (1, C, *size)."""
    return resized(weights[None], size)


def unit(features: Tensor) -> Tensor:
    """Every place's vector to length 1; a vector of zeros stays. (B, C, ...) -> the same shape."""
    return F.normalize(features, dim=1)
