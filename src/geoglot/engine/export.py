"""From a training run to a model bundle: fold, export to ONNX, quantise, describe, check.

The image tower takes uint8 pixels as they are; scaling and colour normalisation are part of the network, so no caller
can get them wrong. Batch normalisation is folded into the convolutions, then weights and activations of the image
tower are quantised to 8 bits with ranges measured on training pictures (static quantisation, per channel).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from geoglot.core.errors import BundleError
from geoglot.models.bundle import BATCH, FILES_OF_KIND, FORMAT_OF_KIND, PLACES, WORDS, open_network

_REMEDY: Final = "see which part of the method depends on numbers that a fixed graph does not know"
EXPORT_TOLERANCE: Final = 1e-4
"""How far an exported network may be from the one that was trained, per value."""


class ImageGraph(nn.Module):
    """uint8 pixels in, vectors out.

    Args:
        model: Takes pixels: a method, or a backbone and the method that starts from its stage maps.
        mirrored: Also embed the mirror image and average the two; twice the work, steadier vectors.
    """

    def __init__(self, model: nn.Module, *, mirrored: bool = False) -> None:
        super().__init__()
        self.model = model
        self.mirrored = mirrored

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, D)."""
        images = pixels.to(torch.float32).permute(0, 3, 1, 2) / 255
        out: Tensor = self.model.encode_image(images)  # type: ignore[operator]
        if self.mirrored:
            out = F.normalize(out + self.model.encode_image(images.flip(3)), dim=-1)  # type: ignore[operator]
        return out


class TextGraph(nn.Module):
    """Token ids in, vectors out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L) int64 -> (N, D)."""
        out: Tensor = self.model.encode_text(tokens)  # type: ignore[operator]
        return out


def fold_normalisation(module: nn.Module) -> None:
    """Fold batch normalisation into the convolution or hidden layer before it, in place; the result is the same.

    Known shapes: a sequence that begins with both, and a layer ``hidden`` with its ``norm``. Others are left as they
    are, and the exporter folds what it can.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential) and len(child) >= 2 and isinstance(child[0], nn.Conv2d):
            if isinstance(child[1], nn.BatchNorm2d):
                child[0] = fuse_conv_bn_eval(child[0], child[1])
                child[1] = nn.Identity()
        else:
            fold_normalisation(child)
        hidden = getattr(module, "hidden", None)
        if name == "norm" and isinstance(child, nn.BatchNorm1d) and isinstance(hidden, nn.Linear):
            module.hidden = fuse_linear_bn_eval(hidden, child)
            module.norm = nn.Identity()


def to_onnx(
    graph: nn.Module,
    examples: Sequence[Tensor],
    path: Path,
    *,
    inputs: Mapping[str, Mapping[int, str]],
    outputs: Mapping[str, Mapping[int, str]],
) -> None:
    """Export a graph and make sure that ONNX Runtime computes what torch computes.

    Args:
        graph: The network.
        examples: One tensor per input; see :func:`onnx_gap`.
        path: File to write.
        inputs: Name of every input with its free axes.
        outputs: Name of every output with its free axes.

    Raises:
        BundleError: A value differs by more than :data:`EXPORT_TOLERANCE`, or the network cannot be exported.
    """
    graph.eval()
    with warnings.catch_warnings(), _silent():
        # The trace-based exporter is announced as legacy, but its graphs are the ones that static quantisation reads.
        # It warns of every Python number in a graph (onnx_gap tells those that matter), and prints a graph that fails.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph,
                tuple(examples),
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: dict(axes) for name, axes in {**inputs, **outputs}.items() if axes},
                opset_version=17,
                dynamo=False,
            )
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            cause = f"cannot be exported to ONNX ({str(error).splitlines()[0]})"
            raise BundleError(path, cause=cause, remedy=_REMEDY) from error
    gap = onnx_gap(graph, examples, path, list(inputs))
    if not gap <= EXPORT_TOLERANCE:
        cause = f"computes something else than the trained network (a value is off by {gap:.2g})"
        raise BundleError(path, cause=cause, remedy="report the method; its bundle would be wrong")


@contextmanager
def _silent() -> Iterator[None]:
    """Send standard output nowhere, also what compiled code prints: the exporter's dumps are no data."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@torch.no_grad()
def onnx_gap(graph: nn.Module, examples: Sequence[Tensor], path: Path, inputs: Sequence[str]) -> float:
    """The greatest difference between a network in torch and in ONNX Runtime.

    On all examples, on the first alone, and on more of them than a bundle ever takes at once, so that no number of
    rows is part of the graph. A NaN on either side counts as an infinite difference.
    """
    network = open_network(path.read_bytes(), 1)
    worst = 0.0
    many = [tensor[torch.arange(BATCH + 1) % len(tensor)] for tensor in examples]
    for some in (list(examples), [tensor[:1] for tensor in examples], many):
        expected = graph(*some)
        expected = expected if isinstance(expected, tuple) else (expected,)
        known = {given.name for given in network.get_inputs()}  # an input that nothing depends on is left out
        fed = {name: tensor.numpy() for name, tensor in zip(inputs, some, strict=True) if name in known}
        try:
            got = network.run(None, fed)
        except Exception as error:  # ONNX Runtime has no common class
            raise BundleError(path, cause=f"works for one shape alone ({error})", remedy=_REMEDY) from error
        for one, other in zip(expected, got, strict=True):
            difference = np.abs(one.numpy().astype(np.float64) - other)
            worst = max(worst, float(difference.max(initial=0.0)) if np.isfinite(difference).all() else float("inf"))
    return worst


def quantise_images(source: Path, target: Path, pictures: NDArray[np.uint8], *, keep: Sequence[str] = ()) -> None:
    """Static 8-bit quantisation of convolutions.

    Args:
        source: The float network.
        target: Where the 8-bit network goes.
        pictures: (N, S, S, 3) uint8, from which the ranges of activations are measured.
        keep: Names of nodes that stay in float.
    """
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(pictures, max(1, len(pictures) // 16)))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"pixels": batch}

    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(target),
        Pictures(),
        per_channel=True,
        reduce_range=False,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Add"],
        nodes_to_exclude=list(keep),
        calibrate_method=CalibrationMethod.MinMax,
    )
    prepared.unlink()


def write_manifest(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write ``bundle.json`` with the checksum of every file of the bundle; its kind decides which and the format."""
    files = {}
    optional = [name for name in (WORDS, PLACES) if (folder / name).is_file()]
    for name in (*FILES_OF_KIND[str(fields["kind"])], *optional):
        content = (folder / name).read_bytes()
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest = {"format": FORMAT_OF_KIND[str(fields["kind"])], **fields, "files": files}
    (folder / "bundle.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
