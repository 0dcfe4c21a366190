"""One training loop for every method that has losses.

A run is a folder: ``recipe.json``, ``metrics.jsonl`` (one line an epoch), ``state.safetensors`` (all that resuming
needs), ``checkpoint.safetensors`` (the weight average, best on validation) and ``summary.json``; what the method
needs besides (``tokenizer.json``, ``config.json``, ``backbone.safetensors``) is written by whoever starts it.

A model may offer ``start_epoch(epoch)``, called before the first step of every epoch, ``parameter_groups()``, and
``adversary_parameters()``, trained by a second optimiser on the loss ``adversary``. What must survive an interruption
belongs into buffers or parameters.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from geoglot.core.errors import UsageError
from geoglot.core.runs import write_json
from geoglot.engine import checkpoint
from geoglot.engine.composition import count_trained, stored_tensors, training_groups
from geoglot.engine.optimisers import (
    adversary_parameters,
    build_optimiser,
    flat_state,
    restore_state,
    set_learning_rate,
)
from geoglot.engine.recipe import Recipe
from geoglot.engine.timetable import Timetable

Validate = Callable[[nn.Module], dict[str, float]]
"""Weight-averaged model -> named figures; ``score`` is what is maximised."""

Log = Callable[[dict[str, Any]], None]


class Batches(Protocol):
    """Training data: a batch is a function of the step alone, so that a resumed run sees what it would have seen."""

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches per epoch."""

    def __len__(self) -> int:
        """Training items."""

    def batch(self, step: int) -> Any:
        """What the model's ``losses`` takes: a dataclass of tensors."""


class Trainer:
    """State of one run: model, weight average, optimisers and step count.

    Args:
        recipe: Lengths, optimiser, schedule and seed.
        batches: Training data.
        model: Has ``losses(batch)``: ``total``, a scalar, and its terms.
        folder: The run.
        device: Where the model works.

    Raises:
        UsageError: A batch is larger than the training data.
    """

    def __init__(self, recipe: Recipe, batches: Batches, model: nn.Module, folder: Path, device: str = "cpu") -> None:
        self.recipe, self.batches, self.folder, self.device = recipe, batches, folder, device
        if batches.steps_per_epoch == 0:
            cause = f"is more than {len(batches)} training images"
            raise UsageError(f"batch {recipe.batch}", cause=cause, remedy="lower it")
        folder.mkdir(parents=True, exist_ok=True)
        self.model = model.to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimiser = build_optimiser(training_groups(self.model, recipe), recipe.optimiser)
        ours = {id(p) for group in self.optimiser.param_groups for p in group["params"]}
        self.parameters = [p for p in self.model.parameters() if id(p) in ours]
        self.adversary_parameters = adversary_parameters(self.model)
        self.adversary = (
            build_optimiser([{"params": self.adversary_parameters, "factor": 1.0}], recipe.adversary)
            if self.adversary_parameters
            else None
        )
        self.timetable = Timetable(recipe, batches.steps_per_epoch)
        self.step = 0
        self.best = -math.inf
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.timetable.steps

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the mean of every loss."""
        if self.step % self.timetable.steps_per_epoch == 0:
            self._start_epoch()
        torch.manual_seed(hash((self.recipe.seed, self.step)) % 2**31)
        batch = to_device(self.batches.batch(self.step), self.device)
        set_learning_rate(self.optimiser, self.timetable.learning_rate(self.step))
        self.model.train()
        losses: dict[str, Tensor] = self.model.losses(batch)  # type: ignore[operator]
        self._update(losses)
        self.step += 1
        self._update_average()
        return {name: float(value.detach().mean()) for name, value in losses.items()}

    def _update(self, losses: dict[str, Tensor]) -> None:
        against = None
        if self.adversary is not None and "adversary" in losses:
            against = torch.autograd.grad(losses["adversary"], self.adversary_parameters, retain_graph=True)
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        if self.recipe.optimiser.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.optimiser.clip)
        self.optimiser.step()
        if self.adversary is not None and against is not None:
            for parameter, gradient in zip(self.adversary_parameters, against, strict=True):
                parameter.grad = gradient  # what ``total`` has left there is not the adversary's
            self.adversary.step()

    def _start_epoch(self) -> None:
        own = getattr(self.model, "start_epoch", None)
        if callable(own):
            own(self.step // self.timetable.steps_per_epoch)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.recipe.average, (self.step + 1) / (self.step + 10))
        current = self.model.state_dict()
        for name, mean in self.average.state_dict().items():
            if "_memory." in name:
                continue
            if mean.dtype.is_floating_point:
                mean.lerp_(current[name], 1 - decay)
            else:
                mean.copy_(current[name])

    def save(self) -> None:
        """Write all that resuming needs."""
        tensors = checkpoint.with_prefix("model", self.model.state_dict())
        tensors |= checkpoint.with_prefix("average", without_memory(self.average.state_dict()))
        tensors |= checkpoint.with_prefix("optimiser", flat_state(self.optimiser))
        if self.adversary is not None:
            tensors |= checkpoint.with_prefix("adversary", flat_state(self.adversary))
        tensors["step"] = torch.tensor(self.step)
        tensors["best"] = torch.tensor(self.best, dtype=torch.float64)
        tensors["seconds"] = torch.tensor([self.seconds, self.cpu_seconds], dtype=torch.float64)
        checkpoint.save(tensors, self.folder / "state.safetensors")

    def resume(self) -> None:
        """Go on from ``state.safetensors``."""
        tensors = checkpoint.load(self.folder / "state.safetensors")
        self.step = int(tensors["step"])
        self.best = float(tensors["best"])
        if tensors.get("seconds", torch.zeros(1)).numel() == 2:
            self.seconds, self.cpu_seconds = tensors["seconds"].tolist()
        if self.step % self.timetable.steps_per_epoch:
            self._start_epoch()
        self.model.load_state_dict(checkpoint.without_prefix("model", tensors))
        self.average.load_state_dict(checkpoint.without_prefix("average", tensors), strict=False)
        restore_state(self.optimiser, checkpoint.without_prefix("optimiser", tensors))
        if self.adversary is not None:
            restore_state(self.adversary, checkpoint.without_prefix("adversary", tensors))

    def run(
        self, validate: Validate, *, validate_every: int | None = None, log: Log = lambda _: None
    ) -> dict[str, Any]:
        """Train to the end; validate every few epochs and keep the best weight average.

        Returns:
            The summary that is also written to ``summary.json``.
        """
        every = validate_every or self.recipe.validate_every
        per_epoch = self.timetable.steps_per_epoch
        while self.step < self.steps:
            started, busy = time.monotonic(), time.process_time()
            totals: dict[str, float] = {}
            first = self.step
            while self.step < self.steps and (self.step == first or self.step % per_epoch):
                for name, value in self.train_step().items():
                    totals[name] = totals.get(name, 0.0) + value
            self.seconds += time.monotonic() - started
            self.cpu_seconds += time.process_time() - busy
            epoch = self.step // per_epoch
            record: dict[str, Any] = {"epoch": epoch, "seconds": round(self.seconds, 1)}
            record |= {name: round(value / (self.step - first), 4) for name, value in totals.items()}
            if epoch % every == 0 or self.step == self.steps:
                record |= self._validated(validate)
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
            self.save()
            log(record)
        summary = {
            "recipe": asdict(self.recipe),
            "steps": self.step,
            "best_validation_score": self.best,
            "training_seconds": round(self.seconds, 3),
            "training_cpu_seconds": round(self.cpu_seconds, 3),
            "trained_parameters": count_trained(self.model),
        }
        write_json(self.folder / "summary.json", summary)
        return summary

    def _validated(self, validate: Validate) -> dict[str, float]:
        figures = validate(self.average)
        if figures["score"] > self.best:
            self.best = figures["score"]
            tensors = without_memory(stored_tensors(self.average))
            checkpoint.save(tensors, self.folder / "checkpoint.safetensors", metadata={"step": str(self.step)})
        return {f"validation_{name}": round(value, 3) for name, value in figures.items()}


def without_memory(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that a trained model needs; what it remembers of the training items is left out."""
    return {n: t for n, t in tensors.items() if "_memory." not in n and n.rpartition(".")[2] != "sentences_of_item"}


def to_device(batch: Any, device: str) -> Any:
    """The batch with every tensor of its fields on a device."""
    if device == "cpu" or not is_dataclass(batch) or isinstance(batch, type):
        return batch
    return replace(batch, **{f.name: _moved(getattr(batch, f.name), device) for f in fields(batch)})


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        return tuple(_moved(part, device) for part in value)
    return value
