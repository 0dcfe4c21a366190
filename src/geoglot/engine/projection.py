"""Images and captions of four languages on one map: t-SNE of both modalities in one fit.

van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008, as scikit-learn does it by default.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.engine.prediction import predict
from geoglot.engine.saved_predictions import LanguagePredictions, Predictions

if TYPE_CHECKING:
    from geoglot.models.encoder import Encoder

PERPLEXITY: Final = 30.0
"""scikit-learn's default."""
IMAGE: Final = "image"


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Points on a plane, images first, then the captions language by language.

    Attributes:
        points: (N, 2) float32.
        kinds: ``image``, or the language of a caption, (N,).
        ids: Identifier of the image, or of the image that a caption describes, (N,).
        categories: Scene class of that image, empty where unknown, (N,).
        model: Name and version of the model.
        data: Dataset and split.
        seed: Of the fit.
    """

    points: NDArray[np.float32]
    kinds: tuple[str, ...]
    ids: tuple[str, ...]
    categories: tuple[str, ...]
    model: str
    data: str
    seed: int

    def as_records(self) -> list[dict[str, Any]]:
        """One JSON-ready record per point."""
        rows = zip(self.points.tolist(), self.kinds, self.ids, self.categories, strict=True)
        return [
            {"x": round(x, 4), "y": round(y, 4), "kind": kind, "id": name, "category": category or None}
            for (x, y), kind, name, category in rows
        ]


def project(
    encoder: Encoder,
    dataset: str,
    *,
    split: str = "test",
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    captions: int = 1,
    seed: int = 0,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Projection:
    """Encode a split and lay it out on a plane.

    Args:
        encoder: The model.
        dataset: Name of a dataset.
        split: ``train``, ``val`` or ``test``.
        languages: Two-letter codes.
        captions: Captions per image and language, the first ones.
        seed: The same seed gives the same map on the same machine.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (images done, images in all).

    Raises:
        DataError: The dataset is absent or damaged.
        GeoglotError: scikit-learn is not installed.
        UsageError: Unknown dataset, split or language; ``captions`` is below 1.
    """
    _tsne()
    predictions = predict(encoder, dataset, split=split, languages=languages, root=root, progress=progress)
    return project_predictions(predictions, captions=captions, seed=seed)


def project_predictions(predictions: Predictions, *, captions: int = 1, seed: int = 0) -> Projection:
    """The same from vectors that are there already, as ``predictions.npz`` holds them.

    Raises:
        GeoglotError: scikit-learn is not installed.
        UsageError: ``captions`` is below 1.
    """
    if captions < 1:
        raise UsageError(f"captions={captions}", cause="leaves no texts", remedy="give a number from 1 on")
    vectors, kinds = [predictions.image_vectors], [IMAGE] * len(predictions.image_ids)
    images = list(range(len(predictions.image_ids)))
    for language, texts in predictions.texts.items():
        rows = first_captions(texts, captions)
        vectors.append(texts.vectors[texts.text_of_caption[rows]])
        kinds += [language] * len(rows)
        images += texts.image_of_caption[rows].tolist()
    header = predictions.header
    return Projection(
        points=tsne(np.concatenate(vectors), seed=seed),
        kinds=tuple(kinds),
        ids=tuple(predictions.image_ids[image] for image in images),
        categories=tuple(predictions.image_categories[image] for image in images),
        model=predictions.model_id,
        data=f"{header['dataset']}, {header['split']}",
        seed=seed,
    )


def first_captions(texts: LanguagePredictions, count: int) -> NDArray[np.int64]:
    """Positions of the first captions of every image, in the order of the captions.

    Example:
        >>> texts = LanguagePredictions(
        ...     vectors=np.eye(2, dtype=np.float32),
        ...     text_of_caption=np.array([0, 1, 0, 1]),
        ...     image_of_caption=np.array([0, 0, 0, 1]),
        ... )
        >>> first_captions(texts, 2).tolist()
        [0, 1, 3]
    """
    seen: dict[int, int] = {}
    rows = []
    for row, image in enumerate(texts.image_of_caption.tolist()):
        seen[image] = seen.get(image, 0) + 1
        if seen[image] <= count:
            rows.append(row)
    return np.array(rows, dtype=np.int64)


def tsne(vectors: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
    """(N, D) unit rows -> (N, 2), scikit-learn's defaults. With few rows the perplexity is a third of their number.

    Raises:
        GeoglotError: scikit-learn is not installed, or there are fewer than four rows.
    """
    if len(vectors) < 4:
        raise GeoglotError("projection", cause=f"has {len(vectors)} points", remedy="take a larger split")
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    points: NDArray[np.float32] = _tsne()(perplexity=perplexity, random_state=seed).fit_transform(vectors)
    return points.astype(np.float32)


def _tsne() -> Any:
    try:
        return importlib.import_module("sklearn.manifold").TSNE
    except ImportError as error:
        remedy = 'pip install "geoglot[train]"'
        raise GeoglotError("scikit-learn", cause="is not installed; t-SNE needs it", remedy=remedy) from error
