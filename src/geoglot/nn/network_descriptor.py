"""Descriptors whose vectors a network computes, and the published weights that it starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.descriptor import Descriptor
from geoglot.core.errors import DataError, UsageError
from geoglot.geo.resample import to_square
from geoglot.nn.backbone import IMAGENET_DEVIATION, IMAGENET_MEAN

PICKLES: Final = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".mat")
UNTRAINED: Final = "untrained"
"""In place of a source of weights: random ones, always the same. A base line, and what tests run with."""
HUB: Final = "timm:"


class NetworkDescriptor(Descriptor):
    """Pixels through a network, a batch at a time.

    Args:
        network: (B, 3, side, side), normalised -> (B, D).
        dimension: D.
        side: Side that pictures are resized to, pixels.
        mean: Of the colours that the network was trained with, of [0, 1].
        deviation: Their standard deviation.
        batch: Pictures at once.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        *,
        dimension: int,
        side: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        deviation: Sequence[float] = IMAGENET_DEVIATION,
        batch: int = 16,
    ) -> None:
        self.network = network
        self.dimension = dimension
        self.side = side
        self.batch = batch
        self._mean = torch.tensor(mean)[:, None, None]
        self._deviation = torch.tensor(deviation)[:, None, None]

    def features(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> what the network gives, (N, ...) float32."""
        squares = np.stack([to_square(picture, self.side) for picture in pictures])
        pixels = torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            found = self.network((pixels - self._mean) / self._deviation)
        return np.asarray(found.float().numpy(), np.float32)

    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> (N, D) float32."""
        return self.features(pictures)


def with_weights(
    build: Callable[[], nn.Module],
    source: str,
    *,
    published: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
    beyond: tuple[str, ...] = (),
) -> nn.Module:
    """A network in evaluation mode with weights from a source.

    Args:
        build: Makes the network.
        source: A ``.safetensors`` file, ``timm:NAME`` for the file of that name on the hub, or ``untrained``.
        published: Renames published tensors.
        beyond: Prefixes of published tensors that the network leaves out, such as a classifier.

    Raises:
        UsageError: No source was given, or a name needs a package that is not installed.
        DataError: The file is absent, a pickle, damaged, or does not fit; the first tensor at fault is named.

    Example:
        >>> with_weights(lambda: nn.Linear(2, 1), "untrained").training
        False
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build().eval()
    if source == UNTRAINED:
        return network
    tensors = {
        name: tensor
        for name, tensor in published(read_weights(source)).items()
        if not name.startswith(beyond or "\0") and not name.endswith(".num_batches_tracked")
    }
    expected = {n: t for n, t in network.state_dict().items() if not n.endswith(".num_batches_tracked")}
    for name, tensor in expected.items():
        if name not in tensors:
            raise _misfit(source, f"has no tensor {name!r}, which the network needs as {tuple(tensor.shape)}")
        if tensors[name].shape != tensor.shape:
            cause = f"tensor {name!r} should have the shape {tuple(tensor.shape)}, but has {tuple(tensors[name].shape)}"
            raise _misfit(source, cause)
    others = sorted(set(tensors) - set(expected))
    if others:
        raise _misfit(source, f"holds the tensor {others[0]!r}, for which the network has no place")
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    return network


def read_weights(source: str) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file, or of timm's file on the hub. No pickle is ever opened.

    Raises:
        UsageError: No source was given, or the name needs a package that is not installed.
        DataError: The file is absent, a pickle or damaged; or the download failed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not source:
        remedy = "give Config(weights=...): a .safetensors file or timm:NAME; convert others by convert-checkpoint"
        raise UsageError("weights", cause="are not given, and this network has none of its own", remedy=remedy)
    path = _downloaded(source) if source.startswith(HUB) else Path(source)
    if path.suffix in PICKLES:
        remedy = f"convert it once: geoglot convert-checkpoint {path} {path.with_suffix('.safetensors').name}"
        raise DataError(path, cause="may run code when it is opened; it is never loaded", remedy=remedy)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DataError(path, cause=f"is not a readable checkpoint ({error})", remedy="check the path") from error


def _downloaded(source: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        remedy = "install the extra 'pretrained', or give a local .safetensors file"
        raise UsageError(source, cause="needs huggingface_hub, which is not installed", remedy=remedy) from error
    try:
        return Path(hf_hub_download(f"timm/{source.removeprefix(HUB)}", "model.safetensors"))
    except Exception as error:
        remedy = "go online, or download the file elsewhere and give its path"
        raise DataError(
            source, cause=f"cannot be downloaded ({type(error).__name__}: {error})", remedy=remedy
        ) from error


def _misfit(source: str, cause: str) -> DataError:
    return DataError(source, cause=cause, remedy="choose weights that were made for this network")
