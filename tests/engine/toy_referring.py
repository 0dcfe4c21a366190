"""A segmentation method of a moment, and recipes for coloured squares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from fake_squares import SIDE
from torch import Tensor, nn

from geoglot.engine.segmentation.recipe import SegmentationRecipe, segmentation_recipe_from
from geoglot.nn.segmenter import SegmentationBatch, Segmenter, sigmoid_cross_entropy


class ToySegmenter(Segmenter):
    """Every word has a colour of its own; a bias per word; dropout so that a seed matters."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.colours = nn.Embedding(vocabulary, 3, padding_idx=0)
        self.bias = nn.Embedding(vocabulary, 1, padding_idx=0)
        self.dropout = nn.Dropout(0.1)
        self.epochs_started: list[tuple[int, int]] = []

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        real = (tokens != 0).sum(1).clamp(min=1)
        colours = self.colours(tokens).sum(1) / real[:, None]
        shown = self.dropout(images - 0.43)
        return torch.einsum("bchw,bc->bhw", shown, colours) * 4 + (self.bias(tokens).sum(1) / real[:, None])[:, :, None]

    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        return sigmoid_cross_entropy(self.logits(batch.images, batch.tokens), batch.masks)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.epochs_started.append((epoch, epochs))


def toy_recipe(folder: Path, **changes: Any) -> SegmentationRecipe:
    """A few epochs with a large rate."""
    return segmentation_recipe_from(
        {
            "method": "lavt",
            "datasets": (str(folder),),
            "side": SIDE,
            "epochs": 4,
            "batch": 4,
            "learning_rate": 0.1,
            "crop": 0.6,
            "turned": True,
            "shaded": 0.1,
            "average": 0.5,
            **changes,
        }
    )


def small_recipe(folder: Path, method: str = "lavt", **changes: Any) -> SegmentationRecipe:
    """A method of the gallery at the sizes of its contract tests."""
    from geoglot.core import registry

    module = registry.load("geoglot.methods.segmentation", method)
    return segmentation_recipe_from(
        {
            "method": method,
            "config": dict(module.SMALL),
            "datasets": (str(folder),),
            "side": SIDE,
            "epochs": 2,
            "batch": 8,
            "learning_rate": 0.01,
            **changes,
        }
    )
