"""LGCE: LAVT's two coarsest maps pass through transformer blocks led by the phrase before they are decoded.

Paper        Z. Yuan, L. Mou, Y. Hua, X. X. Zhu, RRSIS: Referring Remote Sensing Image Segmentation, IEEE TGRS 62, 2024
Input        images (B, 3, H, W) in [0, 1], tokens (B, L)
Output       logits (B, H, W), foreground less background
Equations    V^1 .. V^4, the stage outputs of LAVT                   -> nn.language_swin.LanguageTrunk
             mean over the words                                     -> Model.leading
             (1)-(3) language token, block, split                    -> nn.cross_scale.ScaleExchange
             (4)(5)  exchange across scales, split                   -> nn.cross_scale.TokenAttention
             decoder, two 3x3 convolutions a level                   -> nn.language_swin.TopDownDecoder
             weighted cross-entropy, as in LAVT                      -> nn.segmenter.cross_entropy
Deviations   1. (4) adds one token to a whole sequence. ``cross="crossvit"``: the token alone asks, which fits the
                paper's cost of this step; then no place learns of the other scale, and the step cannot change a mask.
                ``cross="full"``: every row asks and keeps its own value, the reading in which scales mix.
             2. Depth and heads of TL are not given: one block each, heads of 64 numbers, inner width 4 C. With that
                the module adds 23.2 million parameters; the paper reports 48.5.
             3. The mean over words goes over real words; ``mean="all"`` takes padding in, as it is read elsewhere.
             4. No position vectors: (2) has none, unlike (1).
             5. ``without-language`` learns a vector in place of the mean word; LAVT's stages still read the phrase.
             6. V^3 and V^4 are what the stages give after their norm; the last gate is as idle as in LAVT.
             7. ``visual="compact"`` has a residual network in place of the Swin transformer.
             8. An encoder that learns its words with the method gets a mark before and behind them, as BERT's tokenizer
                has; without, a phrase of one word says nothing (nn.language_swin.between_marks).
Reproduces   results/segmentation/lgce-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.cross_scale import ScaleExchange
from geoglot.nn.language_swin import COMPACT_SIZES, LanguageSwinConfig, TopDownDecoder, decay_groups, language_trunk
from geoglot.nn.pooling import masked_mean
from geoglot.nn.segmenter import SegmentationBatch, Segmenter, cross_entropy, foreground, resized
from geoglot.nn.text_encoder import build_text_encoder

Variant = Literal["lgce", "without-language", "without-cross", "baseline"]

METHOD = MethodCard(
    title="LGCE",
    paper="Yuan, Mou, Hua, Zhu, RRSIS: Referring Remote Sensing Image Segmentation, IEEE TGRS 2024",
    kind="segmenter",
    variants=("lgce", "without-language", "without-cross", "baseline"),
    fidelity="partial",
    counted="all but the encoder of words, with Swin-B and windows of 12",
)


@dataclass(frozen=True, kw_only=True)
class Config(LanguageSwinConfig):
    """Sizes of LAVT, see :class:`geoglot.nn.language_swin.LanguageSwinConfig`, and the module's own.

    Attributes:
        cross: Which rows ask across scales, see the file's deviations.
        mean: Mean of the ``real`` words, or of ``all`` positions, padding included.
        variant: Row of the paper's ablation; ``baseline`` is LAVT.
    """

    cross: Literal["crossvit", "full"] = "crossvit"
    mean: Literal["real", "all"] = "real"
    variant: Variant = "lgce"


class Model(Segmenter):
    """LAVT with the exchange between scales before its decoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.text = build_text_encoder(config.words)
        self.trunk = language_trunk(config)
        self.decoder = TopDownDecoder(self.trunk.widths, config.decoder)
        self.exchange: ScaleExchange | None = None
        self.token: nn.Parameter | None = None
        if config.variant != "baseline":
            steps = "none" if config.variant == "without-cross" else config.cross
            self.exchange = ScaleExchange(self.trunk.widths[-2:], config.text_width, steps)
        if config.variant == "without-language":
            self.token = nn.Parameter(torch.randn(config.text_width) * 0.02)
        own = () if self.exchange is None else self.exchange.idle
        self.idle = (*(f"trunk.{name}" for name in self.trunk.idle), *(f"exchange.{name}" for name in own))

    def leading(self, words: Tensor, real: Tensor) -> Tensor:
        """The vector that leads the exchange: mean word, or the learnt one. (B, L, E), (B, L) bool -> (B, E)."""
        if self.token is not None:
            return self.token.expand(len(words), -1)
        return words.mean(1) if self.config.mean == "all" else masked_mean(words, real)

    def classes(self, images: Tensor, tokens: Tensor) -> Tensor:
        """(B, 3, H, W), (B, L) -> (B, 2, H, W), background first."""
        marked = self.config.marked(tokens)
        real = marked != 0
        words = self.text(marked)
        *finer, fine, coarse = self.trunk(images, words, real)
        if self.exchange is not None:
            fine, coarse = self.exchange(fine, coarse, self.leading(words, real))
        return resized(self.decoder((*finer, fine, coarse)), images.shape[-2:], align_corners=True)

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


def paper_parameters(variant: str = "lgce") -> int:
    """Parameters without the encoder of words; reported as 167.37 million, see the file's deviations.

    Example:
        >>> paper_parameters() - paper_parameters("without-cross")
        6302208
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for name, parameter in model.named_parameters() if not name.startswith("text."))
