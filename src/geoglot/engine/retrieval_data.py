"""What training and validation of image-text retrieval read: splits of captioned datasets in several languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.data.captioned import CaptionedImage, load_dataset
from geoglot.data.translations import Translations, load_translations
from geoglot.engine.pairs import Example, load_pictures
from geoglot.engine.recipe import Recipe
from geoglot.metrics.ranking import retrieval_ranks, retrieval_recall
from geoglot.text.tokenizer import Tokenizer

CAPTIONS_PER_IMAGE = 5


def examples(recipe: Recipe, split: str, dataset: str, root: Path | None) -> list[Example]:
    """The images of a split with five captions per language.

    A caption without a translation keeps its English text in that language.

    Raises:
        DataError: The dataset or the table of translations is absent.
    """
    table = load_translations(root) if recipe.languages != ("en",) else Translations({})
    return [_example(record, dataset, recipe, table) for record in load_dataset(dataset).records(split, root)]


def _example(record: CaptionedImage, dataset: str, recipe: Recipe, table: Translations) -> Example:
    repeated = (record.captions * CAPTIONS_PER_IMAGE)[:CAPTIONS_PER_IMAGE]
    captions = {
        language: tuple(table.translate(caption, language) or caption for caption in repeated)
        for language in recipe.languages
    }
    return Example(path=record.path, category=f"{dataset}/{record.category}", captions=captions)


def training_examples(recipe: Recipe, root: Path | None) -> list[Example]:
    """The train splits of all datasets of a recipe, one after the other."""
    found = [example for dataset in recipe.datasets for example in examples(recipe, "train", dataset, root)]
    if not found:
        raise DataError(", ".join(recipe.datasets), cause="hold no training image", remedy="check --data-root")
    return found


class Validation:
    """Mean recall on the validation splits, per dataset and language; ``score`` is their mean.

    Args:
        recipe: Which datasets and languages.
        root: Data folder.
    """

    def __init__(self, recipe: Recipe, root: Path | None) -> None:
        self.sets = {name: examples(recipe, "val", name, root) for name in recipe.datasets}
        self.languages = recipe.languages
        self._pictures: dict[tuple[str, int], Tensor] = {}

    @torch.no_grad()
    def __call__(self, model: nn.Module, tokenizer: Tokenizer, side: int) -> dict[str, float]:
        """Mean recall (mR, percent) of every dataset and language at a side in pixels."""
        model.eval()
        figures = {}
        for name, found in self.sets.items():
            if (name, side) not in self._pictures:
                pictures = load_pictures([e.path for e in found], side)
                self._pictures[name, side] = torch.from_numpy(pictures).permute(0, 3, 1, 2)
            images = embed_pictures(model, self._pictures[name, side])
            owner = np.repeat(np.arange(len(found)), CAPTIONS_PER_IMAGE)
            for language in self.languages:
                captions = [caption for example in found for caption in example.captions[language]]
                texts = embed_texts(model, tokenizer, captions)
                ranks = retrieval_ranks(images @ texts.T, owner)
                figures[f"{name}_{language}"] = retrieval_recall(ranks).mean_recall
        return {**figures, "score": float(np.mean(list(figures.values())))}


@torch.no_grad()
def embed_pictures(model: nn.Module, pictures: Tensor) -> NDArray[np.float32]:
    """(N, 3, S, S) uint8 -> (N, D) float32 unit rows, on the model's device."""
    device = next(model.parameters()).device
    parts = [
        model.encode_image(part.to(device).float() / 255).cpu().numpy()  # type: ignore[operator]
        for part in torch.split(pictures, 128)
    ]
    return np.concatenate(parts)


@torch.no_grad()
def embed_texts(model: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts to (N, D) float32 unit rows; equal strings are encoded once."""
    device = next(model.parameters()).device
    number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    distinct = list(number)
    parts = [
        model.encode_text(torch.from_numpy(tokenizer.encode(distinct[k : k + 256])).to(device)).cpu().numpy()  # type: ignore[operator]
        for k in range(0, len(distinct), 256)
    ]
    return np.concatenate(parts)[[number[text] for text in texts]]
