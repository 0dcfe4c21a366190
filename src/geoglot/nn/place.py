"""Local descriptors of a picture: what is at each place of a grid, told alike in every season, light and camera.

The maps of an image network at strides 8 and 16, each less its mean over the picture and of unit length, go through two
1x1 convolutions. All of it learns: two views of one picture, the positions that show the same spot agree, all others
differ.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.backbone import Backbone

STRIDE = 8
FINE, COARSE = 1, 2
"""Stages of a backbone whose maps are used, at strides 8 and 16."""


class PlaceTrunk(nn.Module):
    """Pixels to the concatenated maps of a backbone.

    Args:
        backbone: With stages at strides 4, 8, 16 and so on; those after the third are not used, and not exported.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.channels = backbone.channels[FINE] + backbone.channels[COARSE]

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, S, S, 3) uint8, S a multiple of 16 -> (N, channels, S / 8, S / 8)."""
        stages = self.backbone(pixels.to(torch.float32).permute(0, 3, 1, 2) / 255)
        coarse = F.interpolate(stages[COARSE], scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.cat([_apart(stages[FINE]), _apart(coarse)], dim=1)


def _apart(maps: Tensor) -> Tensor:
    """What sets a position apart from the picture's average; of unit length."""
    return F.normalize(maps - maps.mean((2, 3), keepdim=True), dim=1)


class PlaceHead(nn.Module):
    """Maps to descriptors.

    Args:
        inputs: Channels of the maps.
        hidden: Width between the two convolutions.
        dimension: Of a descriptor.
    """

    def __init__(self, inputs: int, *, hidden: int = 192, dimension: int = 64) -> None:
        super().__init__()
        self.straight = nn.Conv2d(inputs, dimension, 1, bias=False)
        self.hidden = nn.Conv2d(inputs, hidden, 1)
        self.projection = nn.Conv2d(hidden, dimension, 1)
        nn.init.orthogonal_(self.straight.weight.view(dimension, inputs))
        nn.init.zeros_(self.projection.weight)
        nn.init.constant_(self.projection.get_parameter("bias"), 0.0)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, G, G) -> (B, G x G, dimension), unit rows, row by row of the grid."""
        described = self.straight(maps) + self.projection(F.relu(self.hidden(maps)))
        return F.normalize(described, dim=1).flatten(2).transpose(1, 2)


class PlaceNetwork(nn.Module):
    """Pixels to descriptors.

    Args:
        trunk: The image network's part.
        head: Maps to descriptors.
    """

    def __init__(self, trunk: PlaceTrunk, head: PlaceHead) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, (S / 8)^2, dimension)."""
        descriptors: Tensor = self.head(self.trunk(pixels))
        return descriptors
