"""Training in epochs of which validation chooses one: what captioning and referring segmentation have in common.

Every epoch draws from generators that depend on the seed and its number alone, and its end is saved: a run that was
killed goes on as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.optimisers import flat_state, restore_state
from geoglot.engine.run_folder import CHECKPOINT, METRICS, STATE, append_line, keep_lines

SECONDS_BETWEEN_SAVES: Final = 60.0
_RISE: Final = 0.05
_LAST: Final = 0.01

Log = Callable[[dict[str, Any]], None]
ModelT = TypeVar("ModelT", bound=nn.Module)


class EpochRecipe(Protocol):
    """What the loop asks of a recipe."""

    @property
    def epochs(self) -> int:
        """Passes over the training data."""

    @property
    def validate_every(self) -> int:
        """Epochs between validations; the last epoch always is."""

    @property
    def average(self) -> float:
        """Decay of the weight average that is validated and kept; 0 takes the weights as they are."""

    @property
    def precision(self) -> str:
        """``float32`` or ``bfloat16``."""

    @property
    def clip(self) -> float | None:
        """Largest norm of the gradient."""


def one_cycle(progress: float) -> float:
    """Share of the peak learning rate at a share of all steps: a twentieth to rise, then a cosine to a hundredth.

    Example:
        >>> [round(one_cycle(progress), 3) for progress in (0.0, 0.025, 0.05, 1.0)]
        [0.0, 0.5, 1.0, 0.01]
    """
    if progress < _RISE:
        return progress / _RISE
    falling = 0.5 * (1 + math.cos(math.pi * (progress - _RISE) / (1 - _RISE)))
    return _LAST + (1 - _LAST) * falling


class WeightAverage(Generic[ModelT]):
    """A running mean of a model's weights: a copy that follows more slowly the larger the decay.

    Args:
        model: Whose weights.
        decay: Of the mean, in (0, 1); at first less, so that the first weights are soon forgotten.
    """

    def __init__(self, model: ModelT, decay: float) -> None:
        self.model = deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, model: ModelT, steps: int) -> None:
        """Take in the weights after so many steps; what counts or is fixed is copied."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for mean, now in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


class EpochTrainer(ABC, Generic[ModelT]):
    """State of one run.

    Args:
        recipe: What to do.
        model: The method.
        optimiser: Of what is trained.
        folder: The run.
        device: Where the method works.
        seconds_between_saves: An epoch that ends sooner after the last save is not saved.

    Attributes:
        epoch: Epochs done.
        steps: Steps done.
        best: Highest score on validation.
        best_epoch: When it was met; 0 before any.
        seconds: Spent in training, without validation.
    """

    def __init__(
        self,
        recipe: EpochRecipe,
        model: ModelT,
        optimiser: torch.optim.Optimizer,
        folder: Path,
        *,
        device: str,
        seconds_between_saves: float,
    ) -> None:
        self._loop = recipe
        self.model, self.optimiser, self.folder, self.device = model, optimiser, folder, device
        self.average = WeightAverage(model, recipe.average) if recipe.average else None
        self.seconds_between_saves = seconds_between_saves
        self.epoch = 0
        self.steps = 0
        self.best = -math.inf
        self.best_epoch = 0
        self.seconds = 0.0
        self._saved = -math.inf

    @abstractmethod
    def train_epoch(self) -> dict[str, float]:
        """All steps of an epoch, each by :meth:`step`; the mean of every loss, and the learning rate at its end."""

    @abstractmethod
    def validated(self, shown: ModelT) -> tuple[float, dict[str, Any]]:
        """The score that chooses the epoch, the more the better, and what to write down beside it."""

    def run(self, log: Log = lambda _: None) -> None:
        """All epochs that are left; the file ``checkpoint.safetensors`` holds the best one's weights.

        Raises:
            DataError: A loss left the numbers.
        """
        while self.epoch < self._loop.epochs:
            self._one_epoch(log)

    def _one_epoch(self, log: Log) -> None:
        started = time.monotonic()
        losses = self.train_epoch()
        self.seconds += time.monotonic() - started
        self.epoch += 1
        if not all(map(math.isfinite, losses.values())):
            cause = f"left the numbers in epoch {self.epoch}"
            raise DataError("the training", cause=cause, remedy="lower the learning rate")
        record: dict[str, Any] = {"epoch": self.epoch, **losses, "seconds": round(self.seconds, 1)}
        last = self.epoch == self._loop.epochs
        if last or self.epoch % self._loop.validate_every == 0:
            record |= self._chosen()
        append_line(self.folder / METRICS, record)
        if last or time.monotonic() - self._saved >= self.seconds_between_saves:
            self.save()
        log(record)

    def _chosen(self) -> dict[str, Any]:
        shown = (self.average.model if self.average is not None else self.model).eval()
        score, figures = self.validated(shown)
        better = score > self.best
        if better:
            self.best, self.best_epoch = score, self.epoch
            checkpoint.save(shown.state_dict(), self.folder / CHECKPOINT)
        return {**figures, "best": better}

    def step(self, losses_of: Callable[[], dict[str, Tensor]]) -> dict[str, float]:
        """One step of the optimiser on a batch's losses, ``total`` and its terms; their means."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self._loop.precision == "bfloat16"):
            losses = losses_of()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"])
        if self._loop.clip is not None:
            found = [p for p in self.model.parameters() if p.grad is not None]
            nn.utils.clip_grad_norm_(found, self._loop.clip)
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
        # An epoch beyond the saved one may have replaced the best weights: it is trained again and replaces them again.
        keep_lines(self.folder / METRICS, lambda record: record["epoch"] <= self.epoch)
