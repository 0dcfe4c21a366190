"""``predictions.npz``: what a model said about a split, in a file that cannot carry code.

Arrays, with N images, D the dimension, and for each language U distinct texts and M captions. A model whose score
needs both sides has no vectors (D = 0) and gives the scores themselves:

========================== ================= =====================================================
``header``                 JSON as text      format, dataset, split, model, image side, date ...
``image_vectors``          float32 (N, D)
``image_ids``              text (N,)         identifiers of the dataset
``image_categories``       text (N,)         scene class, empty where unknown
``text_vectors.LANGUAGE``  float32 (U, D)    one row per distinct caption
``scores.``                float32 (N, U)    of every image with every distinct caption; only where D = 0
``text_of_caption.``       int64 (M,)        which distinct text a caption is
``image_of_caption.``      int64 (M,)        which image it was written for
``phrase_categories``      text (C,)         classes that have query phrases; may be empty
``phrase_vectors.``        float32 (C, P, D) the query phrases of each class
========================== ================= =====================================================
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file

FORMAT = 2
_REMEDY = "predict again"


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguagePredictions:
    """The captions of one language.

    Attributes:
        vectors: float32, (U, D), one row per distinct caption.
        text_of_caption: int64 in [0, U), (M,).
        image_of_caption: int64 in [0, N), (M,).
        scores: float32, (N, U), of a model without vectors, else ``None``.
    """

    vectors: NDArray[np.float32]
    text_of_caption: NDArray[np.int64]
    image_of_caption: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Everything an evaluation may look at.

    Attributes:
        header: Dataset, split, model, languages, image side, date, machine.
        image_vectors: float32, (N, D).
        image_ids: The dataset's identifiers, (N,).
        image_categories: Scene classes, empty where unknown, (N,).
        texts: Per language.
        phrase_categories: Classes that have query phrases, (C,).
        phrases: Per language float32, (C, P, D).
    """

    header: Mapping[str, Any]
    image_vectors: NDArray[np.float32]
    image_ids: tuple[str, ...]
    image_categories: tuple[str, ...]
    texts: Mapping[str, LanguagePredictions]
    phrase_categories: tuple[str, ...] = ()
    phrases: Mapping[str, NDArray[np.float32]]

    @property
    def model_id(self) -> str:
        """Identifier of the model bundle."""
        return str(self.header["model"]["id"])


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write the file, whole or not at all.

    Args:
        predictions: What to write.
        path: Usually ``runs/<id>/predictions.npz``.
    """
    arrays: dict[str, NDArray[Any]] = {
        "header": np.array(json.dumps({**predictions.header, "format": FORMAT}, sort_keys=True, allow_nan=False)),
        "image_vectors": predictions.image_vectors,
        "image_ids": np.array(predictions.image_ids, dtype=np.str_),
        "image_categories": np.array(predictions.image_categories, dtype=np.str_),
        "phrase_categories": np.array(predictions.phrase_categories, dtype=np.str_),
    }
    for language, texts in predictions.texts.items():
        arrays[f"text_vectors.{language}"] = texts.vectors
        arrays[f"text_of_caption.{language}"] = texts.text_of_caption
        arrays[f"image_of_caption.{language}"] = texts.image_of_caption
        if texts.scores is not None:
            arrays[f"scores.{language}"] = texts.scores
    for language, phrases in predictions.phrases.items():
        arrays[f"phrase_vectors.{language}"] = phrases
    with whole_file(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def load_predictions(path: str | Path) -> Predictions:
    """Read the file and check that its arrays fit each other. Finiteness is for the evaluation to judge.

    Raises:
        DataError: The file is absent, damaged, of a newer format, or not consistent.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(path, cause="is absent", remedy=_REMEDY)
    try:
        # Opened here: for a damaged file NumPy would leave its own handle open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        header = json.loads(str(arrays["header"]))
        if header["format"] > FORMAT:
            cause = f"has format {header['format']}, this version reads up to {FORMAT}"
            raise DataError(path, cause=cause, remedy="update geoglot")
        predictions = Predictions(
            header=header,
            image_vectors=arrays["image_vectors"],
            image_ids=tuple(arrays["image_ids"].tolist()),
            image_categories=tuple(arrays["image_categories"].tolist()),
            texts={
                language: LanguagePredictions(
                    vectors=arrays[f"text_vectors.{language}"],
                    text_of_caption=arrays[f"text_of_caption.{language}"],
                    image_of_caption=arrays[f"image_of_caption.{language}"],
                    scores=arrays.get(f"scores.{language}"),
                )
                for language in header["languages"]
            },
            phrase_categories=tuple(arrays["phrase_categories"].tolist()),
            phrases={
                name.partition(".")[2]: array for name, array in arrays.items() if name.startswith("phrase_vectors.")
            },
        )
        fault = _inconsistency(predictions)
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__}: {error})", remedy=_REMEDY) from error
    if fault:
        raise DataError(path, cause=fault, remedy=_REMEDY)
    return predictions


def _inconsistency(predictions: Predictions) -> str:
    """What does not fit, empty when all does."""
    images, dimension = predictions.image_vectors.shape
    if not images == len(predictions.image_ids) == len(predictions.image_categories):
        return "holds different numbers of images, identifiers and categories"
    if predictions.header["model"]["id"] == "" or not predictions.texts:
        return "holds no model or no language"
    for language, texts in predictions.texts.items():
        distinct = texts.vectors.shape[0]
        if texts.vectors.shape != (distinct, dimension):
            return f"holds {language} text vectors of another dimension"
        if (texts.scores is None) != (dimension > 0):
            return f"holds both vectors and scores of {language}, or neither"
        if texts.scores is not None and texts.scores.shape != (images, distinct):
            return f"holds {language} scores of another shape"
        if texts.text_of_caption.shape != texts.image_of_caption.shape or texts.text_of_caption.ndim != 1:
            return f"holds {language} captions of two different numbers"
        for indices, size in ((texts.text_of_caption, distinct), (texts.image_of_caption, images)):
            if len(indices) == 0 or indices.dtype.kind not in "iu" or indices.min() < 0 or indices.max() >= size:
                return f"holds {language} captions that point outside"
    for language, phrases in predictions.phrases.items():
        if phrases.ndim != 3 or phrases.shape[::2] != (len(predictions.phrase_categories), dimension):
            return f"holds {language} phrase vectors of another shape"
    return ""
