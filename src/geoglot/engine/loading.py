"""A finished run, loaded again: the method's model, the backbone it starts from, its tokenizer and its recipe."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from torch import Tensor, nn

from geoglot.core import registry
from geoglot.core.errors import DataError
from geoglot.core.method import MethodCard
from geoglot.engine import checkpoint
from geoglot.nn.backbone import build_backbone
from geoglot.text.tokenizer import Tokenizer

PACKAGES: Final = ("geoglot.methods.retrieval", "geoglot.methods.hashing")
BACKBONE: Final = "backbone."
"""Prefix of the backbone's tensors in a run's checkpoint."""


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """A run that can be exported.

    Attributes:
        folder: The run's folder.
        method: The method's module.
        model: The weight average, in evaluation mode.
        backbone: What makes the pyramid, in evaluation mode; ``None`` where the method takes pixels.
        tokenizer: The run's tokenizer.
        recipe: Content of ``recipe.json``.
    """

    folder: Path
    method: ModuleType
    model: nn.Module
    backbone: nn.Module | None
    tokenizer: Tokenizer
    recipe: dict[str, Any]

    @property
    def card(self) -> MethodCard:
        """The method's name plate."""
        card: MethodCard = self.method.METHOD
        return card

    @property
    def name(self) -> str:
        """The method's file name."""
        return str(self.recipe["method"])


def load_run(run: Path) -> LoadedRun:
    """The weight average of a run of any method.

    Raises:
        DataError: The folder is not a finished run, or its weights do not fit its method.
    """
    try:
        recipe = json.loads((run / "recipe.json").read_text())
        name = str(recipe["method"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "give the folder that 'geoglot train' wrote"
        raise DataError(run, cause="is not a training run", remedy=remedy) from error
    tensors = checkpoint.load(run / "checkpoint.safetensors")
    tokenizer = Tokenizer.load(run / "tokenizer.json")
    method = _method(name)
    backbone = _backbone(recipe, tensors, run)
    tensors = {key: tensor for key, tensor in tensors.items() if not key.startswith(BACKBONE)}
    model = method.Model(_config(method, recipe, tensors, tokenizer, backbone))
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    gaps = [key for key in missing if "_memory." not in key and key != "sentences_of_item"]
    if gaps or unexpected:
        raise DataError(run, cause=f"does not fit its method ({(gaps + unexpected)[0]})", remedy="train again")
    model.eval()
    return LoadedRun(folder=run, method=method, model=model, backbone=backbone, tokenizer=tokenizer, recipe=recipe)


def _method(name: str) -> ModuleType:
    for package in PACKAGES[1:]:
        if find_spec(package) and name in registry.names(package):
            return registry.load(package, name)
    return registry.load(PACKAGES[0], name)


def _config(
    method: ModuleType,
    recipe: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    backbone: nn.Module | None,
) -> Any:
    """The method's configuration: what the recipe says, and the sizes that data, tokenizer and backbone decided."""
    sizes: dict[str, Any] = {"vocabulary": tokenizer.size, "max_length": tokenizer.max_length}
    for head, size in (("category_head.bias", "categories"), ("words_head.bias", "words")):
        if head in tensors:
            sizes[size] = len(tensors[head])
    if backbone is not None:
        sizes["channels"] = tuple(backbone.channels)  # type: ignore[arg-type]
    known = {field.name for field in dataclasses.fields(method.Config)}
    given = {**{size: value for size, value in sizes.items() if size in known}, **recipe.get("config", {})}
    return method.Config(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def _backbone(recipe: Mapping[str, Any], tensors: Mapping[str, Tensor], run: Path) -> nn.Module | None:
    """The backbone that a recipe names, with the weights of the checkpoint."""
    name = recipe.get("backbone")
    if not name:
        return None
    backbone = build_backbone(str(name))
    weights = {key.removeprefix(BACKBONE): tensor for key, tensor in tensors.items() if key.startswith(BACKBONE)}
    missing, unexpected = backbone.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise DataError(run, cause=f"does not fit backbone {name} ({(missing + unexpected)[0]})", remedy="train again")
    return backbone.eval()
