"""A trained hasher together with the towers that its features come from: pixels and tokens to codes.

What comes out looks like a two-tower model: ``encode_image`` and ``encode_text`` give a code divided by the square
root of its length, a unit row, so that inner products order pairs as Hamming distances do: <u, v> = 1 - 2 d / bits.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.engine.composition import CHECKPOINT, two_tower
from geoglot.engine.hashing.data import Standardisation
from geoglot.engine.hashing.features import ImageFeature
from geoglot.engine.hashing.training import load_hasher
from geoglot.engine.trained import TrainedRun, load_trained
from geoglot.nn.hasher import Hasher
from geoglot.nn.hashing import signs
from geoglot.nn.two_tower import RetrievalModel


class HashedTowers(nn.Module):
    """Pixels and tokens to codes of -1 and +1.

    Args:
        towers: The model that features were taken from.
        hasher: Trained on those features.
        scaled: Its features' means and deviations.
    """

    def __init__(self, towers: RetrievalModel, hasher: Hasher, scaled: Standardisation) -> None:
        super().__init__()
        self.image_feature = ImageFeature(towers)
        self.text_tower = two_tower(towers)
        self.hasher = hasher
        self.scaled = scaled
        self.bits = hasher.bits

    def image_codes(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, bits) of -1 and +1."""
        scaled = self.scaled
        features = (self.image_feature(images) - scaled.image_mean) / scaled.image_deviation
        return signs(self.hasher.hash_image(features))

    def text_codes(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, bits) of -1 and +1."""
        scaled = self.scaled
        features = (self.text_tower.encode_text(tokens) - scaled.text_mean) / scaled.text_deviation
        return signs(self.hasher.hash_text(features))

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, bits), unit rows: codes divided by the square root of their length."""
        return self.image_codes(images) / math.sqrt(self.bits)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, bits), unit rows: codes divided by the square root of their length."""
        return self.text_codes(tokens) / math.sqrt(self.bits)


def load_hashed_towers(run: Path, base: Path) -> tuple[HashedTowers, TrainedRun]:
    """A hashing run and the run that its features come from, joined and in evaluation mode.

    Args:
        run: Folder of a hashing run.
        base: Folder of the two-tower run; its weights must be those that made the features.

    Returns:
        The joined model, and the base run with its tokenizer and recipe.

    Raises:
        DataError: A folder is no run of its kind, or the features were made by other weights.
    """
    hasher, scaled, _ = load_hasher(run)
    features = json.loads((run / "recipe.json").read_text(encoding="utf-8"))["features"]
    towers = load_trained(base)
    found = hashlib.sha256((base / CHECKPOINT).read_bytes()).hexdigest()
    if features.get("checkpoint sha256") != found:
        cause = "did not make the features that the hasher was trained on"
        raise DataError(base, cause=cause, remedy="give the run that the features were taken from")
    return HashedTowers(towers.model, hasher, scaled).eval(), towers
