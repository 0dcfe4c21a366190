"""What the segmenter learns from: pictures with class maps, pictures with phrases and masks, pictures with captions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.records import Window
from geoglot.data.captioned import CaptionedImage
from geoglot.data.ground_words import GROUND_WORDS, GroundWord
from geoglot.data.location import data_root as find_data_root
from geoglot.data.referring import Referral, read_pair

SURVEYED_CLASSES: Final = ("water", "land", "road", "building", "vegetation", "")
"""Names of the surveyed class maps' values; pixels of the last are unknown."""
TRAINING_TILES: Final = ("t1", "t2", "t3", "t4")
VALIDATION_TILES: Final = ("t5",)
TEST_TILES: Final = ("t6",)
RENDERED_SIDE: Final = 384

Wordings = Mapping[str, tuple[str, ...]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class PhraseMask:
    """What phrases that mean the same cover.

    Attributes:
        name: Key of the meaning.
        wordings: By language.
        mask: (H, W) bool.
        known: (H, W) bool, False where nobody knows.
    """

    name: str
    wordings: Wordings
    mask: NDArray[np.bool_]
    known: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class MappedPicture:
    """A picture whose pixels are known.

    Attributes:
        pixels: (H, W, 3) uint8.
        classes: (H, W) uint8, positions in ``names``.
        names: Of the class map's values; an empty one stands for unknown.
        surveyed: Whether the names are those of surveyed maps, else of rendered ones.
        referred: Phrases with masks of their own, (H, W) bool each.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    names: tuple[str, ...]
    surveyed: bool
    referred: tuple[tuple[Wordings, NDArray[np.bool_]], ...] = field(default=())

    def window(self, row: int, column: int, side: int) -> MappedPicture:
        """A square part of it."""
        part = slice(row, row + side), slice(column, column + side)
        referred = tuple((wordings, mask[part]) for wordings, mask in self.referred)
        return MappedPicture(
            pixels=self.pixels[part],
            classes=self.classes[part],
            names=self.names,
            surveyed=self.surveyed,
            referred=referred,
        )

    def covers(self, word: GroundWord) -> PhraseMask | None:
        """Where a word applies; ``None`` where the class map cannot tell."""
        covered = word.surveyed if self.surveyed else word.rendered
        if not covered:
            return None
        lookup = np.array([1 if n in covered else 2 if n in word.unsure or not n else 0 for n in self.names], np.uint8)
        found = lookup[self.classes]
        return PhraseMask(name=word.name, wordings=word.wordings, mask=found == 1, known=found != 2)

    def phrases(self) -> list[PhraseMask]:
        """All that can be asked of it."""
        everywhere = np.ones(self.classes.shape, np.bool_)
        referred = [
            PhraseMask(name=wordings["en"][0], wordings=wordings, mask=mask, known=everywhere)
            for wordings, mask in self.referred
        ]
        return [found for word in GROUND_WORDS if (found := self.covers(word)) is not None] + referred


def rendered_pictures(count: int, seed: int, progress: Progress) -> list[MappedPicture]:
    """Windows of rendered scenes at 0.3 to 1.2 m per pixel."""
    from geoglot.data.scenes import CLASSES, Scene, SceneSpec

    names = ("", *CLASSES[1:])
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        gsd = float(np.exp(generator.uniform(np.log(0.3), np.log(1.2))))
        scene = Scene(SceneSpec(int(generator.integers(2**31)), 6000, 6000, gsd_m=gsd))
        column, row = (int(v) for v in generator.integers(0, 6000 - RENDERED_SIDE, size=2))
        window = Window(column, row, RENDERED_SIDE, RENDERED_SIDE)
        found.append(
            MappedPicture(pixels=scene.render(window), classes=scene.classes(window), names=names, surveyed=False)
        )
        progress(number + 1, count)
    return found


def surveyed_pictures(tiles: Sequence[str], root: Path | None = None) -> dict[str, MappedPicture]:
    """Pictures of the Dubai set with their class maps, by name.

    Args:
        tiles: Some of ``t1`` to ``t6``.
        root: Folder with the datasets.

    Raises:
        DataError: The dataset is absent.
    """
    from PIL import Image

    folder = find_data_root(root) / "dubai_seg"
    paths = sorted(path for tile in tiles for path in (folder / "images").glob(f"{tile}_*"))
    if not paths:
        remedy = "put the Dubai segmentation set there"
        raise DataError(folder, cause="has no images of the tiles " + ", ".join(tiles), remedy=remedy)
    found = {}
    for path in paths:
        with Image.open(path) as image, Image.open(folder / "masks" / f"{path.stem}.png") as classes:
            found[path.stem] = MappedPicture(
                pixels=np.asarray(image.convert("RGB")),
                classes=np.asarray(classes, np.uint8),
                names=SURVEYED_CLASSES,
                surveyed=True,
            )
    return found


def referred_pictures(records: Sequence[Referral]) -> list[MappedPicture]:
    """Scenes of a referring dataset with all their phrases; nothing else is known of their pixels."""
    scenes: dict[str, list[Referral]] = {}
    for record in records:
        scenes.setdefault(record.scene, []).append(record)
    found = []
    for triplets in scenes.values():
        pairs = [read_pair(record) for record in triplets]
        wordings = [record.wordings or {k: (v,) for k, v in record.phrases.items()} for record in triplets]
        pixels = pairs[0][0]
        found.append(
            MappedPicture(
                pixels=pixels,
                classes=np.zeros(pixels.shape[:2], np.uint8),
                names=("",),
                surveyed=True,
                referred=tuple((wording, mask) for wording, (_, mask) in zip(wordings, pairs, strict=True)),
            )
        )
    return found


def words_in_captions(records: Sequence[CaptionedImage], words: Sequence[GroundWord]) -> NDArray[np.float32]:
    """Which words pictures show, by their captions.

    Returns:
        (N, W) float32: 1 named, 0 not named, nan where its absence from the captions tells nothing.

    Example:
        >>> record = CaptionedImage(id="a", path=Path("a"), split="train", category="", captions=("A river.",) * 5)
        >>> words_in_captions([record], [w for w in GROUND_WORDS if w.name in ("river", "planes", "trees")]).tolist()
        [[1.0, nan, 0.0]]
    """
    absent = np.array([np.nan if word.common or not word.caption_words else 0.0 for word in words], np.float32)
    found = np.tile(absent, (len(records), 1))
    for row, record in enumerate(records):
        for column, word in enumerate(words):
            if word.in_captions(record.captions):
                found[row, column] = 1.0
    return found
