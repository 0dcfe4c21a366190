"""A captioning method and a backbone small enough for tests, with everything that export must cope with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State
from geoglot.text.captions import CaptionVocabulary

SIDE = 16
WORDS = ("a", "red", "green", "blue", "field", "many", "trees", "un", "champ", "rouge", "near", "the")
ATTRIBUTES = ("field", "red", "trees")


class ToyBackbone(nn.Module):
    """Two maps of 4 x 4 and 2 x 2 cells."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Sequential(nn.Conv2d(3, 6, 4, stride=4), nn.BatchNorm2d(6), nn.ReLU())
        self.last = nn.Conv2d(6, 8, 2, stride=2)
        nn.init.normal_(self.last.weight, std=2.0)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        fine = self.first(images)
        return fine, self.last(fine)


class ToyCaptioner(Captioner):
    """A GRU that attends to the cells, with attributes, languages, and a state that grows word by word."""

    def __init__(self, *, languages: int = 2, attributes: bool = True, growing: bool = True, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.growing = growing
        vocabulary = 4 + len(WORDS)
        self.language = nn.Embedding(languages, 8)
        self.words = nn.Embedding(vocabulary, 8)
        self.cell = nn.GRUCell(16, 8)
        self.classifier = nn.Linear(8, len(ATTRIBUTES)) if attributes else None
        self.drop, self.output = nn.Dropout(0.3), nn.Linear(8, vocabulary)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=1.0)

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        places = grids.flatten(2).transpose(1, 2)
        found = {"places": places, "language": self.language(languages)}
        if self.classifier is not None:
            found["attributes"] = self.classifier(places.mean(1)).sigmoid()
        return found

    def start(self, context: Context) -> State:
        places = context["places"]
        state = {
            "hidden": context["language"] + places.mean(1),
            "attention": torch.ones_like(places[:, :, 0]) / places.shape[1],
        }
        return {**state, "past": places.new_zeros(len(places), 0, 8)} if self.growing else state

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        places = context["places"]
        weights = torch.bmm(places, state["hidden"][:, :, None]).squeeze(2).softmax(1)
        seen = torch.bmm(weights[:, None], places).squeeze(1)
        hidden = self.cell(torch.cat([seen, self.words(words)], 1), state["hidden"])
        new = {"hidden": hidden, "attention": weights}
        told = hidden
        if self.growing:
            new["past"] = torch.cat([state["past"], hidden[:, None]], 1)
            told = hidden + new["past"].mean(1)
        return self.output(self.drop(told)).log_softmax(1), new

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        raise NotImplementedError


def toy_vocabulary() -> CaptionVocabulary:
    return CaptionVocabulary(list(WORDS), max_length=9)


def toy_pictures(count: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures of very different colours."""
    random = np.random.default_rng(seed)
    colours, noise = random.integers(0, 256, (count, 4, 4, 3)), random.integers(-30, 31, (count, SIDE, SIDE, 3))
    fields = colours.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    return np.clip(fields + noise, 0, 255).astype(np.uint8)


def toy_manifest(**more: Any) -> dict[str, Any]:
    return {
        "id": "toy-captioner-1",
        "method": "toy",
        "side": SIDE,
        "languages": ["en", "fr"],
        "max_length": 9,
        "attributes": list(ATTRIBUTES),
        "card": {"licence": "Apache-2.0"},
        **more,
    }
