"""EfficientNet-Lite0 (Tan and Le, ICML 2019, without squeeze-and-excitation and with ReLU6, as made for small devices).

Inverted residual blocks: a 1x1 convolution widens, a depthwise one looks around, a 1x1 narrows again. 4,652,008
parameters with the ImageNet classifier, 2,958,848 up to the last stage, which is all that is used here. Published
ImageNet weights load through :func:`published_weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES: Final = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, stride of the first block, widening, channels and number of blocks of each stage."""
LITE_MEAN: Final = (127 / 255, 127 / 255, 127 / 255)
LITE_DEVIATION: Final = (128 / 255, 128 / 255, 128 / 255)
_EPSILON, _MOMENTUM = 1e-3, 0.01


class SamePadded(nn.Conv2d):
    """A convolution whose output has ceil(size / stride) places, padded below and to the right first.

    The published weights were trained so; symmetric padding would shift every coarser map by half a pixel.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        inner = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, inner, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        if self.stride[0] > 1:
            kernel, stride = self.kernel_size[0], self.stride[0]
            height, width = (
                max((-(-int(size) // stride) - 1) * stride + kernel - int(size), 0) for size in features.shape[2:]
            )
            features = F.pad(features, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(features)


def _normalisation(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


class InvertedResidual(nn.Module):
    """Widen, look around, narrow. (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride))."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, widening: int, drop_probability: float
    ) -> None:
        super().__init__()
        wide = inputs * widening
        expand = [SamePadded(inputs, wide, 1), _normalisation(wide), nn.ReLU6(inplace=True)] if widening > 1 else []
        self.expand = nn.Sequential(*expand)
        self.around = nn.Sequential(
            SamePadded(wide, wide, kernel, stride, groups=wide), _normalisation(wide), nn.ReLU6(inplace=True)
        )
        self.narrow = nn.Sequential(SamePadded(wide, outputs, 1), _normalisation(outputs))
        self.keeps_shape = stride == 1 and inputs == outputs
        self.drop_probability = drop_probability

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride))."""
        change: Tensor = self.narrow(self.around(self.expand(features)))
        if not self.keeps_shape:
            return change
        if self.training and self.drop_probability > 0:
            keep = torch.rand(len(change), 1, 1, 1, device=change.device) >= self.drop_probability
            change = change * (keep / (1 - self.drop_probability)).to(change.dtype)
        return features + change


class EfficientNetLite(nn.Module):
    """Pixels to the maps at strides 4, 8, 16 and 32.

    Args:
        drop_probability: Stochastic-depth probability of the last block; earlier ones scale linearly from 0.
        frozen_blocks: So many blocks, and the stem below them, are not trained; their statistics stay, too.

    Example:
        >>> network = EfficientNetLite().eval()
        >>> [tuple(stage.shape[1:]) for stage in network.stages(torch.zeros(1, 3, 72, 72))]
        [(24, 18, 18), (40, 9, 9), (112, 5, 5), (320, 3, 3)]
    """

    channels = (24, 40, 112, 320)
    outputs = 320

    def __init__(self, *, drop_probability: float = 0.0, frozen_blocks: int = 0) -> None:
        super().__init__()
        self.stem = nn.Sequential(SamePadded(3, 32, 3, 2), _normalisation(32), nn.ReLU6(inplace=True))
        count = sum(stage[-1] for stage in STAGES)
        blocks: list[nn.Module] = []
        width, self.ends = 32, [2, 4, 10, 15]
        for kernel, stride, widening, outputs, repeats in STAGES:
            for repeat in range(repeats):
                rate = drop_probability * len(blocks) / (count - 1)
                step = stride if repeat == 0 else 1
                block = InvertedResidual(
                    width, outputs, kernel=kernel, stride=step, widening=widening, drop_probability=rate
                )
                blocks.append(block)
                width = outputs
        self.blocks = nn.ModuleList(blocks)
        self.frozen = [self.stem, *blocks[:frozen_blocks]] if frozen_blocks else []
        for part in self.frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """As usual, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def stages(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> four maps."""
        features = self.stem(images.contiguous(memory_format=torch.channels_last))
        found = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in self.ends:
                found.append(features)
        return tuple(found)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, 320, H/32, W/32)."""
        return self.stages(images)[-1]


def published_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """ImageNet weights by the names of their publication, renamed for :class:`EfficientNetLite`; others are left out.

    Example:
        >>> found = published_weights({"_conv_stem.weight": torch.zeros(1), "_blocks.3._bn0.bias": torch.zeros(1)})
        >>> sorted(found)
        ['blocks.3.expand.1.bias', 'stem.0.weight']
    """
    parts = {
        "_expand_conv": "expand.0",
        "_bn0": "expand.1",
        "_depthwise_conv": "around.0",
        "_bn1": "around.1",
        "_project_conv": "narrow.0",
        "_bn2": "narrow.1",
    }
    found = {}
    for name, tensor in tensors.items():
        words = name.split(".")
        if words[0] == "_blocks":
            found[".".join(["blocks", words[1], parts[words[2]], *words[3:]])] = tensor
        elif words[0] in ("_conv_stem", "_bn0"):
            found[".".join(["stem.0" if words[0] == "_conv_stem" else "stem.1", *words[1:]])] = tensor
    return found
