"""LAVT: the phrase reaches the picture inside the visual transformer, between its stages, not behind it.

Paper        Z. Yang, J. Wang, Y. Tang, K. Chen, H. Zhao, P. H. S. Torr, LAVT: Language-Aware Vision Transformer for
             Referring Image Segmentation, CVPR 2022
Input        images (B, 3, H, W) in [0, 1], tokens (B, L)
Output       logits (B, H, W), foreground less background
Equations    stages of the visual transformer                       -> nn.swin.Swin
             pixel-word attention                    -> nn.word_pixel_attention.WordPixelAttention
             language gate and what it adds          -> nn.word_pixel_attention.LanguageGate
             stage, reading, gate, merge             -> nn.language_swin.LanguageTrunk
             decoder                                 -> nn.language_swin.TopDownDecoder
             weighted cross-entropy                  -> nn.segmenter.cross_entropy
Deviations   1. The gate of the last stage has nothing behind it: 2,097,152 of the parameters cannot learn and change no
                mask. They are here because the paper's count has them (``idle``).
             2. Where a map is a single window, windows are not shifted; at the paper's 480 pixels there is no such map.
             3. ``text`` may be a multilingual encoder, or one that learns its words with the method.
             4. Of a published encoder of words its first ten blocks learn, as in the authors' training; set
                ``trained_text_layers`` to ``None`` where no weights are loaded.
             5. ``visual="compact"`` reads the phrase between the stages of a residual network instead.
             6. An encoder that learns its words with the method gets a mark before and behind them, as BERT's tokenizer
                has; without, a phrase of one word says nothing (nn.language_swin.between_marks).
Reproduces   results/segmentation/lavt-*.json
Provenance   Written from the paper and from facts of its configuration; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from geoglot.core.method import MethodCard
from geoglot.nn.language_swin import COMPACT_SIZES, LanguageSwinConfig, TopDownDecoder, decay_groups, language_trunk
from geoglot.nn.segmenter import SegmentationBatch, Segmenter, cross_entropy, foreground, resized
from geoglot.nn.text_encoder import build_text_encoder

METHOD = MethodCard(
    title="LAVT",
    paper="Yang, Wang, Tang, Chen, Zhao, Torr, Language-Aware Vision Transformer, CVPR 2022",
    kind="segmenter",
    counted="all but the encoder of words, with Swin-B and windows of 12",
)


@dataclass(frozen=True, kw_only=True)
class Config(LanguageSwinConfig):
    """Sizes of the paper, see :class:`geoglot.nn.language_swin.LanguageSwinConfig`.

    Attributes:
        variant: The paper's only one.
    """

    variant: Literal["paper"] = "paper"


class Model(Segmenter):
    """Encoder of words, language-aware trunk, decoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.text = build_text_encoder(config.words)
        self.trunk = language_trunk(config)
        self.decoder = TopDownDecoder(self.trunk.widths, config.decoder)
        self.idle = tuple(f"trunk.{name}" for name in self.trunk.idle)

    def classes(self, images: Tensor, tokens: Tensor) -> Tensor:
        """(B, 3, H, W), (B, L) -> (B, 2, H, W), background first."""
        marked = self.config.marked(tokens)
        maps = self.trunk(images, self.text(marked), marked != 0)
        return resized(self.decoder(maps), images.shape[-2:], align_corners=True)

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Foreground less background. -> (B, H, W)."""
        return foreground(self.classes(images, tokens))

    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """``total`` and ``mask``."""
        return cross_entropy(self.classes(batch.images, batch.tokens), batch.masks, self.config.class_weights)

    def parameter_groups(self) -> list[dict[str, object]]:
        """Norms and position biases of the trunk without weight decay."""
        return decay_groups(self, self.config.visual_rate)


SMALL: Mapping[str, Any] = {
    "embed": 8,
    "depths": (1, 1, 2, 1),
    "heads": (2, 2, 2, 2),
    "window": 4,
    "drop_path": 0.0,
    "text": "transformer",
    "text_width": 8,
    "text_layers": 1,
    "text_heads": 2,
    "text_dropout": 0.0,
    "decoder": 16,
}
"""Sizes at which the contract tests run in a moment."""

SMALL_RATE = 3e-3
"""Learning rate at which the small sizes learn."""

READS_ORDER = True
"""Whether the order of the words matters."""

COMPACT: Mapping[str, Any] = COMPACT_SIZES
"""Sizes for two cores."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 40, "batch": 8, "learning_rate": 5e-5, "weight_decay": 1e-2}
"""The paper's training, with AdamW and a polynomial schedule of power 0.9."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the encoder of words; reported as 118.85 million.

    Example:
        >>> paper_parameters()
        118847866
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for name, parameter in model.named_parameters() if not name.startswith("text."))
