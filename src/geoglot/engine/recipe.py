"""What an experiment is: a method, its data and its hyper-parameters, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
class Recipe:
    """One experiment of image-text retrieval.

    Attributes:
        method: File name under ``geoglot.methods.retrieval``.
        config: Overrides of the method's ``Config``.
        datasets: Names of datasets whose train splits are used together and whose validation splits choose.
        languages: Caption languages.
        epochs: Passes over the training images.
        batch: Images per step.
        learning_rate: Peak of the one-cycle schedule (8 % linear rise, cosine fall to 1 %).
        weight_decay: AdamW weight decay of matrices and kernels.
        average: Decay of the weight average that is evaluated and exported.
        sides: Training resolution over time.
        polish: A second, shorter cycle at the end, or ``None``.
        validation_side: Pixels per side in validation and in the exported bundle.
        memory_from: Share of the steps after which the cross-batch memory is used.
        english_share: Probability that the first caption of an image is drawn in English, else in another language.
        token_dropout: Probability with which a sub-word merge is skipped.
        smallest_area: Smallest share of a picture that a random crop keeps.
        seed: Seed of everything.
    """

    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...]
    languages: tuple[str, ...] = ("en", "ar", "fr", "it")
    epochs: int
    batch: int = 256
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    average: float = 0.996
    sides: tuple[SideStep, ...] = (SideStep(start=0.0, side=96),)
    polish: Polish | None = None
    validation_side: int = 128
    memory_from: float = 0.3
    english_share: float = 0.75
    token_dropout: float = 0.1
    smallest_area: float = 0.4
    seed: int = 0

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
