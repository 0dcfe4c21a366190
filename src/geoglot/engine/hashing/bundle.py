"""A trained hasher put on top of the two towers whose frozen features it was trained on: pixels and tokens to bits."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from torch import Tensor, nn

from geoglot.core.errors import DataError, UsageError
from geoglot.engine.hashing.data import Standardisation
from geoglot.engine.hashing.features import ImageFeature
from geoglot.engine.hashing.training import HashingRecipe, load_hasher
from geoglot.engine.trained import TrainedRun, load_trained
from geoglot.nn.hasher import Hasher

_SHA256 = "checkpoint sha256"


class HashedTowers(nn.Module):
    """Pixels and tokens to one number per bit, whose sign is the bit.

    Args:
        towers: The model that made the features.
        hasher: The trained hasher.
        scaled: How features were standardised.
    """

    def __init__(self, towers: nn.Module, hasher: Hasher, scaled: Standardisation) -> None:
        super().__init__()
        self.towers = towers
        self.feature = ImageFeature(towers)
        self.hasher = hasher
        self.scaled = scaled

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, bits) in [-1, 1]."""
        return self.hasher.hash_image((self.feature(images) - self.scaled.image_mean) / self.scaled.image_deviation)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, bits) in [-1, 1]."""
        vectors: Tensor = self.towers.encode_text(tokens)  # type: ignore[operator]
        return self.hasher.hash_text((vectors - self.scaled.text_mean) / self.scaled.text_deviation)


def is_hashing_run(run: Path) -> bool:
    """Whether a folder holds a run of a hashing method."""
    try:
        return bool(json.loads((run / "recipe.json").read_text(encoding="utf-8")).get("kind") == "hasher")
    except (OSError, ValueError, AttributeError):
        return False


def load_hashed_towers(run: Path, features: Path | None) -> tuple[HashedTowers, TrainedRun, HashingRecipe]:
    """A hasher with the run below it.

    Args:
        run: Folder of a finished run of a hashing method.
        features: Folder of the run whose towers made its features.

    Raises:
        UsageError: `features` is not given, is another run, or the hasher was trained on features of no run.
        DataError: A folder is no finished run.
    """
    hasher, scaled, recipe = load_hasher(run)
    source = json.loads((run / "recipe.json").read_text(encoding="utf-8")).get("features") or {}
    wanted = source.get(_SHA256)
    if wanted is None:
        cause = f"was trained on features that no run made ({source.get('image', 'unknown')})"
        raise UsageError(run, cause=cause, remedy="train it on the features of a geoglot-compact run")
    if features is None:
        cause = "reads features of another run, and none is given"
        raise UsageError(run, cause=cause, remedy="add --features with the folder of that run")
    weights = features / "checkpoint.safetensors"
    if not weights.is_file():
        raise DataError(features, cause="is not a finished run", remedy="give the folder that 'geoglot train' wrote")
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != wanted:
        cause = f"is not the run that made the features ({found[:12]}, not {str(wanted)[:12]})"
        raise UsageError(features, cause=cause, remedy="give the run that the hasher was trained on")
    towers = load_trained(features)
    return HashedTowers(towers.model, hasher, scaled).eval(), towers, recipe
