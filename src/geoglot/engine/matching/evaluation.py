"""From the saved scores of matching runs to a record: two galleries, with and without the query, several seeds.

The published protocol asks with the test images and searches all images of the dataset: its P@50 of 99 % needs more
than fifty images of a class, and a test split has twenty. So the images that trained the comparison, with their
labels, are searched too, and a method that has learned them by heart is rewarded. The second reading searches the
images of the queries' own split alone. Both are in every record, and what was seen is said beside the first.

The query itself is left out by default: P@1000 of 9.90 % is the most that 99 other images of a class allow.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine.matching.predictions import MatchingPredictions, load_predictions
from geoglot.metrics.image_retrieval import CUTOFFS, ImageRetrieval, score_retrieval
from geoglot.metrics.intervals import mean_intervals

TASK: Final = "matching"
RESAMPLES: Final = 1000
ALL: Final = "all"
READINGS: Final = ("query_left_out", "query_kept")
VARYING: Final = ("seed", "split_seed", "fold")
"""Fields of a recipe in which the runs of one record may differ."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A run and what it says."""

    recipe: dict[str, Any]
    predictions: MatchingPredictions
    trained_with: dict[str, Any]


def retrieval_of(
    predictions: MatchingPredictions, *, gallery: str = ALL, keep_query: bool = False, pessimistic: bool = False
) -> ImageRetrieval:
    """Measure saved scores.

    Args:
        predictions: Of a run.
        gallery: ``all`` images, or the name of a split.
        keep_query: Search the query, too; it is its own first answer then.
        pessimistic: Settle equal scores against the method.

    Raises:
        UsageError: No image is of that split.
        GeoglotError: No query has anything to find.
    """
    rows = predictions.gallery_rows
    columns = np.arange(len(rows)) if gallery == ALL else np.flatnonzero(predictions.splits[rows] == gallery)
    if len(columns) == 0:
        raise UsageError(gallery, cause="is a split without images", remedy="search all, train, val or test")
    # By row of the dataset: equal scores are settled by the lower one, in whatever order the gallery was saved.
    columns = columns[np.argsort(rows[columns])]
    place = np.full(len(predictions.items), -1)
    place[rows[columns]] = np.arange(len(columns))
    return score_retrieval(
        predictions.scores[:, columns],
        predictions.categories[predictions.query_rows],
        predictions.categories[rows[columns]],
        own=None if keep_query else place[predictions.query_rows],
        ties="pessimistic" if pessimistic else "stable",
    )


def evaluate_runs(runs: Sequence[str | Path], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """The record of runs of one configuration: seeds and folds differ, nothing else.

    Args:
        runs: Folders written by training.
        resamples: Of the bootstrap over queries; a query that several runs asked counts with its mean.
        seed: Of the bootstrap.

    Returns:
        A JSON-ready record of the task ``matching``. mAP, P@k, class-wise mAP and confusion in percent; ANMRR in
        [0, 1]. Every figure is ``value`` (mean over the runs), ``spread`` (standard deviation over the runs, ``None``
        for one) and ``interval`` (95 %). ``together`` has the figures of the mean of the runs' learned scores, where
        they are several seeds of one split, else ``None``.

    Raises:
        UsageError: No run, a run given twice, or runs of several configurations.
        DataError: A folder is no finished run of matching.
    """
    if not runs:
        raise UsageError("runs", cause="are none", remedy="give the folder of at least one run")
    found = sorted((_read_run(Path(run)) for run in runs), key=lambda run: [run.recipe.get(n) or 0 for n in VARYING])
    first = found[0]
    settings = configuration(first.recipe)
    for run in found:
        if configuration(run.recipe) != settings:
            names = sorted(n for n in settings if settings[n] != configuration(run.recipe).get(n)) or ["fields"]
            cause = f"differ in {', '.join(names)}"
            raise UsageError("the runs", cause=cause, remedy="evaluate them apart")
        if run.predictions.category_names != first.predictions.category_names:
            raise UsageError("the runs", cause="know different classes", remedy="evaluate them apart")
    draws = [tuple(run.recipe.get(name) for name in VARYING) for run in found]
    if len(set(draws)) < len(draws):
        raise UsageError("the runs", cause="are of one seed and fold twice", remedy="give each run once")
    asked = _asked_split(found)
    # A split with a single image of every class answers nothing once the query is left out.
    searched = [ALL, *([asked] if all(_answers(run.predictions, asked) for run in found) else [])]
    readings = {
        gallery: {
            reading: _figures(found, gallery, keep_query=reading == READINGS[1], resamples=resamples, seed=seed)
            for reading in READINGS
        }
        for gallery in searched
    }
    together = _together(found)
    return {
        "format": 1,
        "task": TASK,
        "model": {
            "id": settings["method"],
            "descriptor": settings["descriptor"],
            "metric": settings["metric"],
            "without_labels": unlabelled_data(first.recipe),
        },
        "dataset": settings["dataset"],
        "configuration": settings,
        "protocol": {
            "queries": asked,
            "query_images": [len(run.predictions.query_rows) for run in found],
            "gallery_images": {ALL: len(first.predictions.items), asked: [_size(run, asked) for run in found]},
            "share": settings["share"],
            "folds": sorted({run.recipe["fold"] for run in found if run.recipe.get("fold") is not None}),
            "leak": {ALL: leak(first.recipe, first.predictions), asked: None},
            "relevance": "same scene class",
            "ties": "stable, lowest row of the dataset first; pessimistic beside it",
            "cutoffs": list(CUTOFFS),
            "ANMRR": "K = 2 G; MPEG-7: K = min(4 G, 2 max G)",
            "intervals": f"95 %, {resamples} bootstrap draws of queries, seed {seed}",
            "checkpoint": "best epoch on validation",
        },
        "galleries": readings,
        "together": None
        if together is None
        else {
            gallery: {
                READINGS[0]: _figures([together], gallery, keep_query=False, resamples=resamples, seed=seed),
            }
            for gallery in searched
        },
        "runs": [
            {
                **{name: run.recipe.get(name) for name in VARYING},
                **_run_summary(run, searched),
                "trained_with": run.trained_with,
            }
            for run in found
        ],
        "environment": environment(),
        "dates": {"evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


def configuration(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe asks for, without seeds and folds; a run that it starts from stands for its own recipe."""
    kept = {name: value for name, value in recipe.items() if name not in (*VARYING, "kind")}
    if isinstance(kept.get("initial"), Mapping):
        kept["initial"] = configuration(kept["initial"])
    defaults: dict[str, Any] = {"config": {}, "descriptor": None, "metric": "learned", "share": 0.8, "stages": []}
    return {**defaults, **kept}


def unlabelled_data(recipe: Mapping[str, Any]) -> list[str]:
    """Datasets whose images the stages without labels saw, in order, those of a run that was started from included.

    Example:
        >>> stages = [{"kind": "reconstruction", "data": ["rsicd"]}, {"kind": "pairs", "data": ["train"]}]
        >>> unlabelled_data({"stages": stages})
        ['rsicd']
    """
    return [
        name
        for stage in _all_stages(recipe)
        if stage["kind"] == "reconstruction"
        for name in stage.get("data", ["train"])
    ]


def leak(recipe: Mapping[str, Any], predictions: MatchingPredictions) -> str | None:
    """What the training saw of a gallery of all images; ``None`` where it saw none of them.

    Example:
        >>> toy = MatchingPredictions(scores=np.zeros((1, 3), np.float32), query_rows=np.array([2]),
        ...     gallery_rows=np.arange(3), categories=np.zeros(3, np.int64), category_names=("river",),
        ...     splits=np.array(["train", "train", "test"]), items=np.array(["a", "b", "c"]))
        >>> leak({"stages": [{"kind": "pairs"}]}, toy)
        '2 of the 3 gallery images were trained or validated on, with their classes'
    """
    seen = int((predictions.splits != "test").sum())
    stages = _all_stages(recipe)
    if any(stage["kind"] != "reconstruction" for stage in stages):
        how = "with their classes"
    elif any("train" in stage.get("data", ["train"]) for stage in stages):
        how = "without their classes"
    elif recipe.get("descriptor") is not None:
        return f"the descriptor may have been fitted on {seen:,} of the {len(predictions.items):,} gallery images"
    else:
        return None
    return f"{seen:,} of the {len(predictions.items):,} gallery images were trained or validated on, {how}"


def write_matching_result(record: Mapping[str, Any], results: Path) -> Path:
    """Write ``<results>/matching/<name>.json``, see :func:`result_name`.

    A configuration has one file: one that is there already is written anew, under whatever name it has. A file of
    another configuration is never replaced: a part of the digest of the configuration is added to the name.
    """
    folder, name = results / TASK, result_name(record)
    path = folder / f"{name}.json"
    same = [file for file in sorted(folder.glob("*.json")) if _configuration_of(file) == _identity(record)]
    if same and path not in same:
        path = same[0]
    if path.is_file() and _configuration_of(path) != _identity(record):
        digest = hashlib.sha256(json.dumps(_identity(record), sort_keys=True).encode()).hexdigest()
        path = folder / f"{name}-{digest[:8]}.json"
    write_json(path, record)
    return path


def result_name(record: Mapping[str, Any]) -> str:
    """Name of the result file: features, comparison, what differs from its defaults, dataset, side and split.

    Example:
        >>> settings = {"method": "residual_dyad", "config": {"autoencoder": "residual"}, "descriptor": None,
        ...             "metric": "learned", "dataset": "ucm", "side": 128, "share": 0.7}
        >>> record = {"configuration": settings, "model": {"without_labels": ["rsicd", "train"]},
        ...           "protocol": {"queries": "test", "folds": []}}
        >>> result_name(record)
        'residual_dyad-autoencoder-residual-from-rsicd-train-ucm-128px-share-0.7'
    """
    settings, protocol = record["configuration"], record["protocol"]
    learned = settings["metric"] == "learned"
    parts = [settings["descriptor"]] if settings["descriptor"] else []
    parts += [settings["method"]] if learned or not parts else []
    parts += [] if learned else [settings["metric"]]
    own = {} if settings["descriptor"] and not learned else dict(settings["config"])
    own.update(settings.get("descriptor_config") or {})
    for key in ("side", "features"):  # told by the recipe's side and by the descriptor
        own.pop(key, None)
    for key in sorted(own):
        value = own[key]
        parts += [key, *(map(str, value) if isinstance(value, list | tuple) else [str(value)])]
    without_labels = [] if settings["descriptor"] else record["model"]["without_labels"]
    parts += ["from", *without_labels] if without_labels else []
    parts += [settings["dataset"], *([f"{settings['side']}px"] if settings.get("side") else [])]
    parts += ["share", f"{settings['share']:g}"] if settings["share"] != 0.8 else []
    parts += ["folds"] if protocol["folds"] else []
    parts += [protocol["queries"]] if protocol["queries"] != "test" else []
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-.")


def _identity(record: Mapping[str, Any]) -> Any:
    """What makes a record another one, as JSON has it; a setting that is not given is one that is empty."""
    protocol = record["protocol"]
    settings = _given(json.loads(json.dumps(record["configuration"])))
    return [settings, bool(protocol["folds"]), protocol["queries"]]


def _given(value: Any) -> Any:
    """Without settings that are ``null`` or empty: recipes of an earlier day do not name every field.

    Example:
        >>> _given({"side": 128, "initial": {"config": {}, "method": "hog"}, "fold": None})
        {'side': 128, 'initial': {'method': 'hog'}}
    """
    if not isinstance(value, dict):
        return value
    kept = {name: _given(inner) for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner is not None and inner != {}}


def _configuration_of(path: Path) -> Any:
    try:
        return _identity(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damaged: it is kept, and ours gets another name


def _figures(runs: Sequence[_Run], gallery: str, *, keep_query: bool, resamples: int, seed: int) -> dict[str, Any]:
    """All figures of one reading."""
    measured = [retrieval_of(run.predictions, gallery=gallery, keep_query=keep_query) for run in runs]
    worst = [retrieval_of(run.predictions, gallery=gallery, keep_query=keep_query, pessimistic=True) for run in runs]
    columns: dict[str, Callable[[int], NDArray[np.float64]]] = {
        "mAP": lambda run: 100 * measured[run].average_precision,
        "mAP_pessimistic": lambda run: 100 * worst[run].average_precision,
        "ANMRR": lambda run: measured[run].nmrr,
        "ANMRR_MPEG7": lambda run: measured[run].nmrr_mpeg7,
        **{f"P@{k}": lambda run, k=k: 100 * measured[run].precision[k] for k in CUTOFFS},  # type: ignore[misc]
    }
    tables = [
        np.stack([column(run) for column in columns.values()], axis=1)[measured[run].answerable]
        for run in range(len(runs))
    ]
    intervals = mean_intervals(_by_query(runs, measured, tables), resamples=resamples, seed=seed)
    means = np.stack([table.mean(axis=0) for table in tables])
    names = runs[0].predictions.category_names
    by_class = [one.class_mean_average_precision for one in measured]
    confusion = np.mean([_whole(one.confusion, len(names)) for one in measured], axis=0)
    figures: dict[str, Any] = {
        name: {
            "value": _rounded(name, means[:, index].mean()),
            "spread": _rounded(name, means[:, index].std(ddof=1)) if len(runs) > 1 else None,
            "interval": [_rounded(name, bound) for bound in intervals[index]],
        }
        for index, name in enumerate(columns)
    }
    figures["without_answer"] = sum(one.without_answer for one in measured)
    figures["class_mAP"] = {
        names[category]: round(100 * float(np.mean([one[category] for one in by_class if category in one])), 2)
        for category in sorted(set().union(*by_class))
    }
    figures["confusion"] = {
        names[row]: {names[column]: round(float(line[column]), 2) for column in np.flatnonzero(line)}
        for row, line in enumerate(np.round(100 * confusion, 2))
        if line.any()
    }
    return figures


def _together(runs: Sequence[_Run]) -> _Run | None:
    """Several seeds as one: the mean of their logits. ``None`` for one run, for distances, and for several splits."""
    first = runs[0]
    if len(runs) < 2 or first.recipe.get("metric", "learned") != "learned":
        return None
    orders = [np.argsort(run.predictions.gallery_rows) for run in runs]
    ours = first.predictions
    for run, order in zip(runs, orders, strict=True):
        theirs = run.predictions
        same = [
            np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in ("query_rows", "splits", "items")
        ]
        if not all(same) or not np.array_equal(ours.gallery_rows[orders[0]], theirs.gallery_rows[order]):
            return None
    aligned = [run.predictions.scores[:, order] for run, order in zip(runs, orders, strict=True)]
    scores = np.asarray(np.mean(aligned, axis=0, dtype=np.float64), np.float32)
    rows = ours.gallery_rows[orders[0]]
    return replace(first, predictions=replace(ours, scores=scores, gallery_rows=rows))


def _by_query(
    runs: Sequence[_Run], measured: Sequence[ImageRetrieval], tables: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """One row per image that asked, its mean over the runs that asked with it."""
    items = [
        run.predictions.items[run.predictions.query_rows[one.answerable]]
        for run, one in zip(runs, measured, strict=True)
    ]
    distinct, number = np.unique(np.concatenate(items), return_inverse=True)
    sums = np.zeros((len(distinct), tables[0].shape[1]))
    np.add.at(sums, number, np.concatenate(list(tables)))
    return sums / np.bincount(number)[:, None]


def _run_summary(run: _Run, searched: Sequence[str]) -> dict[str, Any]:
    """The figures of a single run that a reader compares: mAP and ANMRR in both galleries, the query left out."""
    return {
        gallery: {
            "mAP": round(100 * one.mean_average_precision, 2),
            "ANMRR": round(one.anmrr, 4),
        }
        for gallery in searched
        for one in (retrieval_of(run.predictions, gallery=gallery),)
    }


def _rounded(name: str, value: float) -> float:
    return round(float(value), 4 if name.startswith("ANMRR") else 2)


def _whole(confusion: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """With rows and columns for the last classes where a gallery has none of them."""
    missing = classes - len(confusion)
    return np.pad(confusion, ((0, missing), (0, missing)))


def _asked_split(runs: Sequence[_Run]) -> str:
    """The split that all queries are of."""
    splits = {str(name) for run in runs for name in run.predictions.splits[run.predictions.query_rows]}
    if len(splits) != 1:
        cause = f"ask with images of {', '.join(sorted(splits))}"
        raise UsageError("the runs", cause=cause, remedy="ask with one split")
    return splits.pop()


def _answers(predictions: MatchingPredictions, split: str) -> bool:
    """Whether an image of the split finds another of its class there."""
    counts = np.bincount(predictions.categories[predictions.splits == split])
    return bool((counts > 1).any())


def _size(run: _Run, split: str) -> int:
    return int((run.predictions.splits == split).sum())


def _all_stages(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The stages of the run that was started from, then its own."""
    initial = recipe.get("initial")
    before = _all_stages(initial) if isinstance(initial, Mapping) else []
    return [*before, *recipe.get("stages", ())]


def _read_run(run: Path) -> _Run:
    try:
        recipe = _recipe(run)
        machine = json.loads((run / "env.json").read_text(encoding="utf-8"))
        for name in ("method", "dataset"):
            if not isinstance(recipe[name], str):
                raise ValueError(f"recipe.json names no {name}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"is no finished run of matching ({type(error).__name__}: {error})"
        raise DataError(run, cause=cause, remedy="give the folder that training wrote") from error
    trained_with = {name: machine.get(name) for name in ("commit", "cpu", "cores")}
    return _Run(recipe=recipe, predictions=load_predictions(run), trained_with=trained_with)


def _recipe(run: Path) -> dict[str, Any]:
    """The recipe; in place of a folder that it starts from, that one's recipe, or its name for another kind of run."""
    recipe: dict[str, Any] = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    for name in ("config", "descriptor_config"):
        recipe[name] = {key: _without_folders(value) for key, value in (recipe.get(name) or {}).items()}
    recipe["backbone_weights"] = _without_folders(recipe.get("backbone_weights"))
    initial = recipe.get("initial")
    if isinstance(initial, str):
        folder = Path(initial) if Path(initial).is_dir() else run.parent / initial
        recipe["initial"] = folder.name  # no folders of the machine in a record
        if (folder / "recipe.json").is_file():
            before = _recipe(folder)
            if before.get("kind") == recipe.get("kind"):
                recipe["initial"] = before
    return recipe


def _without_folders(value: Any) -> Any:
    """A path of the machine as its last name: weights, a run that features come from."""
    return Path(value).name if isinstance(value, str) and ("/" in value or "\\" in value) else value
