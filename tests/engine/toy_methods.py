"""Small methods that start from a pyramid: two towers, a hasher and a scorer, each a module as the gallery has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize

from geoglot.engine.composition import Composed
from geoglot.nn.backbone import build_backbone
from geoglot.nn.two_tower import RetrievalModel, TwoTower
from geoglot.text.tokenizer import Tokenizer

CHANNELS = (8, 12, 16, 24)


@dataclass(frozen=True, kw_only=True)
class Config:
    vocabulary: int
    channels: tuple[int, ...] = CHANNELS
    dimension: int = 16


class Towers(TwoTower):
    """The means of two stages, projected; the mean of word vectors, projected."""

    unit = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.image = nn.Linear(config.channels[1] + config.channels[3], config.dimension)
        self.words = nn.Embedding(config.vocabulary, config.dimension, padding_idx=0)
        self.text = nn.Linear(config.dimension, config.dimension)

    def encode_image(self, images: Any) -> torch.Tensor:
        means = torch.cat([images[1].mean((2, 3)), images[3].mean((2, 3))], 1)
        out = self.image(means)
        return normalize(out, dim=-1) if self.unit else out

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        out = self.text(self.words(tokens).sum(1) / (tokens != 0).sum(1, keepdim=True).clamp(min=1))
        return normalize(out, dim=-1) if self.unit else out

    def losses(self, batch: Any) -> dict[str, torch.Tensor]:
        raise NotImplementedError


class Hasher(Towers):
    """The same without a length: the sign of each number is a bit."""

    unit = False


class Scorer(RetrievalModel):
    """Every word looks for its best region; the score is the mean of these cosines."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.regions = nn.Linear(config.channels[3], config.dimension)
        self.words = nn.Embedding(config.vocabulary, config.dimension, padding_idx=0)

    def image_features(self, images: Any) -> tuple[torch.Tensor, ...]:
        return (normalize(self.regions(images[3].flatten(2).transpose(1, 2)), dim=-1),)

    def text_features(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return normalize(self.words(tokens), dim=-1), (tokens != 0).float()

    def similarity(self, images: tuple[torch.Tensor, ...], texts: tuple[torch.Tensor, ...]) -> torch.Tensor:
        cosines = torch.einsum("brd,tld->btrl", images[0], texts[0]).amax(2)
        return (cosines * texts[1]).sum(2) / texts[1].sum(1).clamp(min=1)

    def losses(self, batch: Any) -> dict[str, torch.Tensor]:
        raise NotImplementedError


MODELS = {"two-tower": Towers, "hasher": Hasher, "scorer": Scorer}


def toy_model(kind: str) -> tuple[Composed, Tokenizer]:
    """An untrained toy method on a small backbone of our own, and a tokenizer."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["red field", "blue lake", "green forest by a lake"] * 4, vocabulary_size=120)
    backbone = build_backbone("compact", channels=CHANNELS)
    for module in backbone.modules():  # as after some training: statistics of their own, and no block the identity
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return Composed(backbone, MODELS[kind](Config(vocabulary=tokenizer.size))).eval(), tokenizer
