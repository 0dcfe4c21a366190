"""From a training run to a model bundle: fold, export to ONNX, quantise, describe, check.

The image tower takes uint8 pixels as they are; scaling and colour normalisation are part of the network, so no caller
can get them wrong. Batch normalisation is folded into the convolutions, then weights and activations of the image
tower are quantised to 8 bits with ranges measured on training pictures (static quantisation, per channel).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from geoglot.core import registry
from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.models.bundle import FORMAT, IMAGE, NEUTRAL, TEXT, TOKENIZER
from geoglot.text.tokenizer import Tokenizer


class ImageGraph(nn.Module):
    """uint8 pixels in, unit vectors out.

    Args:
        model: The method's model.
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
    """Token ids in, unit vectors out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L) int64 -> (N, D)."""
        return F.normalize(self.model.text(tokens).float(), dim=-1)  # type: ignore[operator]


def load_run(run: Path) -> tuple[nn.Module, Tokenizer, dict[str, Any]]:
    """The weight average of a run, its tokenizer and its recipe.

    Raises:
        DataError: The folder is not a finished run.
    """
    try:
        recipe = json.loads((run / "recipe.json").read_text())
    except OSError as error:
        raise DataError(
            run, cause="is not a training run", remedy="give the folder that 'geoglot train' wrote"
        ) from error
    tensors = checkpoint.load(run / "checkpoint.safetensors")
    tokenizer = Tokenizer.load(run / "tokenizer.json")
    module = registry.load("geoglot.methods.retrieval", recipe["method"])
    sizes = {
        "vocabulary": tokenizer.size,
        "max_length": tokenizer.max_length,
        "categories": len(tensors["category_head.bias"]),
        "words": len(tensors["words_head.bias"]),
    }
    model = module.Model(module.Config(**{**sizes, **recipe["config"]}))
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    gaps = [name for name in missing if "_memory." not in name and name != "sentences_of_item"]
    if gaps or unexpected:
        raise DataError(run, cause=f"does not fit its method ({(gaps + unexpected)[0]})", remedy="train again")
    return model.eval(), tokenizer, recipe


def fold_normalisation(module: nn.Module) -> None:
    """Fold every convolution's batch normalisation into its weights, in place; the result computes the same."""
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential) and len(child) >= 2 and isinstance(child[0], nn.Conv2d):
            if isinstance(child[1], nn.BatchNorm2d):
                child[0] = fuse_conv_bn_eval(child[0], child[1])
                child[1] = nn.Identity()
        else:
            fold_normalisation(child)
        if name == "norm" and isinstance(child, nn.BatchNorm1d):
            hidden = module.hidden
            assert isinstance(hidden, nn.Linear)  # noqa: S101 (tells mypy what the tower guarantees)
            module.hidden = fuse_linear_bn_eval(hidden, child)
            module.norm = nn.Identity()


def to_onnx(graph: nn.Module, example: Tensor, path: Path, *, input_name: str, axes: Mapping[int, str]) -> None:
    """Export a graph with named input, output ``embedding`` and free axes."""
    with warnings.catch_warnings():
        # The trace-based exporter is announced as legacy, but its graphs are the ones that static quantisation reads.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            graph.eval(),
            (example,),
            str(path),
            input_names=[input_name],
            output_names=["embedding"],
            dynamic_axes={input_name: dict(axes), "embedding": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


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
    """Write ``bundle.json`` with the checksum of every file of the bundle."""
    files = {}
    for name in (IMAGE, TEXT, TOKENIZER, NEUTRAL):
        content = (folder / name).read_bytes()
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest = {"format": FORMAT, **fields, "files": files}
    (folder / "bundle.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
