"""A trained two-tower run where an encoder of vectors is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.engine import composition
from geoglot.engine.images import Pictures
from geoglot.engine.scoring import image_vectors, text_vectors
from geoglot.engine.trained import TrainedRun, load_trained


class RunEncoder:
    """The two towers of a run; :class:`geoglot.models.encoder.Encoder` says what that means.

    Args:
        trained: The run.

    Raises:
        UsageError: The method has no vectors: its score needs both sides.
    """

    def __init__(self, trained: TrainedRun) -> None:
        composition.two_tower(trained.model)
        self.trained = trained

    @classmethod
    def load(cls, run: Path) -> RunEncoder:
        """From a run folder.

        Raises:
            DataError: The folder is not a finished run.
            UsageError: Its method has no vectors.
        """
        return cls(load_trained(run))

    @property
    def id(self) -> str:
        """Name of the method and of the run's folder."""
        return f"{self.trained.recipe.method} ({self.trained.folder.name})"

    @cached_property
    def sha256(self) -> str:
        """Of the checkpoint."""
        return hashlib.sha256((self.trained.folder / composition.CHECKPOINT).read_bytes()).hexdigest()

    @property
    def side(self) -> int:
        """Input side in pixels."""
        return self.trained.recipe.validation_side

    @cached_property
    def dimension(self) -> int:
        """Size D of an embedding."""
        return int(self.encode_texts(["x"]).shape[1])

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 RGB -> (N, D) float32 unit rows."""
        planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        return image_vectors(self.trained.model, Pictures(planes))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """-> (N, D) float32 unit rows."""
        return text_vectors(self.trained.model, self.trained.tokenizer, texts)
