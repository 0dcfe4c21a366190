"""From a recipe to a finished run of matching, and back: features, model, training, scores, the folder's files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.core import registry
from geoglot.core.descriptor import Descriptor
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, whole_file, write_json
from geoglot.engine import checkpoint, composition
from geoglot.engine.matching.features import Extract, FeatureStore, encoder_of
from geoglot.engine.matching.images import LabelledPictures, Pixels, Progress, labelled_pictures, no_progress
from geoglot.engine.matching.predictions import FILE, MatchingPredictions, save_predictions
from geoglot.engine.matching.recipe import MatchingRecipe, matching_recipe_from
from geoglot.engine.matching.scoring import distance_scores, learned_scores
from geoglot.engine.matching.training import (
    BEST,
    SECONDS_BETWEEN_SAVES,
    Log,
    MatchingTrainer,
    recipe_record,
)
from geoglot.engine.run_folder import (
    CHECKPOINT,
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
from geoglot.nn.matcher import Matcher

METHODS: Final = "geoglot.methods.matching"
DESCRIPTORS: Final = "geoglot.methods.descriptors"
DESCRIBED: Final = "features.npz"

Note = Callable[[str], None]


def run_matching(
    recipe: MatchingRecipe,
    folder: Path,
    *,
    data_root: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    progress: Progress = no_progress,
    note: Note = lambda _: None,
    seconds_between_saves: float = SECONDS_BETWEEN_SAVES,
) -> Path:
    """Train by a recipe, score the test images against all, and write the run's folder.

    Args:
        recipe: What to do.
        folder: The run.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache: Where pictures and features are kept; ``None`` is ``features/`` beside the folder of runs.
        resume: Go on from the run's last saved epoch; a finished run is left as it is.
        log: Called with the figures of every epoch.
        progress: Called with (done, in all) while pictures, features and scores are computed.
        note: Called with sentences about what is done next.
        seconds_between_saves: An epoch that ends sooner after the last save is not saved.

    Returns:
        The folder.

    Raises:
        UsageError: The folder holds another run, or a setting makes no sense.
        DataError: Data or the initial run are absent, or training left the numbers.
    """
    if finished(folder, lambda: load_recipe(folder) == recipe, resume=resume):
        note(f"{folder} is finished")
        return folder
    cache = cache or folder.parent.parent / "features"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ENVIRONMENT, environment())
    write_json(folder / RECIPE, recipe_record(recipe))
    data = labelled_pictures(recipe, data_root, cache, progress)
    features = Features(recipe, data, cache, folder, progress)
    model = None
    figures: dict[str, Any] = {}
    if recipe.metric == "learned" or recipe.descriptor is None:
        model = build_matcher(recipe, data, features.shape()).to(device)
        if recipe.backbone_weights is not None and recipe.descriptor is None:
            load_backbone_weights(model, recipe.backbone_weights)
        if recipe.initial is not None:
            start_from(model, initial_folder(recipe.initial, folder), note)
        trainer = MatchingTrainer(
            recipe,
            model,
            data,
            folder,
            store=lambda: features.store(model, device),
            data_root=data_root,
            cache=cache,
            device=device,
            seconds_between_saves=seconds_between_saves,
            progress=progress,
        )
        if (folder / STATE).is_file():
            trainer.resume()
        else:
            (folder / METRICS).unlink(missing_ok=True)
        trainer.run(log)
        calibrate(model, data, features.store(model, device), device)
        checkpoint.save(model.state_dict(), folder / CHECKPOINT)
        figures = {"training_seconds": round(trainer.seconds, 1), "parameters": count_parameters(model)}
    note("scoring")
    store = features.store(model, device)
    predictions = score(recipe, model, data, store.features(), device=device, progress=progress)
    save_predictions(predictions, folder / FILE)
    figures |= {"classes": len(data.category_names), "stages": stage_summaries(folder)}
    summary = {"recipe": recipe_record(recipe), **figures}
    write_json(folder / SUMMARY, summary)
    for name in (STATE, BEST):
        (folder / name).unlink(missing_ok=True)
    return folder


def initial_folder(initial: str, folder: Path) -> Path:
    """The run that a run starts from: a folder, else one beside it."""
    return Path(initial) if Path(initial).is_dir() else folder.parent / initial


@dataclass(frozen=True, eq=False)
class Features:
    """Where the recipe's features come from.

    Args:
        recipe: The recipe.
        data: The labelled images.
        cache: Folder that keeps features.
        folder: The run, which keeps what a descriptor learned.
        progress: Called while features are computed.
    """

    recipe: MatchingRecipe
    data: LabelledPictures
    cache: Path
    folder: Path
    progress: Progress = no_progress

    def shape(self) -> tuple[int, int, int] | None:
        """(C, 1, 1) of a descriptor's vectors, ``None`` where a method encodes."""
        if self.recipe.descriptor is None:
            return None
        return build_descriptor(self.recipe).dimension, 1, 1

    def store(self, model: Matcher | None, device: str = "cpu") -> FeatureStore:
        """The features of all images as descriptor or encoder make them now."""
        extract = (
            encoder_of(model, device) if self.recipe.descriptor is None and model is not None else self._described()
        )
        name = self.recipe.dataset
        return FeatureStore(
            extract=extract, pictures=self.data.pictures, cache=self.cache, name=name, progress=self.progress
        )

    def _described(self) -> Extract:
        """The descriptor, fitted to the training images; for a learned metric its numbers are standardised."""
        path = self.folder / DESCRIBED
        if not path.is_file():
            descriptor = build_descriptor(self.recipe)
            pictures = [self.data.pictures[row] for row in self.data.rows("train")]
            descriptor.fit(pictures)
            arrays = {**descriptor.state()}
            if self.recipe.metric == "learned":
                arrays |= _scale(descriptor.describe(pictures).astype(np.float64))
            with whole_file(path) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **cast(dict[str, Any], arrays))
        return load_described(self.recipe, self.folder)


def _scale(vectors: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    deviation = vectors.std(0)
    return {"scale.mean": vectors.mean(0), "scale.deviation": np.where(deviation > 0, deviation, 1.0)}


def build_descriptor(recipe: MatchingRecipe) -> Descriptor:
    """The recipe's descriptor, not fitted.

    Raises:
        UsageError: There is no such descriptor, or a setting is unknown.
    """
    module = registry.load(DESCRIPTORS, str(recipe.descriptor))
    given = {"source": recipe.backbone_weights} if recipe.backbone_weights is not None else {}
    return cast(Descriptor, module.Model(composition.configure(module, given, recipe.descriptor_config)))


def load_described(recipe: MatchingRecipe, folder: Path) -> Extract:
    """The fitted descriptor of a run: (B, side, side, 3) uint8 -> (B, D, 1, 1), standardised for a learned metric.

    Raises:
        DataError: What it learned is absent or damaged.
    """
    descriptor = build_descriptor(recipe)
    try:
        with (folder / DESCRIBED).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            state = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(folder / DESCRIBED, cause=f"cannot be read ({error})", remedy="train again") from error
    mean, deviation = state.pop("scale.mean", None), state.pop("scale.deviation", None)
    descriptor.load(state)

    def extract(pictures: Pixels) -> NDArray[np.float32]:
        vectors = descriptor.describe(list(pictures)).astype(np.float64)
        if recipe.metric == "learned":
            vectors = (vectors - mean) / deviation
        return vectors.astype(np.float32)[:, :, None, None]

    return extract


def build_matcher(recipe: MatchingRecipe, data: LabelledPictures, shape: tuple[int, int, int] | None) -> Matcher:
    """The recipe's method with the sizes that its data asks for, seeded.

    Raises:
        UsageError: There is no such method, or a setting is unknown.
    """
    return _build(recipe, {"side": recipe.side, "classes": len(data.category_names), "features": shape})


def _build(recipe: MatchingRecipe, sizes: Mapping[str, Any]) -> Matcher:
    module = registry.load(METHODS, recipe.method)
    torch.manual_seed(recipe.seed)
    return cast(Matcher, module.Model(composition.configure(module, sizes, recipe.config)))


def load_backbone_weights(model: Matcher, weights: str) -> None:
    """Give the method's backbone the weights of a run or a file.

    Raises:
        UsageError: The method has no backbone.
        DataError: The weights are absent or do not fit.
    """
    own: Any = getattr(model, "backbone", None)
    name: Any = getattr(getattr(model, "config", None), "backbone", None)
    if not isinstance(own, torch.nn.Module) or name is None:
        cause = "has no backbone that weights could be for"
        raise UsageError("the method", cause=cause, remedy="leave --backbone-weights out")
    try:
        own.load_state_dict(composition.load_backbone(name, weights).state_dict())
    except RuntimeError as error:
        cause = f"does not fit the backbone ({str(error).strip().splitlines()[-1].strip()})"
        raise DataError(weights, cause=cause, remedy="give weights of the same backbone") from error


def calibrate(model: Matcher, data: LabelledPictures, store: FeatureStore, device: str = "cpu") -> None:
    """Fit what turns a method's scores into odds to the validation images, where the method has such a thing.

    That is ``calibrate(features, labels)``; most methods learn odds from the start and have none.
    """
    own = getattr(model, "calibrate", None)
    rows = data.rows("val")
    if callable(own) and len(rows):
        model.eval()
        features = torch.from_numpy(store.features()[rows].astype(np.float32)).to(device)
        own(features, torch.from_numpy(data.categories[rows]).to(device))


def score(
    recipe: MatchingRecipe,
    model: Matcher | None,
    data: LabelledPictures,
    features: NDArray[Any],
    *,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> MatchingPredictions:
    """Every test image against all images, by the recipe's metric."""
    rows = data.rows("test")
    asked = np.asarray(features[rows])
    if recipe.metric == "learned":
        assert model is not None  # noqa: S101 (a learned metric is the method's)
        scores = learned_scores(model, asked, features, device=device, progress=progress)
    else:
        scores = distance_scores(asked, features, recipe.metric)
    return MatchingPredictions(
        scores=scores,
        query_rows=rows,
        gallery_rows=np.arange(len(data.items)),
        categories=data.categories,
        category_names=data.category_names,
        splits=data.splits,
        items=data.items,
    )


def count_parameters(model: torch.nn.Module) -> int:
    """All parameters of a method."""
    return sum(parameter.numel() for parameter in model.parameters())


def stage_summaries(folder: Path) -> list[dict[str, Any]]:
    """Per stage its kind, its epochs, and the best epoch with its validation loss."""
    path = folder / METRICS
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        record = json.loads(line)
        stage = found.setdefault(record["stage"], {"kind": record["kind"]})
        stage["epochs"] = record["epoch"]
        if record["best"]:
            stage |= {"best_epoch": record["epoch"], "validation_loss": record["validation_loss"]}
    return [found[number] for number in sorted(found)]


def load_recipe(folder: Path) -> MatchingRecipe:
    """The recipe of a run.

    Raises:
        DataError: The folder is no run of a matching method.
    """
    fields = read_fields(folder / RECIPE, folder)
    if fields.get("kind") != "matcher":
        raise DataError(folder, cause="is not a run of a matching method", remedy="give the run of a matching method")
    return matching_recipe_from(fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedMatcher:
    """A finished run.

    Attributes:
        recipe: What was asked for.
        model: The method in evaluation mode, ``None`` where features are compared by their distance.
        extract: Pixels to features.
    """

    recipe: MatchingRecipe
    model: Matcher | None
    extract: Extract


def load_matcher(folder: Path) -> TrainedMatcher:
    """A finished run, to be used.

    Raises:
        DataError: The folder is no finished run of a matching method.
    """
    recipe = load_recipe(folder)
    if not (folder / SUMMARY).is_file():
        raise DataError(folder, cause="is not finished", remedy="add --resume to the command that began it")
    model = None
    if (folder / CHECKPOINT).is_file():
        model = _rebuilt(recipe, folder, read_summary(folder))
    extract = load_described(recipe, folder) if recipe.descriptor is not None else encoder_of(cast(Matcher, model))
    return TrainedMatcher(recipe=recipe, model=model, extract=extract)


def _rebuilt(recipe: MatchingRecipe, folder: Path, summary: Mapping[str, Any]) -> Matcher:
    shape = (build_descriptor(recipe).dimension, 1, 1) if recipe.descriptor is not None else None
    model = _build(recipe, {"side": recipe.side, "classes": summary.get("classes", 1), "features": shape})
    load_checkpoint(model, folder)
    return model.eval()


def trained_tensors(folder: Path) -> dict[str, Tensor]:
    """What a run's training changed: a discriminator that no stage has trained is left out.

    Raises:
        DataError: The folder is no finished run of a matching method.
    """
    trained = load_matcher(folder)
    if trained.model is None:
        raise DataError(folder, cause="has trained nothing", remedy="start from another run")
    summary = read_summary(folder)
    shape = trained.model.feature_shape if trained.recipe.descriptor is not None else None
    sizes = {"side": trained.recipe.side, "classes": summary.get("classes", 1), "features": shape}
    fresh = _build(trained.recipe, sizes).state_dict()
    return {n: t for n, t in trained.model.state_dict().items() if not torch.equal(t, fresh[n])}


def start_from(model: Matcher, folder: Path, note: Note) -> None:
    """Copy what another run has trained, where names and shapes fit.

    Raises:
        DataError: The folder is no finished run of a matching method, or nothing of it fits.
    """
    own = model.state_dict()
    found = trained_tensors(folder)
    fitting = {name: t for name, t in found.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise DataError(folder, cause="holds nothing that fits", remedy="start from a run of the same sizes")
    model.load_state_dict(fitting, strict=False)
    if len(fitting) < len(found):
        note(f"{folder}: {len(found) - len(fitting)} of its {len(found)} trained tensors do not fit and are left out")
