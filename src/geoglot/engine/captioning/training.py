"""Training of a captioning method on cached grids: teacher forcing, the best epoch by CIDEr-D on validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from geoglot.engine.captioning.data import TrainingCaptions, batches_by_length
from geoglot.engine.captioning.recipe import CaptioningRecipe
from geoglot.engine.epochs import SECONDS_BETWEEN_SAVES, EpochTrainer, one_cycle
from geoglot.nn.captioner import Captioner

Validate = Callable[[Captioner], Mapping[str, float]]


def rate_at(recipe: CaptioningRecipe, progress: float) -> float:
    """Learning rate at a share of all steps, see :class:`CaptioningRecipe`.

    Example:
        >>> recipe = CaptioningRecipe(method="jtts", learning_rate=1.0, schedule="one-cycle")
        >>> [round(rate_at(recipe, progress), 3) for progress in (0.0, 0.025, 0.05, 1.0)]
        [0.0, 0.5, 1.0, 0.01]
    """
    return recipe.learning_rate * (1.0 if recipe.schedule == "constant" else one_cycle(progress))


def build_optimiser(recipe: CaptioningRecipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters that ask for a gradient."""
    kinds: dict[str, Any] = {"radam": torch.optim.RAdam, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser: torch.optim.Optimizer = kinds[recipe.optimiser](
        trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    return optimiser


class CaptionTrainer(EpochTrainer[Captioner]):
    """State of one run.

    Args:
        recipe: What to do.
        model: The method.
        captions: What it learns from.
        validate: CIDEr-D by language of a model's captions of the validation images.
        folder: The run.
        device: Where the method works.
        seconds_between_saves: An epoch that ends sooner after the last save is not saved.
    """

    def __init__(
        self,
        recipe: CaptioningRecipe,
        model: Captioner,
        captions: TrainingCaptions,
        validate: Validate,
        folder: Path,
        *,
        device: str = "cpu",
        seconds_between_saves: float = SECONDS_BETWEEN_SAVES,
    ) -> None:
        self.recipe, self.captions, self.validate = recipe, captions, validate
        model = model.to(device)
        super().__init__(
            recipe,
            model,
            build_optimiser(recipe, model),
            folder,
            device=device,
            seconds_between_saves=seconds_between_saves,
        )

    def validated(self, shown: Captioner) -> tuple[float, dict[str, Any]]:
        """Mean CIDEr-D over the languages, and that of each where there are several."""
        found = dict(self.validate(shown))
        mean = sum(found.values()) / len(found)
        several = {f"cider_{name}": value for name, value in found.items()} if len(found) > 1 else {}
        return mean, {"cider": mean, **several}

    def train_epoch(self) -> dict[str, float]:
        """The steps of an epoch; the mean of every loss over its captions, and the learning rate at its end."""
        recipe, epoch = self.recipe, self.epoch
        torch.manual_seed(hash((recipe.seed, epoch)) % 2**31)
        generator = np.random.default_rng((recipe.seed, epoch))
        rows = self.captions.chosen(recipe.captions, generator)
        batches = list(batches_by_length(rows, self.captions.lengths, recipe.batch, generator))
        self.model.start_epoch(epoch, recipe.epochs)
        self.model.train()
        sums: dict[str, float] = {}
        for number, some in enumerate(batches):
            progress = (epoch + number / len(batches)) / recipe.epochs
            mirrored = generator.random(len(some)) < 0.5 if recipe.mirrored else None
            batch = self.captions.batch(some, mirrored=mirrored, progress=progress, device=self.device)
            for group in self.optimiser.param_groups:
                group["lr"] = rate_at(recipe, progress)
            for name, value in self.step(partial(self.model.losses, batch)).items():
                sums[name] = sums.get(name, 0.0) + value * len(some)
        means = {f"loss_{name}": total / len(rows) for name, total in sums.items()}
        return {**means, "learning_rate": float(self.optimiser.param_groups[0]["lr"])}
