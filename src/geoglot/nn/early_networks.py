"""The stages of AlexNet, VGG and GoogLeNet as backbones, with the parameter names that published ImageNet weights use.

Four maps each, finest first, at strides 4, 8, 16 and 32; AlexNet's third has the stride of its second. Classifiers are
left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from torch import Tensor, nn

from geoglot.nn.googlenet import POOLED_BEFORE, GoogLeNet

VGG_DEPTHS: Final = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each block (Simonyan and Zisserman, ICLR 2015, configurations D and E)."""
VGG_WIDTHS: Final = (64, 128, 256, 512, 512)
ALEXNET_LAYERS: Final = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
"""Width, kernel, stride and padding of each convolution (Krizhevsky, 2014, one column)."""
NAMES: Final = ("alexnet", *VGG_DEPTHS, "googlenet")


class VGGStages(nn.Module):
    """The last four blocks of VGG, each after its pool.

    Args:
        name: ``vgg16`` or ``vgg19``.

    Example:
        >>> import torch
        >>> [tuple(stage.shape[1:]) for stage in VGGStages("vgg16").eval()(torch.zeros(1, 3, 64, 64))]
        [(128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    """

    channels = VGG_WIDTHS[1:]

    def __init__(self, name: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width, depth in zip(VGG_WIDTHS, VGG_DEPTHS[name], strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> four maps."""
        return _after_pools(self.features, images)[1:]


class AlexNetStages(nn.Module):
    """The three pools of AlexNet, and its last convolution before the third.

    Example:
        >>> import torch
        >>> [tuple(stage.shape[1:]) for stage in AlexNetStages().eval()(torch.zeros(1, 3, 224, 224))]
        [(64, 27, 27), (192, 13, 13), (256, 13, 13), (256, 6, 6)]
    """

    channels = (64, 192, 256, 256)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for number, (width, kernel, stride, padding) in enumerate(ALEXNET_LAYERS):
            layers += [nn.Conv2d(inputs, width, kernel, stride, padding), nn.ReLU()]
            if number in (0, 1, 4):
                layers.append(nn.MaxPool2d(3, 2))
            inputs = width
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> four maps."""
        first, second = _after_pools(list(self.features)[:6], images)
        last = self.features[6:-1](second)
        return first, second, last, self.features[-1](last)


class GoogLeNetStages(GoogLeNet):
    """The convolutions before the first block of GoogLeNet, and its three groups of blocks.

    Example:
        >>> import torch
        >>> [tuple(stage.shape[1:]) for stage in GoogLeNetStages().eval()(torch.zeros(1, 3, 64, 64))]
        [(192, 16, 16), (480, 8, 8), (832, 4, 4), (1024, 2, 2)]
    """

    channels = (192, 480, 832, 1024)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """(B, 3, H, W), normalised -> four maps."""
        pool = nn.functional.max_pool2d
        features = pool(self.conv1(images), 3, 2, ceil_mode=True)
        features = self.conv3(self.conv2(features))
        stages = [features]
        features = pool(features, 3, 2, ceil_mode=True)
        for name in self.blocks:
            if name in POOLED_BEFORE:
                stages.append(features)
                features = pool(features, POOLED_BEFORE[name], 2, ceil_mode=True)
            features = self.get_submodule(name)(features)
        return (*stages, features)


def _after_pools(layers: Iterable[nn.Module], images: Tensor) -> tuple[Tensor, ...]:
    """What each pool of a network gives."""
    found = []
    for layer in layers:
        images = layer(images)
        if isinstance(layer, nn.MaxPool2d):
            found.append(images)
    return tuple(found)


def early_network(name: str) -> VGGStages | AlexNetStages | GoogLeNetStages:
    """One of :data:`NAMES`."""
    if name == "alexnet":
        return AlexNetStages()
    return GoogLeNetStages() if name == "googlenet" else VGGStages(name)
