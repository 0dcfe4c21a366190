"""One training loop for image-text retrieval.

A run is a folder: ``recipe.json``, ``tokenizer.json``, ``metrics.jsonl`` (one line an epoch), ``state.safetensors``
(all that resuming needs), ``checkpoint.safetensors`` (the weight average, best on validation) and ``summary.json``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from geoglot.core import registry
from geoglot.core.errors import UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine import checkpoint
from geoglot.engine.pairs import Example, PairData
from geoglot.engine.recipe import Recipe
from geoglot.engine.retrieval_data import Validation, training_examples
from geoglot.nn.batch import PairBatch
from geoglot.text.tokenizer import Tokenizer

Validate = Callable[[nn.Module, Tokenizer, int], dict[str, float]]
"""Weight-averaged model, tokenizer and side -> named figures; ``score`` is what is maximised."""


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear rise over the first 8 %, cosine fall to 1 % of the peak; the same again, lower, in the polish.

    Args:
        recipe: Whose schedule.
        progress: Share of the main cycle's steps; 1 to 2 is the polish.

    Example:
        >>> recipe = Recipe(method="compact", datasets=(), epochs=1, learning_rate=1.0)
        >>> [round(learning_rate(recipe, p), 3) for p in (0.04, 0.08, 1.0)]
        [0.5, 1.0, 0.01]
    """
    peak = recipe.learning_rate
    if recipe.polish and progress > 1:
        peak, progress = recipe.polish.learning_rate, progress - 1
    if progress < 0.08:
        return peak * progress / 0.08
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - 0.08) / 0.92)))


def build_model(recipe: Recipe, data: PairData, tokenizer: Tokenizer) -> nn.Module:
    """The recipe's method with the sizes that its data asks for."""
    module = registry.load("geoglot.methods.retrieval", recipe.method)
    config = module.Config(
        **{
            "vocabulary": tokenizer.size,
            "max_length": tokenizer.max_length,
            "categories": len(data.category_names),
            "words": len(data.word_names),
            "items": len(data),
            "sentences": len(data.sentences),
            **recipe.config,
        }
    )
    model: nn.Module = module.Model(config)
    model.sentences_of_item.copy_(torch.from_numpy(data.sentences_of_item))  # type: ignore[operator]
    return model


class Trainer:
    """State of one run: model, weight average, optimiser and step count."""

    def __init__(self, recipe: Recipe, data: PairData, folder: Path, *, device: str = "cpu") -> None:
        self.recipe, self.data, self.folder, self.device = recipe, data, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        tokenizer_file = folder / "tokenizer.json"
        if tokenizer_file.exists():
            self.tokenizer = Tokenizer.load(tokenizer_file)
        else:
            self.tokenizer = data.train_tokenizer(recipe.config.get("vocabulary", 6000), 32)
            self.tokenizer.save(tokenizer_file)
        self.model = build_model(recipe, data, self.tokenizer).to(device)
        self.average = build_model(recipe, data, self.tokenizer).to(device).eval()
        self.average.load_state_dict(self.model.state_dict())
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
        self.step = 0
        self.best = -math.inf
        self.steps_per_epoch = len(data) // recipe.batch
        self.main_steps = self.steps_per_epoch * recipe.epochs
        self.steps = self.main_steps + self.steps_per_epoch * (recipe.polish.epochs if recipe.polish else 0)
        if self.steps == 0:
            raise UsageError(
                f"batch {recipe.batch}", cause=f"is more than {len(data)} training images", remedy="lower it"
            )

    def progress(self, step: int) -> float:
        """Share of the main cycle's steps; beyond them 1 plus the share of the polish."""
        if step <= self.main_steps or self.steps == self.main_steps:
            return step / self.main_steps
        return 1 + (step - self.main_steps) / (self.steps - self.main_steps)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the mean of every loss."""
        progress = self.progress(self.step)
        torch.manual_seed(hash((self.recipe.seed, self.step)) % 2**31)
        side = self.recipe.side_at(progress)
        batch = _to_device(self.data.batch(self.step, side=side, tokenizer=self.tokenizer), self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.progress(self.step + 1))
        self.model.train()
        losses = self.model.losses(replace(batch, progress=progress))  # type: ignore[operator]
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self._update_average()
        return {name: float(value.detach().mean()) for name, value in losses.items()}

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.recipe.average, (self.step + 1) / (self.step + 10))
        current = self.model.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.dtype.is_floating_point and "_memory." not in name:
                mean.lerp_(current[name], 1 - decay)

    def save(self) -> None:
        """Write all that resuming needs."""
        tensors = checkpoint.with_prefix("model", self.model.state_dict())
        tensors |= checkpoint.with_prefix("average", _without_memory(self.average.state_dict()))
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= checkpoint.with_prefix(f"optimiser.{number}", state)
        tensors["step"] = torch.tensor(self.step)
        tensors["best"] = torch.tensor(self.best, dtype=torch.float64)
        checkpoint.save(tensors, self.folder / "state.safetensors")

    def resume(self) -> None:
        """Go on from ``state.safetensors``."""
        tensors = checkpoint.load(self.folder / "state.safetensors")
        self.model.load_state_dict(checkpoint.without_prefix("model", tensors))
        self.average.load_state_dict(checkpoint.without_prefix("average", tensors), strict=False)
        state = self.optimiser.state_dict()
        flat = checkpoint.without_prefix("optimiser", tensors)
        numbers = sorted({int(name.split(".")[0]) for name in flat})
        state["state"] = {number: checkpoint.without_prefix(str(number), flat) for number in numbers}
        self.optimiser.load_state_dict(state)
        self.step = int(tensors["step"])
        self.best = float(tensors["best"])

    def run(
        self, validate: Validate, *, validate_every: int = 5, log: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> dict[str, Any]:
        """Train to the end; validate every few epochs and keep the best weight average.

        Returns:
            The summary that is also written to ``summary.json``.
        """
        started = time.monotonic()
        while self.step < self.steps:
            totals: dict[str, float] = {}
            first = self.step
            while self.step < self.steps and (self.step == first or self.step % self.steps_per_epoch):
                for name, value in self.train_step().items():
                    totals[name] = totals.get(name, 0.0) + value
            epoch = self.step // self.steps_per_epoch
            record: dict[str, Any] = {"epoch": epoch, "seconds": round(time.monotonic() - started, 1)}
            record |= {name: round(value / (self.step - first), 4) for name, value in totals.items()}
            if epoch % validate_every == 0 or self.step == self.steps:
                record |= self._validated(validate)
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
            self.save()
            log(record)
        summary = {"recipe": asdict(self.recipe), "steps": self.step, "best_validation_score": self.best}
        (self.folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        return summary

    def _validated(self, validate: Validate) -> dict[str, float]:
        figures = validate(self.average, self.tokenizer, self.recipe.validation_side)
        if figures["score"] > self.best:
            self.best = figures["score"]
            tensors = _without_memory(self.average.state_dict())
            checkpoint.save(tensors, self.folder / "checkpoint.safetensors", metadata={"step": str(self.step)})
        return {f"validation_{name}": round(value, 3) for name, value in figures.items()}


def _without_memory(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: t for n, t in tensors.items() if "_memory." not in n and n != "sentences_of_item"}


def _to_device(batch: PairBatch, device: str) -> PairBatch:
    if device == "cpu":
        return batch
    moved = {name: getattr(batch, name).to(device, non_blocking=True) for name in batch.__dataclass_fields__}
    return replace(batch, **moved)


def start(recipe: Recipe, examples: Sequence[Example], folder: Path, *, resume: bool, device: str) -> Trainer:
    """A trainer on examples, resumed when asked and possible."""
    trainer = Trainer(recipe, PairData(examples, recipe), folder, device=device)
    if resume and (folder / "state.safetensors").exists():
        trainer.resume()
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    return trainer


def train_recipe(
    name: str,
    *,
    data_root: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    log: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Path:
    """Train a recipe by name and return the run's folder.

    Args:
        name: File name under ``geoglot.recipes``.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: The run's folder; default ``runs/<name>``.
        resume: Go on from the run's last epoch. Without it, a folder that holds a run is refused.
        log: Called with the figures of every epoch.

    Raises:
        UsageError: There is no such recipe, or the folder already holds a run.
        DataError: A dataset is absent.
    """
    recipe: Recipe = registry.load("geoglot.recipes", name).RECIPE
    folder = out or Path("runs") / name
    if (folder / "state.safetensors").exists() and not resume:
        raise UsageError(folder, cause="already holds a run", remedy="add --resume, or choose another --out")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    validation = Validation(recipe, data_root)
    trainer = start(recipe, training_examples(recipe, data_root), folder, resume=resume, device=device)
    write_json(folder / "env.json", environment())
    trainer.run(validation, log=log)
    return folder
