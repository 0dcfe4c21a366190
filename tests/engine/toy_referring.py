"""A referring dataset of coloured squares, a method of a moment, and recipes for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from geoglot.engine.segmentation.recipe import SegmentationRecipe, segmentation_recipe_from
from geoglot.nn.segmenter import SegmentationBatch, Segmenter, sigmoid_cross_entropy

SIDE = 32
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 70, 220)}
FRENCH = {"red": "rouge", "green": "vert", "blue": "bleu"}
SCENES = {"train": 6, "val": 2, "test": 2}


def scene_of(number: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """A grey picture with a square of each colour, and the squares."""
    random = np.random.default_rng(number)
    pixels = random.integers(90, 130, (SIDE, SIDE, 3)).astype(np.uint8)
    masks = {}
    for place, (name, colour) in enumerate(COLOURS.items()):
        mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
        top, left = random.integers(0, 23), 10 * place + random.integers(0, 3)
        mask[top : top + 8, left : left + 8] = True
        pixels[mask] = colour
        masks[name] = mask
    return pixels, masks


def write_referring(folder: Path, *, french: bool = True) -> Path:
    """The dataset as a folder: 30 triplets of 10 scenes, and of each scene one phrase with a relation."""
    lines = []
    number = 0
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for split, count in SCENES.items():
        for _ in range(count):
            scene = f"s{number}"
            pixels, masks = scene_of(number)
            number += 1
            Image.fromarray(pixels).save(folder / "images" / f"{scene}.png")
            asked = [(name, (name,), "category") for name in COLOURS]
            asked.append(("red", ("red", "blue"), "category+relation"))
            for place, (name, categories, template) in enumerate(asked):
                Image.fromarray(masks[name].astype(np.uint8) * 255).save(folder / "masks" / f"{scene}_{place}.png")
                beside = " near blue" if len(categories) > 1 else ""
                phrases = {"en": f"{name} square{beside}"}
                if french and not beside:
                    phrases["fr"] = f"carré {FRENCH[name]}"
                lines.append(
                    {
                        "id": f"{scene}_{place}",
                        "scene": scene,
                        "split": split,
                        "image": f"{scene}.png",
                        "mask": f"{scene}_{place}.png",
                        "phrases": phrases,
                        "categories": categories,
                        "template": template,
                        "dataset": "squares",
                    }
                )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "phrases.jsonl").write_text(text, encoding="utf-8")
    return folder


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
