"""VSE++: two unit vectors, and the hardest wrong pair of the batch as the only one that counts.

Paper        Faghri, Fleet, Kiros, Fidler, VSE++: Improving Visual-Semantic Embeddings with Hard Negatives, BMVC 2018;
             on ResNet-18 as the baseline of the remote-sensing papers that follow AMFMN
Input        a pyramid of stage maps, finest first, (B, C_k, H_k, W_k), the last is used; tokens (T, L) int64
Output       embeddings (B, D) and (T, D), unit norm
Equations    image      v = unit(W unit(mean of the cells) + b)                        -> Model.encode_image
             text       t = unit(h), h the last state of a gated recurrent unit        -> nn.recurrent.LastStateEncoder
             hinge      max_j [m + s_ij - s_ii]+ + max_i [m + s_ij - s_jj]+            -> nn.hinge.bidirectional_hinge
Deviations   1. ResNet-18 without its classifier instead of VGG-19 or ResNet-152: the size that the remote-sensing
                tables give. The backbone is composed outside; here are the map's mean and what follows.
             2. The vocabulary is any tokenizer's; the word vectors are not counted, as the tables do not count them.
             3. ``mask_duplicates`` keeps repeated captions of the batch from being hardest negatives; off, as in the
                paper.
Reproduces   results/retrieval/vse_plus_plus-rsicd.json, results/retrieval/vse_plus_plus-ucm.json
Provenance   Written from the paper and facts about its code; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.backbone import build_backbone
from geoglot.nn.batch import PairBatch
from geoglot.nn.hinge import Negatives, bidirectional_hinge, duplicate_pairs
from geoglot.nn.recurrent import LastStateEncoder
from geoglot.nn.two_tower import Pyramid, TwoTower

METHOD = MethodCard(
    title="VSE++",
    paper="Faghri et al., VSE++: Improving Visual-Semantic Embeddings with Hard Negatives, BMVC 2018",
    kind="two-tower",
    counted="ResNet-18 without classifier, projection and recurrent layer; without word vectors",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and the loss. The defaults are the paper's.

    Attributes:
        vocabulary: Number of token ids, padding included.
        channels: Widths of the backbone's stages.
        dimension: Size of an embedding and of the recurrent state.
        word_width: Size of a word vector.
        margin: By how much a pair must beat the wrong ones.
        negatives: ``hardest`` (VSE++) or ``sum`` (the earlier VSE).
        mask_duplicates: Pairs with the same image or sentence cost nothing.
    """

    vocabulary: int = 1226
    channels: tuple[int, ...] = (64, 128, 256, 512)
    dimension: int = 1024
    word_width: int = 300
    margin: float = 0.2
    negatives: Negatives = "hardest"
    mask_duplicates: bool = False


class Model(TwoTower):
    """A linear map of the mean cell, and the last state of a recurrent layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Linear(config.channels[-1], config.dimension)
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)
        self.text = LastStateEncoder(vocabulary=config.vocabulary, width=config.word_width, hidden=config.dimension)

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """A pyramid, of which the last map (B, C, H, W) counts -> (B, D), unit norm."""
        cells = F.normalize(images[-1].mean((2, 3)), dim=-1)
        return F.normalize(self.projection(cells), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, D), unit norm."""
        return F.normalize(self.text(tokens), dim=-1)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The hinge of every image and of its text; ``total`` is their sum."""
        paired, config = len(batch.items), self.config
        scores = self.encode_image(batch.pyramid) @ self.encode_text(batch.tokens[:paired]).T
        same = duplicate_pairs(batch.items, batch.sentences[:paired]) if config.mask_duplicates else None
        rows, columns = bidirectional_hinge(scores, margin=config.margin, negatives=config.negatives, duplicates=same)
        return {"total": rows.sum() + columns.sum(), "image_to_text": rows, "text_to_image": columns}


STAGES = (3,)
"""Maps of the backbone that the method looks at."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 30,
    "batch": 128,
    "optimiser": {"name": "adam", "learning_rate": 2e-4, "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": 2.0},
    "schedule": {"name": "steps", "milestones": (15,), "factor": 0.1},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "words",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 256},),
    "validation_side": 256,
    "validate_every": 1,
    "backbone": "resnet18",
}
"""The paper's recipe."""

LEADERBOARD: Mapping[str, Any] = {"dimension": 512}
"""Sizes at which a head over cached features trains in minutes on one core."""

SMALL = {"channels": (8, 12, 16, 24), "vocabulary": 40, "dimension": 16, "word_width": 12}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters on ResNet-18 without the word vectors, as the remote-sensing tables count."""
    with torch.device("meta"):
        parts = [build_backbone("resnet18"), model := Model(Config())]
    total = sum(p.numel() for part in parts for p in part.parameters())
    return total - model.text.embedding.weight.numel()
