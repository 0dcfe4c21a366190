"""MTFN: a score from a rank-limited tensor product of image and text, learnt by ranking.

Paper        Wang, Xu, Yang, Hanjalic, Shen, Song, Matching Images and Text with Multi-modal Tensor Fusion and
             Re-ranking, ACM Multimedia 2019; on ResNet-18 as the baseline of remote-sensing papers since AMFMN
Input        a pyramid of stage maps, finest first, (B, C_k, H_k, W_k), the last is averaged; tokens (T, L) int64
Output       scores (B, T) in (0, 1)
Equations    image      v = tanh(W_v x + b_v), x the mean of the cells                  -> Model.image_features
             text       t = tanh(W_t h + b_t), h the last state of uni-skip             -> Model.text_features
             fusion     f_ij = sum_r (W_r v_i + b_r) * (U_r t_j + c_r)                  -> Fusion
             score      s_ij = sigmoid(<w, f_ij> + b)                                   -> Fusion
             hinge      sum_{i != j} [m + s_ij - s_ii]+ + [m + s_ij - s_jj]+            -> nn.hinge.bidirectional_hinge
             re-ranking is a function of scores alone: metrics.reranking
Deviations   1. The fused vectors f_ij are never made. <w, f_ij> is linear in t_j: with q_i = sum_r U_r' (w * (W_r v_i +
                b_r)) it is <q_i, t_j> plus a number per image, so that all pairs cost one matrix product.
             2. The paper's loss over a batch is open between all negatives and the hardest: ``negatives``, by default
                all of them, as the remote-sensing papers whose tables this baseline stands in.
             3. Learning rate 1e-4 from the start, without the released code's staircase over the first 50 epochs.
             4. The classifier of text pairs that the paper's text-text re-ranking needs is left out, as in the
                remote-sensing tables' parameter count.
Reproduces   results/retrieval/mtfn-rsicd.json, results/retrieval/mtfn-ucm.json
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
from geoglot.nn.recurrent import SkipThoughtEncoder
from geoglot.nn.two_tower import Features, Pyramid, RetrievalModel

METHOD = MethodCard(
    title="MTFN",
    paper="Wang et al., Matching Images and Text with Multi-modal Tensor Fusion and Re-ranking, ACM Multimedia 2019",
    kind="scorer",
    counted="ResNet-18 without classifier, recurrent layer, projections and fusion; without word vectors",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes, dropout and the loss. The defaults are the paper's.

    Attributes:
        vocabulary: Number of token ids, padding included.
        channels: Widths of the backbone's stages.
        dimension: Size of v, t and f.
        rank: Number of products that are summed.
        word_width: Size of a word vector.
        hidden: Size of the recurrent state.
        text_dropout: Variational dropout of the recurrent layer.
        dropout: Dropout of x and h.
        margin: By how much a pair must beat the wrong ones.
        negatives: ``sum`` or ``hardest``.
        mask_duplicates: Pairs with the same image or sentence cost nothing.
    """

    vocabulary: int = 1226
    channels: tuple[int, ...] = (64, 128, 256, 512)
    dimension: int = 1024
    rank: int = 20
    word_width: int = 620
    hidden: int = 2400
    text_dropout: float = 0.25
    dropout: float = 0.25
    margin: float = 0.2
    negatives: Negatives = "sum"
    mask_duplicates: bool = False


class Fusion(nn.Module):
    """The score of every pair, from the factors of a tensor of limited rank.

    Args:
        dimension: Size D of v, t and f.
        rank: Number R of products.
    """

    def __init__(self, dimension: int, rank: int) -> None:
        super().__init__()
        self.image = nn.Linear(dimension, rank * dimension)
        self.text = nn.Linear(dimension, rank * dimension)
        self.score = nn.Linear(dimension, 1)
        self.rank = rank

    def query(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What an image asks of a text: the logit is <q_i, t_j> + k_i. (B, D) -> q (B, D), k (B,)."""
        weighted = (self.image(images).unflatten(1, (self.rank, -1)) * self.score.weight).flatten(1)
        return weighted @ self.text.weight, weighted @ self.text.bias + self.score.bias

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """All pairs: v (B, D), t (T, D) -> scores (B, T) in (0, 1)."""
        queries, constants = self.query(images)
        return torch.sigmoid(torch.addmm(constants[:, None], queries, texts.T))


class Model(RetrievalModel):
    """The mean cell and the uni-skip state, each through a tanh layer, fused."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.image = nn.Linear(config.channels[-1], config.dimension)
        self.encoder = SkipThoughtEncoder(
            vocabulary=config.vocabulary, width=config.word_width, hidden=config.hidden, dropout=config.text_dropout
        )
        self.text = nn.Linear(config.hidden, config.dimension)
        self.fusion = Fusion(config.dimension, config.rank)

    def _dropped(self, features: Tensor) -> Tensor:
        return F.dropout(features, self.config.dropout, self.training)

    def image_features(self, images: Tensor | Pyramid) -> Features:
        """A pyramid, of which the last map (B, C, H, W) counts -> v (B, D)."""
        return (torch.tanh(self.image(self._dropped(images[-1].mean((2, 3))))),)

    def text_features(self, tokens: Tensor) -> Features:
        """(T, L) int64, 0 = padding -> t (T, D)."""
        return (torch.tanh(self.text(self._dropped(self.encoder(tokens)))),)

    def similarity(self, images: Features, texts: Features) -> Tensor:
        """Scores of all pairs. ((B, D),), ((T, D),) -> (B, T) in (0, 1)."""
        scores: Tensor = self.fusion(images[0], texts[0])
        return scores

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The hinge of every image and of its text; ``total`` is their sum."""
        paired, config = len(batch.items), self.config
        scores = self.similarity(self.image_features(batch.pyramid), self.text_features(batch.tokens[:paired]))
        same = duplicate_pairs(batch.items, batch.sentences[:paired]) if config.mask_duplicates else None
        rows, columns = bidirectional_hinge(scores, margin=config.margin, negatives=config.negatives, duplicates=same)
        return {"total": rows.sum() + columns.sum(), "image_to_text": rows, "text_to_image": columns}


STAGES = (3,)
"""Maps of the backbone that the method looks at."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 160,
    "batch": 100,
    "optimiser": {"name": "adam", "learning_rate": 1e-4, "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": None},
    "schedule": {"name": "steps", "milestones": (100,), "factor": 0.1},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "words",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 256},),
    "validation_side": 256,
    "validate_every": 1,
    "backbone": "resnet18",
}
"""The released code's recipe."""

LEADERBOARD: Mapping[str, Any] = {"dimension": 256, "word_width": 300, "hidden": 512, "text_dropout": 0.1}
"""Sizes at which a head over cached features trains in minutes on one core."""

SMALL = {
    "channels": (8, 12, 16, 24),
    "vocabulary": 40,
    "dimension": 16,
    "rank": 3,
    "word_width": 12,
    "hidden": 24,
    "text_dropout": 0.0,
    "dropout": 0.0,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters on ResNet-18 without the word vectors, as the remote-sensing tables count."""
    with torch.device("meta"):
        parts = [build_backbone("resnet18"), model := Model(Config())]
    total = sum(p.numel() for part in parts for p in part.parameters())
    return total - model.encoder.embedding.weight.numel()
