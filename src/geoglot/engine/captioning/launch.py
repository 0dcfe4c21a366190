"""From words on the command line to runs of captioning: a method with its defaults, a recipe, or a sweep of recipes.

A file of ``geoglot.recipes`` holds one experiment, ``RECIPE``, or several that make one table, ``SWEEP``: recipes by
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoglot.core import registry
from geoglot.engine.captioning.data import Progress
from geoglot.engine.captioning.recipe import CaptioningRecipe, captioning_recipe_from
from geoglot.engine.captioning.running import METHODS, run_captioning
from geoglot.engine.launch import RECIPES
from geoglot.engine.sweeps import Log, Note, changed_and_chosen, is_of, published, run_each, with_fields

Sweep = Mapping[str, CaptioningRecipe]


def is_captioning(name: str) -> bool:
    """Whether a name is a captioning method's, or that of a recipe or sweep of captioning.

    Example:
        >>> is_captioning("jtts"), is_captioning("jtts_ucm"), is_captioning("compact")
        (True, True, False)
    """
    return is_of(name, CaptioningRecipe, METHODS)


def named_sweep(name: str, changes: Mapping[str, Any], *, only: str | None = None) -> Sweep:
    """The experiments that a name means, after changes; one alone has the empty name.

    Args:
        name: A recipe's or sweep's name, else a method's.
        changes: Fields of :class:`CaptioningRecipe` that differ; of ``config`` only what is named changes.
        only: Pattern of names in a sweep, such as ``sg*``.

    Raises:
        UsageError: A name or field is unknown, or the pattern fits nothing.

    Example:
        >>> recipe = named_sweep("jtts", {"epochs": 3, "config": {"margin": 0.3}})[""]
        >>> recipe.epochs, recipe.batch, dict(recipe.config)
        (3, 10, {'margin': 0.3})
    """
    found: Sweep
    if name in registry.names(RECIPES):
        found = published(name)
    else:
        own = getattr(registry.load(METHODS, name), "RECIPE_DEFAULTS", {})
        found = {"": captioning_recipe_from({**own, "method": name})}
    return changed_and_chosen(name, found, lambda recipe: with_changes(recipe, changes), only)


def with_changes(recipe: CaptioningRecipe, changes: Mapping[str, Any]) -> CaptioningRecipe:
    """A recipe after changes, see :func:`named_sweep`."""
    return with_fields(recipe, changes, captioning_recipe_from, inner=("config",))


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    data_root: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    progress: Progress = lambda done, total: None,
    note: Note = lambda _: None,
) -> list[Path]:
    """Run experiments one after the other; with `resume`, finished ones are left as they are.

    Args:
        sweep: By name; that of one alone is empty, its run is the folder itself.
        folder: Gets one folder per run.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache: Where grids are kept; by default ``features`` beside the folder.
        resume: Go on where an earlier call stopped.
        log: Called with the figures of every epoch, and the run's name.
        progress: Called with (pictures done, in all).
        note: Called with sentences.

    Returns:
        The runs' folders.

    Raises:
        UsageError: A folder holds another run, or one that was begun and `resume` was not asked for.
    """

    def run(recipe: CaptioningRecipe, place: Path, told: Log) -> Path:
        kept = cache or folder.parent / "features"
        return run_captioning(
            recipe, place, data_root=data_root, cache=kept, resume=resume, log=told, progress=progress, note=note
        )

    return run_each(sweep, folder, run, log=log, note=note)
