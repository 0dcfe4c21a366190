"""What training and validation of image-text retrieval read: splits of captioned datasets in several languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.data.captioned import CaptionedImage, load_dataset
from geoglot.data.translations import Translations, load_translations
from geoglot.engine.features import FeatureCache
from geoglot.engine.images import ImageSource, Pictures
from geoglot.engine.pairs import Example, load_pictures
from geoglot.engine.recipe import Recipe
from geoglot.engine.scoring import caption_scores, image_vectors, text_vectors
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.metrics.ranking import retrieval_ranks, retrieval_recall
from geoglot.nn.two_tower import RetrievalModel

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
    return Example(path=record.path, category=f"{dataset}/{record.category}", captions=captions, dataset=dataset)


def training_examples(recipe: Recipe, root: Path | None) -> list[Example]:
    """The train splits of all datasets of a recipe, one after the other."""
    found = [example for dataset in recipe.datasets for example in examples(recipe, "train", dataset, root)]
    if not found:
        raise DataError(", ".join(recipe.datasets), cause="hold no training image", remedy="check --data-root")
    return found


class Validation:
    """Mean recall on the validation splits, per dataset and language; ``score`` is their mean.

    Args:
        recipe: Which datasets, languages, side and number of images.
        root: Data folder.
        tokenizer: The run's.
        cache: Where stage maps come from, for a method that is trained on cached ones.
    """

    def __init__(
        self,
        recipe: Recipe,
        root: Path | None,
        tokenizer: AnyTokenizer,
        cache: FeatureCache | None = None,
    ) -> None:
        self.recipe, self.tokenizer, self.cache = recipe, tokenizer, cache
        self.sets = {name: examples(recipe, "val", name, root) for name in recipe.datasets}
        for name, found in self.sets.items():
            if not found:
                raise DataError(f"{name}, val", cause="has no image", remedy="check the listing of the dataset")
        self._sources: dict[str, tuple[ImageSource, list[Example]]] = {}

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Mean recall (mR, percent) of every dataset and language."""
        model.eval()
        figures = {}
        for name in self.sets:
            source, found = self._source(name)
            owner = np.repeat(np.arange(len(found)), CAPTIONS_PER_IMAGE)
            for language in self.recipe.languages:
                captions = [caption for example in found for caption in example.captions[language]]
                scores = caption_scores(cast(RetrievalModel, model), source, self.tokenizer, captions)
                figures[f"{name}_{language}"] = retrieval_recall(retrieval_ranks(scores, owner)).mean_recall
        return {**figures, "score": float(np.mean(list(figures.values())))}

    def _source(self, name: str) -> tuple[ImageSource, list[Example]]:
        """The images that are looked at, and their examples."""
        if name not in self._sources:
            found = self.sets[name]
            count = self.recipe.validation_images
            if 0 < count < len(found):
                found = [found[k] for k in np.linspace(0, len(found) - 1, count).round().astype(int)]
            paths = [example.path for example in found]
            if self.cache is not None:
                self._sources[name] = self.cache.pyramids(paths, f"{name}-val"), found
            else:
                pixels = torch.from_numpy(load_pictures(paths, self.recipe.validation_side)).permute(0, 3, 1, 2)
                self._sources[name] = Pictures(pixels), found
        return self._sources[name]


def embed_pictures(model: nn.Module, pictures: Tensor) -> NDArray[np.float32]:
    """(N, 3, S, S) uint8 -> (N, D) float32 unit rows of a two-tower model that takes pixels."""
    return image_vectors(cast(RetrievalModel, model), Pictures(pictures))


def embed_texts(model: nn.Module, tokenizer: AnyTokenizer, texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts to (N, D) float32 unit rows of a two-tower model; equal strings are encoded once."""
    return text_vectors(cast(RetrievalModel, model), tokenizer, texts)
