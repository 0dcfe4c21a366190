"""VGG-16: the second fully connected layer of a network trained on ImageNet.

Paper        K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015;
             compared with by P. Napoletano, Visual descriptors for content-based retrieval of remote-sensing images,
             IJRS 2018
Input        a picture of any size, resized to side x side, ImageNet's mean and deviation
Output       4,096 numbers, none below 0
Equations    thirteen 3 x 3 convolutions, two fully connected layers with ReLU     -> nn.vgg.VGG16
Deviations   1. Which layer the published row took is not said; the second fully connected one is usual.
             2. Pictures are resized as they are, without a centre crop.
Reproduces   the VGG-16 row of the published tables, with ImageNet weights
Provenance   Architecture from the paper's table 1 (D), parameter names of the published weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from geoglot.core.method import MethodCard
from geoglot.nn.network_descriptor import NetworkDescriptor, with_weights
from geoglot.nn.vgg import CLASSIFIER, VGG16, WIDTHS, published_weights

METHOD = MethodCard(
    title="VGG-16",
    paper="Simonyan, Zisserman, Very Deep Convolutional Networks, ICLR 2015",
    kind="descriptor",
    counted="the network up to its second fully connected layer",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Weights and sizes.

    Attributes:
        weights: A ``.safetensors`` file, ``timm:NAME``, or ``untrained``.
        side: Side that pictures are resized to, pixels.
        widths: Channels of the five blocks.
        hidden: Width of the fully connected layers.
    """

    weights: str = "timm:vgg16.tv_in1k"
    side: int = 224
    widths: tuple[int, ...] = WIDTHS
    hidden: int = 4096


class Model(NetworkDescriptor):
    """The network with its weights.

    Raises:
        UsageError: The weights need a package that is not installed.
        DataError: The weights cannot be had or do not fit.
    """

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        network = with_weights(
            lambda: VGG16(config.widths, config.hidden),
            config.weights,
            published=published_weights,
            beyond=CLASSIFIER,
        )
        super().__init__(network, dimension=config.hidden, side=config.side)


SMALL: dict[str, Any] = {"weights": "untrained", "side": 32, "widths": (4, 4, 8, 8, 8), "hidden": 12}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the last layer.

    Example:
        >>> paper_parameters()  # 138,357,544 with the last layer of 4,097,000
        134260544
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in VGG16().parameters())
