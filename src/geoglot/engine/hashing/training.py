"""Training of a hashing method on frozen features.

A run is a folder: ``recipe.json``, ``env.json``, ``metrics.jsonl`` (one line an epoch), ``checkpoint.safetensors``
(the last epoch's weights; there is no validation to choose by) and ``codes.npz`` (packed codes of queries and
database with their classes, all that evaluation reads).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, whole_file, write_json
from geoglot.engine import checkpoint
from geoglot.engine.hashing.data import (
    FeatureSet,
    HashingSplit,
    Scale,
    SplitRule,
    Standardisation,
    TextView,
    TrainingPairs,
    split_rows,
    standardisation,
    training_pairs,
)
from geoglot.metrics.hashing import pack_codes
from geoglot.nn.hasher import HashBatch, Hasher

PACKAGE = "geoglot.methods.hashing"
CODES = "codes.npz"


@dataclass(frozen=True, kw_only=True)
class HashingRecipe:
    """One experiment of hashing.

    Attributes:
        method: File name under ``geoglot.methods.hashing``.
        config: Overrides of the method's ``Config``.
        dataset: Name of the dataset, as the features say it.
        epochs: Passes over the training pairs.
        batch: Pairs per step; a last batch of fewer than two is left out.
        learning_rate: Of Adam.
        weight_decay: Of Adam (added to the gradient).
        falls: Every so many epochs, the first included, the rate is multiplied by ``fall``.
        fall: See ``falls``.
        least_rate: The rate never falls below.
        adversary_decay: Weight decay of the second network's optimiser.
        adversary_decoupled: AdamW instead of Adam for the second network.
        noise: Probability that a training caption is replaced by one of another class.
        clean_share: Share of the pairs known to be right, which noise spares.
        text_view: Where augmented captions come from.
        split: Which images train, ask and are searched.
        scale: From which rows the features' mean and deviation are taken.
        seed: Of the weights and the order of the batches.
        data_seed: Of split, captions and noise.
    """

    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "ucm"
    epochs: int = 100
    batch: int = 256
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4
    falls: int = 50
    fall: float = 0.8
    least_rate: float = 1e-6
    adversary_decay: float = 1e-4
    adversary_decoupled: bool = False
    noise: float = 0.0
    clean_share: float = 0.0
    text_view: TextView = "caption"
    split: SplitRule = "published"
    scale: Scale = "all"
    seed: int = 0
    data_seed: int = 42


def rate_at(recipe: HashingRecipe, epoch: int) -> float:
    """Learning rate of an epoch: it falls at its start, at epochs 0, ``falls``, 2 ``falls`` ...

    Example:
        >>> recipe = HashingRecipe(method="duch", learning_rate=1.0)
        >>> [round(rate_at(recipe, epoch), 4) for epoch in (0, 49, 50, 100)]
        [0.8, 0.8, 0.64, 0.512]
    """
    return max(recipe.learning_rate * recipe.fall ** (epoch // recipe.falls + 1), recipe.least_rate)


@dataclass(frozen=True, kw_only=True)
class HashingData:
    """What a run trains on and is measured on."""

    features: FeatureSet
    split: HashingSplit
    scaled: Standardisation
    pairs: TrainingPairs


def prepare(recipe: HashingRecipe, features: FeatureSet) -> HashingData:
    """Split, standardise, choose captions and put in the noise that a recipe asks for.

    Raises:
        UsageError: The features are of another dataset, or a setting is out of range.
    """
    if features.dataset != recipe.dataset:
        cause = f"are of {features.dataset}, the recipe asks for {recipe.dataset}"
        raise UsageError("the features", cause=cause, remedy="give the features of that dataset")
    split = split_rows(features, recipe.split, seed=recipe.data_seed)
    scaled = standardisation(features, split, recipe.scale)
    pairs = training_pairs(
        features,
        split,
        scaled,
        noise=recipe.noise,
        clean_share=recipe.clean_share,
        text_view=recipe.text_view,
        seed=recipe.data_seed,
    )
    return HashingData(features=features, split=split, scaled=scaled, pairs=pairs)


def build_hasher(recipe: HashingRecipe, *, image_width: int, text_width: int, items: int) -> Hasher:
    """The recipe's method with the sizes that its data asks for."""
    module = registry.load(PACKAGE, recipe.method)
    sizes = {"image_width": image_width, "text_width": text_width, "items": items}
    return cast(Hasher, module.Model(module.Config(**{**sizes, **recipe.config})))


def batches(recipe: HashingRecipe, pairs: TrainingPairs, epoch: int, *, clean_only: bool) -> Iterator[HashBatch]:
    """The batches of an epoch in an order that depends on seed and epoch alone."""
    rows = np.flatnonzero(pairs.clean) if clean_only else np.arange(len(pairs.images))
    if len(rows) < 2:
        cause, remedy = f"are {len(rows)}, too few to train on", "raise the share of clean pairs"
        raise UsageError("clean pairs" if clean_only else "training pairs", cause=cause, remedy=remedy)
    order = np.random.default_rng((recipe.seed, epoch)).permutation(rows)
    for start in range(0, len(order), recipe.batch):
        items = order[start : start + recipe.batch]
        if len(items) < 2:
            return
        yield HashBatch(
            images=torch.from_numpy(pairs.images[items]),
            image_views=torch.from_numpy(pairs.image_views[items]),
            texts=torch.from_numpy(pairs.texts[items]),
            text_views=torch.from_numpy(pairs.text_views[items]),
            items=torch.from_numpy(items),
            categories=torch.from_numpy(pairs.categories[items]),
        )


class HashTrainer:
    """State of one run: the method, its optimiser, and its second network's."""

    def __init__(self, recipe: HashingRecipe, data: HashingData) -> None:
        self.recipe, self.data = recipe, data
        torch.manual_seed(recipe.seed)
        pairs = data.pairs
        self.model = build_hasher(
            recipe, image_width=pairs.images.shape[1], text_width=pairs.texts.shape[1], items=len(pairs.images)
        )
        second = list(self.model.adversary_parameters())
        known = {id(parameter) for parameter in second}
        first = [parameter for parameter in self.model.parameters() if id(parameter) not in known]
        self.optimiser = torch.optim.Adam(first, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        kind = torch.optim.AdamW if recipe.adversary_decoupled else torch.optim.Adam
        self.second_optimiser = (
            kind(second, lr=recipe.learning_rate, betas=(0.5, 0.9), weight_decay=recipe.adversary_decay)
            if second
            else None
        )

    def step(self, batch: HashBatch) -> dict[str, Tensor]:
        """One step of both optimisers; returns the losses.

        What ``total`` leaves in the second network's gradients is thrown away before its own loss is followed.
        """
        losses = self.model.losses(batch)
        self.model.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"], retain_graph="adversary" in losses)
        if self.second_optimiser is not None:
            self.second_optimiser.zero_grad(set_to_none=True)
            if "adversary" in losses:
                torch.autograd.backward(losses["adversary"])
                self.second_optimiser.step()
        self.optimiser.step()
        return losses

    def epoch(self, epoch: int) -> dict[str, float]:
        """One epoch; returns the mean of every loss over its steps."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.recipe, epoch)
        torch.manual_seed(hash((self.recipe.seed, epoch)) % 2**31)
        self.model.start_epoch(epoch)
        self.model.train()
        sums: dict[str, float] = {}
        count = 0
        for batch in batches(self.recipe, self.data.pairs, epoch, clean_only=self.model.clean_only(epoch)):
            for name, value in self.step(batch).items():
                sums[name] = sums.get(name, 0.0) + float(value.detach().mean())
            count += 1
        return {name: total / count for name, total in sums.items()}


@torch.no_grad()
def encode(model: Hasher, features: NDArray[np.float32], *, texts: bool) -> NDArray[np.uint8]:
    """Packed codes of standardised features. (N, D) -> (N, ceil(bits / 8)) uint8."""
    coder = model.eval().text_codes if texts else model.eval().image_codes
    parts = [coder(part).to(torch.int8).numpy() for part in torch.split(torch.from_numpy(features), 2048)]
    return pack_codes(np.concatenate(parts))


def run_codes(model: Hasher, data: HashingData) -> dict[str, NDArray[Any]]:
    """Packed codes and classes of queries and database; a text side has the five captions of each image in a row.

    A caption that occurs several times is encoded once.
    """
    features = data.features
    found: dict[str, NDArray[Any]] = {}
    sentences = encode(model, data.scaled.texts(features.sentences["en"]), texts=True)
    for name, rows in (("query", data.split.query), ("database", data.split.database)):
        captions = features.sentence_of_caption[rows]
        found[f"{name}_images"] = encode(model, data.scaled.images(features.images[rows]), texts=False)
        found[f"{name}_texts"] = sentences[captions.ravel()]
        found[f"{name}_categories"] = features.categories[rows]
    return found


def train_hasher(
    recipe: HashingRecipe,
    features: FeatureSet,
    folder: Path,
    *,
    log: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Path:
    """Train by a recipe and write the run's folder.

    Args:
        recipe: What to do.
        features: Frozen features of the recipe's dataset.
        folder: The run's folder; one that already holds a run is refused.
        log: Called with the figures of every epoch.

    Returns:
        The folder.

    Raises:
        UsageError: The folder holds a run, there is no such method, or a setting is out of range.
        DataError: Features do not fit, or training left the numbers.
    """
    if (folder / "checkpoint.safetensors").exists():
        raise UsageError(folder, cause="already holds a run", remedy="choose another folder")
    data = prepare(recipe, features)
    trainer = HashTrainer(recipe, data)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "env.json", environment())
    write_json(folder / "recipe.json", {**asdict(recipe), "kind": "hasher", "features": dict(features.source)})
    started = time.perf_counter()
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as stream:
        for epoch in range(recipe.epochs):
            figures = trainer.epoch(epoch)
            if not all(np.isfinite(list(figures.values()))):
                cause = f"left the numbers in epoch {epoch + 1}"
                raise DataError("the training", cause=cause, remedy="lower the learning rate")
            record = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - started, 1), **figures}
            stream.write(json.dumps(record, sort_keys=True) + "\n")
            stream.flush()
            log(record)
    save_hasher(trainer.model, data, folder)
    return folder


def save_hasher(model: Hasher, data: HashingData, folder: Path) -> None:
    """Write the weights, the standardisation beside them, and the codes."""
    scale = {name: torch.tensor(value, dtype=torch.float64) for name, value in asdict(data.scaled).items()}
    tensors = checkpoint.with_prefix("model", model.state_dict()) | checkpoint.with_prefix("scale", scale)
    checkpoint.save(tensors, folder / "checkpoint.safetensors")
    arrays: dict[str, Any] = {
        **run_codes(model, data),
        "bits": np.array(model.bits),
        "training_pairs": np.array(len(data.pairs.images)),
        "wrong_captions": data.pairs.wrong.sum(),
        "clean_pairs": data.pairs.clean.sum(),
    }
    with whole_file(folder / CODES) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def load_hasher(folder: Path) -> tuple[Hasher, Standardisation, HashingRecipe]:
    """A trained hasher in evaluation mode, its standardisation and its recipe.

    Raises:
        DataError: The folder is no run of a hashing method.
    """
    try:
        fields = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(folder, cause="is not a training run", remedy="give the folder of a run") from error
    if fields.pop("kind", None) != "hasher":
        raise DataError(folder, cause="is not a run of a hashing method", remedy="give the run of a hashing method")
    fields.pop("features", None)
    config = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.pop("config").items()}
    recipe = replace(HashingRecipe(**fields), config=config)
    tensors = checkpoint.load(folder / "checkpoint.safetensors")
    state = checkpoint.without_prefix("model", tensors)
    scaled = Standardisation(**{k: float(v) for k, v in checkpoint.without_prefix("scale", tensors).items()})
    widths = {side: state[f"{side}.hidden.weight"].shape[1] for side in ("image", "text")}
    items = len(state["binary.codes"])
    model = build_hasher(recipe, image_width=widths["image"], text_width=widths["text"], items=items)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(folder, cause=f"does not fit its method ({error})", remedy="train again") from error
    return model.eval(), scaled, recipe
