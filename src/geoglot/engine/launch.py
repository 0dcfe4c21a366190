"""From words on the command line to a recipe: a published one with changes, or a method with its defaults."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from geoglot.core import registry
from geoglot.core.errors import UsageError
from geoglot.engine.composition import PACKAGE as METHODS
from geoglot.engine.composition import method_module
from geoglot.engine.recipe import Recipe, recipe_from

RECIPES: Final = "geoglot.recipes"
OTHERS: Final = ("geoglot.methods.hashing", "geoglot.methods.matching", "geoglot.methods.captioning")

GALLERY_DEFAULTS: Final[Mapping[str, Any]] = {
    "epochs": 30,
    "batch": 128,
    "optimiser": {"name": "adamw", "learning_rate": 5e-4, "weight_decay": 0.01, "betas": (0.9, 0.98), "clip": 2.0},
    "average": 0.99,
    "sides": ({"start": 0.0, "side": 144},),
    "validation_side": 144,
}
"""What a method without ``RECIPE_DEFAULTS`` is trained with."""

SETTINGS: Final = ("optimiser", "schedule", "config", "repeats")
"""Fields of a recipe that hold fields of their own; a change of one of these leaves the others."""


def named_recipe(name: str, changes: Mapping[str, Any]) -> Recipe:
    """A recipe of the package, or a method with its defaults, after changes.

    Args:
        name: A recipe's name, else a method's.
        changes: Fields of :class:`Recipe` that differ; of ``optimiser``, ``schedule``, ``config`` and ``repeats``
            only what is named changes.

    Raises:
        UsageError: There is neither such a recipe nor such a method, a field is unknown, or a method has no data.

    Example:
        >>> recipe = named_recipe("compact", {"epochs": 3, "optimiser": {"learning_rate": 0.1}})
        >>> recipe.epochs, recipe.optimiser.learning_rate, recipe.optimiser.weight_decay
        (3, 0.1, 0.05)
    """
    if name in registry.names(RECIPES):
        recipe: Recipe = registry.load(RECIPES, name).RECIPE
        return recipe_from(merged(asdict(recipe), changes))
    if name not in registry.names(METHODS):
        known = sorted({name for package in (RECIPES, METHODS, *OTHERS) for name in registry.names(package)})
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
        raise UsageError(name, cause="is neither a recipe nor a method", remedy=remedy)
    if not changes.get("datasets"):
        raise UsageError(name, cause="is a method, and needs data to be trained on", remedy="add --data rsicd")
    return method_recipe(name, changes)


def method_recipe(name: str, changes: Mapping[str, Any]) -> Recipe:
    """A method's own defaults (``RECIPE_DEFAULTS`` of its file, else the gallery's) after changes."""
    own = getattr(method_module(name), "RECIPE_DEFAULTS", {})
    fields = {**GALLERY_DEFAULTS, **own, "method": name}
    return recipe_from(merged({"datasets": (), **fields}, changes))


def merged(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields after changes, those with fields of their own changed inside.

    Example:
        >>> merged({"epochs": 3, "config": {"a": 1, "b": 2}}, {"config": {"b": 5}})
        {'epochs': 3, 'config': {'a': 1, 'b': 5}}
    """
    out = {**fields, **{name: value for name, value in changes.items() if name not in SETTINGS}}
    for name in SETTINGS:
        if name in changes:
            out[name] = {**dict(fields.get(name, {})), **dict(changes[name])}
    return out


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` words to settings; a value is JSON where it can be read as such, else text.

    Raises:
        UsageError: A word has no equals sign.

    Example:
        >>> parse_settings(["hidden=512", "variant=released", "channels=[40, 80]"])
        {'hidden': 512, 'variant': 'released', 'channels': [40, 80]}
    """
    found = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise UsageError(word, cause="is no setting", remedy="write NAME=VALUE")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
