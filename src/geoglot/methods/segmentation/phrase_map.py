"""Phrase map: late fusion of pixel features and phrase vectors, in four languages; what the product segments with.

Paper        Ours. Pixels and phrases meet in one inner product, as in Li et al., Language-driven Semantic Segmentation
             (ICLR 2022); the network is small, and pictures without masks teach it by their captions, as in
             Pinheiro and Collobert (CVPR 2015).
Input        images (B, 3, H, W) float32 in [0, 1], sides multiples of 32; tokens (B, L) int64, 0 = padding
Output       logits (B, H, W); above 0 is foreground
Equations    feature     f(x, y) in R^D at a stride of 4, feature pyramid over a residual network -> encode_image
             phrase      (v, b) in R^D x R, head on a one-block transformer                       -> encode_text
             logit       l(x, y) = <f(x, y), v> + b, bilinear to the pixels    -> nn.late_fusion.phrase_logits
             mask        cross-entropy + 1 - 2 (sum p m + 1) / (sum p + m + 1) -> nn.late_fusion.mask_losses
             caption     cross-entropy of log-mean-exp over the pixels against "is in the caption"
                                                                               -> nn.late_fusion.caption_losses
Deviations   1. No attention between words and pixels: a scene's features serve any number of phrases, which costs what
                only an early fusion can tell (the methods of the papers are here to compare with).
             2. Trained on few real masks, on rendered scenes and on captions without masks.
Reproduces   results/segmentation/phrase_map-*.json
Provenance   Written from the papers; no third-party code. Weights: trained by recipes/segmenter.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.backbone import build_backbone
from geoglot.nn.late_fusion import LateFusion, mask_losses
from geoglot.nn.pixel_features import FeaturePyramid
from geoglot.nn.segmenter import SegmentationBatch
from geoglot.nn.text_transformer import TextTransformer

METHOD = MethodCard(
    title="Phrase map",
    paper="geoglot, after Li et al., Language-driven Semantic Segmentation, ICLR 2022",
    kind="segmenter",
    counted="image network, feature pyramid, text network and phrase head",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss weights.

    Attributes:
        channels: Of the image network's stages.
        width: Of the feature pyramid.
        dimension: D, numbers per pixel and phrase.
        vocabulary: Token ids.
        text_width: Of the text network.
        text_layers: Its blocks.
        text_heads: Its attention heads.
        text_outputs: Size of its vectors, which the phrase head reads.
        max_length: Tokens of a phrase at most.
        dropout: Of the text network.
        sharpness: Of the soft maximum over a picture's pixels.
        dice_weight: Of the overlap's share in the loss of a mask.
        side: Of the pictures it is meant for; any other works.
        variant: There is one.
    """

    channels: tuple[int, ...] = (40, 80, 160, 320)
    width: int = 96
    dimension: int = 96
    vocabulary: int = 6000
    text_width: int = 256
    text_layers: int = 1
    text_heads: int = 4
    text_outputs: int = 256
    max_length: int = 32
    dropout: float = 0.1
    sharpness: float = 4.0
    dice_weight: float = 1.0
    side: int = 512
    variant: Literal["paper"] = "paper"


class Model(LateFusion):
    """An image network with a feature pyramid, a text network with a phrase head."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone("compact", channels=config.channels)
        self.pyramid = FeaturePyramid(config.channels, config.width, config.dimension)
        self.text = TextTransformer(
            vocabulary=config.vocabulary,
            width=config.text_width,
            layers=config.text_layers,
            heads=config.text_heads,
            max_length=config.max_length,
            outputs=config.text_outputs,
            dropout=config.dropout,
        )
        self.head = nn.Sequential(
            nn.Linear(config.text_outputs, config.text_outputs),
            nn.GELU(),
            nn.Linear(config.text_outputs, config.dimension + 1),
        )

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> features (B, D, H / 4, W / 4)."""
        out: Tensor = self.pyramid(self.backbone(images))
        return out

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(P, L) int64, 0 = padding -> (P, D + 1), the offset last."""
        out: Tensor = self.head(F.normalize(self.text(tokens), dim=-1) * self.config.text_outputs**0.5)
        return out

    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """``total``, and ``mask`` and ``overlap`` per phrase."""
        terms = mask_losses(self.logits(batch.images, batch.tokens), batch.masks, torch.ones_like(batch.masks))
        total = terms["mask"].mean() + self.config.dice_weight * terms["overlap"].mean()
        return {"total": total, **terms}


SMALL: Mapping[str, Any] = {
    "channels": (8, 8, 12, 16),
    "width": 12,
    "dimension": 8,
    "vocabulary": 40,
    "text_width": 16,
    "text_heads": 2,
    "text_outputs": 16,
    "max_length": 12,
}
"""Sizes at which the contract tests run in a moment."""

SMALL_RATE = 3e-3
"""Learning rate at which the small sizes learn."""

READS_ORDER = True
"""Whether the order of the words matters."""

COMPACT: Mapping[str, Any] = {}
"""Sizes for two cores: it has no others."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 12, "batch": 6, "learning_rate": 2e-3, "weight_decay": 1e-2}
"""The training of the shipped model; see recipes/segmenter.py."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters of the shipped model."""
    with torch.device("meta"):
        model = Model(Config())
    return sum(p.numel() for p in model.parameters())
