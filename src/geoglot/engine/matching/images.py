"""Pictures of matching: decoded and resized once, kept as one array of bytes that is memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file
from geoglot.data.labelled import category_rows, load_labelled, load_pictures, split_rows
from geoglot.engine import pairs as picture_files
from geoglot.engine.matching.recipe import OWN_TRAIN, MatchingRecipe

TOGETHER: Final = 256
HELD_OUT: Final = 256
"""Most pictures without labels that are kept for validation; a twentieth where that is fewer."""

Progress = Callable[[int, int], None]
Pixels = NDArray[np.uint8]


def no_progress(done: int, total: int) -> None:
    """Say nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledPictures:
    """The M images of a labelled dataset.

    Attributes:
        pictures: (M, side, side, 3) uint8.
        categories: (M,) int64.
        category_names: Names of the classes.
        splits: (M,) ``train``, ``val`` or ``test``.
        items: (M,) identifiers.
    """

    pictures: Pixels
    categories: NDArray[np.int64]
    category_names: tuple[str, ...]
    splits: NDArray[np.str_]
    items: NDArray[np.str_]

    def rows(self, split: str) -> NDArray[np.int64]:
        """Which images are of a split."""
        return np.flatnonzero(self.splits == split)


def labelled_pictures(
    recipe: MatchingRecipe, data_root: Path | None, cache: Path, progress: Progress = no_progress
) -> LabelledPictures:
    """The recipe's dataset, split as it says.

    Raises:
        DataError: The dataset is absent or not whole, or an image cannot be read.
        UsageError: There is no such dataset, share or fold.
    """
    found = load_labelled(recipe.dataset, data_root)
    names, categories = category_rows([image.category for image in found])
    splits = split_rows(categories, recipe.share, recipe.split_seed, recipe.fold)
    return LabelledPictures(
        pictures=cached_pictures([image.path for image in found], recipe.dataset, recipe.side, cache, progress),
        categories=categories,
        category_names=names,
        splits=splits,
        items=np.array([image.id for image in found]),
    )


def cached_pictures(
    paths: Sequence[Path], name: str, side: int, cache: Path, progress: Progress = no_progress
) -> Pixels:
    """Pictures resized to squares, from disk where they are there. -> (N, side, side, 3) uint8, memory-mapped.

    Args:
        paths: The pictures.
        name: The dataset's, for the file's name.
        side: Pixels.
        cache: Folder that keeps the array.
        progress: Called with (pictures done, pictures in all) while they are decoded.

    Raises:
        DataError: A file is absent, no picture, or damaged.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        except OSError as error:
            raise DataError(path, cause="is absent", remedy="copy the dataset again") from error
    file = cache / f"pictures-{name}-{side}-{digest.hexdigest()[:12]}.npy"
    if not file.is_file():
        shape = (len(paths), side, side, 3)
        with whole_file(file) as temporary:
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            for start in range(0, len(paths), TOGETHER):
                some = paths[start : start + TOGETHER]
                array[start : start + len(some)] = picture_files.load_pictures(some, side)
                progress(start + len(some), len(paths))
            array.flush()
    return opened(file)


def opened(file: Path) -> NDArray[np.uint8]:
    """A memory-mapped array.

    Raises:
        DataError: It is damaged.
    """
    try:
        array: NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(file, cause=f"cannot be read ({error})", remedy="delete it; it is made again") from error
    return array


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows of several picture arrays as one sequence.

    Args:
        parts: Arrays (N, side, side, 3) with the rows of them that count.
    """

    parts: tuple[tuple[Pixels, NDArray[np.int64]], ...]

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.parts)

    def take(self, positions: NDArray[np.int64]) -> Pixels:
        """(B,) positions in [0, len) -> (B, side, side, 3)."""
        starts = np.cumsum([0, *(len(rows) for _, rows in self.parts)])
        part_of = np.searchsorted(starts, positions, side="right") - 1
        return np.stack(
            [
                self.parts[part][0][self.parts[part][1][position - starts[part]]]
                for part, position in zip(part_of.tolist(), positions.tolist(), strict=True)
            ]
        )


def pools(
    names: Sequence[str],
    own: LabelledPictures,
    recipe: MatchingRecipe,
    data_root: Path | None,
    cache: Path,
    progress: Progress = no_progress,
) -> tuple[Pool, Pool]:
    """Pictures to learn from without labels, and those that validate.

    Of the recipe's own dataset these are its training and its validation images, however it is named; of another
    all images, evenly spaced ones of which validate.
    """
    training, validation = [], []
    for name in names:
        if name in (OWN_TRAIN, recipe.dataset):
            training.append((own.pictures, own.rows("train")))
            validation.append((own.pictures, own.rows("val")))
            continue
        pictures = cached_pictures(load_pictures(name, data_root), name, recipe.side, cache, progress)
        count = max(1, min(HELD_OUT, len(pictures) // 20))
        held = np.linspace(0, len(pictures) - 1, count).astype(np.int64)
        training.append((pictures, np.setdiff1d(np.arange(len(pictures)), held)))
        validation.append((pictures, held))
    return Pool(tuple(training)), Pool(tuple(validation))
