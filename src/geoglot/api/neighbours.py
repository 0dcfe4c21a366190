"""Nearest neighbours in a benchmark split: the captions of a picture and the pictures of a text, with ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geoglot.core.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.data.captioned import CaptionedImage
    from geoglot.models.bundle import Bundle
    from geoglot.models.explainer import Explainer

IMAGES_TOGETHER = 64
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".jp2")


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One of the nearest.

    Attributes:
        rank: 1 for the nearest.
        score: Of the model; cosine similarity for two towers.
        true: Whether it belongs to what was asked: a caption of the very picture, a picture of the very caption.
        id: Identifier of the image in the dataset; for a caption, of the first image that carries it.
        category: Scene class of that image, where known.
        text: The caption; ``None`` for a picture.
        path: The image file; ``None`` for a caption.
    """

    rank: int
    score: float
    true: bool
    id: str
    category: str | None
    text: str | None = None
    path: str | None = None

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        record = {"rank": self.rank, "score": round(self.score, 6), "true": self.true, "id": self.id}
        record |= {"category": self.category}
        return record | ({"text": self.text} if self.path is None else {"path": self.path})


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest of one query, best first.

    Attributes:
        query: The text, or the picture's path.
        asked_by: ``picture`` (captions are found) or ``text`` (pictures are found).
        data: Dataset and split, such as ``rsicd, test``.
        model: Name and version.
        found: The nearest.
        candidates: How many there were to choose from.
        true_ranks: Ranks of the true ones, the best first; empty where the query is not part of the split.
    """

    query: str
    asked_by: Literal["picture", "text"]
    data: str
    model: str
    found: tuple[Neighbour, ...]
    candidates: int
    true_ranks: tuple[int, ...]

    @property
    def true_rank(self) -> int | None:
        """Rank of the first true one."""
        return self.true_ranks[0] if self.true_ranks else None

    def as_records(self) -> list[dict[str, Any]]:
        """One record per neighbour, each with the rank of the true one."""
        return [
            {**one.as_record(), "query": self.query, "true_rank": self.true_rank, "candidates": self.candidates}
            for one in self.found
        ]

    def save(self, path: str | Path) -> Path:
        """Draw a sheet of the nearest: PNG, JPEG or WebP, by the suffix.

        Raises:
            UsageError: The suffix says nothing, or no font on this machine has the letters of a text.
        """
        from geoglot.api.neighbours_picture import draw

        return draw(self, Path(path))


def neighbours(
    query: str | Path,
    data: str = "rsicd",
    split: str = "test",
    model: str | Path | Bundle | Explainer = "compact",
    *,
    run: str | Path | None = None,
    k: int = 10,
    language: str = "en",
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbours:
    """The captions of a split that are nearest to a picture, or its pictures that are nearest to a text.

    Args:
        query: An image file, the identifier of an image of the split, or a text in any language of the model.
        data: Name of a dataset.
        split: ``train``, ``val`` or ``test``.
        model: Name of a shipped bundle, a bundle folder, or a model that is loaded already.
        run: Folder of a trained run, instead of a bundle; needs torch.
        k: How many.
        language: Of the captions that a picture is compared with.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (images done, images in all).

    Raises:
        DataError: The dataset is absent or damaged.
        SourceError: The picture cannot be read.
        UsageError: Unknown dataset, split or language; the text has no words; k is below 1.
        BundleError: The model cannot be loaded.

    Example:
        With the datasets in place, ``neighbours("airport_1", "rsicd").true_rank`` is the rank of the first caption that
        belongs to that image. A slip in a name is caught before anything is loaded:

        >>> neighbours("a river", "rsicdd")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: rsicdd: is not in geoglot.data. Remedy: did you mean 'rsicd'?.
    """
    from geoglot.api.explain import load_explainer
    from geoglot.data.captioned import load_dataset

    if k < 1:
        raise UsageError(f"k={k}", cause="asks for no neighbours", remedy="give a number from 1 on")
    dataset = load_dataset(data)
    records = dataset.records(split, root)
    if not records:
        raise DataError(f"{data}, {split}", cause="has no images", remedy="check the listing of the dataset")
    named = {record.id: record for record in records}.get(str(query))
    picture = named.path if named is not None else _picture_path(query)
    explainer = load_explainer(model, run, bare=True)
    where = f"{data}, {split}"
    if picture is not None:
        return _captions_of(picture, records, explainer, where, k=k, language=language, root=root)
    return _pictures_of(str(query), records, explainer, where, k=k, root=root, progress=progress)


def _picture_path(query: str | Path) -> Path | None:
    """The query as a file: what is one, or is named like one."""
    path = Path(query)
    try:
        is_there = path.is_file()
    except OSError:  # a text longer than a file name may be
        is_there = False
    if is_there or isinstance(query, Path):
        return path
    looks_like_one = path.suffix.lower() in _PICTURE_SUFFIXES and not any(c.isspace() for c in str(query))
    return path if looks_like_one else None


def _captions_of(
    picture: Path,
    records: Sequence[CaptionedImage],
    explainer: Explainer,
    where: str,
    *,
    k: int,
    language: str,
    root: str | Path | None,
) -> Neighbours:
    from geoglot.api.explain_source import only_picture

    pixels = only_picture(picture, side=explainer.side)
    own = {record.id for record in records if _same_file(record.path, picture)}
    first: dict[str, CaptionedImage] = {}
    true: set[str] = set()
    for record, captions in zip(records, _translated(records, language, root), strict=True):
        for caption in captions:
            first.setdefault(caption, record)
            if record.id in own:
                true.add(caption)
    texts = list(first)
    scores = explainer.scores(pixels[None], texts)[0]
    return _ranked(
        [
            Neighbour(rank=0, score=0, true=text in true, id=first[text].id, category=first[text].category, text=text)
            for text in texts
        ],
        scores,
        k,
        query=str(picture),
        asked_by="picture",
        data=where,
        model=explainer.id,
    )


def _pictures_of(
    text: str,
    records: Sequence[CaptionedImage],
    explainer: Explainer,
    where: str,
    *,
    k: int,
    root: str | Path | None,
    progress: Callable[[int, int], None] | None,
) -> Neighbours:
    import numpy as np

    from geoglot.api.explain import split_words
    from geoglot.engine.prediction import read_square

    split_words(text)
    true = _carriers(text, records, root)
    scores = np.empty(len(records), np.float32)
    for start in range(0, len(records), IMAGES_TOGETHER):
        some = records[start : start + IMAGES_TOGETHER]
        pixels = np.stack([read_square(record.path, explainer.side) for record in some])
        scores[start : start + len(some)] = explainer.scores(pixels, [text])[:, 0]
        if progress is not None:
            progress(start + len(some), len(records))
    return _ranked(
        [
            Neighbour(rank=0, score=0, true=r.id in true, id=r.id, category=r.category, path=str(r.path))
            for r in records
        ],
        scores,
        k,
        query=text,
        asked_by="text",
        data=where,
        model=explainer.id,
    )


def _ranked(candidates: Sequence[Neighbour], scores: NDArray[np.float32], k: int, **about: Any) -> Neighbours:
    """The best k by score; equal scores keep the order of the dataset."""
    import dataclasses

    import numpy as np

    order = np.argsort(-scores.astype(np.float64), kind="stable")
    return Neighbours(
        found=tuple(
            dataclasses.replace(candidates[index], rank=rank, score=float(scores[index]))
            for rank, index in enumerate(order[:k].tolist(), 1)
        ),
        candidates=len(candidates),
        true_ranks=tuple(rank for rank, index in enumerate(order.tolist(), 1) if candidates[index].true),
        **about,
    )


def _carriers(text: str, records: Sequence[CaptionedImage], root: str | Path | None) -> set[str]:
    """Identifiers of the images that carry a caption, in whichever language it is written."""
    from geoglot.text.language import detect
    from geoglot.text.normalise import normalise

    asked = normalise(text)
    languages = ["en"] if detect(text) == "en" else [detect(text), "en"]
    for language in languages:
        try:
            translated = _translated(records, language, root)
        except DataError:  # no table of translations: then only English captions are known
            continue
        found = {
            record.id
            for record, captions in zip(records, translated, strict=True)
            if any(normalise(caption) == asked for caption in captions)
        }
        if found:
            return found
    return set()


def _translated(records: Sequence[CaptionedImage], language: str, root: str | Path | None) -> list[list[str]]:
    """Per image its captions in a language; those without a translation are left out."""
    from geoglot.data.translations import Translations, load_translations

    table = load_translations(root) if language != "en" else Translations({})
    return [[t for t in table.translate_all(r.captions, language).texts if t is not None] for r in records]


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
