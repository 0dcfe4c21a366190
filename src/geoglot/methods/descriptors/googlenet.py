"""GoogLeNet: pooled features of a network trained on ImageNet.

Paper        C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015; compared with by P. Napoletano, Visual
             descriptors for content-based retrieval of remote-sensing images, IJRS 2018
Input        a picture of any size, resized to side x side, colours from -1 to 1
Output       the mean over places of the last inception block, 1,024 numbers
Equations    nine inception blocks behind a stem of three convolutions          -> nn.googlenet.GoogLeNet
Deviations   1. Published weights in the common layout have batch normalisation, which the paper has not.
             2. Pictures are resized as they are, without a centre crop.
Reproduces   the GoogLeNet rows of the published tables, with ImageNet weights
Provenance   Architecture from the paper's table 1, parameter names of the published weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from geoglot.core.method import MethodCard
from geoglot.nn.googlenet import CLASSIFIERS, GoogLeNet
from geoglot.nn.network_descriptor import NetworkDescriptor, with_weights

METHOD = MethodCard(
    title="GoogLeNet",
    paper="Szegedy et al., Going Deeper with Convolutions, CVPR 2015",
    kind="descriptor",
    counted="the network up to the pooled features, without classifiers",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Weights and sizes.

    Attributes:
        weights: A ``.safetensors`` file, or ``untrained``.
        side: Side that pictures are resized to, pixels.
        shrink: Divides every width, for tests.
    """

    weights: str = ""
    side: int = 224
    shrink: int = 1


class Model(NetworkDescriptor):
    """The network with its weights.

    Raises:
        UsageError: No weights are given.
        DataError: The weights do not fit.
    """

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        network = with_weights(lambda: GoogLeNet(config.shrink), config.weights, beyond=CLASSIFIERS)
        half = (0.5, 0.5, 0.5)
        super().__init__(network, dimension=1024 // config.shrink, side=config.side, mean=half, deviation=half)


SMALL: dict[str, Any] = {"weights": "untrained", "side": 32, "shrink": 8}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without classifiers.

    Example:
        >>> paper_parameters()
        5599904
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in GoogLeNet().parameters())
