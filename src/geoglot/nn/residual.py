"""Residual convolutional network (He et al. 2016, basic blocks) with the deep stem and pooled shortcuts of ResNet-D.

The last normalisation of every block starts at zero, so a block is the identity at first (Goyal et al. 2017), and
whole blocks are dropped at random in training (stochastic depth, Huang et al. 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution without bias, then batch normalisation. (B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut. (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride))."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, drop_probability: float = 0.0) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = convolution(outputs, outputs)
        self.drop_probability = drop_probability
        shortcut: list[nn.Module] = []
        if stride == 2:
            shortcut.append(nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False))
        if stride == 2 or inputs != outputs:
            shortcut.append(convolution(inputs, outputs, kernel=1))
        self.shortcut = nn.Sequential(*shortcut)
        last = self.second[1]
        assert isinstance(last, nn.BatchNorm2d)  # noqa: S101 (for mypy: what convolution() builds)
        nn.init.zeros_(last.weight)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride))."""
        change = self.second(torch.relu(self.first(features)))
        if self.training and self.drop_probability > 0:
            keep = torch.rand(len(change), 1, 1, 1, device=change.device) >= self.drop_probability
            change = change * (keep / (1 - self.drop_probability)).to(change.dtype)
        return torch.relu(self.shortcut(features) + change)


class ResidualNetwork(nn.Module):
    """Stages of basic blocks behind a two-convolution stem; overall stride 32 with four stages.

    Args:
        channels: Width of each stage.
        blocks: Number of blocks of each stage.
        drop_probability: Stochastic-depth probability of the last stage; earlier stages scale linearly from 0.

    Example:
        >>> network = ResidualNetwork((8, 16, 16, 24), (1, 1, 1, 1)).eval()
        >>> network(torch.zeros(2, 3, 96, 96)).shape
        torch.Size([2, 24, 3, 3])
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int], *, drop_probability: float = 0.0) -> None:
        super().__init__()
        width = channels[0]
        self.stem = nn.Sequential(
            convolution(3, width // 2, 2), nn.ReLU(), convolution(width // 2, width, 2), nn.ReLU()
        )
        stages: list[nn.Module] = []
        for stage, (outputs, count) in enumerate(zip(channels, blocks, strict=True)):
            rate = drop_probability * stage / max(1, len(channels) - 1)
            for block in range(count):
                stride = 2 if block == 0 and stage > 0 else 1
                stages.append(BasicBlock(width, outputs, stride=stride, drop_probability=rate))
                width = outputs
        self.stages = nn.Sequential(*stages)
        self.outputs = width

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, channels[-1], H/32, W/32)."""
        features: Tensor = self.stages(self.stem(images))
        return features
