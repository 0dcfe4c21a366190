"""Training of a referring segmentation method: the best epoch by mIoU on validation, never by the test part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from geoglot.engine.epochs import SECONDS_BETWEEN_SAVES, EpochTrainer, one_cycle
from geoglot.engine.segmentation.data import TrainingSamples
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.nn.segmenter import SegmentationBatch, Segmenter

CHOSEN_BY: Final = "miou"
WITHOUT_DECAY: Final = ("bias_table", "relative_position", "relative_bias", "position_embedding", "norm")
"""Parts of names of parameters without weight decay, beside vectors and single numbers."""

Figures = Mapping[str, Mapping[str, float]]
"""Measures by language."""
Validate = Callable[[Segmenter], Figures]


def rate_at(recipe: SegmentationRecipe, progress: float) -> float:
    """Learning rate at a share of all steps, see :class:`SegmentationRecipe`.

    Example:
        >>> recipe = SegmentationRecipe(method="lavt", learning_rate=1.0)
        >>> [round(rate_at(recipe, progress), 3) for progress in (0.0, 0.5, 0.9, 1.0)]
        [1.0, 0.536, 0.126, 0.0]
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "poly":
        return recipe.last_rate + (recipe.learning_rate - recipe.last_rate) * math.pow(1 - progress, 0.9)
    return recipe.learning_rate * one_cycle(progress)


def parameter_groups(recipe: SegmentationRecipe, model: nn.Module) -> list[dict[str, Any]]:
    """What is trained: matrices with the recipe's weight decay; vectors, norms and tables of positions without.

    A method's own ``parameter_groups()`` goes before, a list of mappings with ``params`` and any of ``weight_decay``,
    ``learning_rate_factor`` or ``lr``. Every group has a ``factor`` of the recipe's learning rate.
    """
    own = getattr(model, "parameter_groups", None)
    if callable(own):
        return [_own_group(recipe, group) for group in own()]
    decayed: list[Tensor] = []
    plain: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            without = parameter.ndim <= 1 or any(part in name for part in WITHOUT_DECAY)
            (plain if without else decayed).append(parameter)
    groups = ((decayed, recipe.weight_decay), (plain, 0.0))
    return [{"params": found, "weight_decay": decay, "factor": 1.0} for found, decay in groups if found]


def _own_group(recipe: SegmentationRecipe, group: Mapping[str, Any]) -> dict[str, Any]:
    factor = float(group.get("learning_rate_factor", 1.0))
    return {
        "params": [parameter for parameter in group["params"] if parameter.requires_grad],
        "weight_decay": float(group.get("weight_decay", recipe.weight_decay)),
        "factor": float(group["lr"]) / recipe.learning_rate if "lr" in group else factor,
    }


def build_optimiser(recipe: SegmentationRecipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters that ask for a gradient."""
    groups = parameter_groups(recipe, model)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9)
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.learning_rate)


def chosen_by(figures: Figures) -> float:
    """What an epoch is chosen by: the mean over the languages of the mIoU.

    Example:
        >>> chosen_by({"en": {"miou": 0.5}, "fr": {"miou": 0.25}})
        0.375
    """
    return sum(one[CHOSEN_BY] for one in figures.values()) / len(figures)


class SegmentationTrainer(EpochTrainer[Segmenter]):
    """State of one run.

    Args:
        recipe: What to do.
        model: The method.
        samples: What it learns from.
        validate: Measures by language of a model's masks of the validation samples.
        folder: The run.
        watch: The same of the test samples, to be written down; chooses nothing.
        device: Where the method works.
        seconds_between_saves: An epoch that ends sooner after the last save is not saved.
    """

    def __init__(
        self,
        recipe: SegmentationRecipe,
        model: Segmenter,
        samples: TrainingSamples,
        validate: Validate,
        folder: Path,
        *,
        watch: Validate | None = None,
        device: str = "cpu",
        seconds_between_saves: float = SECONDS_BETWEEN_SAVES,
    ) -> None:
        self.recipe, self.samples, self.validate, self.watch = recipe, samples, validate, watch
        model = model.to(device)
        super().__init__(
            recipe,
            model,
            build_optimiser(recipe, model),
            folder,
            device=device,
            seconds_between_saves=seconds_between_saves,
        )

    def validated(self, shown: Segmenter) -> tuple[float, dict[str, Any]]:
        """Mean mIoU over the languages, and all measures."""
        figures = self.validate(shown)
        mean = chosen_by(figures)
        record: dict[str, Any] = {"miou": mean, "val": _plain(figures)}
        if self.watch is not None:
            record["test_watched"] = _plain(self.watch(shown))
        return mean, record

    def train_epoch(self) -> dict[str, float]:
        """The steps of an epoch; the mean of every loss over its samples, and the learning rate at its end."""
        recipe, epoch, steps = self.recipe, self.epoch, self.samples.steps()
        torch.manual_seed(hash((recipe.seed, epoch)) % 2**31)
        self.model.start_epoch(epoch, recipe.epochs)
        self.model.train()
        sums: dict[str, float] = {}
        seen = 0
        for number, batch in enumerate(self.samples.epoch(epoch)):
            for group in self.optimiser.param_groups:
                group["lr"] = rate_at(recipe, (epoch + number / steps) / recipe.epochs) * group["factor"]
            moved = SegmentationBatch(
                images=batch.images.to(self.device),
                tokens=batch.tokens.to(self.device),
                masks=batch.masks.to(self.device),
            )
            count = len(batch.images)
            seen += count
            for name, value in self.step(partial(self.model.losses, moved)).items():
                sums[name] = sums.get(name, 0.0) + value * count
        means = {f"loss_{name}": total / seen for name, total in sums.items()}
        return {**means, "learning_rate": rate_at(recipe, (epoch + 1 - 1 / steps) / recipe.epochs)}


def _plain(figures: Figures) -> dict[str, dict[str, float]]:
    return {language: {name: round(float(v), 6) for name, v in one.items()} for language, one in figures.items()}
