"""The same-start race: every method on the same frozen features, with the same captions, tokenizer and budget.

One run per method, dataset, seed and learning rate lies under ``runs/``, named after its recipe, so that a race that
was stopped goes on where it was. The learning rate is chosen on the validation split with the first seed. One result
per method and dataset holds every seed, with mean and spread.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.data.captioned import load_dataset
from geoglot.engine.composition import PACKAGE, load_backbone, method_module, weights_digest
from geoglot.engine.evaluation import DECIMALS, evaluate_retrieval_file
from geoglot.engine.features import FeatureCache
from geoglot.engine.recipe import Recipe, recipe_from
from geoglot.engine.run_prediction import predict_run
from geoglot.engine.saved_predictions import save_predictions
from geoglot.engine.trained import load_trained
from geoglot.engine.training import kept_stages, train
from geoglot.metrics.ranking import CUTOFFS

TASK: Final = "leaderboard"
RESULT: Final = "test.json"
EPOCHS: Final[Mapping[str, int]] = {"rsicd": 10, "ucm": 30}

_OF_A_RUN: Final = ("seed", "training_seconds", "training_cpu_seconds", "validation_score", "trained_parameters")

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Race:
    """What is the same for every method.

    Attributes:
        backbone: Name of the frozen backbone.
        backbone_weights: Folder of the run, or the file, that its weights come from.
        datasets: Each is a race of its own: train split, chosen on val, reported on test.
        seeds: Of initial weights, order, captions and languages.
        learning_rates: Peaks that are tried with the first seed.
        epochs: Passes over the training images, by dataset.
        batch: Images per step.
        side: Pixels per side that features are computed at.
        languages: Of training captions, validation and test.
        validation_images: Images of the validation split that are looked at.
    """

    backbone: str = "compact"
    backbone_weights: str
    datasets: tuple[str, ...] = ("rsicd", "ucm")
    seeds: tuple[int, ...] = (0, 1, 2)
    learning_rates: tuple[float, ...] = (1e-3,)
    epochs: Mapping[str, int] = field(default_factory=lambda: EPOCHS)
    batch: int = 128
    side: int = 144
    languages: tuple[str, ...] = ("en", "ar", "fr", "it")
    validation_images: int = 300

    def recipe(
        self, method: str, dataset: str, seed: int, learning_rate: float, *, initial: str | None = None
    ) -> Recipe:
        """One run: the same for all methods but for the sizes in the method's file, and the run it starts after."""
        epochs = self.epochs.get(dataset, 10)
        fields = {
            "method": method,
            "config": race_settings(method),
            "datasets": (dataset,),
            "languages": self.languages,
            "epochs": epochs,
            "batch": self.batch,
            "optimiser": {"name": "adamw", "learning_rate": learning_rate, "weight_decay": 0.01, "clip": 2.0},
            "average": 0.99,
            "token_dropout": 0.0,
            "sides": ({"start": 0.0, "side": self.side},),
            "validation_side": self.side,
            "validation_images": self.validation_images,
            "validate_every": max(1, epochs // 5),
            "backbone": self.backbone,
            "backbone_weights": self.backbone_weights,
            "frozen": True,
            "initial": initial,
            "seed": seed,
        }
        return recipe_from(fields)


def starts_after(method: str) -> str | None:
    """The method whose finished run gives another its frozen weights (``LEADERBOARD_AFTER``); ``None`` for most."""
    after = getattr(method_module(method), "LEADERBOARD_AFTER", None)
    return None if after is None else str(after[0])


def race_settings(method: str) -> dict[str, Any] | None:
    """Sizes of a method in the race (``LEADERBOARD`` or ``LEADERBOARD_AFTER`` of its file), ``None`` keeps it out."""
    module = method_module(method)
    settings = getattr(module, "LEADERBOARD", {})
    if starts_after(method) is not None:
        settings = module.LEADERBOARD_AFTER[1]
    return None if settings is None else dict(settings)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Folders of a race.

    Attributes:
        data_root: Datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        runs: One folder per run.
        cache: Stage maps.
        results: Gets ``leaderboard/<method>-<dataset>.json``.
    """

    data_root: Path | None
    runs: Path
    cache: Path
    results: Path


def entrants(names: Sequence[str] | None = None) -> list[str]:
    """Methods of the race: those named, else every retrieval method that starts from stage maps.

    Raises:
        UsageError: A name is no method, or the method starts from pixels.
    """
    if names is None:
        return [name for name in registry.names(PACKAGE) if _in_the_race(name)]
    for name in names:
        method_module(name)
        if not _in_the_race(name):
            raise UsageError(name, cause="does not start from a common backbone", remedy="leave it out")
    return list(names)


def _in_the_race(name: str) -> bool:
    """Whether the method, at its sizes for the race, takes stage maps."""
    module, settings = method_module(name), race_settings(name)
    if settings is None:
        return False
    with torch.device("meta"):
        return bool(module.Model(module.Config(**settings)).image_input == "pyramid")


def run_race(
    race: Race,
    places: Places,
    *,
    methods: Sequence[str] | None = None,
    say: Say = lambda text: None,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Train and evaluate whatever is missing, and write the results.

    Args:
        race: What is the same for every method.
        places: Folders.
        methods: Names; ``None`` for all.
        say: Called with a sentence per run.
        progress: Called while stage maps are computed.

    Returns:
        The result files.

    Raises:
        DataError: A dataset or the backbone's weights are absent.
        UsageError: An unknown method or dataset.
    """
    for dataset in race.datasets:
        load_dataset(dataset)
    chosen = entrants(methods)
    backbone = load_backbone(race.backbone, race.backbone_weights)
    track = Track(race=race, places=places, backbone_sha256=weights_digest(backbone), say=say, progress=progress)
    track.compute_maps(chosen)
    written = []
    for dataset in race.datasets:
        for method in chosen:
            rate = track.best_rate(method, dataset)
            records = [track.finished(track.recipe(method, dataset, seed, rate)) for seed in race.seeds]
            path = places.results / TASK / f"{method}-{dataset}.json"
            write_json(path, summarise(track, method, dataset, rate, records))
            say(f"wrote {path}")
            written.append(path)
    return written


@dataclass(frozen=True, kw_only=True)
class Track:
    """A race in its places: trains and evaluates what is asked for, unless that was done before.

    Attributes:
        race: What is the same for every method.
        places: Folders.
        backbone_sha256: Checksum of the backbone's weights.
        say: Called with a sentence per run.
        progress: Called while stage maps are computed.
    """

    race: Race
    places: Places
    backbone_sha256: str
    say: Say
    progress: Progress

    def folder(self, recipe: Recipe) -> Path:
        """Where a recipe's run lies: names to read, and a checksum of all that decides its outcome."""
        first = None if recipe.initial is None else Path(recipe.initial).name
        fields = {**asdict(recipe), "backbone_weights": self.backbone_sha256, "initial": first}
        text = json.dumps(fields, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return self.places.runs / f"{recipe.method}-{recipe.datasets[0]}-seed{recipe.seed}-{digest}"

    def compute_maps(self, methods: Sequence[str]) -> None:
        """Run the backbone once over every split, for the stages that any of the methods looks at."""
        race = self.race
        stages = {stage for name in methods for stage in kept_stages(method_module(name))}
        backbone = load_backbone(race.backbone, race.backbone_weights)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        cache = FeatureCache(self.places.cache, backbone, side=race.side, stages=sorted(stages), device=device)
        for dataset in race.datasets:
            for split in ("train", "test"):
                records = load_dataset(dataset).records(split, self.places.data_root)
                paths = [record.path for record in records]
                cache.pyramids(paths, f"{dataset}-{split}", mirrored=split == "train", progress=self.progress)

    def recipe(self, method: str, dataset: str, seed: int, learning_rate: float) -> Recipe:
        """The recipe of one run; the run that it starts after is trained first."""
        first, initial = starts_after(method), None
        if first is not None:
            before = self.recipe(first, dataset, seed, self.best_rate(first, dataset))
            self.trained(before)
            initial = str(self.folder(before))
        return self.race.recipe(method, dataset, seed, learning_rate, initial=initial)

    def best_rate(self, method: str, dataset: str) -> float:
        """The learning rate with the best validation score of the first seed."""
        race = self.race
        if len(race.learning_rates) == 1:
            return race.learning_rates[0]
        scores = {}
        for rate in race.learning_rates:
            summary = self.trained(self.recipe(method, dataset, race.seeds[0], rate))
            scores[rate] = float(summary["best_validation_score"])
        return max(scores, key=scores.__getitem__)

    def trained(self, recipe: Recipe) -> dict[str, Any]:
        """The summary of a recipe's run."""
        folder = self.folder(recipe)
        if not (folder / "summary.json").is_file():
            self.say(f"training {folder.name}")
            train(
                recipe,
                folder,
                data_root=self.places.data_root,
                cache_folder=self.places.cache,
                resume=True,
                progress=self.progress,
                note=self.say,
            )
        (folder / "state.safetensors").unlink(missing_ok=True)  # never resumed again, and larger than the rest
        return _read(folder / "summary.json")

    def finished(self, recipe: Recipe) -> dict[str, Any]:
        """The evaluation of a recipe's run on the test split."""
        summary = self.trained(recipe)
        folder = self.folder(recipe)
        if not (folder / RESULT).is_file():
            predictions = predict_run(
                load_trained(folder),
                recipe.datasets[0],
                languages=recipe.languages,
                root=self.places.data_root,
                cache_folder=self.places.cache,
                progress=self.progress,
            )
            file = folder / "predictions.npz"
            save_predictions(predictions, file)
            record = evaluate_retrieval_file(file)
            file.unlink()  # scores of every pair: gigabytes over a race
            write_json(folder / RESULT, record)
            figures = ", ".join(f"{name} {v['plain']['mR']['value']:.2f}" for name, v in record["languages"].items())
            self.say(f"{folder.name}: {summary['training_seconds']:.0f} s, mR {figures}")
        return _read(folder / RESULT)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="delete the folder of this run") from error
    return found


def summarise(
    track: Track, method: str, dataset: str, learning_rate: float, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """One result of a method on a dataset from the evaluations of its seeds."""
    race = track.race
    card = method_module(method).METHOD
    first = records[0]
    runs = [record["run"] for record in records]
    return {
        "task": TASK,
        "method": method,
        "title": card.title,
        "kind": card.kind,
        "variant": runs[0]["variant"],
        "dataset": dataset,
        "languages": {name: _language([r["languages"][name] for r in records]) for name in first["languages"]},
        "runs": [
            {
                **{k: run[k] for k in _OF_A_RUN},
                "mR": {name: value["plain"]["mR"]["value"] for name, value in record["languages"].items()},
            }
            for run, record in zip(runs, records, strict=True)
        ],
        "trained_parameters": runs[0]["trained_parameters"],
        "training_cpu_seconds": summary_of([float(run["training_cpu_seconds"]) for run in runs]),
        "settings": dict(runs[0]["settings"]),
        "protocol": {
            **{k: first["protocol"][k] for k in ("split", "images", "captions", "image_side", "ties", "recall")},
            "start": "the same frozen backbone for every method; its stage maps are cached as float16",
            "starts_after": starts_after(method),
            "backbone": race.backbone,
            "backbone_sha256": track.backbone_sha256,
            "epochs": runs[0]["epochs"],
            "batch": race.batch,
            "optimiser": "AdamW, one cycle, weight decay 0.01, gradient norm at most 2, weight average 0.99",
            "learning_rate": learning_rate,
            "learning_rates_tried": list(race.learning_rates),
            "languages_trained": list(race.languages),
            "captions": "one per image and step, language drawn uniformly",
            "tokenizer": "sub-words learnt from the train captions of the dataset in all languages",
            "validation_images": race.validation_images,
            "seeds": list(race.seeds),
            "spread": "standard deviation of the seeds, n - 1; null for one seed",
        },
        "environment": environment(),
        "dates": {"evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


def _language(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {kind: _figures([seed[kind] for seed in seeds]) for kind in ("plain", "duplicate_aware")}


def _figures(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {
        way: {f"R@{k}": summary_of([seed[way][f"R@{k}"]["value"] for seed in seeds]) for k in CUTOFFS}
        for way in ("image_to_text", "text_to_image")
    }
    return {**out, "mR": summary_of([seed["mR"]["value"] for seed in seeds])}


def summary_of(values: Sequence[float]) -> dict[str, Any]:
    """Mean, spread and the values themselves.

    Example:
        >>> summary_of([1.0, 2.0, 3.0])
        {'mean': 2.0, 'spread': 1.0, 'values': [1.0, 2.0, 3.0]}
        >>> summary_of([4.0])["spread"] is None
        True
    """
    mean = sum(values) / len(values)
    spread = None
    if len(values) > 1:
        spread = round(math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)), DECIMALS)
    return {"mean": round(mean, DECIMALS), "spread": spread, "values": list(values)}
