"""GeoRSCLIP: CLIP fine-tuned on RS5M, five million pairs.

Paper        Zhang, Zhao, Guo, Yin: RS5M and GeoRSCLIP: A Large Scale Vision-Language Dataset and A Large
             Vision-Language Model for Remote Sensing, IEEE TGRS 2024 (arXiv 2306.11300)
Input        images (B, 3, 224, 224) float32 in [0, 1]; tokens (T, L <= 77) int64, 0 = padding
Output       embeddings (B, 512) and (T, 512) of ViT-B/32, (B, 1024) and (T, 1024) of ViT-H/14, unit norm
Equations    towers      CLIP's, class token and end-of-text token, both projected  -> nn.clip_two_tower.ClipTwoTower
             InfoNCE     cross-entropy along rows and columns of the batch          -> nn.clip_losses.paired_contrast
             choice of a generated caption: the one whose likeness changes least when the picture is turned,
             argmin_c Var_r cos(image turned by r, caption c)                       -> rotation_invariant_captions
Deviations   1. What is new in the paper is its data; the model is CLIP's, and full fine-tuning is what is here. The
                parameter-efficient variants (Pfeiffer, prefix, LoRA, UniPELT) are not.
             2. ViT-B/32 begins with OpenAI's weights (QuickGELU), ViT-H/14 with LAION's (GELU).
             3. It does not take part in the race from one backbone: without RS5M it would be RemoteCLIP's entry,
                number by number.
Reproduces   results/retrieval/georsclip-rsicd.json
Provenance   Written from the paper; no third-party code. Weights to start from: the user's, see engine/pretrained.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geoglot.core.method import MethodCard
from geoglot.nn.clip import ClipConfig
from geoglot.nn.clip_two_tower import ClipTwoTower

METHOD = MethodCard(
    title="GeoRSCLIP",
    paper="Zhang et al., RS5M and GeoRSCLIP, IEEE TGRS 2024",
    kind="two-tower",
    variants=("vit-b-32", "vit-h-14"),
    counted="both towers with their projections, and the temperature",
)

SIZES: Mapping[str, Mapping[str, Any]] = {
    "vit-b-32": {},
    "vit-h-14": {
        "patch": 14,
        "vision_width": 1280,
        "vision_layers": 32,
        "vision_heads": 16,
        "text_width": 1024,
        "text_layers": 24,
        "text_heads": 16,
        "dimension": 1024,
        "quick_gelu": False,
    },
}
"""Overrides of ``Config`` for the published sizes."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 20,
    "batch": 700,
    "optimiser": {"name": "adamw", "learning_rate": 1e-6, "weight_decay": 0.5, "clip": None},
    "schedule": {"name": "one-cycle"},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "clip",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 224},),
    "validation_side": 224,
    "validate_every": 1,
}
"""The paper's recipe: AdamW, cosine."""

LEADERBOARD: Mapping[str, Any] | None = None
"""Not in the race from one backbone: see deviation 3."""


@dataclass(frozen=True, kw_only=True)
class Config(ClipConfig):
    """CLIP ViT-B/32."""


class Model(ClipTwoTower):
    """CLIP's two towers and loss."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config


def rotation_invariant_captions(likeness: Tensor) -> Tensor:
    """The caption of each image whose likeness to it varies least over turned copies; the first of equals.

    Args:
        likeness: (N, R, C) cosines of N images in R rotations with C candidate captions.

    Returns:
        (N,) int64, a caption for each image.

    Example:
        >>> rotation_invariant_captions(torch.tensor([[[0.9, 0.5], [0.1, 0.5], [0.8, 0.4]]]))
        tensor([1])
    """
    return likeness.var(1, correction=0).argmin(1)


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
