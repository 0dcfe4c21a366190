"""The matcher that archives use: a comparison trained on the maps of an image network that is there already.

The image network is that of a run of geoglot-compact, and stays as it is; its last maps of every picture are computed
once, and a matching method compares them. Training, validation and calibration images are those of the caption splits,
for the image network has seen the captions' training images. A run is a folder as every run of matching, with the
kind ``product-matcher`` in its recipe.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.data.labelled import category_rows
from geoglot.data.scene_kinds import images_by_kind
from geoglot.engine import checkpoint, composition
from geoglot.engine.matching.features import FeatureStore, encoder_of
from geoglot.engine.matching.images import LabelledPictures, Progress, cached_pictures, no_progress
from geoglot.engine.matching.recipe import MatchingRecipe, Stage, matching_recipe_from
from geoglot.engine.matching.running import METHODS
from geoglot.engine.matching.training import BEST, Log, MatchingTrainer
from geoglot.engine.recipe import known_fields
from geoglot.engine.run_folder import CHECKPOINT, METRICS, STATE, SUMMARY
from geoglot.engine.trained import load_trained
from geoglot.nn.matcher import Matcher

KIND: Final = "product-matcher"
SPLITS: Final = ("train", "val", "test")
NOT_A_RUN: Final = "give the folder of a run of geoglot-compact"


@dataclass(frozen=True, kw_only=True)
class ProductRecipe:
    """How a matcher for archives is trained.

    Attributes:
        method: File name under ``geoglot.methods.matching``, of a method that compares given features.
        config: Overrides of its ``Config``.
        datasets: Captioned datasets whose records tell a class.
        side: Side in pixels that pictures are resized to.
        stages: The training, of kind ``pairs``.
        backbone: Folder of the run whose image network is used.
        seed: Of the weights and of what is drawn.
    """

    method: str = "residual_dyad"
    config: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ("rsicd", "ucm")
    side: int = 144
    stages: tuple[Stage, ...] = (Stage(kind="pairs"),)
    backbone: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        other = [stage.kind for stage in self.stages if stage.kind != "pairs"]
        if other:
            cause = f"is {other[0]}, and the image network stays as it is"
            raise UsageError("stage", cause=cause, remedy="use the stage pairs")

    @property
    def matching(self) -> MatchingRecipe:
        """The same as the trainer takes it."""
        name = "+".join(self.datasets)
        return MatchingRecipe(
            method=self.method, config=self.config, dataset=name, side=self.side, stages=self.stages, seed=self.seed
        )


def product_recipe_from(values: Mapping[str, Any]) -> ProductRecipe:
    """A recipe from plain values, such as ``recipe.json`` of a run.

    Raises:
        UsageError: A field is unknown.

    Example:
        >>> recipe = ProductRecipe(config={"discriminator_widths": (8, 8, 8)})
        >>> product_recipe_from(json.loads(json.dumps(asdict(recipe)))) == recipe
        True
    """
    fields = {name: value for name, value in values.items() if name != "kind"}
    known = known_fields(ProductRecipe, fields, subject="recipe")
    plain = matching_recipe_from({"method": "", "config": fields.get("config", {}), "stages": fields.get("stages", ())})
    made = {**known, "config": plain.config, "datasets": tuple(fields.get("datasets", ("rsicd", "ucm")))}
    return ProductRecipe(**(made | ({"stages": plain.stages} if "stages" in fields else {})))


class MapsMatcher(Matcher):
    """A matching method on the last maps of an image network that is not trained.

    Args:
        tower: Image tower of a two-tower method: ``network`` with ``mean`` and ``deviation`` of colours.
        method: Compares the maps.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, tower: nn.Module, method: Matcher) -> None:
        super().__init__()
        self.network = cast(nn.Module, tower.network).eval().requires_grad_(False)
        self.register_buffer("mean", torch.as_tensor(tower.mean).clone())
        self.register_buffer("deviation", torch.as_tensor(tower.deviation).clone())
        self.method = method
        self.side, self.feature_shape, self.symmetric = method.side, method.feature_shape, method.symmetric

    def train(self, mode: bool = True) -> MapsMatcher:
        """The image network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) in [0, 1] -> (B, C, H, W)."""
        maps: Tensor = self.network((images - self.mean) / self.deviation)
        return maps.float()

    def left(self, features: Tensor) -> Tensor:
        """The method's."""
        return self.method.left(features)

    def right(self, features: Tensor) -> Tensor:
        """The method's."""
        return self.method.right(features)

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """The method's."""
        return self.method.compare(left, right)

    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        """The method's."""
        return self.method.pair_losses(first, second, same)


def build_product(recipe: ProductRecipe, backbone: Path) -> MapsMatcher:
    """A matcher with a fresh comparison.

    Raises:
        DataError: The folder is no finished run.
        UsageError: It has no image network, or there is no such method.
    """
    tower = getattr(load_trained(backbone).method, "image", None)
    if tower is None or not all(hasattr(tower, name) for name in ("network", "mean", "deviation")):
        raise UsageError(backbone, cause="has no image network of its own", remedy=NOT_A_RUN)
    with torch.no_grad():
        maps = cast(Tensor, tower.network(torch.zeros(1, 3, recipe.side, recipe.side)))
    module = registry.load(METHODS, recipe.method)
    torch.manual_seed(recipe.seed)
    sizes = {"side": recipe.side, "features": tuple(maps.shape[1:])}
    method = module.Model(composition.configure(module, sizes, recipe.config))
    return MapsMatcher(tower, method)


def labelled_by_kind(
    recipe: ProductRecipe, data_root: Path | None, cache: Path, progress: Progress = no_progress
) -> LabelledPictures:
    """All pictures of the recipe's datasets with their kinds, split as the captions are.

    Raises:
        DataError: A dataset is absent, not whole or has no classes.
    """
    found = {split: images_by_kind(recipe.datasets, split, data_root) for split in SPLITS}
    images = [image for split in SPLITS for image in found[split]]
    names, categories = category_rows([image.category for image in images])
    name = "+".join(recipe.datasets)
    return LabelledPictures(
        pictures=cached_pictures([image.path for image in images], name, recipe.side, cache, progress),
        categories=categories,
        category_names=names,
        splits=np.repeat(SPLITS, [len(found[split]) for split in SPLITS]),
        items=np.array([image.id for image in images]),
    )


def train_product(
    recipe: ProductRecipe,
    folder: Path,
    *,
    data_root: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    progress: Progress = no_progress,
) -> Path:
    """Train by a recipe and write the run's folder.

    Raises:
        UsageError: The folder holds a run and `resume` was not asked for, or no backbone is given.
        DataError: Data or backbone are absent, or training left the numbers.
    """
    if recipe.backbone is None:
        remedy = "add --backbone-weights with the folder of a run of geoglot-compact"
        raise UsageError("backbone", cause="is not given", remedy=remedy)
    begun = [name for name in (SUMMARY, STATE) if (folder / name).is_file()]
    if begun and not resume:
        raise UsageError(folder, cause="already holds a run", remedy="add --resume, or choose another --out")
    if begun and load_product_recipe(folder) != recipe:
        raise UsageError(folder, cause="holds the run of another recipe", remedy="choose another --out")
    if SUMMARY in begun:
        return folder
    cache = cache or folder.parent.parent / "features"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "env.json", environment())
    write_json(folder / "recipe.json", {"kind": KIND, **json.loads(json.dumps(asdict(recipe)))})
    model = build_product(recipe, Path(recipe.backbone))
    data = labelled_by_kind(recipe, data_root, cache, progress)
    store = FeatureStore(extract=encoder_of(model), pictures=data.pictures, cache=cache, name="maps", progress=progress)
    trainer = MatchingTrainer(
        recipe.matching,
        model,
        data,
        folder,
        store=lambda: store,
        data_root=data_root,
        cache=cache,
        progress=progress,
    )
    if (folder / STATE).is_file():
        trainer.resume()
    else:
        (folder / METRICS).unlink(missing_ok=True)
    trainer.run(log)
    checkpoint.save(model.state_dict(), folder / CHECKPOINT)
    trained = sum(p.numel() for p in model.method.parameters())
    write_json(
        folder / SUMMARY,
        {"training_seconds": round(trainer.seconds, 1), "trained_parameters": trained, "kinds": data.category_names},
    )
    for name in (STATE, BEST):
        (folder / name).unlink(missing_ok=True)
    return folder


def is_product_run(folder: Path) -> bool:
    """Whether a folder holds a run of a matcher for archives."""
    return _kind(folder) == KIND


def _kind(folder: Path) -> str:
    try:
        fields = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(fields.get("kind", "")) if isinstance(fields, dict) else ""


def load_product_recipe(folder: Path) -> ProductRecipe:
    """The recipe of a run.

    Raises:
        DataError: The folder is no run of a matcher for archives.
    """
    if not is_product_run(folder):
        raise DataError(
            folder, cause="is no run of a matcher for archives", remedy="give what 'geoglot train dyad' made"
        )
    return product_recipe_from(json.loads((folder / "recipe.json").read_text(encoding="utf-8")))


def load_product(folder: Path) -> tuple[MapsMatcher, ProductRecipe]:
    """A finished run in evaluation mode, with its recipe. The backbone's run must still be there.

    Raises:
        DataError: The folder is no finished run, or the backbone is gone or another one.
    """
    recipe = load_product_recipe(folder)
    if not (folder / SUMMARY).is_file():
        raise DataError(folder, cause="is not finished", remedy="add --resume to the command that began it")
    model = build_product(recipe, Path(str(recipe.backbone)))
    try:
        model.load_state_dict(checkpoint.load(folder / CHECKPOINT))
    except RuntimeError as error:
        cause = f"does not fit its method ({str(error).strip().splitlines()[-1].strip()})"
        raise DataError(folder, cause=cause, remedy="train again") from error
    return model.eval(), recipe


def with_changes(recipe: ProductRecipe, changes: Mapping[str, Any]) -> ProductRecipe:
    """The recipe after changes; ``epochs``, ``batch`` and ``learning_rate`` are those of every stage.

    Example:
        >>> changed = with_changes(ProductRecipe(), {"side": 96, "epochs": 2})
        >>> changed.side, changed.stages[0].epochs
        (96, 2)
    """
    of_stages = {name: value for name, value in changes.items() if name in ("epochs", "batch", "learning_rate")}
    stages = tuple(dataclasses.replace(stage, **of_stages) for stage in recipe.stages)
    fields = {name: value for name, value in changes.items() if name not in of_stages}
    if "config" in fields:
        fields["config"] = {**dict(recipe.config), **dict(fields["config"])}
    return product_recipe_from(
        {**{f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}, **fields, "stages": stages}
    )
