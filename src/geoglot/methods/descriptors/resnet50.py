"""ResNet-50: pooled features of a network trained on ImageNet, or fine-tuned on scenes from above (SatResNet-50).

Paper        K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016; P. Napoletano,
             Visual descriptors for content-based retrieval of remote-sensing images, IJRS 2018 (SatResNet-50)
Input        a picture of any size, resized to side x side, ImageNet's mean and deviation
Output       the mean over places of the last stage, 2,048 numbers, none below 0
Equations    four stages of bottleneck blocks, strides 4 to 32                     -> nn.resnet.ResNet
Deviations   1. The weights of SatResNet-50 are not published; the default is ImageNet's. Fine-tuned weights of the same
                layout load from a file.
             2. The stride of a bottleneck is in its 3 x 3 convolution, as in the weights that circulate.
             3. Pictures are resized as they are, without a centre crop.
Reproduces   the ResNet-50 rows of the published tables as far as the weights are theirs
Provenance   The residual network that the other methods use, parameter names of the published weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.network_descriptor import NetworkDescriptor, with_weights
from geoglot.nn.resnet import SIZES, ResNet

METHOD = MethodCard(
    title="ResNet-50",
    paper="He et al., Deep Residual Learning, CVPR 2016; as SatResNet-50: Napoletano, IJRS 2018",
    kind="descriptor",
    counted="the network up to the pooled features",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Weights and sizes.

    Attributes:
        weights: A ``.safetensors`` file, ``timm:NAME``, or ``untrained``.
        network: ``resnet18``, ``resnet34``, ``resnet50`` or ``resnet101``.
        side: Side that pictures are resized to, pixels.
    """

    weights: str = "timm:resnet50.tv_in1k"
    network: str = "resnet50"
    side: int = 224


def pooled(network: nn.Module, images: Tensor) -> Tensor:
    """Mean over places of the last stage. (B, 3, H, W), normalised -> (B, C)."""
    last: Tensor = network(images)[-1]
    return last.mean((2, 3))


class Model(NetworkDescriptor):
    """The network with its weights.

    Raises:
        UsageError: The weights need a package that is not installed.
        DataError: The weights cannot be had or do not fit.
    """

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        network = with_weights(lambda: ResNet(config.network), config.weights, beyond=("fc.",))
        width = 512 if SIZES[config.network][0] == "basic" else 2048
        super().__init__(lambda images: pooled(network, images), dimension=width, side=config.side)


SMALL: dict[str, Any] = {"weights": "untrained", "side": 32, "network": "resnet18"}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the classifier.

    Example:
        >>> paper_parameters()  # 25,557,032 with the classifier of 2,049,000
        23508032
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in ResNet("resnet50").parameters())
