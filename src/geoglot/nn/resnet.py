"""The residual networks of He et al. 2016 (CVPR), tables 1, with the parameter names that published weights use.

ImageNet weights in safetensors load with ``load_state_dict``; ``fc`` is left out, since no method here classifies.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

SIZES: Final = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
}


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    """Two 3x3 convolutions. (B, inputs, H, W) -> (B, width, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H/stride, W/stride)."""
        change = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(features)))))
        kept = features if self.downsample is None else self.downsample(features)
        return torch.relu(change + kept)


class Bottleneck(nn.Module):
    """1x1, 3x3 (which carries the stride) and 1x1 convolutions. -> (B, 4 width, H/stride, W/stride)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 4 width, H/stride, W/stride)."""
        change = torch.relu(self.bn1(self.conv1(features)))
        change = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(change)))))
        kept = features if self.downsample is None else self.downsample(features)
        return torch.relu(change + kept)


class ResNet(nn.Module):
    """Pixels to the maps of the four stages.

    Args:
        name: One of ``SIZES``.

    Example:
        >>> network = ResNet("resnet18").eval()
        >>> [tuple(stage.shape[1:]) for stage in network(torch.zeros(1, 3, 64, 64))]
        [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        kind, depths = SIZES[name]
        block = Basic if kind == "basic" else Bottleneck
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, channels = 64, []
        for stage, depth in enumerate(depths):
            width = 64 * 2**stage
            blocks: list[nn.Module] = []
            for position in range(depth):
                blocks.append(block(inputs, width, 2 if stage and position == 0 else 1))
                inputs = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            channels.append(inputs)
        self.channels = tuple(channels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> four maps at strides 4, 8, 16 and 32."""
        features = self.maxpool(torch.relu(self.bn1(self.conv1(images))))
        stages = []
        for stage in range(4):
            features = getattr(self, f"layer{stage + 1}")(features)
            stages.append(features)
        return tuple(stages)
