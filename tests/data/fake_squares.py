"""A referring dataset of coloured squares, as ``geoglot data refer`` writes folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
