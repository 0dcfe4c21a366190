"""Data of referring segmentation: samples, the words of their phrases, and pictures as a method sees them."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.data.referring import Referral, load_referring, read_pair
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.engine.segmentation.weights import published_tokenizer
from geoglot.engine.tokenizers import AnyTokenizer, tokenizer_class
from geoglot.nn.segmenter import SegmentationBatch
from geoglot.text.words import WordTokenizer

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Progress = Callable[[int, int], None]

BYTES_KEPT: Final = 1 << 30
"""Of decoded training pictures; those asked for longest ago are let go first."""
TRIES: Final = 5
"""Windows drawn until one shows something of the phrase; then the whole picture is taken."""
PLACED: Final = re.compile(
    r"\b(left|right|top|bottom|upper|lower|north\w*|south\w*|east\w*|west\w*|cent(er|re)|central|middle|corner|edge"
    r"|largest|biggest|smallest"
    r"|gauche|droite?s?|haut|bas|supérieure?s?|inférieure?s?|nord\w*|sud\w*|est|ouest|milieu|coin|bord"
    r"|plus (grande?|petite?)s?"
    r"|sinistr[aoei]|destr[aoei]|alto|basso|superior[ei]|inferior[ei]|settentrional[ei]|meridional[ei]|ovest|oriental[ei]"
    r"|occidental[ei]|centro|mezzo|angolo|bordo|più (grand[ei]|piccol[aoei]))\b"
    r"|يسار|يمين|اليسرى|اليمنى|الأيسر|الأيمن|شمال|جنوب|شرق|غرب|أعلى|أسفل|العلوي|السفلي|وسط|مركز|زاوية|ركن|أكبر|أصغر|الأكبر|الأصغر",
    re.IGNORECASE,
)
"""Words that a mirrored, turned or cut picture makes untrue, in the four languages."""


@dataclass(frozen=True, kw_only=True)
class SegmentationSplit:
    """N samples of one split of all datasets of a recipe.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        datasets: (N) name of the dataset of every sample.
        records: The samples.
        folders: By dataset, the last part of its folder; of a built one that tells by which rules.
    """

    split: str
    datasets: tuple[str, ...]
    records: tuple[Referral, ...]
    folders: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def asked(self, languages: Sequence[str]) -> list[tuple[int, str]]:
        """Rows and languages of all phrases in some languages, language by language."""
        return [(row, code) for code in languages for row, one in enumerate(self.records) if code in one.phrases]


def dataset_name(name: str) -> str:
    """What a dataset is called in records: a folder by its last part.

    Example:
        >>> dataset_name("refsegrs"), dataset_name("/data/mine/fields")
        ('refsegrs', 'fields')
    """
    return Path(name).name or name


def read_split(recipe: SegmentationRecipe, split: str, data_root: Path | None = None) -> SegmentationSplit:
    """Samples of a split; of those, the ones with a phrase in a language of the recipe.

    Raises:
        DataError: A dataset is absent, or the split has no such sample.
    """
    loaded = [load_referring(name, data_root) for name in recipe.datasets]
    found = [
        (dataset.name, record)
        for dataset in loaded
        for record in dataset.records(split)
        if any(language in record.phrases for language in recipe.languages)
    ]
    if not found:
        cause = f"has no phrase in {', '.join(recipe.languages)}"
        raise DataError(f"the {split} part of {', '.join(recipe.datasets)}", cause=cause, remedy="name other languages")
    names, records = zip(*found, strict=True)
    folders = {dataset.name: dataset.folder.name for dataset in loaded}
    return SegmentationSplit(split=split, datasets=names, records=records, folders=folders)


def build_tokenizer(recipe: SegmentationRecipe, train: SegmentationSplit) -> AnyTokenizer:
    """Words of the training phrases in all languages of the recipe, or the tokenizer that the recipe names.

    Phrases are few and short, so no word is left out for carrying grammar: *in*, *along* and *with* tell relations.
    """
    if recipe.tokenizer == "words":
        phrases = [
            phrase
            for row, language in train.asked(recipe.languages)
            for phrase in (train.records[row].phrases[language], *train.records[row].wordings.get(language, ()))
        ]
        return WordTokenizer.train(phrases, stop_words=(), least=recipe.least, max_length=recipe.max_length)
    return published_tokenizer(recipe)


def load_tokenizer(recipe: SegmentationRecipe, path: Path) -> AnyTokenizer:
    """The tokenizer that a run has saved.

    Raises:
        BundleError: The file is absent or damaged.
    """
    kind: Any = tokenizer_class(recipe.tokenizer)
    found: AnyTokenizer = kind.load(path, max_length=recipe.max_length)
    return found


class PairStore:
    """Pictures and masks, decoded once while they fit into memory.

    Args:
        size: Bytes that are kept.
        longest: Pixels of a longer side that are ever needed; larger pictures are kept reduced to it.
    """

    def __init__(self, size: int = BYTES_KEPT, *, longest: int | None = None) -> None:
        self.size, self.longest = size, longest
        self._kept: OrderedDict[tuple[str, str], NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def pair(self, record: Referral) -> tuple[Pixels, Mask]:
        """(H, W, 3) uint8 and (H, W) bool; read-only. Samples of one picture share it."""
        picture, mask = ("picture", str(record.image)), ("mask", str(record.mask))
        if picture not in self._kept or mask not in self._kept:
            pixels, truth = self._reduced(*read_pair(record))
            self._keep(picture, pixels)
            # Boolean arrays take a byte per pixel, and masks are many to a picture: bits.
            self._keep(mask, np.packbits(truth, axis=1))
            return pixels, truth
        for name in (picture, mask):
            self._kept.move_to_end(name)
        pixels = self._kept[picture]
        return pixels, np.unpackbits(self._kept[mask], axis=1, count=pixels.shape[1]).astype(np.bool_)

    def _reduced(self, pixels: Pixels, mask: Mask) -> tuple[Pixels, Mask]:
        if self.longest is None or max(mask.shape) <= self.longest:
            return pixels, mask
        share = self.longest / max(mask.shape)
        high, wide = (max(1, round(share * side)) for side in mask.shape)
        return resized_pair(pixels, mask, (wide, high), (0, 0, mask.shape[1], mask.shape[0]))

    def _keep(self, name: tuple[str, str], values: NDArray[Any]) -> None:
        if name in self._kept:
            self._kept.move_to_end(name)
            return
        self._kept[name] = values
        self._bytes += values.nbytes
        while self._bytes > self.size and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.nbytes


def resized_pair(
    pixels: Pixels, mask: Mask, size: tuple[int, int], box: tuple[int, int, int, int]
) -> tuple[Pixels, Mask]:
    """A window of a picture and of its mask in another size, bilinear and by nearest pixels.

    Args:
        pixels: (H, W, 3) uint8.
        mask: (H, W) bool.
        size: Columns and rows of what is wanted.
        box: Left, upper, right and lower edge in pixels.
    """
    from PIL import Image

    picture = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box=box)
    truth = Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST, box=box)
    return np.asarray(picture, dtype=np.uint8), np.asarray(truth) > 0


def drawn_box(mask: Mask, smallest: float, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """A random window with the picture's shape that shows something of the mask, if there is anything to show.

    Args:
        mask: (H, W) bool.
        smallest: Its smallest side as a share of the picture's.
        generator: Of size and place.

    Returns:
        Left, upper, right and lower edge; the whole picture after :data:`TRIES` windows without a pixel of the mask.
    """
    high, wide = mask.shape
    for _ in range(TRIES):
        share = generator.uniform(smallest, 1.0)
        tall, broad = max(1, round(share * high)), max(1, round(share * wide))
        top, left = (int(generator.integers(0, rest + 1)) for rest in (high - tall, wide - broad))
        if not mask.any() or mask[top : top + tall, left : left + broad].any():
            return left, top, left + broad, top + tall
    return 0, 0, wide, high


def turned(pixels: Pixels, mask: Mask, turn: int) -> tuple[Pixels, Mask]:
    """One of the eight ways to lay a square: quarters ``turn % 4``, mirrored from 4 on."""
    if turn >= 4:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    return np.rot90(pixels, turn % 4), np.rot90(mask, turn % 4)


def shaded(pixels: Pixels, most: float, generator: np.random.Generator) -> Pixels:
    """Random contrast, brightness and balance of the colours, each changed by at most a share."""
    contrast = 1 + generator.uniform(-most, most)
    light = 128 * generator.uniform(-most, most)
    balance = 1 + generator.uniform(-most / 2, most / 2, 3)
    changed = ((pixels.astype(np.float32) - 128) * contrast + 128 + light) * balance.astype(np.float32)
    found: Pixels = np.clip(changed, 0, 255).astype(np.uint8)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSamples:
    """What a method learns from.

    Attributes:
        recipe: How pictures are shown.
        split: The samples.
        tokenizer: Of their phrases.
        store: Of their pictures.
    """

    recipe: SegmentationRecipe
    split: SegmentationSplit
    tokenizer: AnyTokenizer
    store: PairStore

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, number: int) -> Iterator[SegmentationBatch]:
        """The batches of an epoch, which depend on the seed and its number alone; every sample at most once.

        A last batch that is less than half full is left out, unless it is the only one.
        """
        recipe = self.recipe
        generator = np.random.default_rng((recipe.seed, number))
        rows = generator.permutation(len(self))[: recipe.samples]
        for start in range(0, len(rows), recipe.batch):
            some = rows[start : start + recipe.batch]
            if start and 2 * len(some) < recipe.batch:
                return
            yield self._batch(some, generator)

    def steps(self) -> int:
        """Batches of an epoch."""
        count = min(len(self), self.recipe.samples or len(self))
        whole, rest = divmod(count, self.recipe.batch)
        return whole + (1 if rest and (not whole or 2 * rest >= self.recipe.batch) else 0)

    def _batch(self, rows: NDArray[np.int64], generator: np.random.Generator) -> SegmentationBatch:
        shown = [self.shown(int(row), generator) for row in rows]
        return as_batch([one[0] for one in shown], [one[1] for one in shown], [one[2] for one in shown], self.tokenizer)

    def shown(self, row: int, generator: np.random.Generator) -> tuple[Pixels, Mask, str]:
        """A sample as it is shown once: (S, S, 3) uint8, (S, S) bool, and one of its phrases in a language."""
        recipe, record = self.recipe, self.split.records[row]
        spoken = [language for language in recipe.languages if language in record.phrases]
        language = spoken[int(generator.integers(len(spoken)))]
        wordings = record.wordings.get(language) or (record.phrases[language],)
        phrase = wordings[int(generator.integers(len(wordings)))]
        pixels, mask = self.store.pair(record)
        free = PLACED.search(phrase) is None
        high, wide = mask.shape
        box = (0, 0, wide, high)
        if recipe.crop < 1 and free:
            box = drawn_box(mask, recipe.crop, generator)
        pixels, mask = resized_pair(pixels, mask, (recipe.side, recipe.side), box)
        if recipe.turned and free:
            pixels, mask = turned(pixels, mask, int(generator.integers(8)))
        if recipe.shaded:
            pixels = shaded(pixels, recipe.shaded, generator)
        return pixels, mask, phrase


def as_batch(
    pixels: Sequence[Pixels], masks: Sequence[Mask], phrases: Sequence[str], tokenizer: AnyTokenizer
) -> SegmentationBatch:
    """Pictures, masks and phrases as tensors."""
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    tokens = torch.from_numpy(tokenizer.encode(phrases))
    return SegmentationBatch(images=images.contiguous(), tokens=tokens, masks=torch.from_numpy(np.stack(masks)))
