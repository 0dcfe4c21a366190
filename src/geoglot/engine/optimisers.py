"""Optimisers from their description, and the parameter groups they work on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geoglot.engine.recipe import Optimiser


def parameter_groups(model: nn.Module, description: Optimiser) -> list[dict[str, Any]]:
    """What is trained, in groups with their weight decay and their learning rate relative to the recipe's.

    A model may offer ``parameter_groups()``, a list of mappings with ``params`` and any of ``weight_decay``,
    ``learning_rate_factor`` or ``lr`` (a rate of its own). Parameters that need no gradient, and those of
    ``adversary_parameters()``, are left out.
    """
    excluded = {id(p) for p in adversary_parameters(model)}
    own = getattr(model, "parameter_groups", None)
    if callable(own):
        return [_own_group(group, description, excluded) for group in own()]
    trained = [p for p in model.parameters() if p.requires_grad and id(p) not in excluded]
    return _by_decay(trained, description.weight_decay, factor=1.0)


def _by_decay(parameters: Iterable[Tensor], weight_decay: float, *, factor: float) -> list[dict[str, Any]]:
    found = list(parameters)
    matrices, others = [p for p in found if p.ndim > 1], [p for p in found if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": weight_decay, "factor": factor},
        {"params": others, "weight_decay": 0.0, "factor": factor},
    ]
    return [group for group in groups if group["params"]]


def _own_group(group: Mapping[str, Any], description: Optimiser, excluded: set[int]) -> dict[str, Any]:
    factor = float(group.get("learning_rate_factor", 1.0))
    if "lr" in group:
        factor = float(group["lr"]) / description.learning_rate
    return {
        "params": [p for p in group["params"] if p.requires_grad and id(p) not in excluded],
        "weight_decay": float(group.get("weight_decay", description.weight_decay)),
        "factor": factor,
    }


def with_backbone(groups: list[dict[str, Any]], backbone: nn.Module, description: Optimiser) -> list[dict[str, Any]]:
    """The groups and those of a trained backbone, at its own share of the learning rate."""
    trained = [p for p in backbone.parameters() if p.requires_grad]
    return groups + _by_decay(trained, description.weight_decay, factor=description.backbone_factor)


def adversary_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Parameters that a second optimiser trains on the loss ``adversary``; none for most models."""
    own = getattr(model, "adversary_parameters", None)
    return list(own()) if callable(own) else []


def build_optimiser(groups: list[dict[str, Any]], description: Optimiser) -> torch.optim.Optimizer:
    """The optimiser that the description names."""
    rate = description.learning_rate
    if description.name == "sgd":
        momentum = description.momentum
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0)
    kind = torch.optim.AdamW if description.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate, betas=description.betas)


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of a rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def flat_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors under names ``NUMBER.KEY``."""
    return {
        f"{number}.{key}": value
        for number, state in optimiser.state_dict()["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_state(optimiser: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """The reverse of :func:`flat_state`."""
    state = optimiser.state_dict()
    state["state"] = {}
    for name, value in flat.items():
        number, _, key = name.partition(".")
        state["state"].setdefault(int(number), {})[key] = value
    optimiser.load_state_dict(state)
