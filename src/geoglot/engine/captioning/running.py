"""A captioning run from its recipe to its captions, and what can be read from its folder.

A run is a folder: ``recipe.json``, ``config.json`` (sizes that the data asked for), ``env.json``, ``vocabulary.json``,
``attributes.json``, ``metrics.jsonl`` (one line an epoch), ``checkpoint.safetensors`` (the best epoch by CIDEr-D on
validation), ``predictions.jsonl`` (captions of the validation and test images) and ``summary.json``, which is written
last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine import checkpoint, composition
from geoglot.engine.captioning.data import (
    CaptionedSplit,
    Grids,
    Progress,
    build_attributes,
    build_vocabulary,
    category_names,
    read_split,
    training_captions,
    weights_of,
)
from geoglot.engine.captioning.prediction import FILE, Validation, evenly_spaced, predict_split, save_predictions
from geoglot.engine.captioning.recipe import KIND, CaptioningRecipe, captioning_recipe_from, recipe_record
from geoglot.engine.captioning.training import CaptionTrainer
from geoglot.engine.captioning.word_vectors import read_word_vectors
from geoglot.engine.epochs import SECONDS_BETWEEN_SAVES, Log
from geoglot.engine.images import CachedPyramids
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
from geoglot.nn.captioner import Captioner
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.captions import RESERVED, CaptionVocabulary

METHODS: Final = "geoglot.methods.captioning"
VOCABULARY: Final = "vocabulary.json"
ATTRIBUTES: Final = "attributes.json"

Note = Callable[[str], None]


def run_captioning(
    recipe: CaptioningRecipe,
    folder: Path,
    *,
    data_root: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    progress: Progress = lambda done, total: None,
    note: Note = lambda _: None,
    seconds_between_saves: float = SECONDS_BETWEEN_SAVES,
) -> Path:
    """Train by a recipe, caption the validation and test images, and write the run's folder.

    Args:
        recipe: What to do.
        folder: The run's folder.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache: Folder of grids; by default ``features`` beside the run.
        resume: Go on where an earlier call stopped; a finished run is left as it is.
        log: Called with the figures of every epoch.
        progress: Called with (pictures done, pictures in all) while grids are computed.
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
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ENVIRONMENT, environment())
    write_json(folder / RECIPE, recipe_record(recipe))
    grids = Grids(recipe, cache or folder.parent / "features", device=device, progress=progress)
    material = _material(recipe, folder, grids, data_root, device)
    model = build_captioner(recipe, material.sizes)
    if recipe.word_vectors is not None:
        start_from_word_vectors(model, recipe.word_vectors, material.vocabulary, material.attributes, note)
    captions = training_captions(
        recipe,
        material.train,
        material.vocabulary,
        material.attributes,
        grids.of(material.train, mirrored=recipe.mirrored),
    )
    validate = material.validation(recipe.validation_images)
    trainer = CaptionTrainer(
        recipe, model, captions, validate, folder, device=device, seconds_between_saves=seconds_between_saves
    )
    if (folder / STATE).is_file():
        trainer.resume()
    else:
        (folder / METRICS).unlink(missing_ok=True)
    trainer.run(log)
    model.load_state_dict(checkpoint.load(folder / CHECKPOINT))
    note("writing captions")
    chosen = _write_captions(model, folder, material, grids)
    summary = {
        "recipe": recipe_record(recipe),
        "training_seconds": round(trainer.seconds, 1),
        "epochs": trainer.epoch,
        "steps": trainer.steps,
        "best_epoch": trainer.best_epoch,
        "validation_cider": trainer.best,
        **chosen,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training_captions": len(captions),
        "images": {split.split: len(split) for split in (material.train, material.val, material.test)},
        **material.sizes,
    }
    write_json(folder / SUMMARY, summary)
    (folder / STATE).unlink(missing_ok=True)
    return folder


@dataclass(frozen=True, kw_only=True, eq=False)
class _Material:
    """What a recipe's data gives: splits, words, sizes, and the grids that validation looks at."""

    recipe: CaptioningRecipe
    train: CaptionedSplit
    val: CaptionedSplit
    test: CaptionedSplit
    vocabulary: CaptionVocabulary
    attributes: AttributeDictionary
    sizes: Mapping[str, int]
    val_grids: CachedPyramids
    device: str

    def validation(self, images: int) -> Validation:
        """Captions of so many evenly spaced validation images, all for 0."""
        return Validation(
            recipe=self.recipe,
            split=self.val,
            grids=self.val_grids,
            vocabulary=self.vocabulary,
            rows=evenly_spaced(self.val, images),
            device=self.device,
        )


def _material(recipe: CaptioningRecipe, folder: Path, grids: Grids, data_root: Path | None, device: str) -> _Material:
    """Read the splits, and write down what the run is built from."""
    train, val, test = (read_split(recipe, split, data_root) for split in ("train", "val", "test"))
    vocabulary, attributes = build_vocabulary(recipe, train), build_attributes(recipe, train)
    vocabulary.save(folder / VOCABULARY)
    attributes.save(folder / ATTRIBUTES)
    categories = category_names(train)
    sizes = {
        "channels": grids.channels,
        "vocabulary": len(vocabulary),
        "attributes": len(attributes),
        "languages": len(recipe.languages),
        "categories": len(categories),
        "max_length": recipe.max_length,
    }
    about = {"backbone_sha256": grids.sha256, "backbone_about": backbone_about(recipe)}
    write_json(folder / CONFIG, {**sizes, "category_names": list(categories), **about})
    return _Material(
        recipe=recipe,
        train=train,
        val=val,
        test=test,
        vocabulary=vocabulary,
        attributes=attributes,
        sizes=sizes,
        val_grids=grids.of(val),
        device=device,
    )


def _write_captions(model: Captioner, folder: Path, material: _Material, grids: Grids) -> dict[str, Any]:
    """Caption the validation and test images by the beam that is best on validation; which one that is."""
    recipe = material.recipe
    everything = material.validation(0)
    beams = {beam: everything(model, beam) for beam in sorted(recipe.beams)}
    beam = max(beams, key=lambda width: (_mean(beams[width]), -width))
    words = material.vocabulary, material.attributes
    predictions = [
        prediction
        for split, maps in ((material.val, material.val_grids), (material.test, grids.of(material.test)))
        for prediction in predict_split(model, recipe, split, maps, *words, beam=beam, device=material.device)
    ]
    save_predictions(predictions, folder / FILE)
    return {"validation_cider_by_beam": {str(width): found for width, found in beams.items()}, "beam": beam}


def backbone_about(recipe: CaptioningRecipe) -> dict[str, Any]:
    """What the frozen network is and what it has learnt from, for the record beside a number.

    Example:
        >>> backbone_about(CaptioningRecipe(method="jtts", backbone_weights="weights/resnet101.safetensors"))
        {'name': 'resnet101', 'weights': 'resnet101.safetensors', 'trained_on': None}
    """
    if recipe.backbone_weights is None:
        return {"name": recipe.backbone, "weights": None, "trained_on": "nothing"}
    path = weights_of(recipe) or Path()
    about: dict[str, Any] = {"name": recipe.backbone, "weights": path.name, "trained_on": None}
    if (path / RECIPE).is_file():
        fields = read_fields(path / RECIPE, path)
        about["trained_on"] = [f"{name} train" for name in fields.get("datasets", [])]
    return about


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)


def build_captioner(recipe: CaptioningRecipe, sizes: Mapping[str, Any]) -> Captioner:
    """The recipe's method with the sizes that its data asks for, seeded.

    Raises:
        UsageError: There is no such method, or a setting is unknown.
    """
    module = registry.load(METHODS, recipe.method)
    torch.manual_seed(recipe.seed)
    return cast(Captioner, module.Model(composition.configure(module, sizes, recipe.config)))


def start_from_word_vectors(
    model: Captioner, path: str, vocabulary: CaptionVocabulary, attributes: AttributeDictionary, note: Note
) -> None:
    """Give the method's word tables the vectors of a text file.

    Raises:
        UsageError: The method has no table of word vectors, or one of another width.
        DataError: The file is absent or damaged, or knows none of the words.
    """
    tables = model.word_tables()
    rows = {"words": (*RESERVED, *vocabulary.words), "attributes": attributes.words}
    if not tables:
        raise UsageError("the method", cause="has no table of word vectors", remedy="leave --word-vectors out")
    found = read_word_vectors(Path(path), {word for name in tables for word in rows[name]})
    given: dict[str, Tensor] = {}
    for name, table in tables.items():
        width = table.weight.shape[1]
        if found.width != width:
            cause = f"has vectors of {found.width} numbers, and the method's table of {name} is {width} wide"
            raise UsageError(path, cause=cause, remedy=f"add --set words={found.width}, or give another file")
        given[name] = torch.from_numpy(found.rows(rows[name]))
        known = sum(word in found.vectors for word in rows[name])
        note(f"word vectors: {known} of the {len(rows[name])} {name} start from {Path(path).name}")
    model.start_from(given)


def load_recipe(folder: Path) -> CaptioningRecipe:
    """The recipe of a run.

    Raises:
        DataError: The folder is no run of a captioning method.
    """
    fields = read_fields(folder / RECIPE, folder)
    if fields.get("kind") != KIND:
        raise DataError(folder, cause="is not a run of a captioning method", remedy="give a captioning run")
    return captioning_recipe_from(fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedCaptioner:
    """A run that can be used.

    Attributes:
        folder: The run.
        recipe: What was asked for.
        model: The method in evaluation mode, with the weights of its best epoch.
        vocabulary: Its words.
        attributes: Its attributes.
        category_names: Scene classes, in the order of their numbers.
        summary: What the run says about itself; empty while it is not finished.
    """

    folder: Path
    recipe: CaptioningRecipe
    model: Captioner
    vocabulary: CaptionVocabulary
    attributes: AttributeDictionary
    category_names: tuple[str, ...]
    summary: Mapping[str, Any]

    @property
    def beam(self) -> int:
        """Width of the beam that was best on validation."""
        return int(self.summary.get("beam", 1))


def load_captioner(folder: Path) -> TrainedCaptioner:
    """A run, to be used: its best epoch so far.

    Raises:
        DataError: The folder is no run of a captioning method, or has no weights yet.
    """
    recipe = load_recipe(folder)
    sizes = read_fields(folder / CONFIG, folder)
    names = sizes.pop("category_names", [])
    model = build_captioner(recipe, sizes)
    load_checkpoint(model, folder)
    return TrainedCaptioner(
        folder=folder,
        recipe=recipe,
        model=model.eval(),
        vocabulary=CaptionVocabulary.load(folder / VOCABULARY),
        attributes=AttributeDictionary.load(folder / ATTRIBUTES),
        category_names=tuple(names),
        summary=read_summary(folder),
    )
