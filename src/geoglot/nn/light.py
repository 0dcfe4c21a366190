"""A light image network: squeeze and expand (Iandola et al. 2016, SqueezeNet), arranged in four stages.

A fire block squeezes its input to few channels with 1x1 convolutions and expands them again, half with 1x1 and half
with 3x3 convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = (128, 256, 384, 512)


class Fire(nn.Module):
    """Squeeze to ``outputs / 8`` channels, expand to ``outputs``. (B, inputs, H, W) -> (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        squeezed = outputs // 8
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand_points = nn.Conv2d(squeezed, outputs // 2, 1)
        self.expand_neighbours = nn.Conv2d(squeezed, outputs // 2, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        squeezed = torch.relu(self.squeeze(features))
        return torch.relu(torch.cat([self.expand_points(squeezed), self.expand_neighbours(squeezed)], 1))


class LightNetwork(nn.Module):
    """Pixels to the maps of four stages at strides 4, 8, 16 and 32, two fire blocks each: 722,496 parameters.

    Example:
        >>> [tuple(stage.shape[1:]) for stage in LightNetwork()(torch.zeros(1, 3, 64, 64))]
        [(128, 16, 16), (256, 8, 8), (384, 4, 4), (512, 2, 2)]
    """

    channels = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, 2, 1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs, stages = 64, []
        for outputs in CHANNELS:
            stages.append(nn.Sequential(Fire(inputs, outputs), Fire(outputs, outputs)))
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> four maps, finest first."""
        features, maps = torch.relu(self.stem(images)), []
        for stage in self.stages:
            features = stage(self.pool(features))
            maps.append(features)
        return tuple(maps)
