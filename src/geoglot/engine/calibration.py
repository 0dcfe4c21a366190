"""Where "likely" begins: the thresholds of a model's confidence, set on validation images.

Every scene class of a dataset is asked for with the class in the gallery and with it taken out. The evidence in the
second case is what a wrong "likely" would be based on; the thresholds are quantiles of it. The test split is never
looked at.
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

LIKELY_QUANTILE: Final = 0.94
"""Share of absent classes that must stay below "likely" in validation; leaves a margin to the promised 90 %."""
UNCERTAIN_QUANTILE: Final = 0.5
PICTURES_PER_CATEGORY: Final = 3


def thresholds(absent: Sequence[float]) -> dict[str, float]:
    """Quantiles of the evidence for things that are not there.

    Example:
        >>> thresholds([0.0, 0.1, 0.2, 0.3, 0.4])
        {'likely': 0.376, 'uncertain': 0.2}
    """
    return {
        "likely": round(float(np.quantile(absent, LIKELY_QUANTILE)), 4),
        "uncertain": round(float(np.quantile(absent, UNCERTAIN_QUANTILE)), 4),
    }


def absent_by_text(
    gallery: NDArray[np.float32],
    categories: NDArray[np.str_],
    queries: Mapping[str, NDArray[np.float32]],
    neutral: NDArray[np.float32],
) -> list[float]:
    """Evidence for each class's phrases in the gallery without that class.

    Args:
        gallery: (N, D) unit rows.
        categories: (N,) class of every row.
        queries: Class -> (P, D) phrases; classes without rows are left out.
        neutral: (M, D) neutral captions.
    """
    return [
        decide(query, gallery[categories != category], neutral)
        for category, phrases in queries.items()
        if (categories == category).any()
        for query in phrases
    ]


def absent_by_picture(gallery: NDArray[np.float32], categories: NDArray[np.str_]) -> list[float]:
    """Evidence for a few example pictures of each class in the gallery without that class."""
    found = []
    for category in sorted(set(categories.tolist())):
        rest = gallery[categories != category]
        examples = gallery[categories == category][:PICTURES_PER_CATEGORY]
        found += [decide(example, rest, None) for example in examples if len(rest) >= DECIDING_ROWS]
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
    absent: list[float] = []
    for language in languages:
        asked = {
            category: bundle.encode_texts(phrases[language])
            for category, phrases in CATEGORY_PHRASES[dataset].items()
            if language in phrases
        }
        absent += absent_by_text(gallery, categories, asked, bundle.neutral)
    evidence = {"text": absent, "picture": absent_by_picture(gallery, categories)}
    return {kind: thresholds(values) for kind, values in evidence.items() if values}
