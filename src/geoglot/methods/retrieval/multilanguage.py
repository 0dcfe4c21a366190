"""Multilanguage Transformer: CLIP's two transformers, averaged over tokens, trained on four languages.

Paper        Al Rahhal, Bazi, Alsharif, Bashmal, Alajlan, Melgani: Multilanguage Transformer for Improved Text to Remote
             Sensing Image Retrieval, IEEE JSTARS 15, 2022.
Input        images (B, 3, 224, 224) float32 in [0, 1], or a backbone's pyramid (vision="cells");
             tokens (T, L <= 77) int64, 0 = padding
Output       embeddings (B, 512) and (T, 512), unit norm
Equations    (1), (5)  tokens + positions, a class token in front  -> nn.clip.VisionTransformer, nn.clip.CausalText
             (2), (3)  pre-norm blocks                             -> nn.clip.ClipBlock
             (4)       softmax(Q K^T / sqrt(d)) V                  -> nn.clip.SelfAttention
             (6), (7)  cross-entropy of a text among the images of the batch and of an image among its texts
                                                                   -> nn.clip_losses.paired_contrast
             (8)       lambda_1 L_vt + lambda_2 L_tv               -> weighted_loss
Deviations   1. "BERT-like" is read as CLIP's own text side (pre-norm, causal, 49,408 byte pairs, 77 tokens, width 512):
                the sizes of the paper are those, and no others. causal=False is the other reading.
             2. (4) is printed without the transpose.
             3. The average runs over real word tokens, without start, end and padding (gap_over="valid"); "all77" also
                averages the padding, as the shapes of the paper say literally. pool="cls_eot" is CLIP's own pooling.
             4. Only the vision side is projected (768 to 512, without bias, from CLIP's matrix). CLIP's projection of
                texts stays in the model, so that published weights fit and the parameters are the paper's, but it is
                frozen and unused; text_projection=True uses it.
             5. The schedule contradicts itself (60 epochs; 0.01 after 40; 0.001 for the last 20). Readings: SCHEDULES.
             6. "60 iterations" are epochs. The norm of 0.1 is that of the gradients of both encoders together.
             7. The temperature is learnt from 0.07 and held at 0.01 or above.
             8. The language is drawn per sample; a recipe may draw one per batch.
             9. Every training picture is cropped, turned by quarter turns, flipped and varied in colour, as for all
                methods of this package; the paper names crops, two flips and colour jitter without their strengths.
             10. vision="cells" replaces the patches by the cells of the last map of any backbone, with fewer, narrower
                 blocks: the entry of this method to a race in which all start from the same convolutional backbone.
Reproduces   results/retrieval/multilanguage-rsicd.json, results/retrieval/multilanguage-ucm.json
Provenance   Written from the paper; no third-party code. Weights to start from: the user's, see engine/pretrained.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from geoglot.core.method import MethodCard
from geoglot.nn.batch import PairBatch
from geoglot.nn.clip import SAME_START, ClipConfig
from geoglot.nn.clip_two_tower import ClipTwoTower
from geoglot.nn.two_tower import batch_images

METHOD = MethodCard(
    title="Multilanguage Transformer",
    paper=(
        "Al Rahhal et al., Multilanguage Transformer for Improved Text to Remote Sensing Image Retrieval, "
        "IEEE JSTARS 2022"
    ),
    kind="two-tower",
    counted="both towers of CLIP ViT-B/32 with both projections, and the temperature",
)

SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "a": {"epochs": 60, "schedule": {"name": "steps", "milestones": (20, 40), "factor": 0.1}},
    "b": {"epochs": 80, "schedule": {"name": "steps", "milestones": (40, 60), "factor": 0.1}},
    "c": {"epochs": 60, "schedule": {"name": "steps", "milestones": (40,), "factor": 0.01}},
}
"""Readings of the paper's learning rate of 0.1: milestones in epochs, counted from 0."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    **SCHEDULES["a"],
    "batch": 120,
    "optimiser": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0, "clip": 0.1},
    "average": 0.0,
    "languages": ("en", "ar", "fr", "it"),
    "language_sampling": "sample",
    "captions_per_image": 1,
    "tokenizer": "clip",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 224},),
    "validation_side": 224,
    "validate_every": 1,
}
"""The paper's recipe over four languages (one language: ``languages=("en",)``). It starts from CLIP's weights."""

LEADERBOARD: Mapping[str, Any] = SAME_START
"""Sizes for the race in which every method starts from the same backbone."""


@dataclass(frozen=True, kw_only=True)
class Config(ClipConfig):
    """CLIP ViT-B/32 with the paper's pooling.

    Attributes:
        image_to_text_weight: lambda_1 of (8).
        text_to_image_weight: lambda_2 of (8).
    """

    pool: Literal["gap", "cls_eot"] = "gap"
    text_projection: bool = False
    image_to_text_weight: float = 0.5
    text_to_image_weight: float = 0.5


def weighted_loss(image_to_text: Tensor, text_to_image: Tensor, weights: tuple[float, float]) -> Tensor:
    """(8): lambda_1 mean(L_vt) + lambda_2 mean(L_tv). (B,), (B,) -> ()."""
    return weights[0] * image_to_text.mean() + weights[1] * text_to_image.mean()


class Model(ClipTwoTower):
    """Two transformers that meet in an inner product."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """(6) and (7) per sample, and their weighted sum."""
        self.clamp_scale()
        images = self.encode_image(batch_images(self, batch))
        texts = self.encode_text(batch.tokens[: len(images)])
        to_text, to_image = self.contrast(images, texts, batch)
        weights = (self.config.image_to_text_weight, self.config.text_to_image_weight)
        total = weighted_loss(to_text, to_image, weights)
        return {"total": total, "image_to_text": to_text, "text_to_image": to_image}


SMALL = {
    "channels": (8, 12, 16, 24),
    "image_size": 64,
    "patch": 16,
    "vision_width": 16,
    "vision_layers": 2,
    "vision_heads": 2,
    "vocabulary": 40,
    "max_length": 8,
    "text_width": 16,
    "text_layers": 2,
    "text_heads": 2,
    "dimension": 16,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters of CLIP ViT-B/32, from which the paper starts: visual 87,849,216, text 63,428,096, temperature 1."""
    with torch.device("meta"):
        model = Model(Config())
    return sum(p.numel() for p in model.parameters())
