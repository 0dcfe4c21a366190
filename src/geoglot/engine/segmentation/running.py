"""A run of referring segmentation from its recipe to its masks, and what can be read from its folder.

A run is a folder: ``recipe.json``, ``config.json`` (sizes that the data asked for), ``env.json``, ``tokenizer.json``,
``metrics.jsonl`` (one line an epoch), ``checkpoint.safetensors`` (the best epoch by mIoU on validation),
``predictions.jsonl`` and ``masks.npz`` (the validation and test samples) and ``summary.json``, which is written last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import torch

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine import checkpoint, composition
from geoglot.engine.epochs import SECONDS_BETWEEN_SAVES, Log
from geoglot.engine.run_folder import (
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    METRICS,
    RECIPE,
    STATE,
    SUMMARY,
    finished,
    load_checkpoint,
    read_fields,
    read_summary,
)
from geoglot.engine.segmentation.data import (
    PairStore,
    TrainingSamples,
    build_tokenizer,
    load_tokenizer,
    read_split,
)
from geoglot.engine.segmentation.prediction import Validation, evenly_spaced, predict_splits
from geoglot.engine.segmentation.recipe import KIND, SegmentationRecipe, recipe_record, segmentation_recipe_from
from geoglot.engine.segmentation.saved_masks import save_predictions
from geoglot.engine.segmentation.training import SegmentationTrainer
from geoglot.engine.segmentation.weights import start_from_weights
from geoglot.engine.tokenizers import FILE as TOKENIZER
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.nn.segmenter import Segmenter

METHODS: Final = "geoglot.methods.segmentation"
SPLITS: Final = ("train", "val", "test")

Note = Callable[[str], None]


def run_segmentation(
    recipe: SegmentationRecipe,
    folder: Path,
    *,
    data_root: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    note: Note = lambda _: None,
    seconds_between_saves: float = SECONDS_BETWEEN_SAVES,
) -> Path:
    """Train by a recipe, predict the masks of the validation and test samples, and write the run's folder.

    Args:
        recipe: What to do.
        folder: The run's folder.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        resume: Go on where an earlier call stopped; a finished run is left as it is.
        log: Called with the figures of every epoch.
        note: Called with sentences about what is done next.
        seconds_between_saves: An epoch that ends sooner after the last save is not saved.

    Returns:
        The folder.

    Raises:
        UsageError: The folder holds another run, or a setting makes no sense.
        DataError: Data or weights are absent, or training left the numbers.
    """
    if finished(folder, lambda: load_recipe(folder) == recipe, resume=resume):
        note(f"{folder} is finished")
        return folder
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train, val, test = (read_split(recipe, split, data_root) for split in SPLITS)
    tokenizer = build_tokenizer(recipe, train)
    sizes = {"vocabulary": tokenizer.size, "max_length": recipe.max_length, "side": recipe.side}
    model = build_segmenter(recipe, sizes)
    about = start_from_weights(model, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ENVIRONMENT, environment())
    write_json(folder / RECIPE, recipe_record(recipe))
    write_json(folder / CONFIG, {**sizes, "weights": about, "data": dict(train.folders)})
    tokenizer.save(folder / TOKENIZER)
    store = PairStore(longest=math.ceil(recipe.side / recipe.crop))
    samples = TrainingSamples(recipe=recipe, split=train, tokenizer=tokenizer, store=store)
    rows = evenly_spaced(val, recipe.validation_samples)
    validation = Validation(recipe=recipe, split=val, tokenizer=tokenizer, rows=rows, device=device)
    watched = replace(validation, split=test, rows=evenly_spaced(test, 0)) if recipe.watch_test else None
    trainer = SegmentationTrainer(
        with_epochs(recipe, samples.steps()),
        model,
        samples,
        validation,
        folder,
        watch=watched,
        device=device,
        seconds_between_saves=seconds_between_saves,
    )
    if (folder / STATE).is_file():
        trainer.resume()
    else:
        (folder / METRICS).unlink(missing_ok=True)
    trainer.run(log)
    model.load_state_dict(checkpoint.load(folder / CHECKPOINT))
    note("predicting masks")
    saved = predict_splits(model.eval(), (val, test), recipe, tokenizer, device=device)
    save_predictions(saved, folder)
    summary = {
        "recipe": recipe_record(recipe),
        "training_seconds": round(trainer.seconds, 1),
        "epochs": trainer.epoch,
        "steps": trainer.steps,
        "best_epoch": trainer.best_epoch,
        "validation_miou": trainer.best,
        "test_watched": watched_test(folder / METRICS),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "samples": {split.split: len(split) for split in (train, val, test)},
        **sizes,
        "weights": about,
    }
    write_json(folder / SUMMARY, summary)
    (folder / STATE).unlink(missing_ok=True)
    return folder


def with_epochs(recipe: SegmentationRecipe, steps: int) -> SegmentationRecipe:
    """A recipe of so many iterations as one of epochs.

    Args:
        recipe: With or without ``iterations``.
        steps: Of an epoch.

    Example:
        >>> with_epochs(SegmentationRecipe(method="lstm_cnn", iterations=400_000), 2172).epochs
        185
    """
    if recipe.iterations is None:
        return recipe
    return replace(recipe, epochs=math.ceil(recipe.iterations / steps), iterations=None)


def watched_test(path: Path) -> dict[str, Any] | None:
    """What choosing the epoch on the test samples would have given, of a run that watched them.

    Returns:
        ``epoch`` and ``figures`` by language of the epoch with the highest mean mIoU there; ``None`` without any.
    """
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [line for line in lines if line.get("test_watched")]
    if not found:
        return None

    def mean(line: Mapping[str, Any]) -> float:
        figures = line["test_watched"].values()
        return float(sum(one["miou"] for one in figures) / len(figures))

    best = max(found, key=mean)
    return {"epoch": best["epoch"], "figures": best["test_watched"]}


def build_segmenter(recipe: SegmentationRecipe, sizes: Mapping[str, Any]) -> Segmenter:
    """The recipe's method with the sizes that its data asks for, seeded.

    Raises:
        UsageError: There is no such method, or a setting is unknown.
    """
    module = registry.load(METHODS, recipe.method)
    torch.manual_seed(recipe.seed)
    if recipe.size == "compact" and not hasattr(module, "COMPACT"):
        raise UsageError(recipe.method, cause="has no compact size", remedy="leave size out, and set its own sizes")
    given = {**(module.COMPACT if recipe.size == "compact" else {}), **sizes}
    return cast(Segmenter, module.Model(composition.configure(module, given, recipe.config)))


def load_recipe(folder: Path) -> SegmentationRecipe:
    """The recipe of a run.

    Raises:
        DataError: The folder is no run of referring segmentation.
    """
    fields = read_fields(folder / RECIPE, folder)
    if fields.get("kind") != KIND:
        cause = "is not a run of a segmentation method"
        raise DataError(folder, cause=cause, remedy="give a run of referring segmentation")
    return segmentation_recipe_from(fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedSegmenter:
    """A run that can be used.

    Attributes:
        folder: The run.
        recipe: What was asked for.
        model: The method in evaluation mode, with the weights of its best epoch.
        tokenizer: Of its phrases.
        summary: What the run says about itself; empty while it is not finished.
    """

    folder: Path
    recipe: SegmentationRecipe
    model: Segmenter
    tokenizer: AnyTokenizer
    summary: Mapping[str, Any]


def load_segmentation_run(folder: Path) -> TrainedSegmenter:
    """A run, to be used: its best epoch so far.

    Raises:
        DataError: The folder is no run of referring segmentation, or has no weights yet.
    """
    recipe = load_recipe(folder)
    sizes = read_fields(folder / CONFIG, folder)
    model = build_segmenter(recipe, sizes)
    load_checkpoint(model, folder)
    return TrainedSegmenter(
        folder=folder,
        recipe=recipe,
        model=model.eval(),
        tokenizer=load_tokenizer(recipe, folder / TOKENIZER),
        summary=read_summary(folder),
    )
