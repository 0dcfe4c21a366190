"""What an experiment is: a method, its data and its hyper-parameters, frozen."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from geoglot.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class SideStep:
    """Train at ``side`` pixels from the share ``start`` of all steps on."""

    start: float
    side: int


@dataclass(frozen=True, kw_only=True)
class Polish:
    """A short second cycle after the main one: its own length, peak learning rate and resolution."""

    epochs: int
    learning_rate: float
    side: int


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How weights follow their gradients.

    Attributes:
        name: ``adamw``, ``adam`` (weight decay as L2 loss), or ``sgd`` (with Nesterov momentum).
        learning_rate: Peak, which the schedule scales.
        weight_decay: Of matrices and kernels; vectors and scalars have none.
        betas: Of ``adam`` and ``adamw``.
        momentum: Of ``sgd``.
        clip: Largest norm of the gradient over all parameters together; ``None`` does not clip.
        backbone_factor: Learning rate of a trained backbone relative to the method's own.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    momentum: float = 0.9
    clip: float | None = 5.0
    backbone_factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate over time.

    Attributes:
        name: ``one-cycle`` (linear rise, cosine fall), ``steps`` (times ``factor`` at every milestone), ``constant``.
        rise: Share of the steps in which ``one-cycle`` rises.
        last: Where ``one-cycle`` ends, relative to the peak.
        milestones: Epochs, counted from 0, before which ``steps`` multiplies.
        factor: Of ``steps``.
    """

    name: Literal["one-cycle", "steps", "constant"] = "one-cycle"
    rise: float = 0.08
    last: float = 0.01
    milestones: tuple[int, ...] = ()
    factor: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment of image-text retrieval.

    Attributes:
        method: File name under ``geoglot.methods.retrieval``.
        config: Overrides of the method's ``Config``.
        datasets: Names of datasets whose train splits are used together and whose validation splits choose.
        repeats: Times that a dataset's images are drawn per epoch, by dataset; those not named once.
        languages: Caption languages.
        epochs: Passes over the training images.
        batch: Images per step.
        optimiser: How weights follow their gradients.
        adversary: The same for the parameters that the model calls its adversary.
        schedule: The learning rate over time.
        average: Decay of the weight average that is evaluated and exported; 0 takes the weights as they are.
        sides: Training resolution over time.
        polish: A second, shorter cycle at the end, or ``None``.
        validation_side: Pixels per side in validation, of cached features and in the exported bundle.
        validation_images: Images per dataset that validation looks at, evenly spaced; 0 means all.
        validate_every: Epochs between validations.
        captions_per_image: Captions of an image in a batch. From 2 on, translations of some are added as well.
        language_sampling: Draw a language for every ``sample``, or one for the whole ``batch``.
        english_share: Probability that the first caption of an image is drawn in English, else in another language;
            ``None`` draws all languages alike.
        tokenizer: ``subword`` (learnt from the training captions), ``words``, ``clip``, or ``multilingual``
            (XLM-R's, from its file).
        token_dropout: Probability with which a sub-word merge is skipped.
        smallest_area: Smallest share of a picture that a random crop keeps.
        mixed: Share of the batches whose pictures carry rectangles of one another; their losses are mixed alike.
            For methods that say they can.
        backbone: What makes stage maps from pixels for methods that start from them (``compact``, ``resnet18``,
            ``timm:NAME``), ``None`` for methods that take pixels.
        backbone_weights: Folder of a run, or a safetensors file, that the backbone's weights come from.
        frozen: Keep the backbone as it is and train from its cached features.
        initial: Folder of a run whose weights the method starts from where shapes fit; or published weights that fit
            as a whole, by name or file, see :mod:`geoglot.engine.pretrained`.
        seed: Seed of everything.
    """

    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...]
    repeats: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ("en", "ar", "fr", "it")
    epochs: int
    batch: int = 256
    optimiser: Optimiser = Optimiser()
    adversary: Optimiser = Optimiser(name="adam", learning_rate=1e-4, weight_decay=0.0, betas=(0.5, 0.9), clip=None)
    schedule: Schedule = Schedule()
    average: float = 0.996
    sides: tuple[SideStep, ...] = (SideStep(start=0.0, side=96),)
    polish: Polish | None = None
    validation_side: int = 128
    validation_images: int = 0
    validate_every: int = 5
    captions_per_image: int = 1
    language_sampling: Literal["sample", "batch"] = "sample"
    english_share: float | None = None
    tokenizer: Literal["subword", "words", "clip", "multilingual"] = "subword"
    token_dropout: float = 0.1
    smallest_area: float = 0.4
    mixed: float = 0.0
    backbone: str | None = None
    backbone_weights: str | None = None
    frozen: bool = False
    initial: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "captions_per_image", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}", cause="is below 1", remedy="give at least 1")
        if not self.languages:
            raise UsageError("languages", cause="are none", remedy="name at least one, such as en")

    def side_at(self, progress: float) -> int:
        """Training side at a share of the main cycle's steps; above 1 is the polish.

        Example:
            >>> recipe = Recipe(method="compact", datasets=("ucm",), epochs=1,
            ...     sides=(SideStep(start=0.0, side=80), SideStep(start=0.6, side=112)))
            >>> recipe.side_at(0.5), recipe.side_at(0.6)
            (80, 112)
        """
        if self.polish and progress >= 1:
            return self.polish.side
        return [step.side for step in self.sides if step.start <= progress][-1]


_FIELDS_OF_FIRST_RUNS = {"captions_per_image": 2, "english_share": 0.75}
"""What every run did before its recipe could say otherwise."""


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values: ``recipe.json`` of a run, old or new, or a method's ``RECIPE_DEFAULTS``.

    Raises:
        UsageError: A field is unknown; the message suggests the nearest.

    Example:
        >>> recipe_from({"method": "scan", "datasets": [], "epochs": 2, "learning_rate": 0.1}).optimiser.learning_rate
        0.1
        >>> old = recipe_from({"method": "compact", "datasets": ["ucm"], "epochs": 2, "memory_from": 0.35})
        >>> dict(old.config), old.captions_per_image
        ({'memory_from': 0.35}, 2)
    """
    fields = dict(values)
    if "memory_from" in fields:  # a run of the first format
        fields["config"] = {"memory_from": fields.pop("memory_from"), **fields.get("config", {})}
        fields = {**_FIELDS_OF_FIRST_RUNS, **fields}
    flat = {name: fields.pop(name) for name in ("learning_rate", "weight_decay") if name in fields}
    for name, kind in (("optimiser", Optimiser), ("adversary", Optimiser), ("schedule", Schedule)):
        given = fields.get(name, {})
        if isinstance(given, Mapping):
            given = {**given, **(flat if name == "optimiser" else {})}
            if given:
                fields[name] = kind(**_tuples(known_fields(kind, given, subject=name)))
    fields["sides"] = tuple(_part(SideStep, step) for step in fields.get("sides", (SideStep(start=0.0, side=96),)))
    if fields.get("polish") is not None:
        fields["polish"] = _part(Polish, fields["polish"])
    fields["config"] = {name: _tuple(value) for name, value in dict(fields.get("config", {})).items()}
    return Recipe(**_tuples(known_fields(Recipe, fields, subject="recipe")))


def known_fields(kind: type, values: Mapping[str, Any], *, subject: str) -> dict[str, Any]:
    """The values, once every name is a field of the dataclass.

    Raises:
        UsageError: A name is no field; the message suggests the nearest.
    """
    known = [f.name for f in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
            raise UsageError(name, cause=f"is no setting of the {subject}", remedy=remedy)
    return dict(values)


def _part(kind: type, value: Any) -> Any:
    return kind(**value) if isinstance(value, Mapping) else value


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where recipes have tuples."""
    return {name: _tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value
