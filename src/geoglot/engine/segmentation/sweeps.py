"""Recipes that make one table together: the ablation of LGCE and its two readings, from one recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from geoglot.engine.segmentation.recipe import SegmentationRecipe

ABLATION: Final[Mapping[str, Mapping[str, str]]] = {
    "baseline": {"variant": "baseline"},
    "without-language": {"variant": "without-language"},
    "without-cross": {"variant": "without-cross"},
    "lgce": {},
    "lgce-full": {"cross": "full"},
    "without-language-full": {"variant": "without-language", "cross": "full"},
}
"""Steps of the paper's table III, and its two last rows again in the reading in which scales mix."""


def ablation(recipe: SegmentationRecipe) -> dict[str, SegmentationRecipe]:
    """The steps by name.

    Example:
        >>> list(ablation(SegmentationRecipe(method="lgce")))[:3]
        ['baseline', 'without-language', 'without-cross']
    """
    return {name: recipe_with(recipe, settings) for name, settings in ABLATION.items()}


def recipe_with(recipe: SegmentationRecipe, settings: Mapping[str, Any]) -> SegmentationRecipe:
    """The recipe with other settings of its method."""
    return replace(recipe, config={**dict(recipe.config), **settings})
