"""Our own backbone: what the image network of a trained run, or of a bundle, says about a picture.

Paper        none; a network of this project, compared with the published descriptors
Input        a picture of any size, resized to side x side
Output       of a run the mean over places of the last stage, 320 numbers; of a bundle its vector, 256, of length 1
Equations    mean over places of the last stage                                -> pooled
             of a bundle: its image network in ONNX Runtime, without torch     -> bundle_vectors
Deviations   1. A bundle has no stages to take: its vector is that of the sphere which pictures share with texts.
Reproduces   nothing published
Provenance   Ours
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.descriptor import Descriptor
from geoglot.core.errors import DataError, UsageError
from geoglot.core.method import MethodCard
from geoglot.geo.resample import to_square
from geoglot.models.bundle import Bundle, available, load_bundle

if TYPE_CHECKING:
    from torch import Tensor, nn

METHOD = MethodCard(
    title="Our backbone",
    paper="none; a network of this project",
    kind="descriptor",
    counted="the network up to the pooled features",
)
VALIDATION_SIDE = 144
"""Side at which our runs are validated, pixels."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where the network comes from.

    Attributes:
        source: A bundle's name or folder; or the folder of a run of geoglot-compact.
        side: Side that pictures are resized to, pixels; 0: the bundle's, or 144. A bundle takes no other than its own.
    """

    source: str = "compact"
    side: int = 0


def pooled(network: nn.Module, images: Tensor) -> Tensor:
    """Mean over places of the last stage. (B, 3, H, W) in [0, 1] -> (B, C)."""
    last: Tensor = network(images)[-1]
    return last.mean((2, 3))


def bundle_vectors(bundle: Bundle, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Vectors of pictures of any sizes. -> (N, D) float32 of length 1."""
    return bundle.encode_images(np.stack([to_square(picture, bundle.side) for picture in pictures]))


class Model(Descriptor):
    """A bundle or a network.

    Raises:
        UsageError: The source is neither, or the side is not the bundle's.
        DataError: The run or file is damaged or of another method.
        BundleError: The bundle is damaged or of a newer format.
    """

    batch = 16

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        self._vectors: Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
        path = Path(config.source)
        if (path / "recipe.json").is_file():
            network = _network_descriptor(path, config.side or VALIDATION_SIDE)
            self._vectors, self.dimension = network.features, network.dimension
            return
        if config.source not in available() and not (path / "bundle.json").is_file():
            remedy = f"give {', '.join(available())}, or the folder of a bundle or of a run"
            raise UsageError(config.source, cause="is neither a bundle nor a run", remedy=remedy)
        bundle = load_bundle(config.source, threads=1)
        if config.side not in (0, bundle.side):
            remedy = "leave the side out, or give a run"
            raise UsageError(f"side {config.side}", cause=f"is not that of {bundle.id}, {bundle.side}", remedy=remedy)
        self._vectors, self.dimension = lambda pictures: bundle_vectors(bundle, pictures), bundle.dimension

    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> (N, D) float32."""
        return self._vectors(pictures)


def _network_descriptor(path: Path, side: int) -> Any:
    """The image network of a run or of a file, as a :class:`geoglot.nn.network_descriptor.NetworkDescriptor`."""
    from geoglot.nn.backbone import build_backbone, compact_backbone_weights
    from geoglot.nn.network_descriptor import NetworkDescriptor, with_weights

    channels = tuple(_recipe(path).get("channels", (40, 80, 160, 320)))
    network = with_weights(
        lambda: build_backbone("compact", channels=channels),
        str(path / "checkpoint.safetensors"),
        published=compact_backbone_weights,
    )
    return NetworkDescriptor(
        lambda images: pooled(network, images),
        dimension=channels[-1],
        side=side,
        mean=(0.0, 0.0, 0.0),  # the network takes colours in [0, 1]
        deviation=(1.0, 1.0, 1.0),
    )


def _recipe(run: Path) -> dict[str, Any]:
    """The configuration of a run of geoglot-compact."""
    file = run / "recipe.json"
    try:
        recipe = json.loads(file.read_text(encoding="utf-8"))
        method, config = recipe["method"], dict(recipe["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(file, cause=f"is not the recipe of a run ({error})", remedy="give a run folder") from error
    if method != "compact":
        remedy = "give the run of geoglot-compact whose backbone it used"
        raise DataError(run, cause=f"is a run of {method}, which has no image network of its own", remedy=remedy)
    return config


SMALL: dict[str, Any] = {"source": "compact"}
"""The shipped bundle is small enough for the contract tests."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters of the network up to the last stage.

    Example:
        >>> paper_parameters()
        4372180
    """
    import torch

    from geoglot.nn.backbone import build_backbone

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_backbone("compact").parameters())
