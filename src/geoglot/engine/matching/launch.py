"""From words on the command line to runs of matching: a method with its defaults, a recipe, or a sweep of recipes.

A file of ``geoglot.recipes`` holds one experiment, ``RECIPE``, or several that belong together, ``SWEEP``: recipes by
name, in an order in which a run that others start from comes before them; ``initial`` names it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from geoglot.core import registry
from geoglot.core.errors import UsageError
from geoglot.engine.launch import RECIPES, parse_settings
from geoglot.engine.matching.evaluation import VARYING, evaluate_runs, write_matching_result
from geoglot.engine.matching.images import Progress, no_progress
from geoglot.engine.matching.recipe import OWN_TRAIN, MatchingRecipe, Stage, matching_recipe_from
from geoglot.engine.matching.running import METHODS, load_recipe, run_matching
from geoglot.engine.recipe import known_fields
from geoglot.engine.sweeps import Log, Note, changed_and_chosen, is_of, published, run_each
from geoglot.nn.matcher import Autoencoding

Sweep = Mapping[str, MatchingRecipe]

STAGE_SETTINGS: Final = ("epochs", "batch", "learning_rate")
"""Fields that a change without a stage's name gives to every stage."""


def is_matching(name: str) -> bool:
    """Whether a name is a matching method's, or that of a recipe or sweep of matching.

    Example:
        >>> is_matching("residual_dyad"), is_matching("residual_dyad_ucm"), is_matching("compact")
        (True, True, False)
    """
    return is_of(name, MatchingRecipe, METHODS)


def named_sweep(
    name: str,
    changes: Mapping[str, Any],
    *,
    stages: Sequence[str] = (),
    unlabelled: Sequence[str] = (),
    only: str | None = None,
) -> Sweep:
    """The experiments that a name means, after changes; one alone has the empty name.

    Args:
        name: A recipe's or sweep's name, else a method's.
        changes: Fields of :class:`MatchingRecipe` that differ, and of :data:`STAGE_SETTINGS` for every stage; of
            ``config`` and ``descriptor_config`` only what is named changes.
        stages: ``KIND.FIELD=VALUE`` words, for the stages of one kind.
        unlabelled: Datasets that a method's first stage learns from, without their labels.
        only: Pattern of names in a sweep, such as ``dyad-*``.

    Raises:
        UsageError: A name, field or stage is unknown, or a pattern fits nothing.
    """
    found: Sweep
    found = published(name) if name in registry.names(RECIPES) else {"": method_recipe(name, changes, unlabelled)}
    changed = {key: with_changes(recipe, changes, words) for key, recipe, words in _own_words(found, stages)}
    return changed_and_chosen(name, changed, lambda recipe: recipe, only)


def _own_words(sweep: Sweep, stages: Sequence[str]) -> Iterator[tuple[str, MatchingRecipe, list[str]]]:
    """Every recipe with the words for its own stages; what fits none of the sweep is left with the first."""
    anywhere = {stage.kind for recipe in sweep.values() for stage in recipe.stages}
    strange = [word for word in stages if word.partition(".")[0] not in anywhere]
    for key, recipe in sweep.items():
        kinds = {stage.kind for stage in recipe.stages}
        yield key, recipe, strange + [word for word in stages if word.partition(".")[0] in kinds]


def method_recipe(name: str, changes: Mapping[str, Any], unlabelled: Sequence[str] = ()) -> MatchingRecipe:
    """A method's own defaults (``RECIPE_DEFAULTS`` of its file), with the stages that it has losses for.

    An autoencoder learns from images without labels, is tuned on the training images, and its comparison learns on
    what it then makes of them. Another method learns from classes if it can, else end to end from pairs. Vectors of a
    descriptor are compared by a comparison alone.

    Raises:
        UsageError: There is no such method, or it cannot use images without labels.
    """
    module = registry.load(METHODS, name)
    own = dict(getattr(module, "RECIPE_DEFAULTS", {}))
    autoencoding = issubclass(module.Model, Autoencoding)
    if unlabelled and not autoencoding:
        cause = f"cannot learn from {', '.join(unlabelled)} without labels"
        raise UsageError(name, cause=cause, remedy="leave --unlabelled out")
    given = {key: changes[key] for key in ("descriptor", "metric") if key in changes}
    kinds: list[Stage] = []
    if given.get("descriptor") is None and autoencoding:
        data = [tuple(unlabelled)] if unlabelled else []
        kinds = [Stage(kind="reconstruction", data=names) for names in [*data, (OWN_TRAIN,)]]
    if given.get("metric", own.get("metric", "learned")) == "learned":
        with_classes = hasattr(module.Model, "class_losses") and given.get("descriptor") is None
        pairs = autoencoding or given.get("descriptor") is not None
        kinds.append(Stage(kind="classes" if with_classes else "pairs" if pairs else "joint"))
    elif hasattr(module.Model, "class_losses") and given.get("descriptor") is None:
        kinds.append(Stage(kind="classes"))
    fields = {"stages": kinds, **own, "method": name}
    if given.get("descriptor") is not None or unlabelled:
        fields["stages"] = kinds
    return matching_recipe_from(fields)


def with_changes(recipe: MatchingRecipe, changes: Mapping[str, Any], stages: Sequence[str] = ()) -> MatchingRecipe:
    """A recipe after changes, see :func:`named_sweep`.

    Example:
        >>> recipe = MatchingRecipe(method="residual_dyad", stages=(Stage(kind="pairs"), Stage(kind="joint")))
        >>> changed = with_changes(recipe, {"side": 128, "epochs": 5}, ["joint.epochs=2", "joint.mirrored=true"])
        >>> changed.side, [(stage.epochs, stage.mirrored) for stage in changed.stages]
        (128, [(5, False), (2, True)])
    """
    every = {key: value for key, value in changes.items() if key in STAGE_SETTINGS}
    fields = {key: value for key, value in changes.items() if key not in STAGE_SETTINGS}
    for key in ("config", "descriptor_config"):
        if key in fields:
            fields[key] = {**dict(getattr(recipe, key)), **dict(fields[key])}
    new = [replace(stage, **every) for stage in recipe.stages]
    for word, value in parse_settings(stages).items():
        kind, _, field = word.rpartition(".")
        known = {stage.kind for stage in new}
        if kind not in known:
            remedy = f"choose one of {', '.join(sorted(known))}: write KIND.NAME=VALUE"
            raise UsageError(word, cause="names no stage of the recipe", remedy=remedy)
        known_fields(Stage, {field: value}, subject="stage")
        plain: Any = tuple(value) if isinstance(value, list) else value
        new = [replace(stage, **{field: plain}) if stage.kind == kind else stage for stage in new]
    whole = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
    return matching_recipe_from({**whole, **fields, "stages": new})


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    data_root: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    progress: Progress = no_progress,
    note: Note = lambda _: None,
) -> list[Path]:
    """Run experiments one after the other; with `resume`, finished ones are left as they are.

    Args:
        sweep: By name; that of one alone is empty, its run is the folder itself.
        folder: Gets one folder per run.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache: Where pictures and features are kept.
        resume: Go on where an earlier call stopped.
        log: Called with the figures of every epoch, and the run's name.
        progress: Called with (done, in all).
        note: Called with sentences.

    Returns:
        The runs' folders.

    Raises:
        UsageError: A folder holds another run, or one that was begun and `resume` was not asked for.
    """

    def run(recipe: MatchingRecipe, place: Path, told: Log) -> Path:
        kept = cache or folder.parent / "features"
        return run_matching(
            recipe, place, data_root=data_root, cache=kept, resume=resume, log=told, progress=progress, note=note
        )

    return run_each(sweep, folder, run, log=log, note=note)


def evaluate_matching(runs: Sequence[Path], results: Path | None = None) -> list[tuple[dict[str, Any], Path | None]]:
    """The records of runs, one per configuration: runs that differ in seed or fold alone are taken together.

    Args:
        runs: Folders; of a sweep all of them.
        results: Results folder, gets one file per record.

    Returns:
        Records in the order of their first runs, each with the file that was written.

    Raises:
        UsageError: No run, or a seed and fold twice.
        DataError: A folder is no finished run of matching.
    """
    if not runs:
        raise UsageError("--run", cause="is missing", remedy="give the folders of matching runs")
    groups: dict[str, list[Path]] = {}
    for run in runs:
        groups.setdefault(_without_draws(load_recipe(run)), []).append(run)
    records = [evaluate_runs(group) for group in groups.values()]
    return [(record, write_matching_result(record, results) if results is not None else None) for record in records]


def _without_draws(recipe: MatchingRecipe) -> str:
    """What a recipe asks for apart from seeds and folds; a run that it starts from goes by its name."""
    fields = {name: value for name, value in dataclasses.asdict(recipe).items() if name not in VARYING}
    fields["initial"] = Path(recipe.initial).name if recipe.initial is not None else None
    return json.dumps(fields, sort_keys=True)
