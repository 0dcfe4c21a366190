"""``predictions.npz`` of a matching run: the score of every query with every image of the dataset.

================== =================== ==================================================================
``scores``         float32 (Q, N)      higher is better, never NaN
``query_rows``     int64 (Q,)          which image of the dataset asks
``gallery_rows``   int64 (N,)          which are searched: always all of them, in any order
``categories``     int64 (M,)          scene class of every image
``category_names`` text (K,)           names of the classes
``splits``         text (M,)           ``train``, ``val`` or ``test``
``items``          text (M,)           identifiers of the dataset
================== =================== ==================================================================

Both readings of the gallery, all images or those of the test split alone, come from this one file.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file
from geoglot.data.captioned import SPLITS

FILE = "predictions.npz"
_REMEDY = "score the run again"


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchingPredictions:
    """Everything an evaluation may look at; checked when made.

    Attributes:
        scores: (Q, N) float32.
        query_rows: (Q,) int64, distinct.
        gallery_rows: (N,) int64, every image of the dataset once.
        categories: (M,) int64.
        category_names: K names.
        splits: (M,) text.
        items: (M,) text, distinct.

    Raises:
        DataError: Arrays that do not belong together, a score that is no number, rows that point outside.
    """

    scores: NDArray[np.float32]
    query_rows: NDArray[np.int64]
    gallery_rows: NDArray[np.int64]
    categories: NDArray[np.int64]
    category_names: tuple[str, ...]
    splits: NDArray[np.str_]
    items: NDArray[np.str_]

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        if fault := _fault(self):
            raise DataError("predictions", cause=fault, remedy=_REMEDY)


def save_predictions(predictions: MatchingPredictions, path: Path) -> None:
    """Write the file, whole or not at all; ``path`` is usually ``<run>/predictions.npz``."""
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            scores=predictions.scores,
            query_rows=predictions.query_rows,
            gallery_rows=predictions.gallery_rows,
            categories=predictions.categories,
            category_names=np.array(predictions.category_names, dtype=np.str_),
            splits=predictions.splits,
            items=predictions.items,
        )


def load_predictions(path: str | Path) -> MatchingPredictions:
    """Read the file; a run's folder serves as well.

    Raises:
        DataError: The file is absent, damaged or not consistent.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise DataError(path, cause="is absent", remedy=_REMEDY)
    try:
        # Opened here: for a damaged file NumPy would leave its own handle open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return MatchingPredictions(
                scores=stored["scores"],
                query_rows=stored["query_rows"],
                gallery_rows=stored["gallery_rows"],
                categories=stored["categories"],
                category_names=tuple(stored["category_names"].tolist()),
                splits=stored["splits"],
                items=stored["items"],
            )
    except DataError as error:
        raise DataError(path, cause=error.cause, remedy=_REMEDY) from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__}: {error})", remedy=_REMEDY) from error


def _fault(predictions: MatchingPredictions) -> str:
    """What does not fit, empty when all does."""
    count = len(predictions.items)
    if not count == len(predictions.splits) == len(predictions.categories) > 0:
        return "hold different numbers of identifiers, splits and categories, or none"
    if len(np.unique(predictions.items)) != count:
        return "name an image twice"
    if unknown := set(np.unique(predictions.splits).tolist()) - set(SPLITS):
        return f"name a split that does not exist: {min(unknown)}"
    for words, rows, size in (
        ("queries", predictions.query_rows, count),
        ("gallery rows", predictions.gallery_rows, count),
        ("categories", predictions.categories, len(predictions.category_names)),
    ):
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) == 0 or rows.min() < 0 or rows.max() >= size:
            return f"hold {words} that point outside, or none"
    if len(np.unique(predictions.query_rows)) != len(predictions.query_rows):
        return "ask with one image twice"
    if len(predictions.gallery_rows) != count or len(np.unique(predictions.gallery_rows)) != count:
        return f"search {len(np.unique(predictions.gallery_rows))} images, not all {count} of the dataset"
    scores = predictions.scores
    if scores.shape != (len(predictions.query_rows), count) or scores.dtype.kind != "f":
        return f"hold scores of shape {scores.shape}, not {(len(predictions.query_rows), count)}"
    return "hold a score that is no number" if not np.isfinite(scores).all() else ""
