"""Images with class maps that are read by windows: what a source is, how it is split, and generated scenes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Window
from geoglot.data.scenes import CLASSES, Scene, SceneSpec

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_TRIES, _ENOUGH = 8, 5
Place = tuple[str, tuple[float, ...]]


class Piece(NamedTuple):
    """A window of a source.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        classes: (H, W) class values; a value without a name is spoken of by no phrase.
        instances: (H, W) object numbers, 0 for none; ``None`` where objects are not told apart.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.integer[Any]]
    instances: NDArray[np.integer[Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledSource:
    """An image with its class map, read window by window.

    Attributes:
        id: Of the image, letters that a file name can hold.
        areas: Which part of it belongs to which split; crops do not cross from one to another.
        names: Class names, as the rules know them, by value.
        gsd_m: Metres per pixel.
        read: Reads a window.
        place: CRS as WKT and affine coefficients (a, b, c, d, e, f), ``None`` where there is no place.
    """

    id: str
    areas: Sequence[tuple[str, Window]]
    names: Mapping[int, str]
    gsd_m: float
    read: Callable[[Window], Piece]
    place: Place | None = None


def whole(split: str, width: int, height: int) -> list[tuple[str, Window]]:
    """All of an image for one split."""
    return [(split, Window(0, 0, width, height))]


def in_bands(width: int, height: int, *, least: int) -> list[tuple[str, Window]]:
    """An image cut into three bands along its longer side: 70 % train, 15 % validation, 15 % test.

    Args:
        width: Pixels.
        height: Pixels.
        least: A band that is narrower than that is left to ``train``.

    Example:
        >>> in_bands(1000, 100, least=100)[1]
        ('val', Window(column=700, row=0, width=150, height=100))
        >>> [split for split, _ in in_bands(300, 200, least=100)]
        ['train']
    """
    length = max(width, height)
    held = round(SHARES["val"] * length)
    if held < least:
        return whole("train", width, height)
    found = []
    for split, start, size in (
        ("train", 0, length - 2 * held),
        ("val", length - 2 * held, held),
        ("test", length - held, held),
    ):
        window = Window(start, 0, size, height) if width >= height else Window(0, start, width, size)
        found.append((split, window))
    return found


def split_by_number(count: int) -> list[str]:
    """Splits of so many images in their order: the last 15 % to test, those before them to validate, at least one each.

    Example:
        >>> split_by_number(4)
        ['train', 'train', 'val', 'test']
    """
    held = max(1, round(SHARES["val"] * count)) if count > 2 else 0
    return ["train"] * (count - 2 * held) + ["val"] * held + ["test"] * held


def scene_sources(
    *, train: int, val: int, test: int, side: int = 512, gsd_m: float = 0.5, seed: int = 0
) -> list[LabelledSource]:
    """Generated scenes; they know their objects. Of several neighbouring seeds, the first that shows enough is taken.

    Args:
        train: Scenes to train with.
        val: Scenes to validate with.
        test: Scenes to test with.
        side: Pixels.
        gsd_m: Metres per pixel, [0.2, 2].
        seed: Another one gives other scenes.
    """
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    return [_scene_source(seed * 10_000_019 + n * _TRIES, split, side, gsd_m) for n, split in enumerate(splits)]


def _scene_source(seed: int, split: str, side: int, gsd_m: float) -> LabelledSource:
    def read(window: Window) -> Piece:
        scene = _lively_scene(seed, side, gsd_m)
        return Piece(scene.render(window), scene.classes(window), scene.instances(window))

    return LabelledSource(
        id=f"scene_{seed:06d}",
        areas=whole(split, side, side),
        names=dict(enumerate(CLASSES)),
        gsd_m=gsd_m,
        read=read,
    )


@lru_cache(maxsize=1)  # its crops come one after the other
def _lively_scene(seed: int, side: int, gsd_m: float) -> Scene:
    """The first of some scenes in which ``_ENOUGH`` classes have at least a hundredth of the picture."""
    for each in range(seed, seed + _TRIES):
        scene = Scene(SceneSpec(each, side, side, gsd_m=gsd_m))
        shares = np.bincount(scene.classes(Window(0, 0, side, side)).ravel()) / side**2
        if np.count_nonzero(shares > 0.01) >= _ENOUGH:
            break
    return scene
