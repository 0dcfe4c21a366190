"""Training data of image-text retrieval: pictures in memory, captions in several languages, batches by step.

A batch is a function of (seed, step) alone, so a resumed run sees what an uninterrupted one would have seen. The one
exception is ``token_dropout``, whose draws belong to the tokenizer library and cannot be seeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from geoglot.core.errors import UsageError
from geoglot.engine import tokenizers
from geoglot.engine.images import CachedPyramids
from geoglot.engine.prediction import read_square
from geoglot.engine.recipe import Recipe
from geoglot.engine.timetable import Timetable
from geoglot.nn.augmentation import paste_rectangles, random_colours, random_views
from geoglot.nn.batch import PairBatch
from geoglot.text.normalise import normalise
from geoglot.text.tokenizer import Tokenizer

CAPTIONS_PER_IMAGE = 5
STORED_SIDE = 160


@dataclass(frozen=True, kw_only=True)
class Example:
    """An image file with its category, its dataset and, per language, its five captions in the same order."""

    path: Path
    category: str
    captions: dict[str, tuple[str, ...]]
    dataset: str = ""


def load_pictures(paths: Sequence[Path], side: int) -> NDArray[np.uint8]:
    """Read pictures and resize them to squares. -> (N, side, side, 3) uint8 RGB.

    Raises:
        DataError: A file is absent, no picture, or damaged.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(lambda path: read_square(path, side), paths)))


def stored_side(side: int) -> int:
    """Side at which pictures are kept in memory to crop views of ``side`` from: larger, but not much.

    Example:
        >>> [stored_side(side) for side in (80, 112, 160, 224)]
        [128, 160, 160, 252]
    """
    if side <= 104:
        return 128
    return STORED_SIDE if side <= STORED_SIDE else side * 9 // 8


class PairData:
    """Examples as arrays: pictures, sentences, words, categories.

    Args:
        examples: The training images.
        recipe: Languages, seed, augmentation strengths, and how often a dataset is drawn.
        pyramids: Cached stage maps of the same images; pictures are then never read.

    Raises:
        UsageError: The recipe repeats a dataset that has no image here, or not a whole number of times.
    """

    def __init__(self, examples: Sequence[Example], recipe: Recipe, pyramids: CachedPyramids | None = None) -> None:
        self.recipe = recipe
        self.languages = recipe.languages
        self.pyramids = pyramids
        self._paths = [e.path for e in examples]
        self._by_side: dict[int, Tensor] = {}
        numbers: dict[tuple[str, ...], int] = {}
        rows = []
        for example in examples:
            versions = list(zip(*(example.captions[language] for language in self.languages), strict=True))
            keys = [(normalise(v[0]), *v[1:]) for v in versions]
            rows.append([numbers.setdefault(key, len(numbers)) for key in keys])
        self.sentences = list(numbers)
        self.sentences_of_item = np.array(rows, dtype=np.int64)
        names = sorted({e.category for e in examples})
        self.category_names = names
        self.categories = np.array([names.index(e.category) for e in examples])
        self.words, self.word_names = _word_table(self.sentences, self.sentences_of_item)
        self.drawn = _drawn(examples, recipe)

    def __len__(self) -> int:
        return len(self.sentences_of_item)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches per epoch."""
        return len(self.drawn) // self.recipe.batch

    def train_tokenizer(self, vocabulary_size: int, max_length: int) -> Tokenizer:
        """Sub-words over every language of the training captions."""
        return Tokenizer.train(self.corpus(), vocabulary_size=vocabulary_size, max_length=max_length)

    def corpus(self) -> list[str]:
        """Every distinct training caption in every language."""
        return [text for sentence in self.sentences for text in sentence]

    def at_side(self, side: int) -> Tensor:
        """Pictures large enough to crop views of ``side`` from, no larger than needed. (N, 3, S, S) uint8."""
        stored = stored_side(side)
        largest = max(STORED_SIDE, *(stored_side(step.side) for step in self.recipe.sides))
        if largest not in self._by_side:
            pictures = load_pictures(self._paths, largest)
            self._by_side[largest] = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        if stored not in self._by_side:
            if stored > largest:
                self._by_side[stored] = torch.from_numpy(load_pictures(self._paths, stored)).permute(0, 3, 1, 2)
                return self._by_side[stored]
            parts = [
                F.interpolate(part.float(), size=(stored, stored), mode="bilinear", antialias=True)
                for part in torch.split(self._by_side[largest], 512)
            ]
            self._by_side[stored] = torch.cat([part.round().clamp(0, 255).byte() for part in parts])
        return self._by_side[stored]

    def batch(self, step: int, *, side: int, tokenizer: tokenizers.AnyTokenizer) -> PairBatch:
        """The batch of a step: augmented views or cached maps, and the captions that the recipe asks for.

        With two captions or more per image, a quarter of the second ones come with their English twins.
        """
        recipe = self.recipe
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((recipe.seed, epoch)).permutation(self.drawn)
        items = order[position * recipe.batch : (position + 1) * recipe.batch]
        random = np.random.default_rng((recipe.seed, epoch, position))
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        count, copies = len(items), recipe.captions_per_image
        chosen = random.integers(0, CAPTIONS_PER_IMAGE, (copies, count))
        languages = self._languages(random, (copies, count)).ravel()
        sentences = self.sentences_of_item[items, chosen].ravel()
        texts = [self.sentences[s][k] for s, k in zip(sentences, languages, strict=True)]
        twins = np.arange(count, count + count // 4) if copies > 1 else np.arange(0)
        texts += [self.sentences[s][0] for s in sentences[twins]]
        images, pyramid = self._images(items, side, random, generator)
        partners, own_area = None, 1.0
        if recipe.mixed and random.random() < recipe.mixed:
            partners = torch.from_numpy(random.permutation(count))
            images, own_area = paste_rectangles(images, partners, generator=generator)
        return PairBatch(
            images=images,
            pyramid=pyramid,
            items=torch.from_numpy(items),
            tokens=torch.from_numpy(tokenizers.encode(tokenizer, texts, dropout=recipe.token_dropout)),
            sentences=torch.from_numpy(sentences),
            translations=torch.from_numpy(np.stack([twins, np.arange(copies * count, copies * count + len(twins))], 1)),
            categories=torch.from_numpy(self.categories[items]),
            words=torch.from_numpy(self.words[items]),
            partners=partners,
            own_area=own_area,
        )

    def _languages(self, random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Which language each caption is drawn in. -> ``shape``."""
        recipe, known = self.recipe, len(self.languages)
        if recipe.language_sampling == "batch":
            return np.full(shape, random.integers(0, known))
        if recipe.english_share is None:
            return random.integers(0, known, shape)
        count, others = shape[1], known - 1
        english = random.random(count) < recipe.english_share
        rows = [np.where(english | (others == 0), 0, random.integers(1, max(2, others + 1), count))]
        rows += [
            random.integers(1, others + 1, count) if others else np.zeros(count, dtype=np.int64)
            for _ in range(shape[0] - 1)
        ]
        return np.stack(rows)

    def _images(
        self, items: NDArray[np.int64], side: int, random: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Augmented pixels, or cached maps of pictures and mirror images, half each."""
        if self.pyramids is not None:
            return torch.zeros(len(items), 0), self.pyramids.take(items, mirrored=random.random(len(items)) < 0.5)
        pictures = self.at_side(side)[torch.from_numpy(items)].float() / 255
        views = random_views(pictures, side, generator=generator, smallest_area=self.recipe.smallest_area)
        return random_colours(views, generator=generator), ()


class PairBatches:
    """Batches by step alone: what a :class:`geoglot.engine.trainer.Trainer` asks for.

    Args:
        data: The training images.
        tokenizer: What turns captions into tokens.
    """

    def __init__(self, data: PairData, tokenizer: tokenizers.AnyTokenizer) -> None:
        self.data, self.tokenizer = data, tokenizer
        self.timetable = Timetable(data.recipe, data.steps_per_epoch)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches per epoch."""
        return self.data.steps_per_epoch

    def batch(self, step: int) -> PairBatch:
        """The batch of a step, at the resolution of the step, told how far the training is."""
        table = self.timetable
        batch = self.data.batch(step, side=table.side(step), tokenizer=self.tokenizer)
        return replace(batch, progress=min(1.0, table.progress(step)))


def _drawn(examples: Sequence[Example], recipe: Recipe) -> NDArray[np.int64]:
    """The images of an epoch, each as often as its dataset is drawn."""
    present = {e.dataset for e in examples}
    for name, times in recipe.repeats.items():
        if name not in present:
            raise UsageError(name, cause="is repeated but not among the datasets", remedy="name one of the recipe's")
        if int(times) != times or times < 1:
            raise UsageError(name, cause=f"cannot be drawn {times} times", remedy="give a whole number from 1")
    copies = np.array([recipe.repeats.get(e.dataset, 1) for e in examples], dtype=np.int64)
    return np.repeat(np.arange(len(examples), dtype=np.int64), copies)


def _word_table(
    sentences: Sequence[tuple[str, ...]], sentences_of_item: NDArray[np.int64], *, least: int = 25
) -> tuple[NDArray[np.float32], list[str]]:
    """Which frequent English words the captions of each item use. -> (N, W) float32 in {0, 1}, names."""
    bags = [set(normalise(" ".join(sentences[s][0] for s in row)).split()) for row in sentences_of_item]
    counts = Counter(word for bag in bags for word in bag)
    least = min(least, max(1, len(bags) // 10))
    names = sorted(word for word, count in counts.items() if least <= count < 0.9 * len(bags))
    number = {word: k for k, word in enumerate(names)}
    table = np.zeros((len(bags), len(names)), dtype=np.float32)
    for row, bag in zip(table, bags, strict=True):
        row[[number[word] for word in bag if word in number]] = 1
    return table, names
