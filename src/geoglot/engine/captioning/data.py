"""Data of captioning: images with their grids, captions in the languages of the run, attributes, and batches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.data.captioned import CaptionedImage, load_dataset
from geoglot.data.translations import Translations, load_translations
from geoglot.engine import composition
from geoglot.engine.captioning.recipe import ENGLISH, CaptioningRecipe
from geoglot.engine.features import FeatureCache, joined
from geoglot.engine.images import CachedPyramids
from geoglot.nn.captioner import CaptionBatch
from geoglot.text.attributes import THRESHOLDS, AttributeDictionary
from geoglot.text.captions import CaptionVocabulary
from geoglot.text.ptb import caption_words

Rows = NDArray[np.int64]
Progress = Callable[[int, int], None]

USUAL_THRESHOLD: Final = 100
"""For datasets that the paper does not name."""
POOL: Final = 16
"""Batches within which captions are sorted by length."""
SIDES: Final = re.compile(
    r"\b(left|right|gauche|droite?s?|sinistr[aoei]|destr[aoei])\b|يسار|يمين|اليسرى|اليمنى|الأيسر|الأيمن", re.IGNORECASE
)
"""Words that a mirror image makes untrue, in the four languages."""


@dataclass(frozen=True, kw_only=True)
class CaptionedSplit:
    """N images of one split of all datasets of a recipe, with their captions.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        datasets: (N) name of the dataset of every image.
        records: The images.
        captions: By language, the captions of every image; one that has no translation is left out.
    """

    split: str
    datasets: tuple[str, ...]
    records: tuple[CaptionedImage, ...]
    captions: Mapping[str, tuple[tuple[str, ...], ...]]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def english(self) -> tuple[tuple[str, ...], ...]:
        """English captions of every image."""
        return tuple(record.captions for record in self.records)


def read_split(recipe: CaptioningRecipe, split: str, data_root: Path | None = None) -> CaptionedSplit:
    """Images and captions of a split.

    Raises:
        DataError: A dataset or the table of translations is absent.
        UsageError: A language is not in the table.
    """
    found = [(name, record) for name in recipe.datasets for record in load_dataset(name).records(split, data_root)]
    table = load_translations(data_root) if set(recipe.languages) - {ENGLISH} else Translations({})
    captions = {
        language: tuple(
            tuple(text for caption in record.captions if (text := table.translate(caption, language)) is not None)
            for _, record in found
        )
        for language in recipe.languages
    }
    names, records = [name for name, _ in found], [record for _, record in found]
    return CaptionedSplit(split=split, datasets=tuple(names), records=tuple(records), captions=captions)


def build_vocabulary(recipe: CaptioningRecipe, train: CaptionedSplit) -> CaptionVocabulary:
    """Words of the training captions of all languages of the recipe."""
    captions = (text for images in train.captions.values() for image in images for text in image)
    return CaptionVocabulary.train(captions, least=recipe.least, max_length=recipe.max_length)


def build_attributes(recipe: CaptioningRecipe, train: CaptionedSplit) -> AttributeDictionary:
    """Attributes above each dataset's threshold, those of the first dataset first."""
    words: dict[str, None] = {}
    for dataset in recipe.datasets:
        above = recipe.attributes_above
        above = THRESHOLDS.get(dataset, USUAL_THRESHOLD) if above is None else above
        own = (
            text
            for name, captions in zip(train.datasets, train.english, strict=True)
            if name == dataset
            for text in captions
        )
        words |= dict.fromkeys(AttributeDictionary.train(own, above=above).words)
    return AttributeDictionary(list(words))


def category_rows(split: CaptionedSplit, names: Sequence[str]) -> Rows:
    """Scene class of every image, -1 where it is not known or not among the names."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(record.category or "", -1) for record in split.records], dtype=np.int64)


def category_names(train: CaptionedSplit) -> tuple[str, ...]:
    """Scene classes of the training images, sorted."""
    return tuple(sorted({record.category for record in train.records if record.category is not None}))


def weights_of(recipe: CaptioningRecipe) -> Path | None:
    """Where the backbone's weights lie; of a folder with a file per backbone, its own."""
    if recipe.backbone_weights is None:
        return None
    path = Path(recipe.backbone_weights)
    own = path / f"{recipe.backbone}.safetensors"
    return own if own.is_file() else path


class Grids:
    """Last stage maps of a frozen backbone for the recipe's pictures, computed when first asked for and kept.

    Args:
        recipe: Says backbone, weights and side.
        folder: Where maps are kept.
        device: Where the backbone works.
        progress: Called with (pictures done, pictures in all) while maps are computed.
    """

    def __init__(
        self,
        recipe: CaptioningRecipe,
        folder: Path,
        *,
        device: str = "cpu",
        progress: Progress = lambda done, total: None,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # a network without weights shall always be the same one
            backbone = composition.load_backbone(recipe.backbone, weights_of(recipe))
        self.channels = backbone.channels[-1]
        self.progress = progress
        self.cache = FeatureCache(folder, backbone, side=recipe.side, device=device)

    @property
    def sha256(self) -> str:
        """Of the backbone's weights."""
        return self.cache.sha256

    def of(self, split: CaptionedSplit, *, mirrored: bool = False) -> CachedPyramids:
        """Maps of a split's images, in their order."""
        parts = []
        for dataset in dict.fromkeys(split.datasets):
            rows = [row for row, name in enumerate(split.datasets) if name == dataset]
            paths = [split.records[row].path for row in rows]
            name = f"{dataset}-{split.split}"
            parts.append(self.cache.pyramids(paths, name, mirrored=mirrored, progress=self.progress))
        return joined(parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingCaptions:
    """M training captions of N images.

    Attributes:
        tokens: (M, L) int64, see :class:`geoglot.nn.captioner.CaptionBatch`.
        lengths: (M,) int64, tokens of every caption, START and END included.
        items: (M,) int64, the image of every caption.
        languages: (M,) int64, position in the recipe.
        sided: (M,) bool, which captions tell left from right.
        attributes: (N, A) float32.
        categories: (N,) int64.
        grids: Of the N images.
    """

    tokens: Rows
    lengths: Rows
    items: Rows
    languages: Rows
    sided: NDArray[np.bool_]
    attributes: NDArray[np.float32]
    categories: Rows
    grids: CachedPyramids

    def __len__(self) -> int:
        return len(self.tokens)

    def chosen(self, count: int | None, generator: np.random.Generator) -> Rows:
        """Captions of an epoch: all, or at most ``count`` of every image, drawn without replacement; ascending."""
        if count is None:
            return np.arange(len(self))
        order = generator.permutation(len(self))
        order = order[np.argsort(self.items[order], kind="stable")]
        items = self.items[order]
        first = np.flatnonzero(np.r_[True, items[1:] != items[:-1]])
        place = np.arange(len(items)) - np.repeat(first, np.diff(np.r_[first, len(items)]))
        return np.sort(order[place < count])

    def batch(
        self, rows: Rows, *, mirrored: NDArray[np.bool_] | None = None, progress: float = 0.0, device: str = "cpu"
    ) -> CaptionBatch:
        """Captions of some rows with their images.

        Args:
            rows: (B,) which captions.
            mirrored: (B,) bool, whose image is shown mirrored; a caption that tells left from right never is.
            progress: Share of the training that is done.
            device: Where the tensors go.
        """
        items = self.items[rows]
        flipped = None if mirrored is None else mirrored & ~self.sided[rows]
        maps = self.grids.take(items, mirrored=flipped)[-1]
        tokens = self.tokens[rows, : int(self.lengths[rows].max())]
        return CaptionBatch(
            grids=maps.to(device),
            tokens=torch.from_numpy(tokens).to(device),
            attributes=torch.from_numpy(self.attributes[items]).to(device),
            items=torch.from_numpy(items).to(device),
            categories=torch.from_numpy(self.categories[items]).to(device),
            languages=torch.from_numpy(self.languages[rows]).to(device),
            progress=progress,
        )


def training_captions(
    recipe: CaptioningRecipe,
    train: CaptionedSplit,
    vocabulary: CaptionVocabulary,
    attributes: AttributeDictionary,
    grids: CachedPyramids,
) -> TrainingCaptions:
    """The captions of the training images as tokens.

    Raises:
        DataError: There is no caption with a word.
    """
    texts, items, languages = [], [], []
    for number, language in enumerate(recipe.languages):
        for item, captions in enumerate(train.captions[language]):
            for text in captions:
                if caption_words(text):
                    texts.append(text)
                    items.append(item)
                    languages.append(number)
    if not texts:
        raise DataError("the training captions", cause="are none", remedy="name other datasets or languages")
    tokens = vocabulary.encode(texts)
    return TrainingCaptions(
        tokens=tokens,
        lengths=(tokens != 0).sum(1),
        items=np.array(items, dtype=np.int64),
        languages=np.array(languages, dtype=np.int64),
        sided=np.array([SIDES.search(text) is not None for text in texts]),
        attributes=attributes.labels(train.english),
        categories=category_rows(train, category_names(train)),
        grids=grids,
    )


def batches_by_length(rows: Rows, lengths: Rows, size: int, generator: np.random.Generator) -> Iterator[Rows]:
    """Batches that hold every row once, each of captions of about one length, in random order.

    A recurrence takes as many steps as the longest caption of a batch has words, so rows are shuffled, sorted by length
    within every :data:`POOL` batches, and the batches shuffled again.

    Args:
        rows: (K,) captions of the epoch.
        lengths: (M,) length of every caption.
        size: Captions of a batch; the last one of the last pool may be smaller.
        generator: Of both shuffles.

    Example:
        >>> found = batches_by_length(np.arange(5), np.array([9, 3, 9, 5, 5]), 2, np.random.default_rng(0))
        >>> sorted(sorted(batch.tolist()) for batch in found)
        [[0, 2], [1], [3, 4]]
    """
    shuffled = generator.permutation(rows)
    found: list[Rows] = []
    for start in range(0, len(shuffled), size * POOL):
        pool = shuffled[start : start + size * POOL]
        pool = pool[np.argsort(-lengths[pool], kind="stable")]
        found += [pool[place : place + size] for place in range(0, len(pool), size)]
    for place in generator.permutation(len(found)):
        yield found[place]
