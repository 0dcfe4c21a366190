"""From a run of a scorer to a bundle of three networks: image features, text features, similarity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.runs import environment
from geoglot.engine import export
from geoglot.engine.composition import Composed
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.models.bundle import IMAGE, SIMILARITY, TEXT, TOKENIZER
from geoglot.models.scorer import SCORES

EXAMPLE_TEXTS: Final = ("a bridge over a river", "planes")
"""Of different lengths, so that the export is checked with padding too."""


class ImageFeatures(nn.Module):
    """uint8 pixels in, the method's image features out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(N, S, S, 3) uint8 -> features, each with first axis N."""
        images = pixels.to(torch.float32).permute(0, 3, 1, 2) / 255
        out: tuple[Tensor, ...] = self.model.image_features(images)  # type: ignore[operator]
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
    """Features of both sides in, the score of every pair out.

    A method whose ``similarity`` works through blocks, which no fixed graph can, offers the same in one piece as
    ``similarity_in_one_piece``.
    """

    def __init__(self, model: nn.Module, image_parts: int) -> None:
        super().__init__()
        self.model = model
        self.image_parts = image_parts
        method = model.method if isinstance(model, Composed) else model
        self.pairs: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], Tensor]
        self.pairs = getattr(method, "similarity_in_one_piece", None) or model.similarity  # type: ignore[assignment]

    def forward(self, *features: Tensor) -> Tensor:
        """Image features, then text features -> (N, T)."""
        out: Tensor = self.pairs(features[: self.image_parts], features[self.image_parts :])
        return out


@torch.no_grad()
def write_scorer_networks(model: nn.Module, tokenizer: AnyTokenizer, folder: Path, pictures: NDArray[np.uint8]) -> None:
    """The three networks as float ONNX, each compared with torch.

    Args:
        model: A scorer that takes pixels, in evaluation mode.
        tokenizer: Its tokenizer.
        folder: Where :data:`IMAGE`, :data:`TEXT` and :data:`SIMILARITY` go.
        pictures: (N, S, S, 3) uint8, at least two.

    Raises:
        BundleError: A network cannot be exported, or computes something else than torch.
    """
    image, text = ImageFeatures(model).eval(), TextFeatures(model).eval()
    pixels = torch.from_numpy(pictures)
    tokens = torch.from_numpy(tokenizer.encode(EXAMPLE_TEXTS))
    image_features, text_features = image(pixels), text(tokens)
    longer = text(torch.nn.functional.pad(tokens, (0, 1)))
    image_names = _axes("image", image_features, image_features, first="images")
    text_names = _axes("text", text_features, longer, first="texts")
    export.to_onnx(image, [pixels], folder / IMAGE, inputs={"pixels": {0: "images"}}, outputs=image_names)
    export.to_onnx(text, [tokens], folder / TEXT, inputs={"tokens": {0: "texts", 1: "length"}}, outputs=text_names)
    export.to_onnx(
        Similarity(model, len(image_features)),
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
    model: nn.Module,
    tokenizer: AnyTokenizer,
    folder: Path,
    pictures: NDArray[np.uint8],
    fields: Mapping[str, Any],
    *,
    trained_on: Sequence[str],
) -> None:
    """Networks, tokenizer, card and manifest of a scorer.

    Args:
        model: A scorer that takes pixels, in evaluation mode.
        tokenizer: Its tokenizer.
        folder: An empty folder.
        pictures: (N, S, S, 3) uint8, at least two.
        fields: ``id``, ``method``, ``side``, ``languages``, ``max_length``, ``tokenizer``.
        trained_on: Names of datasets.
    """
    write_scorer_networks(model, tokenizer, folder, pictures)
    tokenizer.save(folder / TOKENIZER)
    card = {
        "method": fields["method"],
        "trained_on": [f"{dataset}, train split" for dataset in trained_on],
        "quantisation": "none, float32",
        "limits": "Re-ranks the candidates of another model; it cannot be indexed.",
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }
    export.write_manifest(folder, {**fields, "kind": "scorer", "preprocessing": 1, "card": card})
