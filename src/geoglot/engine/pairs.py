"""Training data of image-text retrieval: pictures in memory, captions in several languages, batches by step.

A batch is a function of (seed, step) alone, so a resumed run sees what an uninterrupted one would have seen. The one
exception is ``token_dropout``, whose draws belong to the tokenizer library and cannot be seeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from geoglot.engine.recipe import Recipe
from geoglot.nn.augmentation import random_colours, random_views
from geoglot.nn.batch import PairBatch
from geoglot.text.normalise import normalise
from geoglot.text.tokenizer import Tokenizer

CAPTIONS_PER_IMAGE = 5
STORED_SIDE = 160


@dataclass(frozen=True, kw_only=True)
class Example:
    """An image file with its category and, per language, its five captions in the same order."""

    path: Path
    category: str
    captions: dict[str, tuple[str, ...]]


def load_pictures(paths: Sequence[Path], side: int) -> NDArray[np.uint8]:
    """Read pictures and resize them to squares. -> (N, side, side, 3) uint8 RGB."""
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image

    def read(path: Path) -> NDArray[np.uint8]:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR, reducing_gap=1.0))

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read, paths)))


class PairData:
    """Examples as arrays: pictures, sentences, words, categories.

    Args:
        examples: The training images.
        recipe: Languages, seed and augmentation strengths.
    """

    def __init__(self, examples: Sequence[Example], recipe: Recipe) -> None:
        self.recipe = recipe
        self.languages = recipe.languages
        stored = load_pictures([e.path for e in examples], STORED_SIDE)
        self.pictures = torch.from_numpy(stored).permute(0, 3, 1, 2)
        self._by_side: dict[int, Tensor] = {STORED_SIDE: self.pictures}
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

    def __len__(self) -> int:
        return len(self.sentences_of_item)

    def train_tokenizer(self, vocabulary_size: int, max_length: int) -> Tokenizer:
        """Sub-words over every language of the training captions."""
        corpus = [text for sentence in self.sentences for text in sentence]
        return Tokenizer.train(corpus, vocabulary_size=vocabulary_size, max_length=max_length)

    def at_side(self, side: int) -> Tensor:
        """Pictures large enough to crop views of ``side`` from, no larger than needed. (N, 3, S, S) uint8."""
        stored = STORED_SIDE if side > 104 else 128
        if stored not in self._by_side:
            parts = [
                F.interpolate(part.float(), size=(stored, stored), mode="bilinear", antialias=True)
                for part in torch.split(self.pictures, 512)
            ]
            self._by_side[stored] = torch.cat([part.round().clamp(0, 255).byte() for part in parts])
        return self._by_side[stored]

    def batch(self, step: int, *, side: int, tokenizer: Tokenizer) -> PairBatch:
        """The batch of a step: augmented views, two captions per image, translations of a quarter of them."""
        recipe = self.recipe
        per_epoch = len(self) // recipe.batch
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(self))
        items = order[position * recipe.batch : (position + 1) * recipe.batch]
        random = np.random.default_rng((recipe.seed, epoch, position))
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        count, others = len(items), len(self.languages) - 1
        first, second = random.integers(0, CAPTIONS_PER_IMAGE, (2, count))
        english = random.random(count) < recipe.english_share
        language_first = np.where(english | (others == 0), 0, random.integers(1, max(2, others + 1), count))
        language_second = random.integers(1, others + 1, count) if others else np.zeros(count, dtype=np.int64)
        sentences = np.concatenate([self.sentences_of_item[items, first], self.sentences_of_item[items, second]])
        languages = np.concatenate([language_first, language_second])
        texts = [self.sentences[s][k] for s, k in zip(sentences, languages, strict=True)]
        twins = np.arange(count, count + count // 4)
        texts += [self.sentences[s][0] for s in sentences[twins]]
        pictures = self.at_side(side)[torch.from_numpy(items)].float() / 255
        views = random_views(pictures, side, generator=generator, smallest_area=recipe.smallest_area)
        return PairBatch(
            images=random_colours(views, generator=generator),
            items=torch.from_numpy(items),
            tokens=torch.from_numpy(tokenizer.encode(texts, dropout=recipe.token_dropout)),
            sentences=torch.from_numpy(sentences),
            translations=torch.from_numpy(np.stack([twins, np.arange(2 * count, 2 * count + len(twins))], 1)),
            categories=torch.from_numpy(self.categories[items]),
            words=torch.from_numpy(self.words[items]),
        )


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
