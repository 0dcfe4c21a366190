"""What an experiment of referring segmentation is: a method, its data and its training, all of it frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from geoglot.core.errors import UsageError
from geoglot.engine.recipe import known_fields

KIND: Final = "segmenter"
ENGLISH: Final = "en"
SizeName = Literal["paper", "compact"]
OptimiserName = Literal["adamw", "adam", "sgd"]
ScheduleName = Literal["poly", "one-cycle", "constant"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe:
    """One experiment of referring segmentation; what is not given is as LAVT and LGCE were trained on RefSegRS.

    Attributes:
        method: File name under ``geoglot.methods.segmentation``.
        config: Overrides of the method's ``Config``.
        size: ``paper`` starts from the method's ``Config()``, ``compact`` from its ``COMPACT``.
        datasets: Names or folders of referring datasets whose train parts are used together and whose validation parts
            choose.
        languages: Of the phrases. A training sample is shown in one of them, drawn anew in every epoch.
        side: Pixels per side of the pictures and masks that a method sees and is measured on.
        tokenizer: ``words`` counts the words of the training phrases; ``bert`` and ``multilingual`` (XLM-R's) lie
            beside ``text_weights``, as ``vocab.txt`` or ``tokenizer.json``.
        least: Times that a word occurs at least in the training phrases; rarer ones are unknown.
        max_length: Words of a phrase; longer ones are cut.
        backbone_weights: Run folder, safetensors file or ``timm:`` name that the method's picture network starts from.
        text_weights: Folder, safetensors file or ``hub:`` repository that a published encoder of words starts from.
        epochs: Passes over the training samples.
        iterations: Steps in all; then ``epochs`` is not asked, there are as many as these steps take.
        samples: Of them drawn for every epoch; ``None`` takes all.
        batch: Samples per step.
        optimiser: ``adamw``, ``adam`` or ``sgd`` (momentum 0.9).
        learning_rate: Where it starts, or for ``one-cycle`` its peak.
        last_rate: Where ``poly`` ends.
        schedule: ``poly`` falls as (1 - progress) ^ 0.9 to ``last_rate``; ``one-cycle`` rises over a twentieth of the
            steps and falls as a cosine to a hundredth; ``constant``.
        weight_decay: Of matrices; norms, biases and tables of relative positions have none.
        clip: Largest norm of the gradient, ``None`` does not clip.
        precision: Of the products in training; masks are always written in ``float32``.
        average: Decay of the weight average that is validated and kept; 0 takes the weights as they are.
        crop: Smallest side of a random window of a training picture, as a share of the picture's; 1 takes it whole.
        turned: Show training pictures mirrored and turned by quarters. A phrase that names a direction or a place in
            the picture is always shown its own.
        shaded: Largest change of brightness, contrast and colour of training pictures, as a share; 0 leaves them.
        validation_samples: Samples that are predicted after an epoch, evenly spaced; 0 takes all.
        validate_every: Epochs between validations; the last epoch always is.
        watch_test: Measure the test samples after every validated epoch as well. Their figures are written down and
            never choose anything: they say what choosing on the test part would have given.
        seed: Of the weights and of what is drawn in training.
    """

    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    size: SizeName = "paper"
    datasets: tuple[str, ...] = ("refsegrs",)
    languages: tuple[str, ...] = (ENGLISH,)
    side: int = 480
    tokenizer: str = "words"
    least: int = 1
    max_length: int = 20
    backbone_weights: str | None = None
    text_weights: str | None = None
    epochs: int = 40
    iterations: int | None = None
    samples: int | None = None
    batch: int = 8
    optimiser: OptimiserName = "adamw"
    learning_rate: float = 5e-5
    last_rate: float = 0.0
    schedule: ScheduleName = "poly"
    weight_decay: float = 0.01
    clip: float | None = None
    precision: Precision = "float32"
    average: float = 0.0
    crop: float = 1.0
    turned: bool = False
    shaded: float = 0.0
    validation_samples: int = 0
    validate_every: int = 1
    watch_test: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        named = (
            ("size", SizeName),
            ("optimiser", OptimiserName),
            ("schedule", ScheduleName),
            ("precision", Precision),
        )
        for name, choices in named:
            if getattr(self, name) not in get_args(choices):
                remedy = f"choose one of {', '.join(get_args(choices))}"
                raise UsageError(f"{name} = {getattr(self, name)!r}", cause="is not known", remedy=remedy)
        for name in ("epochs", "batch", "side", "least", "max_length", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}", cause="is below 1", remedy="give at least 1")
        for name in ("samples", "iterations"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}", cause="is below 1", remedy="leave it out")
        for name, usual in (("average", 0.99), ("shaded", 0.2)):
            if not 0 <= getattr(self, name) < 1:
                remedy = f"give 0, or {usual}"
                raise UsageError(f"{name} = {getattr(self, name)}", cause="is outside [0, 1)", remedy=remedy)
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop = {self.crop}", cause="is outside (0, 1]", remedy="1 takes whole pictures")
        for name, example in (("datasets", "refsegrs"), ("languages", ENGLISH)):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                cause = "are none" if not values else "name something twice"
                raise UsageError(name, cause=cause, remedy=f"name each once, such as {example}")


def segmentation_recipe_from(values: Mapping[str, Any]) -> SegmentationRecipe:
    """A recipe from plain values, such as ``recipe.json`` of a run.

    Raises:
        UsageError: A field is unknown; the message suggests the nearest.

    Example:
        >>> recipe = SegmentationRecipe(method="lavt", config={"depths": (2, 2, 6, 2)})
        >>> segmentation_recipe_from(recipe_record(recipe)) == recipe
        True
    """
    fields = {name: _tuple(value) for name, value in values.items() if name not in ("kind", "config")}
    fields["config"] = {name: _tuple(value) for name, value in dict(values.get("config", {})).items()}
    return SegmentationRecipe(**known_fields(SegmentationRecipe, fields, subject="recipe"))


def recipe_record(recipe: SegmentationRecipe) -> dict[str, Any]:
    """The recipe as ``recipe.json`` holds it."""
    return {"kind": KIND, **json.loads(json.dumps(asdict(recipe)))}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value
