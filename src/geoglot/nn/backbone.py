"""Image backbones that every method can start from: pixels to a pyramid of stage maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from geoglot.core.errors import UsageError
from geoglot.nn.early_networks import NAMES, early_network
from geoglot.nn.residual import ResidualNetwork
from geoglot.nn.resnet import SIZES, ResNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
AERIAL_MEAN = (0.37, 0.39, 0.36)
AERIAL_DEVIATION = (0.19, 0.18, 0.18)


class Backbone(nn.Module):
    """Colour normalisation and a network of stages.

    Attributes:
        channels: Width of every stage, finest first.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, network: nn.Module, channels: Sequence[int], *, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.network = network
        self.channels = tuple(channels)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) float32 in [0, 1] -> stage maps (B, C_k, H_k, W_k), finest first."""
        stages: tuple[Tensor, ...] = tuple(self.network((images - self.mean) / self.deviation))
        return stages


class ResidualStages(nn.Module):
    """The stages of :class:`geoglot.nn.residual.ResidualNetwork`, one map each instead of the last alone."""

    def __init__(self, network: ResidualNetwork, blocks: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.blocks = tuple(blocks)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> one map per stage, at strides 4, 8, 16 and 32."""
        features = self.network.stem(images.contiguous(memory_format=torch.channels_last))
        stages, position = [], 0
        for count in self.blocks:
            features = self.network.stages[position : position + count](features)
            position += count
            stages.append(features)
        return tuple(stages)


def build_backbone(name: str, *, channels: Sequence[int] = (40, 80, 160, 320)) -> Backbone:
    """A backbone without weights: ``compact`` (ours), ``resnet18`` to ``resnet101``, ``vgg16`` ... or ``timm:NAME``.

    Raises:
        UsageError: There is no such backbone, or it needs a package that is not installed.

    Example:
        >>> build_backbone("compact").channels, build_backbone("resnet18").channels
        ((40, 80, 160, 320), (64, 128, 256, 512))
    """
    if name == "compact":
        blocks = (2,) * len(channels)
        stages = ResidualStages(ResidualNetwork(channels, blocks), blocks)
        return Backbone(stages, channels, mean=AERIAL_MEAN, deviation=AERIAL_DEVIATION)
    if name in SIZES:
        network = ResNet(name)
        return Backbone(network, network.channels, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION)
    if name in NAMES:
        early = early_network(name)
        return Backbone(early, early.channels, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION)
    if name.startswith("timm:"):
        return _timm_backbone(name.removeprefix("timm:"))
    remedy = f"choose compact, {', '.join((*SIZES, *NAMES))}, or timm:NAME"
    raise UsageError(name, cause="is no backbone", remedy=remedy)


def _timm_backbone(name: str) -> Backbone:
    try:
        import timm
    except ImportError as error:
        remedy = "install the extra 'pretrained'"
        raise UsageError(f"timm:{name}", cause="needs timm, which is not installed", remedy=remedy) from error
    try:
        network = timm.create_model(name, pretrained=False, features_only=True)
    except RuntimeError as error:
        raise UsageError(f"timm:{name}", cause=f"cannot be made ({error})", remedy="see timm.list_models()") from error
    return Backbone(network, network.feature_info.channels(), mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION)


def compact_backbone_weights(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image network of a trained geoglot-compact run, renamed for :class:`Backbone`.

    Args:
        checkpoint: Tensors of a run's ``checkpoint.safetensors``.
    """
    prefix = "image.network."
    return {
        f"network.network.{name.removeprefix(prefix)}": tensor
        for name, tensor in checkpoint.items()
        if name.startswith(prefix)
    }
