"""Run a model over a benchmark split and save what it said: vectors and correspondence, no text and no pixels.

Everything that is evaluated is evaluated from this file, so a number can be computed again, or otherwise, without
the model and without the images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError, DataError
from geoglot.core.runs import environment
from geoglot.data.captioned import CaptionedImage, load_dataset
from geoglot.data.category_phrases import CATEGORY_PHRASES
from geoglot.data.translations import Translations, load_translations
from geoglot.engine.saved_predictions import LanguagePredictions, Predictions
from geoglot.geo.resample import to_square
from geoglot.metrics.ranking import distinct_captions

if TYPE_CHECKING:
    from geoglot.models.encoder import Encoder

IMAGES_TOGETHER = 64
TEXTS_TOGETHER = 256
UNIT_TOLERANCE = 1e-3


def predict(
    encoder: Encoder,
    dataset: str,
    *,
    split: str = "test",
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Encode the images and the captions of a split.

    Each distinct caption is encoded once per language, so equal captions have bit-equal vectors. A caption without
    a translation is left out in that language and counted in the header.

    Args:
        encoder: The model.
        dataset: Name of a dataset, e.g. ``rsicd``.
        split: ``train``, ``val`` or ``test``.
        languages: Two-letter codes; all but ``en`` come from the table of translations.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (images done, images in all).

    Raises:
        DataError: The dataset or the table is absent, an image cannot be read, or the split is empty.
        BundleError: The model gives vectors of another shape, or not of unit length.
        UsageError: Unknown dataset, split or language.
    """
    records, table = read_split(dataset, split, languages, root)
    texts: dict[str, LanguagePredictions] = {}
    missing: dict[str, int] = {}
    for language in dict.fromkeys(languages):
        texts[language], missing[language] = _predict_texts(encoder, records, table, language)
    started = time.perf_counter()
    image_vectors = _predict_images(encoder, [record.path for record in records], progress)
    seconds = time.perf_counter() - started
    phrases = CATEGORY_PHRASES.get(dataset, {})
    header = {
        **split_header(dataset, split, records, missing),
        "model": {"id": encoder.id, "sha256": encoder.sha256},
        "dimension": encoder.dimension,
        "image_side": encoder.side,
        "images_per_second": round(len(records) / seconds, 1),
    }
    return Predictions(
        header=header,
        image_vectors=image_vectors,
        image_ids=tuple(record.id for record in records),
        image_categories=tuple(record.category or "" for record in records),
        texts=texts,
        phrase_categories=tuple(phrases),
        phrases={language: _predict_phrases(encoder, phrases, language) for language in texts if phrases},
    )


def read_split(
    dataset: str, split: str, languages: Sequence[str], root: str | Path | None
) -> tuple[list[CaptionedImage], Translations]:
    """The images of a split and the table of translations that its languages need.

    Raises:
        DataError: The dataset or the table is absent, or the split is empty.
        UsageError: Unknown dataset or split.
    """
    records = load_dataset(dataset).records(split, root)
    if not records:
        raise DataError(f"{dataset}, {split}", cause="has no images", remedy="check the listing of the dataset")
    needs_table = any(language != "en" for language in languages)
    return records, load_translations(root) if needs_table else Translations({})


def split_header(
    dataset: str, split: str, records: Sequence[CaptionedImage], missing: Mapping[str, int]
) -> dict[str, Any]:
    """What the header of a prediction says about the data and the day; ``missing`` is by language."""
    counts = [len(record.captions) for record in records]
    return {
        "dataset": dataset,
        "split": split,
        "languages": list(missing),
        "captions_per_image": {"least": min(counts), "most": max(counts)},
        "captions_without_translation": dict(missing),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "environment": environment(),
    }


def read_square(path: Path, side: int) -> NDArray[np.uint8]:
    """A picture file as the square that the model sees: RGB, resized by :func:`geoglot.geo.resample.to_square`.

    Returns:
        uint8, (side, side, 3).

    Raises:
        DataError: The file is no picture, or damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="copy the dataset again") from error
    return to_square(pixels, side)


def _predict_images(
    encoder: Encoder, paths: Sequence[Path], progress: Callable[[int, int], None] | None
) -> NDArray[np.float32]:
    vectors = np.empty((len(paths), encoder.dimension), dtype=np.float32)
    for start in range(0, len(paths), IMAGES_TOGETHER):
        some = paths[start : start + IMAGES_TOGETHER]
        pixels = np.stack([read_square(path, encoder.side) for path in some])
        vectors[start : start + len(some)] = _unit_rows(encoder, encoder.encode_images(pixels), len(some), "images")
        if progress is not None:
            progress(start + len(some), len(paths))
    return vectors


def _predict_texts(
    encoder: Encoder, records: Sequence[CaptionedImage], table: Translations, language: str
) -> tuple[LanguagePredictions, int]:
    """The captions of one language, and how many of them have no translation."""
    found = captions_of(records, table, language)
    predictions = LanguagePredictions(
        vectors=_encode_texts(encoder, found.distinct),
        text_of_caption=found.text_of_caption,
        image_of_caption=found.image_of_caption,
    )
    return predictions, found.missing


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionsOfLanguage:
    """The captions of a split in one language, and which image and which distinct text each is.

    Attributes:
        distinct: Each string once, in the order of first appearance.
        text_of_caption: int64 in [0, U), (M,).
        image_of_caption: int64 in [0, N), (M,).
        missing: How many captions have no translation and were left out.
    """

    distinct: list[str]
    text_of_caption: NDArray[np.int64]
    image_of_caption: NDArray[np.int64]
    missing: int


def captions_of(records: Sequence[CaptionedImage], table: Translations, language: str) -> CaptionsOfLanguage:
    """Gather the captions of a split.

    Raises:
        DataError: An image has no caption in the language.
        UsageError: The table does not hold the language.
    """
    captions: list[str] = []
    image_of_caption: list[int] = []
    missing = 0
    for index, record in enumerate(records):
        translated = table.translate_all(record.captions, language)
        kept = [text for text in translated.texts if text is not None]
        if not kept:
            cause = f"has no caption in {language}"
            raise DataError(
                record.id, cause=cause, remedy="complete the table of translations, or leave the language out"
            )
        captions += kept
        image_of_caption += [index] * len(kept)
        missing += len(translated.missing)
    distinct, text_of_caption = distinct_captions(captions)
    return CaptionsOfLanguage(
        distinct=distinct,
        text_of_caption=text_of_caption,
        image_of_caption=np.array(image_of_caption, dtype=np.int64),
        missing=missing,
    )


def _predict_phrases(
    encoder: Encoder, phrases: Mapping[str, Mapping[str, Sequence[str]]], language: str
) -> NDArray[np.float32]:
    """(C, P, D): the same number of phrases for every class."""
    asked = [list(by_language[language]) for by_language in phrases.values()]
    vectors = _encode_texts(encoder, [text for texts in asked for text in texts])
    return vectors.reshape(len(asked), len(asked[0]), -1)


def _encode_texts(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(texts), TEXTS_TOGETHER):
        some = list(texts[start : start + TEXTS_TOGETHER])
        parts.append(_unit_rows(encoder, encoder.encode_texts(some), len(some), "texts"))
    return np.concatenate(parts)


def _unit_rows(encoder: Encoder, vectors: NDArray[Any], count: int, what: str) -> NDArray[np.float32]:
    """The vectors as float32, once they have the promised shape and length one. NaN has no length."""
    if vectors.shape != (count, encoder.dimension):
        cause = f"encoded {count} {what} to shape {vectors.shape}, not {(count, encoder.dimension)}"
        raise BundleError(encoder.id, cause=cause, remedy="export the model again")
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not (np.abs(length - 1) < UNIT_TOLERANCE).all():
        worst = int(np.argmax(np.where(np.isfinite(length), np.abs(length - 1), np.inf)))
        cause = f"encoded {what} to vectors that are not of length one ({length[worst]:.4g})"
        raise BundleError(encoder.id, cause=cause, remedy="export the model again")
    return vectors.astype(np.float32)
