"""Where "likely" begins: the thresholds of a model's confidence, set on validation images.

Every scene class of a dataset is asked for with the class taken out of the gallery: the evidence then found is what a
wrong "likely" would be based on. "Likely" begins where no more than a tenth of absent things would pass, with a margin:
validation has few classes, and the phrases of one class go wrong together, so the threshold must hold for 95 of 100
redraws of the classes. The test split is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.data.captioned import load_dataset
from geoglot.data.category_phrases import CATEGORY_PHRASES
from geoglot.engine.pairs import load_pictures
from geoglot.metrics.confidence import DECIDING_ROWS, decide
from geoglot.models.bundle import Bundle

LIKELY_QUANTILE: Final = 0.9
"""Share of absent things that must stay below "likely"."""
ASSURANCE: Final = 0.95
"""Share of redraws of the classes in which that must hold."""
REDRAWS: Final = 2000
UNCERTAIN_QUANTILE: Final = 0.5
PICTURES_PER_CATEGORY: Final = 3


def thresholds(absent: Mapping[str, Sequence[float]], *, seed: int = 0) -> dict[str, float]:
    """Where "likely" and "uncertain" begin.

    Args:
        absent: Class -> the evidence for it in galleries without it, one value per question.
        seed: Of the redraws.

    Example:
        >>> thresholds({"airport": [0.0, 0.1], "bridge": [0.2, 0.3, 0.4]})
        {'likely': 0.4, 'uncertain': 0.2}
    """
    classes = [np.array(values) for values in absent.values()]
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(classes), (REDRAWS, len(classes)))
    quantiles = [np.quantile(np.concatenate([classes[k] for k in row]), LIKELY_QUANTILE) for row in drawn]
    return {
        "likely": round(float(np.quantile(quantiles, ASSURANCE)), 4),
        "uncertain": round(float(np.quantile(np.concatenate(classes), UNCERTAIN_QUANTILE)), 4),
    }


def absent_by_text(
    gallery: NDArray[np.float32],
    categories: NDArray[np.str_],
    queries: Mapping[str, NDArray[np.float32]],
    neutral: NDArray[np.float32],
) -> dict[str, list[float]]:
    """Evidence for each class's phrases in the gallery without that class.

    Args:
        gallery: (N, D) unit rows.
        categories: (N,) class of every row.
        queries: Class -> (P, D) phrases; classes without rows are left out.
        neutral: (M, D) neutral captions.
    """
    return {
        category: [decide(query, gallery[categories != category], neutral) for query in phrases]
        for category, phrases in queries.items()
        if (categories == category).any()
    }


def absent_by_picture(gallery: NDArray[np.float32], categories: NDArray[np.str_]) -> dict[str, list[float]]:
    """Evidence for a few example pictures of each class in the gallery without that class."""
    found = {}
    for category in sorted(set(categories.tolist())):
        rest = gallery[categories != category]
        examples = gallery[categories == category][:PICTURES_PER_CATEGORY]
        if len(rest) >= DECIDING_ROWS:
            found[category] = [decide(example, rest, None) for example in examples]
    return found


def calibrate(
    bundle: Bundle, dataset: str, languages: Sequence[str], data_root: Path | None
) -> dict[str, dict[str, float]]:
    """Thresholds for queries by text and by picture, from the validation split of a dataset with categories.

    A kind of query for which the split has too few pictures is left out; then nothing is ever called likely.

    Raises:
        DataError: The dataset is absent or names no categories.
    """
    records = load_dataset(dataset).records("val", data_root)
    categories = np.array([record.category or "" for record in records])
    if (categories == "").any():
        raise DataError(dataset, cause="names no categories in this layout", remedy="use the layout with a manifest")
    gallery = bundle.encode_images(load_pictures([record.path for record in records], bundle.side))
    absent: dict[str, list[float]] = {}
    for language in languages:
        asked = {
            category: bundle.encode_queries(phrases[language])
            for category, phrases in CATEGORY_PHRASES[dataset].items()
            if language in phrases
        }
        for category, values in absent_by_text(gallery, categories, asked, bundle.neutral).items():
            absent.setdefault(category, []).extend(values)
    evidence = {"text": absent, "picture": absent_by_picture(gallery, categories)}
    return {kind: thresholds(values) for kind, values in evidence.items() if values}
