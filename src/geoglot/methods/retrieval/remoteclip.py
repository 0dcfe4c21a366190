"""RemoteCLIP: CLIP trained on with captions made from boxes and masks.

Paper        Liu, Chen, Guan, Zhou, Zhu, Ye, Fu, Zhou: RemoteCLIP: A Vision Language Foundation Model for Remote
             Sensing, IEEE TGRS 2024 (arXiv 2306.11029)
Input        images (B, 3, 224, 224) float32 in [0, 1]; tokens (T, L <= 77) int64, 0 = padding
Output       embeddings (B, 512) and (T, 512) of ViT-B/32, (B, 768) and (T, 768) of ViT-L/14, unit norm
Equations    towers    CLIP's, class token and end-of-text token, both projected  -> nn.clip_two_tower.ClipTwoTower
             InfoNCE   cross-entropy along rows and columns of the batch          -> nn.clip_losses.paired_contrast
Deviations   1. What is new in the paper is its data: 828,725 pairs, most of them made from boxes and masks. The rules
                that make captions of those are data tools of this package; the model is CLIP's.
             2. Published weights of ViT-B/32 and ViT-L/14 load; those of ResNet-50 do not: its vision side is a
                convolutional network with attention pooling.
             3. The published weights are used with GELU, as their authors load them, although those of OpenAI that they
                began with need QuickGELU.
             4. vision="cells" in the race from one backbone: there it measures class-token and end-of-text pooling
                against the averages of the multilanguage transformer on the same data, not RemoteCLIP's data.
Reproduces   results/retrieval/remoteclip-rsicd.json
Provenance   Written from the paper; no third-party code. Weights to start from: the user's, see engine/pretrained.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from geoglot.core.method import MethodCard
from geoglot.nn.clip import SAME_START, ClipConfig
from geoglot.nn.clip_two_tower import ClipTwoTower

METHOD = MethodCard(
    title="RemoteCLIP",
    paper="Liu et al., RemoteCLIP: A Vision Language Foundation Model for Remote Sensing, IEEE TGRS 2024",
    kind="two-tower",
    variants=("vit-b-32", "vit-l-14"),
    counted="both towers with their projections, and the temperature",
)

SIZES: Mapping[str, Mapping[str, Any]] = {
    "vit-b-32": {},
    "vit-l-14": {
        "patch": 14,
        "vision_width": 1024,
        "vision_layers": 24,
        "vision_heads": 16,
        "text_width": 768,
        "text_heads": 12,
        "dimension": 768,
    },
}
"""Overrides of ``Config`` for the published sizes."""

LEARNING_RATES: Mapping[str, float] = {"vit-b-32": 4e-5, "vit-l-14": 1e-4}
BATCHES: Mapping[str, int] = {"vit-b-32": 256, "vit-l-14": 28}
STEPS = 108_215

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 30,
    "batch": BATCHES["vit-b-32"],
    "optimiser": {"name": "adam", "learning_rate": LEARNING_RATES["vit-b-32"], "weight_decay": 0.0, "clip": None},
    "schedule": {"name": "one-cycle"},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "clip",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 224},),
    "validation_side": 224,
    "validate_every": 1,
}
"""The paper's recipe of ViT-B/32: Adam, a linear rise and a cosine fall, random resized crops, flips, quarter turns.

Its 108,215 steps are of 828,725 pairs; the epochs here are for one captioned dataset.
"""

LEADERBOARD: Mapping[str, Any] = SAME_START
"""Sizes for the race in which every method starts from the same backbone."""


@dataclass(frozen=True, kw_only=True)
class Config(ClipConfig):
    """CLIP ViT-B/32 as RemoteCLIP's weights are used."""

    quick_gelu: bool = False


class Model(ClipTwoTower):
    """CLIP's two towers and loss."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config


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


def paper_parameters(variant: str = "vit-b-32") -> int:
    """Parameters of one of the published sizes."""
    with torch.device("meta"):
        model = Model(Config(**SIZES[variant]))
    return sum(p.numel() for p in model.parameters())
