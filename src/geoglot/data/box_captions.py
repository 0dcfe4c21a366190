"""Five sentences about an image from the boxes of its objects, as the data of RemoteCLIP were made.

F. Liu et al., "RemoteCLIP: A Vision Language Foundation Model for Remote Sensing", 2024, arXiv:2306.11029: the first
sentence tells the objects at the centre, the second those elsewhere, the other three the numbers of objects of
categories drawn at random, where more than ten is "many" or "a lot of". The wording is ours. What the paper leaves
open is settled so: the centre is the middle third of width and height, an object is there when the middle of its box
is; where a place has no object, its sentence tells numbers like the last three.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoglot.core.errors import DataError

MANY = 10  # more than this many are not counted
_MOST_NAMED = 3  # categories in one sentence
_NUMBERS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LOTS = ("many", "a lot of")
_CENTRE = ("{} in the middle of the picture", "in the centre there {verb} {}", "the middle of the picture shows {}")
_AROUND = ("{} away from the centre", "around the centre there {verb} {}", "the outer part of the picture shows {}")
_COUNTS = ("there {verb} {} in the picture", "an aerial picture of {}", "{} seen from above")
_IRREGULAR = {"person": "people", "man": "men", "woman": "women", "aircraft": "aircraft"}
# What is not counted by itself.
_MASSES = frozenset("water vegetation land grass soil snow sand ice farmland woodland".split())
_REMEDY = "give boxes as COCO does: images, annotations with bbox, categories"


@dataclass(frozen=True, kw_only=True)
class Box:
    """An object of an image.

    Attributes:
        category: Its name, singular.
        column: Of the left edge, pixels.
        row: Of the top edge, pixels.
        width: In pixels.
        height: In pixels.
    """

    category: str
    column: float
    row: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class BoxedImage:
    """An image and its objects.

    Attributes:
        name: File name.
        width: In pixels.
        height: In pixels.
        boxes: In the order of the file.
    """

    name: str
    width: int
    height: int
    boxes: tuple[Box, ...]


def box_captions(image: BoxedImage, *, seed: int = 0) -> tuple[str, str, str, str, str]:
    """Five sentences about an image, always the same for the same name, boxes and seed.

    Args:
        image: With at least one box.
        seed: Of the choice of words and categories.

    Raises:
        DataError: The image has no box.

    Example:
        >>> ship = Box(category="ship", column=45, row=45, width=10, height=10)
        >>> image = BoxedImage(name="a.png", width=100, height=100, boxes=(ship,))
        >>> for sentence in box_captions(image):
        ...     print(sentence)
        one ship in the middle of the picture.
        an aerial picture of one ship.
        one ship seen from above.
        an aerial picture of one ship.
        there is one ship in the picture.
    """
    if not image.boxes:
        raise DataError(image.name, cause="has no box to tell about", remedy="leave it out")
    generator = np.random.default_rng([seed, zlib.crc32(image.name.encode())])
    inside = [box for box in image.boxes if is_central(box, image)]
    outside = [box for box in image.boxes if not is_central(box, image)]
    sentences = []
    for some, patterns in ((inside, _CENTRE), (outside, _AROUND)):
        told = Counter(box.category for box in (some or image.boxes))
        sentences.append(_sentence(told, patterns if some else _COUNTS, generator))
    every = Counter(box.category for box in image.boxes)
    for place in generator.permutation(len(_COUNTS)).tolist():
        number = int(generator.integers(1, min(len(every), _MOST_NAMED) + 1))
        names = [sorted(every)[k] for k in sorted(generator.permutation(len(every))[:number])]
        sentences.append(
            _sentence(Counter({name: every[name] for name in names}), _COUNTS[place : place + 1], generator)
        )
    first, second, third, fourth, fifth = sentences
    return first, second, third, fourth, fifth


def is_central(box: Box, image: BoxedImage) -> bool:
    """Whether the middle of a box lies in the middle third of the image's width and height."""
    column, row = box.column + box.width / 2, box.row + box.height / 2
    return abs(column - image.width / 2) <= image.width / 6 and abs(row - image.height / 2) <= image.height / 6


def read_boxes(path: str | Path) -> list[BoxedImage]:
    """Images and boxes of a JSON file as COCO has them, in the order of the file.

    ``images`` have ``id``, ``file_name``, ``width`` and ``height``; ``annotations`` have ``image_id``,
    ``category_id`` and ``bbox`` (column, row, width, height in pixels); ``categories`` have ``id`` and ``name``.

    Raises:
        DataError: The file is absent or damaged, a box is no box, or points to an unknown image or category.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        names = {entry["id"]: _words(entry["name"]) for entry in stored["categories"]}
        sizes = {
            entry["id"]: (str(entry["file_name"]), int(entry["width"]), int(entry["height"]))
            for entry in stored["images"]
        }
        annotations = list(enumerate(stored["annotations"]))
        boxes: dict[Any, list[Box]] = defaultdict(list)
        for number, entry in annotations:
            column, row, width, height = (float(value) for value in entry["bbox"])
            if entry["image_id"] not in sizes or entry["category_id"] not in names:
                raise ValueError(f"annotation {number} points to an unknown image or category")
            if not np.isfinite([column, row, width, height]).all() or width <= 0 or height <= 0:
                raise ValueError(f"annotation {number} has the box {entry['bbox']}")
            box = Box(category=names[entry["category_id"]], column=column, row=row, width=width, height=height)
            boxes[entry["image_id"]].append(box)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__}: {error})", remedy=_REMEDY) from error
    twice = [name for name, times in Counter(name for name, _, _ in sizes.values()).items() if times > 1]
    if twice:
        raise DataError(path, cause=f"lists {twice[0]} twice", remedy="give every image one entry")
    return [
        BoxedImage(name=name, width=width, height=height, boxes=tuple(boxes[key]))
        for key, (name, width, height) in sizes.items()
    ]


def captioned_json(
    images: Sequence[BoxedImage], *, name: str, split: str = "train", seed: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """Captions in the layout that the loaders read, and the names of images left out because they have no box.

    Args:
        images: With their boxes.
        name: Of the dataset.
        split: Which split they all belong to.
        seed: See :func:`box_captions`.

    Returns:
        ``{"dataset", "images": [{"filename", "imgid", "split", "sentences": [{"raw", "sentid"}]}]}``, and names.
    """
    told = [image for image in images if image.boxes]
    entries = []
    for number, image in enumerate(told):
        sentences = [
            {"raw": sentence, "sentid": 5 * number + k, "imgid": number}
            for k, sentence in enumerate(box_captions(image, seed=seed))
        ]
        entries.append({"filename": image.name, "imgid": number, "split": split, "sentences": sentences})
    return {"dataset": name, "images": entries}, [image.name for image in images if not image.boxes]


def boxes_json(images: Sequence[BoxedImage]) -> dict[str, Any]:
    """Images and boxes as COCO has them, categories numbered in alphabetical order."""
    categories = {name: number for number, name in enumerate(sorted({b.category for i in images for b in i.boxes}), 1)}
    annotations = [
        {
            "id": 0,
            "image_id": number,
            "category_id": categories[box.category],
            "bbox": [box.column, box.row, box.width, box.height],
            "area": box.width * box.height,
            "iscrowd": 0,
        }
        for number, image in enumerate(images)
        for box in image.boxes
    ]
    return {
        "images": [
            {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
            for number, image in enumerate(images)
        ],
        "annotations": [{**entry, "id": number} for number, entry in enumerate(annotations)],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }


def plural(noun: str) -> str:
    """The plural of an English name: of its last word, or of the first where a preposition follows it.

    Example:
        >>> [plural(word) for word in ("ship", "bus", "ferry", "bay", "church", "storage tank", "aircraft")]
        ['ships', 'buses', 'ferries', 'bays', 'churches', 'storage tanks', 'aircraft']
        >>> plural("area of water"), plural("ground track field")
        ('areas of water', 'ground track fields')
    """
    head, of, rest = noun.partition(" of ")
    if of:
        return f"{plural(head)} of {rest}"
    before, space, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        return before + space + _IRREGULAR[last]
    if last.endswith("y") and last[-2:-1] not in set("aeiou"):
        return before + space + last[:-1] + "ies"
    return noun + ("es" if last.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _sentence(told: Mapping[str, int], patterns: Sequence[str], generator: np.random.Generator) -> str:
    """One sentence with the numbers of at most three categories, the most frequent first."""
    first = sorted(told.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMED]
    parts = [_counted(name, count, generator) for name, count in first]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    pattern = patterns[int(generator.integers(len(patterns)))]
    return pattern.format(listed, verb="is" if first[0][1] == 1 else "are") + "."


def _counted(name: str, count: int, generator: np.random.Generator) -> str:
    if name.rpartition(" ")[2] in _MASSES:
        name = f"area of {name}"
    if count > MANY:
        return f"{_LOTS[int(generator.integers(len(_LOTS)))]} {plural(name)}"
    return f"{_NUMBERS[count]} {name if count == 1 else plural(name)}"


def _words(name: str) -> str:
    """A category's name as words: ``Small_Vehicle`` and ``small-vehicle`` are small vehicle."""
    words = " ".join(name.replace("_", " ").replace("-", " ").lower().split())
    if not words:
        raise ValueError("a category has no name")
    return words
