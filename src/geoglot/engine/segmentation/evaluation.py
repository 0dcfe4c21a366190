"""From the saved masks of runs to a record: all measures, language by language and category by category, several seeds.

Nothing is predicted here and no picture is read: ``predictions.jsonl`` and ``masks.npz`` say it all. Intervals say what
other scenes would have given (the phrases of a scene are not independent), the deviation what other seeds did.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine.run_folder import CONFIG, SUMMARY, read_fields
from geoglot.engine.segmentation.data import dataset_name
from geoglot.engine.segmentation.recipe import ENGLISH, SegmentationRecipe, recipe_record
from geoglot.engine.segmentation.running import METHODS, load_recipe
from geoglot.engine.segmentation.saved_masks import Prediction, SavedMasks, load_predictions
from geoglot.metrics.intervals import percentile_interval
from geoglot.metrics.mask import EmptyRule, formula, measures_of_counts

TASK: Final = "segmentation"
RESAMPLES: Final = 1000
SPLITS: Final = ("val", "test")
DECIMALS: Final = 4
NAMED: Final = ("variant", "cross", "mean")
"""Settings of a method that the name of its result file tells; the file itself tells all."""
SINGLE: Final = "category"
"""Template of the phrases that name a category and nothing else."""
CHOSEN: Final = "epoch with the highest mIoU on the validation part, mean over the languages"
WATCHED: Final = (
    "figures of the epoch that choosing on the test part would have taken, as the training loop released with the "
    "paper does; too high, and no other figure here depends on them"
)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A finished run and what it says."""

    recipe: SegmentationRecipe
    saved: SavedMasks
    summary: Mapping[str, Any]
    sizes: Mapping[str, Any]
    machine: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """Pixel counts of N phrases.

    Attributes:
        lines: What was asked.
        both: (N,) pixels in both masks.
        either: (N,) pixels in either.
        foreground: (N,) share of true pixels.
    """

    lines: tuple[Prediction, ...]
    both: NDArray[np.int64]
    either: NDArray[np.int64]
    foreground: NDArray[np.float64]

    def where(self, keep: Callable[[Prediction], bool]) -> Counted:
        """Those phrases that a condition keeps."""
        rows = [row for row, line in enumerate(self.lines) if keep(line)]
        return Counted(
            lines=tuple(self.lines[row] for row in rows),
            both=self.both[rows],
            either=self.either[rows],
            foreground=self.foreground[rows],
        )


def counted(saved: SavedMasks) -> Counted:
    """Pixel counts of all saved masks."""
    both, either = saved.counts()
    return Counted(lines=saved.lines, both=both, either=either, foreground=saved.foreground())


def evaluate_segmentation(
    runs: Sequence[Path],
    results: Path | None = None,
    *,
    empty: EmptyRule = "zero",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[tuple[dict[str, Any], Path | None]]:
    """The records of runs, one per configuration and dataset: runs that differ in their seed alone are taken together.

    Args:
        runs: Folders; of a sweep all of them.
        results: Results folder, gets one file per record.
        empty: What counts where a predicted and a true mask are both empty.
        resamples: Of the bootstrap over scenes.
        seed: Of the bootstrap.

    Returns:
        Records in the order of their first runs, each with the file that was written.

    Raises:
        UsageError: No run, or a seed twice.
        DataError: A folder is no finished run of referring segmentation, or runs of one configuration were measured on
            different samples.
    """
    if not runs:
        raise UsageError("--run", cause="is missing", remedy="give the folders of segmentation runs")
    groups: dict[str, list[_Run]] = {}
    for folder in runs:
        run = _read_run(folder)
        groups.setdefault(json.dumps(configuration(run.recipe, run.sizes), sort_keys=True), []).append(run)
    found: list[tuple[dict[str, Any], Path | None]] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda run: run.recipe.seed)
        if len({run.recipe.seed for run in ordered}) < len(ordered):
            raise UsageError("the runs", cause="are of one seed twice", remedy="give each run once")
        counts = [counted(run.saved) for run in ordered]
        _check_same(counts)
        for dataset in dict.fromkeys(line.dataset for line in counts[0].lines):
            own = [one.where(lambda line, name=dataset: line.dataset == name) for one in counts]  # type: ignore[misc]
            record = _record(ordered, own, dataset, empty=empty, resamples=resamples, seed=seed)
            found.append((record, write_segmentation_result(record, results) if results is not None else None))
    return found


def configuration(recipe: SegmentationRecipe, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's recipe asks for without its seed; folders and files by their names and what they hold."""
    fields = {name: value for name, value in recipe_record(recipe).items() if name not in ("seed", "kind")}
    fields["datasets"] = [dataset_name(name) for name in recipe.datasets]
    for name in ("backbone_weights", "text_weights"):
        fields[name] = None if fields[name] is None else Path(fields[name]).name
    shaping = {"shaping": sizes["shaping"]} if "shaping" in sizes else {}
    return {**fields, "weights": sizes.get("weights"), "data": sizes.get("data"), **shaping}


def _read_run(folder: Path) -> _Run:
    recipe = load_recipe(folder)
    if not (folder / SUMMARY).is_file():
        raise DataError(folder, cause="is not finished", remedy="add --resume to the command that began it")
    summary, sizes, machine = (read_fields(folder / name, folder) for name in (SUMMARY, CONFIG, "env.json"))
    saved = load_predictions(folder)
    return _Run(recipe=recipe, saved=saved, summary=summary, sizes=sizes, machine=machine)


def _check_same(runs: Sequence[Counted]) -> None:
    """Seeds compare on the same phrases only."""

    def asked(one: Counted) -> list[tuple[str, ...]]:
        return [(line.dataset, line.split, line.id, line.language, line.phrase) for line in one.lines]

    if any(asked(other) != asked(runs[0]) for other in runs[1:]):
        cause = "are of one configuration and were asked different phrases"
        raise DataError("the runs", cause=cause, remedy="train them on the same data")


def _record(
    runs: Sequence[_Run], counts: Sequence[Counted], dataset: str, *, empty: EmptyRule, resamples: int, seed: int
) -> dict[str, Any]:
    first = runs[0]
    module = registry.load(METHODS, first.recipe.method)
    languages = [code for code in first.recipe.languages if any(line.language == code for line in counts[0].lines)]
    parts = {
        split: {
            language: [one.where(lambda li, s=split, la=language: (li.split, li.language) == (s, la)) for one in counts]  # type: ignore[misc]
            for language in languages
        }
        for split in SPLITS
    }
    return {
        "format": 1,
        "task": TASK,
        "model": {"id": first.recipe.method, "title": module.METHOD.title, "size": first.recipe.size},
        "dataset": dataset,
        "configuration": configuration(first.recipe, first.sizes),
        "protocol": {
            "samples": {split: len(next(iter(parts[split].values()))[0].lines) for split in SPLITS},
            "trained_on": first.summary["samples"]["train"],
            "side": first.recipe.side,
            "measured_at": f"{first.recipe.side} x {first.recipe.side} pixels, true masks by nearest pixels",
            "measures": formula(empty).splitlines(),
            "empty_masks": empty,
            "chosen": CHOSEN,
            "test_watched": WATCHED,
            "everything": "what a mask of all pixels would get",
            "intervals": f"95 %, {resamples} bootstrap draws of scenes, seed {seed}",
        },
        "splits": {
            split: {
                language: _figures(found, empty=empty, resamples=resamples, seed=seed)
                for language, found in by_language.items()
                if found[0].lines
            }
            for split, by_language in parts.items()
        },
        "runs": [
            {
                "seed": run.recipe.seed,
                "miou": {
                    split: {
                        language: round(measures(found[place], empty).mean_iou, DECIMALS)
                        for language, found in parts[split].items()
                        if found[place].lines
                    }
                    for split in SPLITS
                },
                **{name: run.summary[name] for name in ("best_epoch", "training_seconds", "parameters", "steps")},
                "test_watched": run.summary.get("test_watched"),
                "sizes": {name: run.sizes.get(name) for name in ("vocabulary", "max_length")},
                "trained_with": {name: run.machine.get(name) for name in ("commit", "cpu", "cores")},
            }
            for place, run in enumerate(runs)
        ],
        "environment": environment(),
        "dates": {"evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


def measures(one: Counted, empty: EmptyRule = "zero") -> Any:
    """The measures of phrases, see :class:`geoglot.metrics.mask.MaskMeasures`."""
    return measures_of_counts(one.both, one.either, empty=empty)


def _figures(found: Sequence[Counted], *, empty: EmptyRule, resamples: int, seed: int) -> dict[str, Any]:
    """Every measure as mean over the runs and deviation over the runs; mIoU with an interval; parts of it."""
    ious = np.mean([measures(one, empty).iou for one in found], axis=0)
    scenes = [line.scene for line in found[0].lines]
    figures: dict[str, Any] = {
        "phrases": len(scenes),
        "scenes": len(set(scenes)),
        "foreground_percent": round(100 * float(found[0].foreground.mean()), 2),
        "everything_miou": round(float(found[0].foreground.mean()), DECIMALS),
        **_means([measures(one, empty).figures() for one in found]),
    }
    interval = scene_interval(ious, scenes, resamples=resamples, seed=seed)
    figures["miou"]["interval"] = [round(bound, DECIMALS) for bound in interval]
    figures["categories"] = _parts(found, empty, lambda li: li.categories[0] if _single(li) and li.categories else "")
    figures["templates"] = _parts(found, empty, lambda line: line.template)
    return figures


def _single(line: Prediction) -> bool:
    return line.template in (SINGLE, "")


def _parts(found: Sequence[Counted], empty: EmptyRule, key: Callable[[Prediction], str]) -> dict[str, Any]:
    """MIoU and oIoU of parts of the phrases by a name; phrases without one are left out."""
    names = sorted({key(line) for line in found[0].lines} - {""})
    parts = {}
    for name in names:
        some = [one.where(lambda line, n=name: key(line) == n) for one in found]  # type: ignore[misc]
        values = [{n: v for n, v in measures(one, empty).figures().items() if n in ("miou", "oiou")} for one in some]
        parts[name] = {"phrases": len(some[0].lines), **_means(values)}
    return parts


def _means(values: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    return {
        name: {
            "value": round(float(np.mean([one[name] for one in values])), DECIMALS),
            "spread": round(float(np.std([one[name] for one in values], ddof=1)), DECIMALS)
            if len(values) > 1
            else None,
        }
        for name in values[0]
    }


def scene_interval(
    ious: NDArray[np.float64], scenes: Iterable[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mIoU when other scenes had been drawn, each with all its phrases.

    Args:
        ious: (N,) of the phrases; one that is not a number does not count.
        scenes: (N,) whose phrase it is.
        resamples: How many times scenes are drawn with replacement.
        seed: Of the draws.

    Example:
        >>> scene_interval(np.array([0.5, 0.5, 0.5]), ["a", "a", "b"], resamples=20)
        (0.5, 0.5)
    """
    known = ~np.isnan(ious)
    _, places = np.unique(np.array(list(scenes)), return_inverse=True)
    count = int(places.max(initial=0)) + 1
    sums = np.bincount(places[known], weights=ious[known], minlength=count)
    sizes = np.bincount(places[known], minlength=count)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    means = (drawn @ sums) / np.maximum(drawn @ sizes, 1)
    return percentile_interval(means)


def write_segmentation_result(record: Mapping[str, Any], results: Path) -> Path:
    """Write ``<results>/segmentation/<name>.json``, see :func:`result_name`.

    A file of another configuration is never replaced: a part of the digest of the configuration is added to the name.
    """
    folder, name = results / TASK, result_name(record)
    path = folder / f"{name}.json"
    if path.is_file() and _identity_of(path) != _identity(record):
        digest = hashlib.sha256(json.dumps(_identity(record), sort_keys=True).encode()).hexdigest()
        path = folder / f"{name}-{digest[:8]}.json"
    write_json(path, record)
    return path


def result_name(record: Mapping[str, Any]) -> str:
    """Name of the result file: method, size, variant, dataset, and languages other than English.

    Example:
        >>> settings = {"config": {"cross": "full", "decoder": 64}, "datasets": ["dubai"], "languages": ["en", "fr"]}
        >>> result_name({"configuration": settings, "model": {"id": "lgce", "size": "compact"}, "dataset": "dubai"})
        'lgce-compact-cross-full-dubai-en-fr'
    """
    settings, model = record["configuration"], record["model"]
    parts = [model["id"], *([model["size"]] if model["size"] != "paper" else [])]
    for key in NAMED:
        if key in settings["config"]:
            parts += [str(settings["config"][key])] if key == "variant" else [key, str(settings["config"][key])]
    parts.append(record["dataset"])
    parts += ["trained-on", *settings["datasets"]] if settings["datasets"] != [record["dataset"]] else []
    parts += settings["languages"] if list(settings["languages"]) != [ENGLISH] else []
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-.")


def _identity(record: Mapping[str, Any]) -> Any:
    """What makes a record another one, as JSON has it."""
    return json.loads(json.dumps([record["configuration"], record["dataset"], record["protocol"]["empty_masks"]]))


def _identity_of(path: Path) -> Any:
    try:
        return _identity(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damaged: it is kept, and ours gets another name
