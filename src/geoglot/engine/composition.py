"""From a recipe to a network: the method's configuration, its model, and a backbone below it where one is trained."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint
from geoglot.engine.optimisers import adversary_parameters, parameter_groups, with_backbone
from geoglot.engine.recipe import Recipe, known_fields
from geoglot.nn.backbone import Backbone, build_backbone, compact_backbone_weights
from geoglot.nn.batch import PairBatch
from geoglot.nn.two_tower import Features, Pyramid, RetrievalModel, TwoTower

PACKAGE = "geoglot.methods.retrieval"
CHECKPOINT = "checkpoint.safetensors"
CLASSIFIERS = ("fc.", "classifier.", "head.", "pre_logits.", "aux1.", "aux2.")
"""What published weights have beyond a backbone."""


class Composed(RetrievalModel):
    """A backbone and a method that starts from its stage maps, trained together: pixels in, scores out."""

    image_input = "pixels"

    def __init__(self, backbone: Backbone, method: RetrievalModel) -> None:
        super().__init__()
        self.backbone = backbone
        self.method = method

    def pyramid(self, images: Tensor | Pyramid) -> Pyramid:
        """(B, 3, H, W) in [0, 1] -> stage maps; maps pass through."""
        stages: Pyramid = self.backbone(images) if isinstance(images, Tensor) else images
        return stages

    def image_features(self, images: Tensor | Pyramid) -> Features:
        """Pixels to the method's features."""
        return self.method.image_features(self.pyramid(images))

    def text_features(self, tokens: Tensor) -> Features:
        """Tokens to the method's features."""
        return self.method.text_features(tokens)

    def similarity(self, images: Features, texts: Features) -> Tensor:
        """The method's scores. -> (B, T)."""
        return self.method.similarity(images, texts)

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """Pixels to unit rows (B, D), of a two-tower method."""
        return two_tower(self.method).encode_image(self.pyramid(images))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Tokens to unit rows (T, D), of a two-tower method."""
        return two_tower(self.method).encode_text(tokens)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The method's losses on the maps of the batch."""
        return self.method.losses(dataclasses.replace(batch, pyramid=self.pyramid(batch.images)))

    def start_epoch(self, epoch: int) -> None:
        """Tell the method, if it wants to know."""
        own = getattr(self.method, "start_epoch", None)
        if callable(own):
            own(epoch)

    def adversary_parameters(self) -> list[nn.Parameter]:
        """The method's."""
        return adversary_parameters(self.method)


def two_tower(model: nn.Module) -> TwoTower:
    """The method of a model, as one that gives vectors.

    Raises:
        UsageError: Its score needs both sides.
    """
    method = model.method if isinstance(model, Composed) else model
    if not isinstance(method, TwoTower):
        remedy = "choose a two-tower method, or re-rank with this one"
        raise UsageError(type(method).__module__, cause="has no vectors: its score needs both sides", remedy=remedy)
    return method


def stored_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint holds: the method's tensors by their own names, a trained backbone's after ``backbone.``."""
    return {name.removeprefix("method."): tensor for name, tensor in model.state_dict().items()}


def is_two_tower(model: nn.Module) -> bool:
    """Whether a model gives a vector per image and per text."""
    return isinstance(model.method if isinstance(model, Composed) else model, TwoTower)


def method_module(name: str) -> ModuleType:
    """The file of a retrieval method.

    Raises:
        UsageError: There is none; the message suggests the nearest name.
    """
    return registry.load(PACKAGE, name)


def configure(module: ModuleType, given: Mapping[str, Any], overrides: Mapping[str, Any]) -> Any:
    """The method's ``Config``: what the data ask for where the method has such a field, then the recipe's overrides.

    Raises:
        UsageError: An override is no field of the configuration.
    """
    known = {f.name for f in dataclasses.fields(module.Config)}
    fitting = {name: value for name, value in given.items() if name in known}
    subject = f"method {module.__name__.rpartition('.')[2]}"
    chosen = known_fields(module.Config, overrides, subject=subject)
    return module.Config(**{**fitting, **{name: _tuple(value) for name, value in chosen.items()}})


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def build_method(module: ModuleType, config: Any) -> RetrievalModel:
    """The method's model with fresh weights."""
    model: RetrievalModel = module.Model(config)
    return model


def starts_from_maps(module: ModuleType, recipe: Recipe) -> bool:
    """Whether the recipe's method takes stage maps of a backbone, once that fits what the recipe says.

    Raises:
        UsageError: The method starts from stage maps and the recipe names no backbone, or the other way round.
    """
    with torch.device("meta"):
        asked = build_method(module, configure(module, {}, recipe.config)).image_input
    if asked == "pyramid" and recipe.backbone is None:
        remedy = "add --backbone compact, --backbone resnet18 or --backbone timm:NAME"
        raise UsageError(recipe.method, cause="starts from a backbone's stage maps, and none is named", remedy=remedy)
    if asked == "pixels" and (recipe.backbone is not None or recipe.frozen):
        remedy = "leave --backbone and --frozen out"
        raise UsageError(recipe.method, cause="takes pixels and has no use for a backbone", remedy=remedy)
    return asked == "pyramid"


def load_backbone(name: str, weights: str | Path | None) -> Backbone:
    """A backbone, with weights where they are given: from a run or a safetensors file.

    A run of geoglot-compact gives its image network, a run with a trained backbone gives that; a file may use the
    backbone's own parameter names (those of torchvision for ``resnet18``).

    Raises:
        UsageError: There is no such backbone.
        DataError: The weights are absent, damaged or of another shape; the first that does not fit is named.
    """
    if weights is None:
        return build_backbone(name)
    path = Path(weights)
    if path.is_dir():
        path = path / "backbone.safetensors" if (path / "backbone.safetensors").is_file() else path / CHECKPOINT
    tensors = _own_names(checkpoint.load(path))
    backbone = (
        build_backbone("compact", channels=_compact_widths(tensors)) if name == "compact" else build_backbone(name)
    )
    fit_weights(backbone, tensors, path)
    return backbone


def _own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if any(name.startswith("image.network.") for name in tensors):
        return compact_backbone_weights(tensors)
    if any(name.startswith("backbone.") for name in tensors):
        return checkpoint.without_prefix("backbone", dict(tensors))
    if any(name.startswith("network.") for name in tensors):
        return dict(tensors)
    return checkpoint.with_prefix("network", {n: t for n, t in tensors.items() if not n.startswith(CLASSIFIERS)})


def _compact_widths(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Stage widths of a compact backbone: the outputs of every second block."""
    prefix, suffix = "network.network.stages.", ".first.0.weight"
    widths = {
        int(n[len(prefix) : -len(suffix)]): len(t)
        for n, t in tensors.items()
        if n.startswith(prefix) and n.endswith(suffix)
    }
    return tuple(widths[block] for block in sorted(widths) if block % 2 == 1) or (40, 80, 160, 320)


def fit_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load every weight of a module.

    Raises:
        DataError: A weight is missing, left over or of another shape; it is named.
    """
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            continue
        found = tensors.get(name)
        if found is None or found.shape != tensor.shape:
            shape = "is absent" if found is None else f"has shape {tuple(found.shape)}, not {tuple(tensor.shape)}"
            raise DataError(source, cause=f"does not fit: {name} {shape}", remedy="give the weights of this backbone")
    left = next((name for name in tensors if name not in wanted), None)
    if left is not None:
        raise DataError(
            source, cause=f"does not fit: {left} is of no use here", remedy="give the weights of this backbone"
        )
    module.load_state_dict({**{n: wanted[n] for n in wanted}, **dict(tensors)})


def start_from(model: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights that have the same name and shape; returns the names of the model's that had none."""
    if isinstance(model, Composed):
        tensors = {name if name.startswith("backbone.") else f"method.{name}": t for name, t in tensors.items()}
    own = model.state_dict()
    fitting = {n: t for n, t in tensors.items() if n in own and own[n].shape == t.shape}
    model.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over names and values of a module's tensors, however they were stored."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def training_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameter groups of a model, those of its backbone apart."""
    if isinstance(model, Composed):
        return with_backbone(parameter_groups(model.method, recipe.optimiser), model.backbone, recipe.optimiser)
    return parameter_groups(model, recipe.optimiser)


def count_trained(model: nn.Module) -> int:
    """Parameters that training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def set_sentences(model: nn.Module, sentences_of_item: Tensor) -> None:
    """Tell a method with a table of sentences which item owns which."""
    method = model.method if isinstance(model, Composed) else model
    table = getattr(method, "sentences_of_item", None)
    if isinstance(table, Tensor):
        table.copy_(sentences_of_item)
