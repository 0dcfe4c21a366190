"""Retrieval figures without the test images that a model may have seen in training, beside those as published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from geoglot.core.errors import DataError
from geoglot.data.near_duplicates import Leaks
from geoglot.engine.evaluation import evaluate_retrieval
from geoglot.engine.saved_predictions import LanguagePredictions, Predictions
from geoglot.metrics.ranking import Ties


def clean_subset(predictions: Predictions, leaking: Collection[str]) -> Predictions:
    """The predictions as if some images and their captions had never been in the split.

    The images neither ask nor answer; a text that no remaining image carries is gone, too. Rows keep their order.

    Args:
        predictions: Of a split.
        leaking: Identifiers of images to leave out; those of other splits are ignored.

    Returns:
        New predictions; ``header["left_out"]`` has the number of images left out.

    Raises:
        DataError: No image, or no caption of a language, would be left.

    Example:
        >>> two = np.eye(2, dtype=np.float32)
        >>> english = LanguagePredictions(vectors=two, text_of_caption=np.array([1, 0]),
        ...                               image_of_caption=np.array([0, 1]))
        >>> whole = Predictions(header={}, image_vectors=two, image_ids=("a", "b"), image_categories=("", ""),
        ...                     texts={"en": english}, phrases={})
        >>> clean = clean_subset(whole, {"a"})
        >>> clean.image_ids, clean.texts["en"].vectors.tolist(), clean.texts["en"].text_of_caption.tolist()
        (('b',), [[1.0, 0.0]], [0])
    """
    stays = np.array([name not in leaking for name in predictions.image_ids], dtype=bool)
    if not stays.any():
        raise DataError("clean subset", cause="holds no image", remedy="evaluate without --leaks")
    new_row = np.cumsum(stays) - 1
    texts = {language: _without(texts, stays, new_row, language) for language, texts in predictions.texts.items()}
    rows = np.flatnonzero(stays)
    return replace(
        predictions,
        header={**predictions.header, "left_out": int((~stays).sum())},
        image_vectors=predictions.image_vectors[rows],
        image_ids=tuple(predictions.image_ids[row] for row in rows),
        image_categories=tuple(predictions.image_categories[row] for row in rows),
        texts=texts,
    )


def evaluate_clean(
    predictions: Predictions, leaks: Leaks, *, ties: Ties = "stable", resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The record of :func:`geoglot.engine.evaluation.evaluate_retrieval`, with a part ``clean`` beside it.

    ``clean`` has ``left_out`` (number of images), ``images`` (left), ``found_with`` (bounds of the search) and
    ``languages`` as the record itself. Where nothing leaks, the figures are the same.

    Args:
        predictions: Of a split.
        leaks: What was found in it; see :meth:`geoglot.data.near_duplicates.Leaks.leaking`.
        ties: Who goes first among equal scores.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        UsageError: The leaks were not looked for in this dataset and split.
        DataError: Nothing would be left.
    """
    dataset, split = str(predictions.header["dataset"]), str(predictions.header["split"])
    leaking = leaks.leaking(dataset, split)
    published = evaluate_retrieval(predictions, ties=ties, resamples=resamples, seed=seed)
    languages: Mapping[str, Any] = published["languages"]
    if leaking:
        clean = clean_subset(predictions, leaking)
        languages = evaluate_retrieval(clean, ties=ties, resamples=resamples, seed=seed)["languages"]
    left_out = len(leaking & set(predictions.image_ids))
    return {
        **published,
        "clean": {
            "left_out": left_out,
            "images": len(predictions.image_ids) - left_out,
            "found_with": {**leaks.settings, "looked_at": dict(leaks.images)},
            "languages": languages,
        },
    }


def _without(
    texts: LanguagePredictions, stays: np.ndarray[Any, Any], new_row: np.ndarray[Any, Any], language: str
) -> LanguagePredictions:
    """The captions of the images that stay, with texts and images numbered anew."""
    kept = stays[texts.image_of_caption]
    if not kept.any():
        raise DataError("clean subset", cause=f"holds no caption in {language}", remedy="leave the language out")
    used, text_of_caption = np.unique(texts.text_of_caption[kept], return_inverse=True)
    return LanguagePredictions(
        vectors=texts.vectors[used],
        text_of_caption=text_of_caption.astype(np.int64),
        image_of_caption=new_row[texts.image_of_caption[kept]].astype(np.int64),
        scores=None if texts.scores is None else texts.scores[np.ix_(np.flatnonzero(stays), used)],
    )
