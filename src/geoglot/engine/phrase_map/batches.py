"""Batches for the segmenter: parts of mapped pictures with some phrases each, captioned pictures with many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from geoglot.data.captioned import CaptionedImage
from geoglot.data.ground_words import GROUND_WORDS
from geoglot.data.translations import Translations
from geoglot.engine.phrase_map.pictures import (
    MappedPicture,
    PhraseMask,
    Progress,
    Wordings,
    words_in_captions,
)
from geoglot.geo.resample import to_square

_SMALLEST_SHARE = 0.002
"""A mask that covers less of a part is taken for absent there: it is the edge of something."""


@dataclass(frozen=True, kw_only=True)
class MaskBatch:
    """B pictures and M phrases, each about one of them.

    Attributes:
        images: (B, 3, S, S) float32 in [0, 1].
        texts: M phrases.
        picture: (M,) int64, which picture a phrase is about.
        masks: (M, S, S) bool.
        known: (M, S, S) bool.
    """

    images: Tensor
    texts: list[str]
    picture: Tensor
    masks: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class CaptionedBatch:
    """B pictures and P phrases, every picture with every phrase.

    Attributes:
        images: (B, 3, S, S) float32 in [0, 1].
        texts: P phrases.
        present: (B, P) float32: 1 shown, 0 absent, nan unknown.
    """

    images: Tensor
    texts: list[str]
    present: Tensor


def any_wording(wordings: Wordings, languages: Sequence[str], generator: np.random.Generator) -> str:
    """One wording in a language that it exists in."""
    spoken = [language for language in languages if wordings.get(language)]
    phrases = wordings[spoken[int(generator.integers(len(spoken)))]]
    return phrases[int(generator.integers(len(phrases)))]


def turned(array: NDArray[np.generic], quarters: int, mirrored: bool) -> NDArray[np.generic]:
    """The first two axes turned by quarters, then perhaps mirrored."""
    array = np.rot90(array, quarters)
    return array[:, ::-1] if mirrored else array


def draw_part(picture: MappedPicture, side: int, generator: np.random.Generator) -> MappedPicture:
    """A random square part at a random scale between 0.6 and 1.4, `side` pixels wide, turned and mirrored."""
    height, width = picture.classes.shape
    scale = float(np.exp(generator.uniform(np.log(0.6), np.log(1.4))))
    source = min(round(side / scale), height, width)
    row, column = int(generator.integers(height - source + 1)), int(generator.integers(width - source + 1))
    part = picture.window(row, column, source)
    quarters, mirrored = int(generator.integers(4)), bool(generator.integers(2))
    rows = np.minimum(((np.arange(side) + 0.5) * source / side).astype(np.int64), source - 1)

    def nearest(array: NDArray[np.generic]) -> NDArray[np.generic]:
        return turned(array[rows[:, None], rows], quarters, mirrored)

    return MappedPicture(
        pixels=np.asarray(turned(to_square(part.pixels, side), quarters, mirrored), np.uint8),
        classes=np.asarray(nearest(part.classes), np.uint8),
        names=part.names,
        surveyed=part.surveyed,
        referred=tuple((wordings, np.asarray(nearest(mask), np.bool_)) for wordings, mask in part.referred),
    )


def chosen_phrases(
    phrases: Sequence[PhraseMask], present: int, absent: int, generator: np.random.Generator
) -> list[PhraseMask]:
    """Some that are there and some that are not; none of which little is known."""
    asked = [phrase for phrase in phrases if phrase.known.mean() > 0.3]
    shares = np.array([(phrase.mask & phrase.known).mean() for phrase in asked])
    there = [n for n, share in enumerate(shares) if share >= _SMALLEST_SHARE]
    away = [n for n, share in enumerate(shares) if share == 0]
    drawn = list(generator.permutation(there)[:present])
    drawn += list(generator.permutation(away)[: absent + present - len(drawn)])
    return [asked[int(n)] for n in drawn]


class MaskDrawer:
    """Draws batches from mapped pictures, each kind of map as often as the others.

    Args:
        kinds: Pictures of every kind.
        side: Of the parts.
        languages: Codes.
        generator: Source of randomness.
    """

    def __init__(
        self,
        kinds: Sequence[Sequence[MappedPicture]],
        side: int,
        languages: Sequence[str],
        generator: np.random.Generator,
    ) -> None:
        self.kinds = [kind for kind in kinds if kind]
        self.side = side
        self.languages = tuple(languages)
        self.generator = generator

    def draw(self, count: int, present: int = 3, absent: int = 1) -> MaskBatch:
        """So many pictures, with up to `present + absent` phrases each."""
        images, texts, about, masks, known = [], [], [], [], []
        for number in range(count):
            kind = self.kinds[number % len(self.kinds)]
            picture = kind[int(self.generator.integers(len(kind)))]
            part = draw_part(picture, self.side, self.generator)
            images.append(part.pixels)
            for phrase in chosen_phrases(part.phrases(), present, absent, self.generator):
                texts.append(any_wording(phrase.wordings, self.languages, self.generator))
                about.append(number)
                masks.append(phrase.mask)
                known.append(phrase.known)
        return MaskBatch(
            images=as_images(np.stack(images)),
            texts=texts,
            picture=torch.tensor(about),
            masks=torch.from_numpy(np.stack(masks)),
            known=torch.from_numpy(np.stack(known)),
        )


class CaptionDrawer:
    """Draws batches from captioned pictures: ground words, and the captions themselves.

    Args:
        records: Training images.
        side: Pictures are made so wide.
        languages: Codes.
        translations: Of the captions; without them captions are English.
        generator: Source of randomness.
        progress: Called with pictures read and in all.
    """

    def __init__(
        self,
        records: Sequence[CaptionedImage],
        side: int,
        languages: Sequence[str],
        translations: Translations | None,
        generator: np.random.Generator,
        progress: Progress,
    ) -> None:
        self.records = list(records)
        self.languages = tuple(languages)
        self.translations = translations
        self.generator = generator
        self.pixels = read_squares([record.path for record in self.records], side, progress)
        self.shown = words_in_captions(self.records, GROUND_WORDS)
        told = np.nan_to_num(self.shown).sum(axis=0)
        self.told = np.flatnonzero(told > 0)
        # Rare words as often as frequent ones, softened: every picture by the rarest word that it shows.
        rarity = np.where(np.nan_to_num(self.shown) > 0, 1 / np.sqrt(np.maximum(told, 20)), 0).max(axis=1)
        weights = np.maximum(rarity, 1 / np.sqrt(len(self.records)))
        self.weights = weights / weights.sum()

    def draw(self, count: int, words: int = 16) -> CaptionedBatch:
        """So many pictures, so many ground words, and a caption of each picture."""
        rows = self.generator.choice(len(self.records), size=count, replace=False, p=self.weights)
        shown = self.shown[rows]
        there = np.flatnonzero((shown[:, self.told] > 0).any(axis=0))
        order = [*self.generator.permutation(there)[: words * 3 // 4]]
        rest = np.setdiff1d(np.arange(len(self.told)), order)
        order += [*self.generator.permutation(rest)[: words - len(order)]]
        columns = self.told[np.array(order, np.int64)]
        texts = [any_wording(GROUND_WORDS[int(c)].wordings, self.languages, self.generator) for c in columns]
        captions = [self._caption(self.records[int(row)]) for row in rows]
        present = np.concatenate([shown[:, columns], self._whose(rows)], axis=1)
        pixels = self.pixels[rows]
        pixels = pixels[:, :, ::-1] if self.generator.integers(2) else pixels
        pixels = np.rot90(pixels, int(self.generator.integers(4)), axes=(1, 2))
        return CaptionedBatch(
            images=as_images(pixels), texts=texts + captions, present=torch.from_numpy(present.astype(np.float32))
        )

    def _caption(self, record: CaptionedImage) -> str:
        caption = record.captions[int(self.generator.integers(len(record.captions)))]
        language = self.languages[int(self.generator.integers(len(self.languages)))]
        if language == "en" or self.translations is None:
            return caption
        return self.translations.translate(caption, language) or caption

    def _whose(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(B, B): a caption is its picture's; whether it fits another picture of the class nobody knows."""
        classes = np.array([self.records[int(row)].category for row in rows])
        same = (classes[:, None] == classes) & ~np.eye(len(rows), dtype=bool)
        return np.where(np.eye(len(rows), dtype=bool), 1.0, np.where(same, np.nan, 0.0)).astype(np.float32)


def as_images(pixels: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255


def padded(images: Tensor, multiple: int = 32) -> Tensor:
    """Mirrored at the lower and right edge up to a multiple."""
    height, width = images.shape[2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple), mode="reflect")


def read_squares(paths: Sequence[Path], side: int, progress: Progress) -> NDArray[np.uint8]:
    """Pictures as squares, (N, side, side, 3) uint8."""
    from PIL import Image

    found = np.empty((len(paths), side, side, 3), np.uint8)
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            found[number] = to_square(np.asarray(image.convert("RGB")), side)
        progress(number + 1, len(paths))
    return found
