"""Training of a matching method: stage after stage, each from the best epoch of the one before.

A run is a folder: ``recipe.json``, ``env.json``, ``metrics.jsonl`` (one line an epoch), ``state.safetensors`` and
``best.safetensors`` (all that resuming needs; removed at the end), ``checkpoint.safetensors`` (the last stage's best
epoch on validation), ``features.npz`` (what a descriptor learned), ``predictions.npz`` and ``summary.json``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.matching.features import FeatureStore
from geoglot.engine.matching.images import LabelledPictures, Progress, no_progress, pools
from geoglot.engine.matching.learning import CachedPairs, Classes, Joint, Lesson, Reconstruction
from geoglot.engine.matching.recipe import MatchingRecipe, Stage
from geoglot.engine.optimisers import build_optimiser, flat_state, parameter_groups, restore_state, set_learning_rate
from geoglot.engine.run_folder import METRICS, STATE, append_line, keep_lines
from geoglot.nn.matcher import Matcher

BEST: Final = "best.safetensors"
"""Of the stage at hand."""
SECONDS_BETWEEN_SAVES: Final = 20.0

Log = Callable[[dict[str, Any]], None]


@dataclass
class Patience:
    """Lowers the learning rate where validation stands still, and says when a stage ends.

    Attributes:
        stage: Whose rates and lengths.
        epoch: Epochs done.
        best: Lowest validation loss.
        still: Epochs since it was met.
        waited: Epochs since it was met or the rate was lowered.
        rate: Learning rate, for ``plateau``.

    Example:
        >>> patience = Patience(Stage(kind="pairs", learning_rate=1.0, decay_patience=2, patience=3))
        >>> for loss in (0.5, 0.4, 0.41, 0.42, 0.43):
        ...     better = patience.met(loss)
        ...     print(better, round(patience.rate, 3), patience.over)
        True 1.0 False
        True 1.0 False
        False 1.0 False
        False 0.2 False
        False 0.2 True
    """

    stage: Stage
    epoch: int = 0
    best: float = math.inf
    still: int = 0
    waited: int = 0
    rate: float = math.nan

    def __post_init__(self) -> None:
        """A rate that was not given is the stage's."""
        if math.isnan(self.rate):
            self.rate = self.stage.learning_rate

    def met(self, loss: float) -> bool:
        """Take an epoch's validation loss; whether it is the lowest so far."""
        self.epoch += 1
        if loss < self.best:
            self.best, self.still, self.waited = loss, 0, 0
            return True
        self.still += 1
        self.waited += 1
        if self.waited >= self.stage.decay_patience:
            self.rate *= self.stage.decay
            self.waited = 0
        return False

    @property
    def over(self) -> bool:
        """Whether the stage has ended."""
        return self.epoch >= self.stage.epochs or self.still >= self.stage.patience

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of the step with this number, counted from 0 over the whole stage."""
        if self.stage.schedule == "plateau":
            return self.rate
        done = (step + 1) / (steps_per_epoch * self.stage.epochs)
        if done < 0.1:
            return self.stage.learning_rate * done / 0.1
        return self.stage.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9)))


class MatchingTrainer:
    """State of one run.

    Args:
        recipe: The stages.
        model: The method.
        data: The labelled images.
        folder: The run.
        store: Makes the features that the stage ``pairs`` learns from, as the model is when asked.
        data_root: Folder with one folder per dataset.
        cache: Folder of pictures.
        device: Where the method works.
        seconds_between_saves: An epoch that ends sooner after the last save is not saved.
        progress: Called while pictures are read.
    """

    def __init__(
        self,
        recipe: MatchingRecipe,
        model: Matcher,
        data: LabelledPictures,
        folder: Path,
        *,
        store: Callable[[], FeatureStore],
        data_root: Path | None,
        cache: Path,
        device: str = "cpu",
        seconds_between_saves: float = SECONDS_BETWEEN_SAVES,
        progress: Progress = no_progress,
    ) -> None:
        self.recipe, self.data, self.folder, self.device = recipe, data, folder, device
        self.model = model.to(device)
        self.store, self.data_root, self.cache, self.progress = store, data_root, cache, progress
        self.seconds_between_saves = seconds_between_saves
        self.number = 0
        self.seconds = 0.0
        self._saved = -math.inf
        self._start(Patience(recipe.stages[0])) if recipe.stages else None

    def _start(self, patience: Patience) -> None:
        """A new optimiser for the stage."""
        self.patience = patience
        description = patience.stage.description
        self.optimiser = build_optimiser(parameter_groups(self.model, description), description)

    def lesson(self) -> Lesson:
        """What the stage at hand learns from."""
        stage, seed = self.recipe.stages[self.number], (self.recipe.seed, self.number)
        if stage.kind == "reconstruction":
            parts = pools(stage.data, self.data, self.recipe, self.data_root, self.cache, self.progress)
            return Reconstruction(self.model, stage, seed, *parts, self.device)
        if stage.kind == "pairs":
            return CachedPairs(self.model, stage, seed, self.data, self.store(), self.device)
        kind = Joint if stage.kind == "joint" else Classes
        return kind(self.model, stage, seed, self.data, self.device)

    def run(self, log: Log = lambda _: None) -> None:
        """All stages that are left."""
        while self.number < len(self.recipe.stages):
            lesson = self.lesson()
            while not self.patience.over:
                self._epoch(lesson, log)
            self._load_best()
            self.number += 1
            if self.number < len(self.recipe.stages):
                self._start(Patience(self.recipe.stages[self.number]))
            self.save()

    def _epoch(self, lesson: Lesson, log: Log) -> None:
        started = time.monotonic()
        losses = self._train(lesson)
        self.model.eval()
        validation = lesson.validation_loss()
        if not all(map(math.isfinite, [validation, *losses.values()])):
            cause = f"left the numbers in epoch {self.patience.epoch + 1} of stage {self.number + 1}"
            raise DataError("the training", cause=cause, remedy="lower the learning rate")
        rate = self.patience.rate_at(self.patience.epoch * lesson.steps, lesson.steps)
        better = self.patience.met(validation)
        self.seconds += time.monotonic() - started
        record = {
            "stage": self.number + 1,
            "kind": lesson.stage.kind,
            "epoch": self.patience.epoch,
            "learning_rate": rate,
            "seconds": round(self.seconds, 1),
            "validation_loss": validation,
            "best": better,
            **losses,
        }
        if better:
            checkpoint.save(self.model.state_dict(), self.folder / BEST)
        append_line(self.folder / METRICS, record)
        if time.monotonic() - self._saved >= self.seconds_between_saves:
            self.save()
        log(record)

    def _train(self, lesson: Lesson) -> dict[str, float]:
        """An epoch's steps; the mean of every loss."""
        epoch, clip = self.patience.epoch, lesson.stage.clip
        torch.manual_seed(hash((self.recipe.seed, self.number, epoch)) % 2**31)
        sums: dict[str, float] = {}
        batches = lesson.epoch(epoch)
        for step in range(lesson.steps):
            self.model.train()
            with torch.autocast(self.device, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
                losses = next(batches)
            set_learning_rate(self.optimiser, self.patience.rate_at(epoch * lesson.steps + step, lesson.steps))
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(losses["total"])
            if clip is not None:
                nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], clip)
            self.optimiser.step()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach().mean())
        return {f"loss_{name}": total / lesson.steps for name, total in sums.items()}

    def _load_best(self) -> None:
        self.model.load_state_dict(checkpoint.load(self.folder / BEST))

    def save(self) -> None:
        """Write all that resuming needs."""
        tensors = checkpoint.with_prefix("model", self.model.state_dict())
        tensors |= checkpoint.with_prefix("optimiser", flat_state(self.optimiser))
        p = self.patience
        values = [self.number, p.epoch, p.best, p.still, p.waited, p.rate, self.seconds]
        tensors["progress"] = torch.tensor(values, dtype=torch.float64)
        checkpoint.save(tensors, self.folder / STATE)
        self._saved = time.monotonic()

    def resume(self) -> None:
        """Go on from what :meth:`save` wrote; lines of epochs beyond it are taken out of ``metrics.jsonl``.

        Raises:
            DataError: The state is damaged, or does not fit the recipe.
        """
        tensors = checkpoint.load(self.folder / STATE)
        number, epoch, best, still, waited, rate, self.seconds = tensors["progress"].tolist()
        self.number = int(number)
        try:
            self.model.load_state_dict(checkpoint.without_prefix("model", tensors))
        except RuntimeError as error:
            cause = "does not fit the recipe"
            raise DataError(self.folder / STATE, cause=cause, remedy="choose another folder") from error
        if self.number < len(self.recipe.stages):
            stage = self.recipe.stages[self.number]
            self._start(Patience(stage, int(epoch), best, int(still), int(waited), rate))
            restore_state(self.optimiser, _optimiser_state(tensors))
        reached = (self.number + 1, int(epoch))
        keep_lines(self.folder / METRICS, lambda record: (record["stage"], record["epoch"]) <= reached)


def _optimiser_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return checkpoint.without_prefix("optimiser", tensors)


def recipe_record(recipe: MatchingRecipe) -> dict[str, Any]:
    """The recipe as ``recipe.json`` holds it."""
    return {"kind": "matcher", **json.loads(json.dumps(asdict(recipe)))}
