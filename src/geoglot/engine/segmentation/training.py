"""Training of a referring segmentation method: the best epoch by mIoU on validation, never by the test part.

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

import torch
from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.optimisers import flat_state, restore_state
from geoglot.engine.segmentation.data import TrainingSamples
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.nn.segmenter import SegmentationBatch, Segmenter

METRICS: Final = "metrics.jsonl"
STATE: Final = "state.safetensors"
BEST: Final = "checkpoint.safetensors"
SECONDS_BETWEEN_SAVES: Final = 60.0
CHOSEN_BY: Final = "miou"
WITHOUT_DECAY: Final = ("bias_table", "relative_position", "relative_bias", "position_embedding", "norm")
"""Parts of names of parameters without weight decay, beside vectors and single numbers."""

Log = Callable[[dict[str, Any]], None]
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
    if progress < 0.05:
        return recipe.learning_rate * progress / 0.05
    falling = 0.5 * (1 + math.cos(math.pi * (progress - 0.05) / 0.95))
    return recipe.learning_rate * (0.01 + 0.99 * falling)


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


class WeightAverage:
    """A running mean of a model's weights: a copy that follows more slowly the larger the decay.

    Args:
        model: Whose weights.
        decay: Of the mean, in (0, 1); at first less, so that the first weights are soon forgotten.
    """

    def __init__(self, model: Segmenter, decay: float) -> None:
        self.model = deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, model: Segmenter, steps: int) -> None:
        """Take in the weights after so many steps; what counts or is fixed is copied."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for mean, now in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


class SegmentationTrainer:
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
        self.seconds += time.monotonic() - started
        self.epoch += 1
        record: dict[str, Any] = {"epoch": self.epoch, **losses}
        if not all(map(math.isfinite, losses.values())):
            cause = f"left the numbers in epoch {self.epoch}"
            raise DataError("the training", cause=cause, remedy="lower the learning rate")
        last = self.epoch == self.recipe.epochs
        if last or self.epoch % self.recipe.validate_every == 0:
            record |= self._validated()
        record["seconds"] = round(self.seconds, 1)
        with (self.folder / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, sort_keys=True) + "\n")
        if last or time.monotonic() - self._saved >= self.seconds_between_saves:
            self.save()
        log(record)

    def _validated(self) -> dict[str, Any]:
        shown = (self.average.model if self.average is not None else self.model).eval()
        figures = self.validate(shown)
        mean = chosen_by(figures)
        record: dict[str, Any] = {"miou": mean, "best": mean > self.best, "val": _plain(figures)}
        if mean > self.best:
            self.best, self.best_epoch = mean, self.epoch
            checkpoint.save(shown.state_dict(), self.folder / BEST)
        if self.watch is not None:
            record["test_watched"] = _plain(self.watch(shown))
        return record

    def _train(self) -> dict[str, float]:
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
            losses = self._step(batch)
            count = len(batch.images)
            seen += count
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value * count
        means = {f"loss_{name}": total / seen for name, total in sums.items()}
        return {**means, "learning_rate": rate_at(recipe, (epoch + 1 - 1 / steps) / recipe.epochs)}

    def _step(self, batch: SegmentationBatch) -> dict[str, float]:
        moved = SegmentationBatch(
            images=batch.images.to(self.device),
            tokens=batch.tokens.to(self.device),
            masks=batch.masks.to(self.device),
        )
        with torch.autocast(self.device, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            losses = self.model.losses(moved)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"])
        if self.recipe.clip is not None:
            found = [p for p in self.model.parameters() if p.grad is not None]
            nn.utils.clip_grad_norm_(found, self.recipe.clip)
        self.optimiser.step()
        self.steps += 1
        if self.average is not None:
            self.average.follow(self.model, self.steps)
        return {name: float(value.detach().mean()) for name, value in losses.items()}

    def save(self) -> None:
        """Write all that going on needs."""
        tensors = checkpoint.with_prefix("model", self.model.state_dict())
        tensors |= checkpoint.with_prefix("optimiser", flat_state(self.optimiser))
        if self.average is not None:
            tensors |= checkpoint.with_prefix("average", self.average.model.state_dict())
        progress = [self.epoch, self.steps, self.best, self.best_epoch, self.seconds]
        tensors["progress"] = torch.tensor(progress, dtype=torch.float64)
        # Tables that a model shows under two names must not share memory in the file.
        checkpoint.save({name: tensor.clone() for name, tensor in tensors.items()}, self.folder / STATE)
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


def _plain(figures: Figures) -> dict[str, dict[str, float]]:
    return {language: {name: round(float(v), 6) for name, v in one.items()} for language, one in figures.items()}
