"""What an experiment of captioning is: a method, its data, a frozen backbone and its training, all of it frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from geoglot.core.errors import UsageError
from geoglot.engine.recipe import known_fields

KIND: Final = "captioner"
ENGLISH: Final = "en"
OptimiserName = Literal["radam", "adam", "adamw"]
ScheduleName = Literal["constant", "one-cycle"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class CaptioningRecipe:
    """One experiment of captioning; what is not given is as the JTTS paper trained.

    Attributes:
        method: File name under ``geoglot.methods.captioning``.
        config: Overrides of the method's ``Config``.
        datasets: Names of captioned datasets whose train splits are used together and whose validation splits choose.
        languages: Caption languages. Attributes are always those of the English captions.
        backbone: Whose last stage map a method sees, frozen: ``resnet101``, ``vgg16``, ``compact`` ...
        backbone_weights: Run folder or safetensors file that its weights come from.
        side: Pixels per side of the pictures.
        mirrored: Train with the mirror images as well, drawn by halves. Captions that tell left from right are always
            shown their own image.
        epochs: Passes over the training images.
        batch: Captions per step.
        captions: Captions of an image in an epoch, over all languages, drawn anew for each; ``None`` takes all.
        optimiser: ``radam``, ``adam`` or ``adamw``.
        learning_rate: Where it starts, or for ``one-cycle`` its peak.
        schedule: ``constant``; ``one-cycle`` rises over a twentieth of the steps and falls as a cosine to a hundredth.
        weight_decay: Of all parameters.
        clip: Largest norm of the gradient, ``None`` does not clip.
        precision: Of the products in training; ``bfloat16`` is nearly twice as fast on a CPU that has it. Captions are
            always written in ``float32``.
        average: Decay of the weight average that is validated and kept; 0 takes the weights as they are.
        least: Times that a word occurs at least in the training captions; rarer ones are unknown.
        max_length: Words of a caption; longer ones are cut.
        attributes_above: An attribute occurs more often than this in the English training captions of each dataset;
            ``None`` takes the paper's thresholds (UCM 100, Sydney 50, RSICD 200; 100 elsewhere).
        validation_images: Images per dataset that are captioned after an epoch, evenly spaced; 0 takes all.
        validate_every: Epochs between validations; the last epoch always is.
        beams: Widths of the beam that compete on validation for the captions that are kept; 1 is greedy.
        word_vectors: Text file of word vectors (GloVe's format) that the word tables start from.
        seed: Of the weights and of what is drawn in training.
    """

    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ("ucm",)
    languages: tuple[str, ...] = (ENGLISH,)
    backbone: str = "resnet101"
    backbone_weights: str | None = None
    side: int = 224
    mirrored: bool = False
    epochs: int = 30
    batch: int = 10
    captions: int | None = None
    optimiser: OptimiserName = "radam"
    learning_rate: float = 5e-4
    schedule: ScheduleName = "constant"
    weight_decay: float = 0.0
    clip: float | None = 5.0
    precision: Precision = "float32"
    average: float = 0.0
    least: int = 5
    max_length: int = 34
    attributes_above: int | None = None
    validation_images: int = 0
    validate_every: int = 1
    beams: tuple[int, ...] = (1, 3)
    word_vectors: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        named = (("optimiser", OptimiserName), ("schedule", ScheduleName), ("precision", Precision))
        for name, choices in named:
            if getattr(self, name) not in get_args(choices):
                remedy = f"choose one of {', '.join(get_args(choices))}"
                raise UsageError(f"{name} = {getattr(self, name)!r}", cause="is not known", remedy=remedy)
        for name in ("epochs", "batch", "side", "least", "max_length", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}", cause="is below 1", remedy="give at least 1")
        if self.captions is not None and self.captions < 1:
            raise UsageError(f"captions = {self.captions}", cause="is below 1", remedy="leave it out to take all")
        if not 0 <= self.average < 1:
            raise UsageError(f"average = {self.average}", cause="is outside [0, 1)", remedy="give 0, or 0.99")
        for name, example in (("datasets", "ucm"), ("languages", ENGLISH), ("beams", "1")):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                cause = "are none" if not values else "name something twice"
                raise UsageError(name, cause=cause, remedy=f"name each once, such as {example}")
        if min(self.beams) < 1:
            raise UsageError(f"beams = {self.beams}", cause="hold a width below 1", remedy="1 is greedy")


def captioning_recipe_from(values: Mapping[str, Any]) -> CaptioningRecipe:
    """A recipe from plain values, such as ``recipe.json`` of a run.

    Raises:
        UsageError: A field is unknown; the message suggests the nearest.

    Example:
        >>> recipe = CaptioningRecipe(method="jtts", config={"weights": (1.0, 1.0, 0.5)})
        >>> captioning_recipe_from(recipe_record(recipe)) == recipe
        True
    """
    fields = {name: _tuple(value) for name, value in values.items() if name not in ("kind", "config")}
    fields["config"] = {name: _tuple(value) for name, value in dict(values.get("config", {})).items()}
    return CaptioningRecipe(**known_fields(CaptioningRecipe, fields, subject="recipe"))


def recipe_record(recipe: CaptioningRecipe) -> dict[str, Any]:
    """The recipe as ``recipe.json`` holds it."""
    return {"kind": KIND, **json.loads(json.dumps(asdict(recipe)))}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value
