"""Where a model's images come from outside training: pictures in memory, or cached stage maps. Both in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.nn.two_tower import Pyramid


class ImageSource(Protocol):
    """Images in order."""

    def __len__(self) -> int:
        """How many."""

    def blocks(self, size: int, *, device: torch.device) -> Iterator[Tensor | Pyramid]:
        """The images as a model takes them, ``size`` at a time."""


class Pictures:
    """Pixels in memory.

    Args:
        pixels: (N, 3, S, S) uint8.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def blocks(self, size: int, *, device: torch.device) -> Iterator[Tensor]:
        """(B, 3, S, S) float32 in [0, 1]."""
        for part in torch.split(self.pixels, size):
            yield part.to(device).float() / 255


class CachedPyramids:
    """Stage maps of several splits, one after the other, read from memory-mapped files.

    Args:
        plain: Per split, per stage, float16 (N, C, H, W); a stage that is not kept is (N, C, 0, 0).
        mirrored: The same of the mirror images; without it, only plain maps can be taken.
    """

    def __init__(
        self,
        plain: Sequence[Sequence[NDArray[np.float16]]],
        mirrored: Sequence[Sequence[NDArray[np.float16]]] | None = None,
    ) -> None:
        self.plain, self.mirrored = plain, mirrored
        self._ends = np.cumsum([len(stages[0]) for stages in plain])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def take(self, rows: NDArray[np.int64], *, mirrored: NDArray[np.bool_] | None = None) -> Pyramid:
        """Maps of some images, finest first, float32; of the mirror image where ``mirrored`` is true."""
        flipped = np.zeros(len(rows), dtype=np.bool_) if mirrored is None or self.mirrored is None else mirrored
        part = np.searchsorted(self._ends, rows, side="right")
        local = rows - np.concatenate([[0], self._ends])[part]
        stages = []
        for stage, sample in enumerate(self.plain[0]):
            out = np.empty((len(rows), *sample.shape[1:]), dtype=np.float32)
            if out.size:
                for view, source in ((False, self.plain), (True, self.mirrored)):
                    for number in np.unique(part):
                        here = (part == number) & (flipped == view)
                        if source is not None and here.any():
                            out[here] = source[number][stage][local[here]]
            stages.append(torch.from_numpy(out))
        return tuple(stages)

    def blocks(self, size: int, *, device: torch.device) -> Iterator[Pyramid]:
        """Plain maps, ``size`` images at a time."""
        for start in range(0, len(self), size):
            rows = np.arange(start, min(start + size, len(self)))
            yield tuple(stage.to(device) for stage in self.take(rows))
