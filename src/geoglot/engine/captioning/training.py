"""Training of a captioning method on cached grids: teacher forcing, the best epoch by CIDEr-D on validation.

Every epoch draws from generators that depend on the seed and its number alone, and its end is saved: a run that was
killed goes on as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.captioning.data import TrainingCaptions, batches_by_length
from geoglot.engine.captioning.recipe import CaptioningRecipe
from geoglot.engine.optimisers import flat_state, restore_state
from geoglot.nn.captioner import Captioner

METRICS: Final = "metrics.jsonl"
STATE: Final = "state.safetensors"
BEST: Final = "checkpoint.safetensors"
SECONDS_BETWEEN_SAVES: Final = 60.0

Log = Callable[[dict[str, Any]], None]
Validate = Callable[[Captioner], Mapping[str, float]]


def rate_at(recipe: CaptioningRecipe, progress: float) -> float:
    """Learning rate at a share of all steps, see :class:`CaptioningRecipe`.

    Example:
        >>> recipe = CaptioningRecipe(method="jtts", learning_rate=1.0, schedule="one-cycle")
        >>> [round(rate_at(recipe, progress), 3) for progress in (0.0, 0.025, 0.05, 1.0)]
        [0.0, 0.5, 1.0, 0.01]
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if progress < 0.05:
        return recipe.learning_rate * progress / 0.05
    falling = 0.5 * (1 + math.cos(math.pi * (progress - 0.05) / 0.95))
    return recipe.learning_rate * (0.01 + 0.99 * falling)


def build_optimiser(recipe: CaptioningRecipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters that ask for a gradient."""
    kinds: dict[str, Any] = {"radam": torch.optim.RAdam, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser: torch.optim.Optimizer = kinds[recipe.optimiser](
        trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    return optimiser


class WeightAverage:
    """A running mean of a model's weights: a copy that follows more slowly the larger the decay.

    Args:
        model: Whose weights.
        decay: Of the mean, in (0, 1); at first less, so that the first weights are soon forgotten.
    """

    def __init__(self, model: Captioner, decay: float) -> None:
        self.model = deepcopy(model)
        self.decay = decay

    @torch.no_grad()
    def follow(self, model: Captioner, steps: int) -> None:
        """Take in the weights after so many steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for mean, now in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


class CaptionTrainer:
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
        self.folder, self.device = folder, device
        self.model = model.to(device)
        self.optimiser = build_optimiser(recipe, self.model)
        self.average = WeightAverage(self.model, recipe.average) if recipe.average else None
        self.seconds_between_saves = seconds_between_saves
        self.epoch = 0
        self.steps = 0
        self.best = -math.inf
        self.best_epoch = 0
        self.seconds = 0.0
        self._saved = -math.inf

    def run(self, log: Log = lambda _: None) -> None:
        """All epochs that are left; :data:`BEST` holds the best one's weights.

        Raises:
            DataError: A loss left the numbers.
        """
        while self.epoch < self.recipe.epochs:
            self._epoch(log)

    def _epoch(self, log: Log) -> None:
        started = time.monotonic()
        losses = self._train()
        self.epoch += 1
        record: dict[str, Any] = {"epoch": self.epoch, **losses}
        if not all(map(math.isfinite, losses.values())):
            cause = f"left the numbers in epoch {self.epoch}"
            raise DataError("the training", cause=cause, remedy="lower the learning rate")
        last = self.epoch == self.recipe.epochs
        if last or self.epoch % self.recipe.validate_every == 0:
            shown = self.average.model if self.average is not None else self.model
            found = dict(self.validate(shown.eval()))
            mean = sum(found.values()) / len(found)
            record |= {"cider": mean, "best": mean > self.best}
            record |= {f"cider_{name}": value for name, value in found.items()} if len(found) > 1 else {}
            if mean > self.best:
                self.best, self.best_epoch = mean, self.epoch
                checkpoint.save(shown.state_dict(), self.folder / BEST)
        self.seconds += time.monotonic() - started
        record["seconds"] = round(self.seconds, 1)
        with (self.folder / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, sort_keys=True) + "\n")
        if last or time.monotonic() - self._saved >= self.seconds_between_saves:
            self.save()
        log(record)

    def _train(self) -> dict[str, float]:
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
            with torch.autocast(self.device, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                losses = self.model.losses(batch)
            for group in self.optimiser.param_groups:
                group["lr"] = rate_at(recipe, progress)
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(losses["total"])
            if recipe.clip is not None:
                found = [p for p in self.model.parameters() if p.grad is not None]
                nn.utils.clip_grad_norm_(found, recipe.clip)
            self.optimiser.step()
            self.steps += 1
            if self.average is not None:
                self.average.follow(self.model, self.steps)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach().mean()) * len(some)
        means = {f"loss_{name}": total / len(rows) for name, total in sums.items()}
        return {**means, "learning_rate": float(self.optimiser.param_groups[0]["lr"])}

    def save(self) -> None:
        """Write all that going on needs."""
        tensors = checkpoint.with_prefix("model", self.model.state_dict())
        tensors |= checkpoint.with_prefix("optimiser", flat_state(self.optimiser))
        if self.average is not None:
            tensors |= checkpoint.with_prefix("average", self.average.model.state_dict())
        progress = [self.epoch, self.steps, self.best, self.best_epoch, self.seconds]
        tensors["progress"] = torch.tensor(progress, dtype=torch.float64)
        checkpoint.save(tensors, self.folder / STATE)
        self._saved = time.monotonic()

    def resume(self) -> None:
        """Go on from what :meth:`save` wrote; lines of epochs beyond it are taken out of ``metrics.jsonl``.

        Raises:
            DataError: The state is damaged, or does not fit the recipe.
        """
        tensors = checkpoint.load(self.folder / STATE)
        try:
            epoch, steps, self.best, best_epoch, self.seconds = tensors["progress"].tolist()
            self.model.load_state_dict(checkpoint.without_prefix("model", tensors))
            restore_state(self.optimiser, checkpoint.without_prefix("optimiser", tensors))
            if self.average is not None:
                self.average.model.load_state_dict(checkpoint.without_prefix("average", tensors))
        except (KeyError, RuntimeError, ValueError) as error:
            cause = f"does not fit the recipe ({type(error).__name__})"
            raise DataError(self.folder / STATE, cause=cause, remedy="choose another folder") from error
        self.epoch, self.steps, self.best_epoch = int(epoch), int(steps), int(best_epoch)
        self._keep_lines()
        # An epoch beyond the saved one may have replaced the best weights: it is trained again and replaces them again.

    def _keep_lines(self) -> None:
        path = self.folder / METRICS
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                record = json.loads(line)
            except ValueError:
                break  # a line that was cut off when the process died
            if record["epoch"] <= self.epoch:
                kept.append(line + "\n")
        path.write_text("".join(kept), encoding="utf-8")
