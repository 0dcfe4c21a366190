"""From words on the command line to runs of referring segmentation: a method with its defaults, a recipe, or a sweep.

A file of ``geoglot.recipes`` holds one experiment, ``RECIPE``, or several that make one table, ``SWEEP``: recipes by
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoglot.core import registry
from geoglot.engine.launch import RECIPES
from geoglot.engine.segmentation.recipe import SegmentationRecipe, segmentation_recipe_from
from geoglot.engine.segmentation.running import METHODS, run_segmentation
from geoglot.engine.sweeps import Log, Note, changed_and_chosen, is_of, published, run_each, with_fields

Sweep = Mapping[str, SegmentationRecipe]


def is_segmentation(name: str) -> bool:
    """Whether a name is a segmentation method's, or that of a recipe or sweep of referring segmentation.

    Example:
        >>> is_segmentation("lavt"), is_segmentation("lavt_refsegrs"), is_segmentation("compact")
        (True, True, False)
    """
    return is_of(name, SegmentationRecipe, METHODS)


def named_sweep(name: str, changes: Mapping[str, Any], *, only: str | None = None) -> Sweep:
    """The experiments that a name means, after changes; one alone has the empty name.

    Args:
        name: A recipe's or sweep's name, else a method's.
        changes: Fields of :class:`SegmentationRecipe` that differ; of ``config`` only what is named changes.
        only: Pattern of names in a sweep, such as ``without*``.

    Raises:
        UsageError: A name or field is unknown, or the pattern fits nothing.

    Example:
        >>> recipe = named_sweep("lavt", {"epochs": 3, "side": 192})[""]
        >>> recipe.epochs, recipe.batch, recipe.side
        (3, 8, 192)
    """
    found: Sweep
    if name in registry.names(RECIPES):
        found = published(name)
    else:
        own = getattr(registry.load(METHODS, name), "RECIPE_DEFAULTS", {})
        found = {"": segmentation_recipe_from({**own, "method": name})}
    return changed_and_chosen(name, found, lambda recipe: with_changes(recipe, changes), only)


def with_changes(recipe: SegmentationRecipe, changes: Mapping[str, Any]) -> SegmentationRecipe:
    """A recipe after changes, see :func:`named_sweep`."""
    return with_fields(recipe, changes, segmentation_recipe_from, inner=("config",))


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    data_root: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    note: Note = lambda _: None,
) -> list[Path]:
    """Run experiments one after the other; with `resume`, finished ones are left as they are.

    Args:
        sweep: By name; that of one alone is empty, its run is the folder itself.
        folder: Gets one folder per run.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        resume: Go on where an earlier call stopped.
        log: Called with the figures of every epoch, and the run's name.
        note: Called with sentences.

    Returns:
        The runs' folders.

    Raises:
        UsageError: A folder holds another run, or one that was begun and `resume` was not asked for.
    """

    def run(recipe: SegmentationRecipe, place: Path, told: Log) -> Path:
        return run_segmentation(recipe, place, data_root=data_root, resume=resume, log=told, note=note)

    return run_each(sweep, folder, run, log=log, note=note)
