"""Experiments by name: recipes of the package, one alone or several that make one table, chosen, changed and run."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from geoglot.core import registry
from geoglot.core.errors import UsageError
from geoglot.engine.launch import RECIPES

Log = Callable[[dict[str, Any]], None]
Note = Callable[[str], None]
RecipeT = TypeVar("RecipeT")


def is_of(name: str, recipe_type: type, methods: str) -> bool:
    """Whether a name is that of a method in a package, or of a recipe or sweep of one type.

    Args:
        name: Any.
        recipe_type: Class of the recipes.
        methods: Package of the methods.
    """
    if name in registry.names(RECIPES):
        return isinstance(next(iter(published(name).values())), recipe_type)
    return name in registry.names(methods)


def published(name: str) -> Mapping[str, Any]:
    """The recipes of a file of ``geoglot.recipes``: its ``SWEEP`` by name, or its ``RECIPE`` under the empty name.

    Example:
        >>> list(published("compact"))
        ['']
    """
    module = registry.load(RECIPES, name)
    sweep: Mapping[str, Any] = module.SWEEP if hasattr(module, "SWEEP") else {"": module.RECIPE}
    return sweep


def changed_and_chosen(
    name: str, sweep: Mapping[str, RecipeT], change: Callable[[RecipeT], RecipeT], only: str | None
) -> dict[str, RecipeT]:
    """The recipes of a sweep after changes, of the runs that a pattern fits.

    Args:
        name: What the sweep is called, for the message.
        sweep: Recipes by the names of their runs.
        change: Of one recipe.
        only: Pattern of names, such as ``sg*``; ``None`` takes all.

    Raises:
        UsageError: The pattern fits nothing.

    Example:
        >>> changed_and_chosen("table", {"one": 1, "two": 2, "three": 3}, lambda recipe: 10 * recipe, "t*")
        {'two': 20, 'three': 30}
    """
    chosen = {key: change(recipe) for key, recipe in sweep.items() if only is None or fnmatch.fnmatch(key, only)}
    if not chosen:
        raise UsageError(only or name, cause=f"fits no run of {name}", remedy=f"choose from {', '.join(sweep)}")
    return chosen


def with_fields(
    recipe: RecipeT, changes: Mapping[str, Any], build: Callable[[Mapping[str, Any]], RecipeT], inner: tuple[str, ...]
) -> RecipeT:
    """A recipe with other fields; of those that hold fields of their own only what is named changes.

    Args:
        recipe: A frozen dataclass.
        changes: New values by field.
        build: A recipe from plain values.
        inner: Fields that are mappings.

    Raises:
        UsageError: A field is unknown.
    """
    whole = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}  # type: ignore[arg-type]
    merged = {key: {**dict(whole[key]), **dict(changes[key])} for key in inner if key in changes}
    return build({**whole, **changes, **merged})


def run_each(
    sweep: Mapping[str, RecipeT], folder: Path, run: Callable[[RecipeT, Path, Log], Path], *, log: Log, note: Note
) -> list[Path]:
    """Run experiments one after the other.

    Args:
        sweep: By name; that of one alone is empty, its run is the folder itself.
        folder: Gets one folder per run.
        run: Does one: its recipe, its folder, and where its figures go.
        log: Called with the figures of every epoch, and the run's name.
        note: Called with the name of every run.

    Returns:
        The runs' folders.
    """
    runs = []
    for name, recipe in sweep.items():
        if name:
            note(name)

        def named(record: dict[str, Any], name: str = name) -> None:
            log({"run": name, **record} if name else record)

        runs.append(run(recipe, folder / name if name else folder, named))
    return runs
