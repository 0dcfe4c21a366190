"""From a run of a scorer to a bundle of three networks: image features, text features, similarity."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.runs import environment
from geoglot.engine import export
from geoglot.engine.loading import LoadedRun
from geoglot.models.bundle import IMAGE, TEXT, TOKENIZER
from geoglot.models.scorer import SCORES, SIMILARITY

SCORER_FILES: Final = (IMAGE, TEXT, SIMILARITY, TOKENIZER)
EXAMPLE_TEXTS: Final = ("a bridge over a river", "planes")
"""Of different lengths, so that the export is checked with padding too."""


class ImageFeatures(nn.Module):
    """uint8 pixels in, the method's image features out."""

    def __init__(self, model: nn.Module, backbone: nn.Module | None) -> None:
        super().__init__()
        self.model = model
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(N, S, S, 3) uint8 -> features, each with first axis N."""
        images = pixels.to(torch.float32).permute(0, 3, 1, 2) / 255
        out: tuple[Tensor, ...] = self.model.image_features(images if self.backbone is None else self.backbone(images))  # type: ignore[operator]
        return out


class TextFeatures(nn.Module):
    """Token ids in, the method's text features out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """(T, L) int64 -> features, each with first axis T."""
        out: tuple[Tensor, ...] = self.model.text_features(tokens)  # type: ignore[operator]
        return out


class Similarity(nn.Module):
    """Features of both sides in, the score of every pair out."""

    def __init__(self, model: nn.Module, image_parts: int) -> None:
        super().__init__()
        self.model = model
        self.image_parts = image_parts

    def forward(self, *features: Tensor) -> Tensor:
        """Image features, then text features -> (N, T)."""
        out: Tensor = self.model.similarity(features[: self.image_parts], features[self.image_parts :])  # type: ignore[operator]
        return out


@torch.no_grad()
def write_scorer_networks(loaded: LoadedRun, folder: Path, pictures: NDArray[np.uint8]) -> None:
    """The three networks as float ONNX, each compared with torch.

    Args:
        loaded: The run.
        folder: Where :data:`IMAGE`, :data:`TEXT` and :data:`SIMILARITY` go.
        pictures: (N, S, S, 3) uint8, at least two.

    Raises:
        BundleError: A network cannot be exported, or computes something else than torch.
    """
    image, text = ImageFeatures(loaded.model, loaded.backbone).eval(), TextFeatures(loaded.model).eval()
    pixels = torch.from_numpy(pictures)
    tokens = torch.from_numpy(loaded.tokenizer.encode(EXAMPLE_TEXTS))
    image_features, text_features = image(pixels), text(tokens)
    longer = text(torch.nn.functional.pad(tokens, (0, 1)))
    image_names = _axes("image", image_features, image_features, first="images")
    text_names = _axes("text", text_features, longer, first="texts")
    export.to_onnx(image, [pixels], folder / IMAGE, inputs={"pixels": {0: "images"}}, outputs=image_names)
    export.to_onnx(text, [tokens], folder / TEXT, inputs={"tokens": {0: "texts", 1: "length"}}, outputs=text_names)
    export.to_onnx(
        Similarity(loaded.model, len(image_features)),
        [*image_features, *text_features],
        folder / SIMILARITY,
        inputs={**image_names, **text_names},
        outputs={SCORES: {0: "images", 1: "texts"}},
    )


def _axes(
    side: str, features: Sequence[Tensor], longer: Sequence[Tensor], *, first: str
) -> dict[str, Mapping[int, str]]:
    """Names and free axes of features: the first axis, and those that grow with the length of the text."""
    return {
        f"{side}_{number}": {
            0: first,
            **{axis: "length" for axis in range(1, one.ndim) if one.shape[axis] != other.shape[axis]},
        }
        for number, (one, other) in enumerate(zip(features, longer, strict=True))
    }


def write_scorer_bundle(
    loaded: LoadedRun, folder: Path, pictures: NDArray[np.uint8], fields: Mapping[str, Any]
) -> None:
    """Networks, tokenizer, card and manifest of a scorer.

    Args:
        loaded: The run.
        folder: An empty folder.
        pictures: (N, S, S, 3) uint8, at least two.
        fields: ``id``, ``side`` and ``languages``.
    """
    write_scorer_networks(loaded, folder, pictures)
    shutil.copyfile(loaded.folder / "tokenizer.json", folder / TOKENIZER)
    card = {
        "method": loaded.name,
        "trained_on": [f"{dataset}, train split" for dataset in loaded.recipe.get("datasets", ())],
        "quantisation": "none, float32",
        "limits": "Re-ranks the candidates of another model; it cannot be indexed.",
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }
    manifest = {
        **fields,
        "kind": "scorer",
        "method": loaded.name,
        "max_length": loaded.tokenizer.max_length,
        "preprocessing": 1,
        "card": card,
    }
    export.write_manifest(folder, manifest, SCORER_FILES)
