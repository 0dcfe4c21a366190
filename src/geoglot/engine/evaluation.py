"""Retrieval figures from saved predictions, and nothing else: no model, no images, no text.

``docs/protocols.md`` says in words how every number is computed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.runs import write_json
from geoglot.engine.saved_predictions import LanguagePredictions, Predictions, load_predictions
from geoglot.metrics.intervals import RecallIntervals, recall_intervals
from geoglot.metrics.ranking import (
    CUTOFFS,
    DirectionRecall,
    RetrievalRanks,
    Ties,
    duplicate_aware_ranks,
    retrieval_ranks,
    retrieval_recall,
)
from geoglot.metrics.scores import CosineScores

LEVEL = 0.95
DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class Report:
    """A result as it is written to ``results/``.

    Attributes:
        record: JSON-ready values: task, model, dataset, protocol, environment, dates and the figures.
        path: Where it was written, ``None`` if it was not.
    """

    record: Mapping[str, Any]
    path: Path | None = None

    def mean_recall(self, language: str = "en", *, duplicate_aware: bool = False) -> float:
        """Mean recall (mR) in percent of a retrieval report."""
        kind = "duplicate_aware" if duplicate_aware else "plain"
        return float(self.record["languages"][language][kind]["mR"]["value"])


def evaluate_retrieval_file(
    path: str | Path, *, ties: Ties = "stable", resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The record of :func:`evaluate_retrieval` from a ``predictions.npz``.

    Raises:
        DataError: The file is absent or damaged.
        GeoglotError: A vector is not finite.
    """
    return evaluate_retrieval(load_predictions(path), ties=ties, resamples=resamples, seed=seed)


def evaluate_retrieval(
    predictions: Predictions, *, ties: Ties = "stable", resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """R@1, R@5, R@10 both ways, mR, rsum, median and mean rank, per language, plain and duplicate-aware.

    Args:
        predictions: Vectors or scores, and correspondence.
        ties: Who goes first among equal scores.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        A JSON-ready record; percentages rounded to four decimals.

    Raises:
        GeoglotError: A vector is not finite, or an image has no caption.
    """
    header = predictions.header
    languages = {
        language: _language(predictions.image_vectors, texts, ties, resamples, seed)
        for language, texts in predictions.texts.items()
    }
    english = languages.get("en", {}).get("plain", {}).get("mR", {}).get("value")
    if english:
        for figures in languages.values():
            figures["mR_share_of_english"] = round(figures["plain"]["mR"]["value"] / english, DECIMALS)
    return {
        "task": "retrieval",
        "model": dict(header["model"]),
        "dataset": header["dataset"],
        "languages": languages,
        "protocol": {
            "split": header["split"],
            "images": len(predictions.image_vectors),
            "captions": {name: len(texts.text_of_caption) for name, texts in predictions.texts.items()},
            "distinct_captions": {name: len(texts.vectors) for name, texts in predictions.texts.items()},
            "captions_per_image": header["captions_per_image"],
            "captions_without_translation": header["captions_without_translation"],
            "image_side": header["image_side"],
            "image_resize": "RGB, box reduction by whole factors then bilinear, aspect not kept",
            "score": header.get("score", "cosine in double precision, rounded to float32"),
            "ties": ties,
            "cutoffs": list(CUTOFFS),
            "recall": "percent of queries with at least one answer among the first k",
            "duplicate_aware": "equal strings are one text, right for every image that carries it; each asks once",
            "interval": {
                "method": "percentile bootstrap over images with their captions, gallery and model fixed",
                "level": LEVEL,
                "resamples": resamples,
            },
            "seeds": {"bootstrap": seed},
        },
        **({"run": dict(header["run"])} if "run" in header else {}),
        "environment": header["environment"],
        "dates": {"predicted": header["date"], "evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


def write_result(record: Mapping[str, Any], results: Path) -> Path:
    """Write ``<results>/<task>/<model>-<dataset>.json``; a split other than ``test`` is added to the name.

    Example:
        >>> import tempfile
        >>> record = {"task": "retrieval", "model": {"id": "toy"}, "dataset": "rsicd", "protocol": {"split": "val"}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_result(record, Path(folder)).relative_to(folder).as_posix()
        'retrieval/toy-rsicd-val.json'
    """
    split = record["protocol"]["split"]
    parts = [record["model"]["id"], record["dataset"], *([split] if split != "test" else [])]
    name = "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip(".-") or "unnamed" for part in parts)
    path = results / str(record["task"]) / f"{name}.json"
    write_json(path, record)
    return path


def _language(
    images: NDArray[np.float32], texts: LanguagePredictions, ties: Ties, resamples: int, seed: int
) -> dict[str, Any]:
    # Copies of a caption share one text in the file; the plain protocol puts them side by side again.
    which = texts.text_of_caption
    if texts.scores is None:
        repeated: NDArray[np.float32] | CosineScores = CosineScores(images, texts.vectors[which])
        scores: NDArray[np.float32] | CosineScores = CosineScores(images, texts.vectors)
    else:
        repeated, scores = texts.scores[:, which], texts.scores
    plain = retrieval_ranks(repeated, texts.image_of_caption, ties=ties)
    own = np.stack([texts.image_of_caption, np.arange(len(texts.image_of_caption))], axis=1)
    shared = np.unique(np.stack([texts.image_of_caption, texts.text_of_caption], axis=1), axis=0)
    aware = duplicate_aware_ranks(scores, shared, ties=ties)
    return {
        "plain": _figures(plain, own, resamples, seed),
        "duplicate_aware": _figures(aware, shared, resamples, seed),
    }


def _figures(ranks: RetrievalRanks, carriers: NDArray[np.int64], resamples: int, seed: int) -> dict[str, Any]:
    values = retrieval_recall(ranks)
    intervals = recall_intervals(ranks, carriers, resamples=resamples, seed=seed, level=LEVEL)
    return {
        "image_to_text": _direction(values.image_to_text, intervals, "image_to_text"),
        "text_to_image": _direction(values.text_to_image, intervals, "text_to_image"),
        "mR": _value(values.mean_recall, intervals.mean_recall),
        "rsum": round(values.rsum, DECIMALS),
    }


def _direction(values: DirectionRecall, intervals: RecallIntervals, way: str) -> dict[str, Any]:
    bounds = getattr(intervals, way)
    return {
        **{f"R@{k}": _value(values.recall[k], bounds[k]) for k in CUTOFFS},
        "median_rank": values.median_rank,
        "mean_rank": round(values.mean_rank, DECIMALS),
        "queries": values.queries,
    }


def _value(value: float, interval: tuple[float, float]) -> dict[str, Any]:
    return {"value": round(value, DECIMALS), "interval": [round(bound, DECIMALS) for bound in interval]}
