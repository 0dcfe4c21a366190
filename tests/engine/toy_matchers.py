"""A matching method small enough to follow by hand, and pictures whose classes are colours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from geoglot.engine.matching.images import LabelledPictures
from geoglot.nn.matcher import Autoencoding, Matcher

SIDE = 8


class ToyMatcher(Matcher, Autoencoding):
    """Mean colours of four quarters, a linear look at each side, batch normalisation, and dropout."""

    def __init__(self, *, symmetric: bool = True, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.side, self.feature_shape, self.symmetric = SIDE, (4, 2, 2), symmetric
        self.encoder = nn.Conv2d(3, 4, SIDE // 2, stride=SIDE // 2)
        self.decoder = nn.ConvTranspose2d(4, 3, SIDE // 2, stride=SIDE // 2)
        self.first, self.second = nn.Linear(16, 6), nn.Linear(16, 6)
        self.norm, self.drop, self.last = nn.BatchNorm1d(6), nn.Dropout(0.1), nn.Linear(6, 1)
        self.passed = 0

    def encode(self, images: Tensor) -> Tensor:
        out: Tensor = self.encoder(images)
        return out

    def decode(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(features))

    def reconstruction_losses(self, images: Tensor) -> dict[str, Tensor]:
        errors = (self.decode(self.encode(images)) - images).square().flatten(1).mean(1)
        return {"total": errors.mean(), "reconstruction": errors}

    def left(self, features: Tensor) -> Tensor:
        self.passed += len(features)
        out: Tensor = self.first(features.flatten(1))
        return out

    def right(self, features: Tensor) -> Tensor:
        self.passed += len(features)
        out: Tensor = self.second(features.flatten(1))
        return out

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        out: Tensor = self.last(self.drop(functional.relu(self.norm((left + right).square())))).squeeze(1)
        return out

    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        logits = self.compare(self.left(first), self.right(second))
        errors = functional.binary_cross_entropy_with_logits(logits, same.float(), reduction="none")
        return {"total": errors.mean(), "match": errors}


def toy_pictures(*, classes: int = 3, each: int = 10, seed: int = 0) -> LabelledPictures:
    """Of every class 6 in 10 images train, 2 validate, 2 test; a class is a colour, with noise."""
    generator = np.random.default_rng(seed)
    categories = np.repeat(np.arange(classes), each)
    colours = generator.integers(40, 216, (classes, 3))
    noise = generator.integers(-30, 31, (len(categories), SIDE, SIDE, 3))
    return LabelledPictures(
        pictures=np.clip(colours[categories][:, None, None] + noise, 0, 255).astype(np.uint8),
        categories=categories,
        category_names=tuple("abcdefgh"[:classes]),
        splits=np.array((["train"] * 6 + ["val"] * 2 + ["test"] * 2) * (len(categories) // 10)),
        items=np.array([f"image_{row}" for row in range(len(categories))]),
    )
