"""Visual networks that run stage by stage, so that a phrase can be read in between: Swin, or the compact network.

``patches`` -> ``stage`` 0 -> ``merge`` 0 -> ``stage`` 1 ..., maps with their channels last; ``output`` gives what
leaves a stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geoglot.nn.backbone import IMAGENET_DEVIATION, IMAGENET_MEAN, Backbone, ResidualStages, build_backbone
from geoglot.nn.swin import Swin, SwinSizes


class ResidualVisual(nn.Module):
    """The residual network of this package in the place of a Swin transformer, stage by stage, channels last.

    A stage begins with its own stride, so nothing lies between stages. The network is ``backbone``, by which its
    trained weights are found.

    Args:
        channels: Width of every stage.

    Example:
        >>> visual = ResidualVisual((8, 12)).eval()
        >>> visual.stage(0, visual.patches(torch.zeros(1, 3, 32, 40))).shape
        torch.Size([1, 8, 10, 8])
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.backbone: Backbone = build_backbone("compact", channels=channels)
        self.widths = tuple(channels)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in channels)

    def patches(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, ceil(H / 4), ceil(W / 4), C_0)."""
        stem: Tensor = self._network.network.stem((images - self.backbone.mean) / self.backbone.deviation)
        return stem.permute(0, 2, 3, 1)

    def stage(self, number: int, features: Tensor) -> Tensor:
        """All blocks of a stage, counted from 0. (B, H, W, C) -> (B, H', W', C')."""
        first = sum(self._network.blocks[:number])
        blocks = self._network.network.stages[first : first + self._network.blocks[number]]
        out: Tensor = blocks(features.permute(0, 3, 1, 2))
        return out.permute(0, 2, 3, 1)

    def merge(self, number: int, features: Tensor) -> Tensor:
        """The map as it is."""
        return features

    def output(self, number: int, features: Tensor) -> Tensor:
        """The stage's output norm. (B, H, W, C) -> (B, C, H, W)."""
        out: Tensor = self.norms[number](features)
        return out.permute(0, 3, 1, 2)

    @property
    def _network(self) -> ResidualStages:
        network = self.backbone.network
        if not isinstance(network, ResidualStages):
            raise TypeError(f"{type(network).__name__} has no blocks of stages")
        return network


class SwinVisual(Swin):
    """A Swin transformer that takes colours as they are, in [0, 1]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, sizes: SwinSizes) -> None:
        super().__init__(sizes)
        self.widths = sizes.widths
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION)[:, None, None], persistent=False)

    def patches(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, ceil(H / 4), ceil(W / 4), embed)."""
        return super().patches((images - self.mean) / self.deviation)
