"""GoogLeNet (Szegedy et al., CVPR 2015, table 1) with batch normalisation, named as published weights are.

5,599,904 parameters up to the pooled features. The auxiliary and the last classifier are left out, since no method here
classifies. As in the published weights, the branch that the paper calls 5x5 has 3x3 convolutions.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

Sizes = tuple[int, int, int, int, int, int]

STEM: Final = (64, 64, 192)
BLOCKS: Final[dict[str, Sizes]] = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
"""Of each block: 1x1; 1x1 and 3x3; 1x1 and the branch called 5x5; 1x1 behind the pool."""
POOLED_BEFORE: Final = {"inception4a": 3, "inception5a": 2}
CLASSIFIERS: Final = ("fc.", "aux1.", "aux2.")
"""What published weights have beyond this network."""


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, ReLU. (B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""
        return torch.relu(self.bn(self.conv(features)))


class Inception(nn.Module):
    """Four branches side by side. (B, inputs, H, W) -> (B, outputs, H, W)."""

    def __init__(self, inputs: int, sizes: Sizes) -> None:
        super().__init__()
        one, narrow3, three, narrow5, five, pooled = sizes
        self.branch1 = Convolution(inputs, one)
        self.branch2 = nn.Sequential(Convolution(inputs, narrow3), Convolution(narrow3, three, 3))
        self.branch3 = nn.Sequential(Convolution(inputs, narrow5), Convolution(narrow5, five, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Convolution(inputs, pooled))
        self.outputs = one + three + five + pooled

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(features) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """Pixels to the pooled features.

    Args:
        shrink: Divides every width, for tests.

    Example:
        >>> GoogLeNet(shrink=8).eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 128])
    """

    def __init__(self, shrink: int = 1) -> None:
        super().__init__()
        first, second, third = (width // shrink for width in STEM)
        self.conv1 = Convolution(3, first, 7, 2)
        self.conv2 = Convolution(first, second)
        self.conv3 = Convolution(second, third, 3)
        self.blocks = tuple(BLOCKS)
        inputs = third
        for name, sizes in BLOCKS.items():
            one, narrow3, three, narrow5, five, pooled = (size // shrink for size in sizes)
            block = Inception(inputs, (one, narrow3, three, narrow5, five, pooled))
            setattr(self, name, block)
            inputs = block.outputs
        self.outputs = inputs

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, outputs)."""
        pool = nn.functional.max_pool2d
        features = pool(self.conv1(images), 3, 2, ceil_mode=True)
        features = pool(self.conv3(self.conv2(features)), 3, 2, ceil_mode=True)
        for name in self.blocks:
            if name in POOLED_BEFORE:
                features = pool(features, POOLED_BEFORE[name], 2, ceil_mode=True)
            features = getattr(self, name)(features)
        return features.mean((2, 3))
