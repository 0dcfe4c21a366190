"""What an experiment of image matching is: a method, its data and the stages of its training, frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from geoglot.core.errors import UsageError
from geoglot.engine.recipe import Optimiser, known_fields

StageKind = Literal["reconstruction", "pairs", "joint", "classes"]
Metric = Literal["learned", "euclidean", "cosine"]
Sampling = Literal["pairs", "batch"]

OWN_TRAIN = "train"
"""Name, among a stage's data, of the training images of the recipe's own dataset."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a training; the next starts from its best epoch on validation.

    Attributes:
        kind: ``reconstruction`` (an autoencoder, no labels), ``pairs`` (the comparison, on cached features),
            ``joint`` (encoder and comparison together, from pixels), ``classes`` (the method's own loss on labels).
        data: ``train`` (training images of the recipe's dataset), or names of datasets whose images are taken
            without their labels; only ``reconstruction`` takes others than ``train``.
        epochs: Passes at most.
        batch: Images per step; for ``sampling="pairs"`` pairs per step.
        images: Images drawn at random for every epoch; ``None`` takes all.
        optimiser: ``sgd`` (with Nesterov momentum), ``adam`` or ``adamw``.
        learning_rate: Where it starts, or for ``one-cycle`` its peak.
        momentum: Of ``sgd``.
        weight_decay: Of matrices and kernels.
        clip: Largest norm of the gradient, ``None`` does not clip.
        schedule: ``plateau`` multiplies the rate by ``decay`` after ``decay_patience`` epochs without a lower
            validation loss; ``one-cycle`` rises over a tenth of the steps and falls as a cosine to the last.
        decay: See ``schedule``.
        decay_patience: See ``schedule``.
        patience: Epochs without a lower validation loss after which the stage ends.
        sampling: ``pairs`` draws balanced pairs anew for every epoch; ``batch`` compares all images of a batch with
            each other and weights both kinds of pairs alike, which costs one pass per image.
        classes: Classes in a batch, for ``sampling="batch"``; its images are shared out evenly among them.
        pairs: Pairs per epoch, ``None`` as many as there are training images; for ``sampling="batch"`` pairs per
            batch, half of each kind where there are enough, ``None`` all.
        mirrored: Turn and mirror images at random, of cached features their eight views.
        reconstruction: Weight of the reconstruction loss in ``joint``.
    """

    kind: StageKind
    data: tuple[str, ...] = (OWN_TRAIN,)
    epochs: int = 100
    batch: int = 32
    images: int | None = None
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip: float | None = None
    schedule: Literal["plateau", "one-cycle"] = "plateau"
    decay: float = 0.2
    decay_patience: int = 5
    patience: int = 10
    sampling: Sampling = "pairs"
    classes: int = 8
    pairs: int | None = None
    mirrored: bool = False
    reconstruction: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in (("kind", StageKind), ("sampling", Sampling)):
            if getattr(self, name) not in get_args(choices):
                remedy = f"choose one of {', '.join(get_args(choices))}"
                raise UsageError(f"{name} = {getattr(self, name)!r}", cause="is not known", remedy=remedy)
        for name in ("epochs", "batch", "patience", "decay_patience"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}", cause="is below 1", remedy="give at least 1")
        if not self.data:
            raise UsageError("data", cause="is empty", remedy=f"name {OWN_TRAIN!r} or datasets")
        if self.kind != "reconstruction" and self.data != (OWN_TRAIN,):
            cause = f"learns from labels, and {', '.join(self.data)} would be taken without"
            raise UsageError(f"stage {self.kind}", cause=cause, remedy="leave its data out")

    @property
    def description(self) -> Optimiser:
        """The optimiser, as the builder takes it."""
        return Optimiser(
            name=self.optimiser,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            clip=self.clip,
        )


@dataclass(frozen=True, kw_only=True)
class MatchingRecipe:
    """One experiment of image matching.

    Attributes:
        method: File name under ``geoglot.methods.matching``; of no use with a metric that is not learned, and a
            descriptor.
        config: Overrides of the method's ``Config``.
        dataset: Labelled images that are split, trained on and asked.
        share: Share of every class that is not for the test, validation included.
        fold: Which of five folds is the test, in place of a share; ``None`` splits by ``share``.
        side: Side in pixels that images are resized to.
        stages: The training, one after the other; may be empty where nothing is learned.
        descriptor: File name under ``geoglot.methods.descriptors`` whose vectors are the features; ``None`` takes
            the method's encoder.
        descriptor_config: Overrides of the descriptor's settings.
        metric: How two images are compared: by the method (``learned``), or by the distance of their features.
        precision: Of the products in training; ``bfloat16`` is twice as fast on a CPU that has it. Validation and
            scores are always ``float32``.
        backbone_weights: Run folder or safetensors file that the weights of the method's ``backbone``, or of a
            descriptor's, come from.
        initial: Run whose trained weights the method starts from, where they fit.
        seed: Of the weights and of what is drawn in training.
        split_seed: Of the split.
    """

    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "ucm"
    share: float = 0.8
    fold: int | None = None
    side: int = 256
    stages: tuple[Stage, ...] = ()
    descriptor: str | None = None
    descriptor_config: Mapping[str, Any] = field(default_factory=dict)
    metric: Metric = "learned"
    precision: Literal["float32", "bfloat16"] = "float32"
    backbone_weights: str | None = None
    initial: str | None = None
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            remedy = f"choose one of {', '.join(get_args(Metric))}"
            raise UsageError(f"metric = {self.metric!r}", cause="is not known", remedy=remedy)
        if not 0 < self.share < 1:
            raise UsageError(f"share = {self.share}", cause="is outside (0, 1)", remedy="give 0.8, or 0.3 to 0.8")
        if self.side < 1:
            raise UsageError(f"side = {self.side}", cause="is below 1", remedy="give pixels")
        kinds = {stage.kind for stage in self.stages}
        if self.descriptor is not None and kinds - {"pairs"}:
            cause = f"gives vectors, which stage {sorted(kinds - {'pairs'})[0]} cannot train"
            raise UsageError(f"descriptor {self.descriptor}", cause=cause, remedy="leave that stage out")


def matching_recipe_from(values: Mapping[str, Any]) -> MatchingRecipe:
    """A recipe from plain values, such as ``recipe.json`` of a run.

    Raises:
        UsageError: A field is unknown; the message suggests the nearest.

    Example:
        >>> recipe = MatchingRecipe(method="residual_dyad", stages=(Stage(kind="pairs"),))
        >>> matching_recipe_from(dataclasses.asdict(recipe)) == recipe
        True
    """
    fields = {name: value for name, value in values.items() if name != "kind"}
    fields["stages"] = tuple(_stage(stage) for stage in fields.get("stages", ()))
    for name in ("config", "descriptor_config"):
        fields[name] = {key: _tuple(value) for key, value in dict(fields.get(name, {})).items()}
    return MatchingRecipe(**known_fields(MatchingRecipe, fields, subject="recipe"))


def _stage(values: Any) -> Stage:
    if isinstance(values, Stage):
        return values
    fields = known_fields(Stage, values, subject="stage")
    return Stage(**{name: _tuple(value) for name, value in fields.items()})


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value


def with_stages(recipe: MatchingRecipe, **changes: Any) -> MatchingRecipe:
    """The recipe with the same fields changed in every stage.

    Example:
        >>> recipe = MatchingRecipe(method="residual_dyad", stages=(Stage(kind="pairs"), Stage(kind="joint")))
        >>> [stage.epochs for stage in with_stages(recipe, epochs=3).stages]
        [3, 3]
    """
    return dataclasses.replace(recipe, stages=tuple(dataclasses.replace(s, **changes) for s in recipe.stages))
