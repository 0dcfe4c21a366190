"""Recipes that make one table together: the ablation, margins, lambdas and CNN of the JTTS paper, from one recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from geoglot.engine.captioning.recipe import CaptioningRecipe

VARIANTS: Final = ("b", "sg/s", "sg+ls", "sg+MSO", "sg+ls+Ld", "sg+MSO+Ld")
MARGINS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SAMPLINGS: Final = (0.1, 0.3, 0.5, 1.0, 2.0)
ENCODERS: Final = ("alexnet", "vgg16", "vgg19", "googlenet", "resnet101")


def ablation(recipe: CaptioningRecipe) -> dict[str, CaptioningRecipe]:
    """The six steps, the method itself last; a slash of a name becomes ``-``.

    Example:
        >>> list(ablation(CaptioningRecipe(method="jtts")))
        ['b', 'sg-s', 'sg+ls', 'sg+MSO', 'sg+ls+Ld', 'sg+MSO+Ld']
    """
    return {name.replace("/", "-"): recipe_with(recipe, {"variant": name}) for name in VARIANTS}


def margins(recipe: CaptioningRecipe, values: Sequence[float] = MARGINS) -> dict[str, CaptioningRecipe]:
    """One recipe per margin."""
    return {f"margin-{value:g}": recipe_with(recipe, {"margin": value}) for value in values}


def samplings(recipe: CaptioningRecipe, values: Sequence[float] = SAMPLINGS) -> dict[str, CaptioningRecipe]:
    """One recipe per lambda."""
    return {f"sampling-{value:g}": recipe_with(recipe, {"sampling": value}) for value in values}


def encoders(recipe: CaptioningRecipe, names: Sequence[str] = ENCODERS) -> dict[str, CaptioningRecipe]:
    """One recipe per CNN."""
    return {name: replace(recipe, backbone=name) for name in names}


def recipe_with(recipe: CaptioningRecipe, settings: Mapping[str, Any]) -> CaptioningRecipe:
    """The recipe with other settings of its method."""
    return replace(recipe, config={**dict(recipe.config), **settings})
