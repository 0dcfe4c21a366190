"""What a trained run says about a benchmark split: vectors of a two-tower method, scores of any other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from geoglot.engine.composition import CHECKPOINT, method_module
from geoglot.engine.features import FeatureCache, Progress
from geoglot.engine.images import ImageSource, Pictures
from geoglot.engine.pairs import load_pictures
from geoglot.engine.prediction import captions_of, read_split, split_header
from geoglot.engine.saved_predictions import LanguagePredictions, Predictions
from geoglot.engine.scoring import image_vectors, score_matrix, text_vectors
from geoglot.engine.trained import TrainedRun
from geoglot.engine.training import kept_stages

SCORES: Final = "the method's own, of image and text together, float32"


def predict_run(
    trained: TrainedRun,
    dataset: str,
    *,
    split: str = "test",
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    root: str | Path | None = None,
    cache_folder: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Predictions:
    """Score the images and captions of a split.

    Each distinct caption is looked at once per language, so equal captions have bit-equal scores. A caption without a
    translation is left out in that language and counted in the header.

    Args:
        trained: The run.
        dataset: Name of a dataset.
        split: ``train``, ``val`` or ``test``.
        languages: Two-letter codes.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache_folder: Where the maps of a frozen backbone are kept; ``None`` runs the backbone without keeping any.
        progress: Called with (pictures done, pictures in all) while maps are computed.

    Raises:
        DataError: The dataset or the table is absent, an image cannot be read, or the split is empty.
        UsageError: Unknown dataset, split or language.
    """
    records, table = read_split(dataset, split, languages, root)
    source = _source(trained, [record.path for record in records], f"{dataset}-{split}", cache_folder, progress)
    two_tower, model = trained.is_two_tower, trained.model
    vectors = image_vectors(model, source) if two_tower else np.zeros((len(records), 0), dtype=np.float32)
    texts, missing = {}, {}
    for language in dict.fromkeys(languages):
        found = captions_of(records, table, language)
        missing[language] = found.missing
        scores = None if two_tower else score_matrix(model, source, trained.tokenizer, found.distinct)
        rows = text_vectors(model, trained.tokenizer, found.distinct) if two_tower else None
        texts[language] = LanguagePredictions(
            vectors=np.zeros((len(found.distinct), 0), dtype=np.float32) if rows is None else rows,
            text_of_caption=found.text_of_caption,
            image_of_caption=found.image_of_caption,
            scores=scores,
        )
    header = {
        **split_header(dataset, split, records, missing),
        "model": {"id": trained.folder.name, "sha256": file_digest(trained.folder / CHECKPOINT)},
        "run": describe_run(trained),
        "dimension": int(vectors.shape[1]),
        "image_side": trained.recipe.validation_side,
        **({} if two_tower else {"score": SCORES}),
    }
    return Predictions(
        header=header,
        image_vectors=vectors,
        image_ids=tuple(record.id for record in records),
        image_categories=tuple(record.category or "" for record in records),
        texts=texts,
        phrases={},
    )


def _source(
    trained: TrainedRun, paths: Sequence[Path], name: str, cache_folder: Path | None, progress: Progress
) -> ImageSource:
    side = trained.recipe.validation_side
    if trained.frozen is not None and cache_folder is not None:
        stages = kept_stages(method_module(trained.recipe.method))
        cache = FeatureCache(cache_folder, trained.frozen, side=side, stages=stages)
        return cache.pyramids(paths, name, progress=progress)
    return Pictures(torch.from_numpy(load_pictures(paths, side)).permute(0, 3, 1, 2))


def describe_run(trained: TrainedRun) -> dict[str, Any]:
    """What a result says about the model behind it."""
    recipe = trained.recipe
    return {
        "method": recipe.method,
        "variant": getattr(trained.config, "variant", "paper"),
        "seed": recipe.seed,
        "trained_on": list(recipe.datasets),
        "languages": list(recipe.languages),
        "backbone": recipe.backbone,
        "frozen": recipe.frozen,
        "tokenizer": recipe.tokenizer,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "settings": dict(recipe.config),
        "trained_parameters": trained.summary.get("trained_parameters"),
        "training_seconds": trained.summary.get("training_seconds"),
        "training_cpu_seconds": trained.summary.get("training_cpu_seconds"),
        "validation_score": trained.summary.get("best_validation_score"),
    }


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
