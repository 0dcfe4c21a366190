"""From the captions of runs to a record: all measures, language by language, several seeds, and the attributes.

CIDEr-D takes its document frequencies from the references of the images that are measured, so every dataset of a run
and every split is measured alone. Intervals say what other images would have given, the deviation what other seeds did.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine.captioning.data import CaptionedSplit, read_split
from geoglot.engine.captioning.java_measures import java_measures
from geoglot.engine.captioning.prediction import FILE, Prediction, load_predictions
from geoglot.engine.captioning.recipe import ENGLISH, CaptioningRecipe, recipe_record
from geoglot.engine.captioning.running import ATTRIBUTES, METHODS, load_recipe
from geoglot.engine.run_folder import CONFIG, SUMMARY
from geoglot.metrics.attributes import attribute_measures
from geoglot.metrics.caption import caption_measures, mean_score
from geoglot.metrics.caption_alignment import meteor_exact_stem
from geoglot.metrics.intervals import mean_intervals
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.ptb import caption_words

TASK: Final = "captioning"
RESAMPLES: Final = 1000
SPLITS: Final = ("val", "test")
DECIMALS: Final = 4
SIZES: Final = ("hidden", "words", "attention", "classifier", "dropout", "input_dropout", "variant")
"""Settings of a method that are not told by the name of its result file, beside the variant, which is."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A finished run and what it says."""

    recipe: CaptioningRecipe
    predictions: tuple[Prediction, ...]
    attributes: AttributeDictionary
    summary: Mapping[str, Any]
    sizes: Mapping[str, Any]
    machine: Mapping[str, Any]


def evaluate_captioning(
    runs: Sequence[Path],
    results: Path | None = None,
    *,
    data_root: Path | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[tuple[dict[str, Any], Path | None]]:
    """The records of runs, one per configuration and dataset: runs that differ in their seed alone are taken together.

    Args:
        runs: Folders; of a sweep all of them.
        results: Results folder, gets one file per record.
        data_root: Folder with one folder per dataset, for the references; ``None`` asks ``GEOGLOT_DATA``.
        resamples: Of the bootstrap over images.
        seed: Of the bootstrap.

    Returns:
        Records in the order of their first runs, each with the file that was written.

    Raises:
        UsageError: No run, or a seed twice.
        DataError: A folder is no finished run of captioning, or its images are not those of the data.
    """
    if not runs:
        raise UsageError("--run", cause="is missing", remedy="give the folders of captioning runs")
    groups: dict[str, list[_Run]] = {}
    for folder in runs:
        run = _read_run(folder)
        groups.setdefault(json.dumps(configuration(run), sort_keys=True), []).append(run)
    found: list[tuple[dict[str, Any], Path | None]] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda run: run.recipe.seed)
        if len({run.recipe.seed for run in ordered}) < len(ordered):
            raise UsageError("the runs", cause="are of one seed twice", remedy="give each run once")
        references = {split: read_split(ordered[0].recipe, split, data_root) for split in SPLITS}
        for dataset in ordered[0].recipe.datasets:
            record = _record(ordered, dataset, references, resamples=resamples, seed=seed)
            found.append((record, write_captioning_result(record, results) if results is not None else None))
    return found


def configuration(run: _Run) -> dict[str, Any]:
    """What a run's recipe asks for without its seed, files by their names and what they hold."""
    fields = {name: value for name, value in recipe_record(run.recipe).items() if name not in ("seed", "kind")}
    for name in ("backbone_weights", "word_vectors"):
        fields[name] = None if fields[name] is None else Path(fields[name]).name
    return {**fields, "backbone_sha256": run.sizes.get("backbone_sha256")}


def _read_run(folder: Path) -> _Run:
    recipe = load_recipe(folder)
    if not (folder / SUMMARY).is_file():
        raise DataError(folder, cause="is not finished", remedy="add --resume to the command that began it")
    try:
        summary, sizes, machine = (
            json.loads((folder / name).read_text(encoding="utf-8")) for name in (SUMMARY, CONFIG, "env.json")
        )
    except (OSError, ValueError) as error:
        raise DataError(folder, cause=f"is damaged ({error})", remedy="train again") from error
    return _Run(
        recipe=recipe,
        predictions=tuple(load_predictions(folder / FILE)),
        attributes=AttributeDictionary.load(folder / ATTRIBUTES),
        summary=summary,
        sizes=sizes,
        machine=machine,
    )


def _record(
    runs: Sequence[_Run], dataset: str, references: Mapping[str, CaptionedSplit], *, resamples: int, seed: int
) -> dict[str, Any]:
    first = runs[0]
    splits = {split: of_dataset(references[split], dataset) for split in SPLITS}
    measured = {
        split: {language: _measured(runs, splits[split], language) for language in first.recipe.languages}
        for split in SPLITS
    }
    module = registry.load(METHODS, first.recipe.method)
    variant = first.recipe.config.get("variant", module.METHOD.variants[0])
    return {
        "format": 1,
        "task": TASK,
        "model": {"id": first.recipe.method, "title": module.METHOD.title, "variant": variant},
        "dataset": dataset,
        "configuration": configuration(first),
        "protocol": {
            "images": {split: len(splits[split]) for split in SPLITS},
            "tokens": "Penn Treebank style, lower case, without punctuation",
            "cider": "CIDEr-D, document frequencies from the references of the split",
            "meteor_exact_stem": "exact and stem matches of one's own alignment, English; not METEOR 1.5",
            "left_out": dict(measured[SPLITS[-1]][ENGLISH][0].left_out) if measured[SPLITS[-1]].get(ENGLISH) else {},
            "chosen_on_validation": "epoch, and width of the beam",
            "intervals": f"95 %, {resamples} bootstrap draws of images, seed {seed}",
            "backbone": first.sizes.get("backbone_about"),
        },
        "splits": {
            split: {
                language: _figures(found, resamples=resamples, seed=seed)
                for language, found in measured[split].items()
                if found
            }
            for split in SPLITS
        },
        "attributes": {split: _attributes(runs, splits[split]) for split in SPLITS},
        "runs": [
            {
                "seed": run.recipe.seed,
                "cider": {
                    split: {
                        language: round(found[place].figures["cider"], DECIMALS)
                        for language, found in measured[split].items()
                        if found
                    }
                    for split in SPLITS
                },
                **{name: run.summary[name] for name in ("best_epoch", "beam", "training_seconds", "parameters")},
                "validation_cider_by_beam": run.summary["validation_cider_by_beam"],
                "sizes": {name: run.sizes[name] for name in ("vocabulary", "attributes", "channels")},
                "trained_with": {name: run.machine.get(name) for name in ("commit", "cpu", "cores")},
            }
            for place, run in enumerate(runs)
        ],
        "environment": environment(),
        "dates": {"evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


def of_dataset(split: CaptionedSplit, dataset: str) -> CaptionedSplit:
    """The images of one dataset of a split."""
    rows = [row for row, name in enumerate(split.datasets) if name == dataset]
    return replace(
        split,
        datasets=tuple(dataset for _ in rows),
        records=tuple(split.records[row] for row in rows),
        captions={language: tuple(captions[row] for row in rows) for language, captions in split.captions.items()},
    )


def _captions(run: _Run, split: CaptionedSplit, language: str) -> dict[str, Prediction]:
    """Predictions of a split's images by their id.

    Raises:
        DataError: An image has no prediction.
    """
    dataset = split.datasets[0] if split.datasets else ""
    found = {
        one.id: one
        for one in run.predictions
        if (one.dataset, one.split, one.language) == (dataset, split.split, language)
    }
    missing = next((record.id for record in split.records if record.id not in found), None)
    if missing is not None:
        cause = f"has no {language} caption in the run"
        raise DataError(f"image {missing} of {dataset}", cause=cause, remedy="give the data that was trained with")
    return found


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """Figures of one run's captions of a split in a language, each from 0 on, and those of every image.

    Attributes:
        figures: By name; METEOR, SPICE and Sm where their programs are at hand, for test images.
        left_out: Why METEOR or SPICE is missing, by name.
        cider: (N,) per image.
        rouge_l: (N,) per image.
        meteor_exact_stem: (N,) per image.
    """

    figures: Mapping[str, float]
    left_out: Mapping[str, str]
    cider: NDArray[np.float64]
    rouge_l: NDArray[np.float64]
    meteor_exact_stem: NDArray[np.float64]


def _measured(runs: Sequence[_Run], split: CaptionedSplit, language: str) -> list[_Measured]:
    """Measures of every run; none where no image has a caption in the language."""
    references = _references(split, language)
    if not references:
        return []
    found = []
    for run in runs:
        captions = _captions(run, split, language)
        hypotheses = {image: captions[image].caption for image in references}
        one = caption_measures(hypotheses, references, tokenise=caption_words)
        meteor, image_meteor = meteor_exact_stem(
            hypotheses, references, tokenise=caption_words, english=language == ENGLISH
        )
        public, left_out = _public_measures(hypotheses, references, split.split, language)
        if "meteor" in public:
            score = mean_score(bleu_4=one.bleu[3], meteor=public["meteor"], rouge_l=one.rouge_l, cider=one.cider)
            public |= {} if score is None else {"mean_score": score}
        found.append(
            _Measured(
                figures={**one.figures(), **public, "meteor_exact_stem": meteor},
                left_out=left_out,
                cider=one.image_cider,
                rouge_l=one.image_rouge_l,
                meteor_exact_stem=image_meteor,
            )
        )
    return found


def _public_measures(
    hypotheses: Mapping[Any, str], references: Mapping[Any, Sequence[str]], split: str, language: str
) -> tuple[dict[str, float], dict[str, str]]:
    """METEOR 1.5 and SPICE by the public programs, and why either is missing."""
    if split != SPLITS[-1]:
        return {}, {}
    found = java_measures(hypotheses, references, language=language)
    both = {"meteor": found.meteor, "spice": found.spice}
    values = {name: one.value for name, one in both.items() if one.value is not None}
    return values, {name: one.left_out for name, one in both.items() if one.value is None}


def _references(split: CaptionedSplit, language: str) -> dict[Any, list[str]]:
    """Captions with a word, by image; an image without one is left out."""
    found = {}
    for record, captions in zip(split.records, split.captions[language], strict=True):
        kept = [text for text in captions if caption_words(text)]
        if kept:
            found[record.id] = kept
    return found


def _figures(found: Sequence[_Measured], *, resamples: int, seed: int) -> dict[str, Any]:
    """Every measure as mean over the runs, deviation over the runs, and for means over images an interval."""
    names = ("cider", "rouge_l", "meteor_exact_stem")
    per_image = np.stack([np.mean([getattr(one, name) for one in found], axis=0) for name in names], axis=1)
    intervals = dict(zip(names, mean_intervals(per_image, resamples=resamples, seed=seed), strict=True))
    figures: dict[str, Any] = {"images": len(per_image)}
    shared = [name for name in found[0].figures if all(name in one.figures for one in found)]
    for name in shared:
        values = np.array([one.figures[name] for one in found])
        figures[name] = {
            "value": round(float(values.mean()), DECIMALS),
            "spread": round(float(values.std(ddof=1)), DECIMALS) if len(values) > 1 else None,
        }
        if name in intervals:
            figures[name]["interval"] = [round(bound, DECIMALS) for bound in intervals[name]]
    return figures


def _attributes(runs: Sequence[_Run], split: CaptionedSplit) -> dict[str, Any] | None:
    """Agreement of the first stage with the captions: probabilities from one half on, and what guided the sentence.

    ``None`` where the method has no attributes.
    """
    language = runs[0].recipe.languages[0]
    rows: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        said = _captions(run, split, language)
        ordered = [said[record.id] for record in split.records]
        if not ordered or ordered[0].attributes is None or not len(run.attributes):
            return None
        labels = run.attributes.labels(split.english)
        rows.setdefault("probable", []).append(
            _agreement(_table([one.attributes or {} for one in ordered], run.attributes), labels)
        )
        if ordered[0].sampled is not None:
            sampled = [dict.fromkeys(one.sampled or (), 1.0) for one in ordered]
            rows.setdefault("sampled", []).append(_agreement(_table(sampled, run.attributes), labels))
    return {kind: _mean_and_spread(values) for kind, values in rows.items()}


def _table(words: Sequence[Mapping[str, float]], attributes: AttributeDictionary) -> NDArray[np.float64]:
    """(N, A) probabilities; 0 where a word is not named."""
    return np.array([[image.get(word, 0.0) for word in attributes.words] for image in words])


def _agreement(probabilities: NDArray[np.float64], labels: NDArray[np.float32]) -> dict[str, float]:
    found = attribute_measures(probabilities, labels)
    return {name: getattr(found, name) for name in ("precision", "recall", "f1", "macro_f1")} | {
        "predicted_per_image": float((probabilities >= 0.5).sum(1).mean()),
        "named_per_image": float(labels.sum(1).mean()),
    }


def _mean_and_spread(values: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {
        name: {
            "value": round(float(np.mean([one[name] for one in values])), DECIMALS),
            "spread": round(float(np.std([one[name] for one in values], ddof=1)), DECIMALS)
            if len(values) > 1
            else None,
        }
        for name in values[0]
    }


def write_captioning_result(record: Mapping[str, Any], results: Path) -> Path:
    """Write ``<results>/captioning/<name>.json``, see :func:`result_name`.

    A file of another configuration is never replaced: a part of the digest of the configuration is added to the name.
    """
    folder, name = results / TASK, result_name(record)
    path = folder / f"{name}.json"
    if path.is_file() and _configuration_of(path) != _identity(record):
        digest = hashlib.sha256(json.dumps(_identity(record), sort_keys=True).encode()).hexdigest()
        path = folder / f"{name}-{digest[:8]}.json"
    write_json(path, record)
    return path


def result_name(record: Mapping[str, Any]) -> str:
    """Name of the result file: method, variant, settings beside sizes, dataset, and languages other than English.

    Example:
        >>> settings = {"config": {"variant": "sg/s", "margin": 0.3, "hidden": 8}, "datasets": ["ucm"],
        ...             "languages": ["en", "fr"]}
        >>> model = {"id": "jtts", "variant": "sg/s"}
        >>> result_name({"configuration": settings, "model": model, "dataset": "ucm"})
        'jtts-sg-s-margin-0.3-ucm-en-fr'
    """
    settings, model = record["configuration"], record["model"]
    parts = [model["id"], *([model["variant"]] if "variant" in settings["config"] else [])]
    for key, value in sorted(settings["config"].items()):
        if key not in SIZES:
            parts += [key, *(map(str, value) if isinstance(value, list | tuple) else [str(value)])]
    parts.append(record["dataset"])
    parts += ["trained-on", *settings["datasets"]] if settings["datasets"] != [record["dataset"]] else []
    parts += settings["languages"] if list(settings["languages"]) != [ENGLISH] else []
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-.")


def _identity(record: Mapping[str, Any]) -> Any:
    """What makes a record another one, as JSON has it."""
    return json.loads(json.dumps([record["configuration"], record["dataset"]]))


def _configuration_of(path: Path) -> Any:
    try:
        return _identity(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damaged: it is kept, and ours gets another name
