"""A captioner of a moment, invented captions with their grids, and a recipe for generated pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.engine.captioning.data import TrainingCaptions
from geoglot.engine.captioning.recipe import CaptioningRecipe, captioning_recipe_from
from geoglot.engine.images import CachedPyramids
from geoglot.nn.captioner import PADDING, CaptionBatch, Captioner, Context, State


class ToyCaptioner(Captioner):
    """The next word from the mean of the grid and the last word, with dropout so that a seed matters."""

    def __init__(self, channels: int, vocabulary: int) -> None:
        super().__init__()
        self.image = nn.Linear(channels, vocabulary)
        self.word = nn.Embedding(vocabulary, vocabulary)
        self.dropout = nn.Dropout(0.2)
        self.epochs_started: list[tuple[int, int]] = []

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        return {"image": self.image(self.dropout(grids.mean((2, 3))))}

    def start(self, context: Context) -> State:
        return {"steps": torch.zeros(len(context["image"]))}

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        return (context["image"] + self.word(words)).log_softmax(1), {"steps": state["steps"] + 1}

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        image = self.context(batch.grids, batch.languages)["image"]
        said = (image[:, None] + self.word(batch.tokens[:, :-1])).log_softmax(2)
        targets = batch.tokens[:, 1:]
        each = F.nll_loss(said.transpose(1, 2), targets, reduction="none", ignore_index=PADDING).sum(1)
        return {"total": each.mean(), "caption": each}

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.epochs_started.append((epoch, epochs))


CHANNELS, WORDS, IMAGES = 3, 9, 6


def toy_captions(*, per_image: int = 5, seed: int = 0) -> TrainingCaptions:
    """Five captions of 1 to 6 words of each of six images; mirror images are the plain ones times -1."""
    generator = np.random.default_rng(seed)
    count = IMAGES * per_image
    lengths = generator.integers(3, 9, count)
    tokens = np.zeros((count, 8), dtype=np.int64)
    for row, length in zip(tokens, lengths, strict=True):
        row[0], row[1 : length - 1], row[length - 1] = 1, generator.integers(4, WORDS, length - 2), 2
    maps = generator.standard_normal((IMAGES, CHANNELS, 2, 2)).astype(np.float16)
    return TrainingCaptions(
        tokens=tokens,
        lengths=lengths,
        items=np.repeat(np.arange(IMAGES), per_image),
        languages=np.zeros(count, dtype=np.int64),
        sided=np.arange(count) % 3 == 0,
        attributes=np.eye(IMAGES, 4, dtype=np.float32),
        categories=np.full(IMAGES, -1),
        grids=CachedPyramids([[maps]], [[-maps]]),
    )


def toy_recipe(**changes: Any) -> CaptioningRecipe:
    """A few epochs with a large rate."""
    return captioning_recipe_from(
        {
            "method": "up_down",
            "epochs": 4,
            "batch": 4,
            "learning_rate": 0.05,
            "mirrored": True,
            "average": 0.5,
            **changes,
        }
    )


def picture_recipe(**changes: Any) -> CaptioningRecipe:
    """For the generated pictures of the dataset ``ucm``."""
    config = {"hidden": 12, "words": 6, "attention": 5, "classifier": 7}
    return captioning_recipe_from(
        {
            "method": "jtts",
            "config": config,
            "backbone": "compact",
            "side": 64,
            "epochs": 3,
            "batch": 16,
            "learning_rate": 0.01,
            "least": 1,
            "attributes_above": 1,
            "beams": (1, 2),
            "max_length": 12,
            **changes,
        }
    )
