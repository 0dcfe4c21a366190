"""GaLR: global and local image information, fused.

Paper        Yuan, Zhang, Tian, Rong, Zhang, Wang, Fu, Sun, Remote Sensing Cross-Modal Text-Image Retrieval Based on
             Global and Local Information, IEEE TGRS 2022 (arXiv 2204.09860)
Input        a pyramid of stage maps, finest first, (B, C_k, H_k, W_k), ResNet-18 in the paper, and behind them, where
             a detector's graphs are at hand, nodes (B, 20, 20) and adjacency (B, 20, 20); tokens (T, L) int64
Output       embeddings (B, D) and (T, D), unit norm
Equations    global     g = salience mask * projected mean of the last map, unit     -> nn.multiscale
             local      X <- relu(A X W) three times, l = W_l flatten(X), unit       -> nn.graph
             exchange   l <- SGA(SA(l), SA(g)); g <- SGA(SA(g), l)                    -> InformationFusion
             mix        g' = sigmoid(l) * g; l' = g + l                              -> InformationFusion.mixed
             weights    w = softmax(W_2 drop(sigmoid(W_1 (g' + l')))); v = w_g g' + w_l l' -> weighted_sum
             text       t = relu(W h), h the last state of uni-skip, unit            -> Model.encode_text
             hinge      sum_{i != j} [m + s_ij - s_ii]+ + [m + s_ij - s_jj]+         -> nn.hinge
             re-ranking metrics.reranking, function multivariate_rerank, on the finished scores
Deviations   1. The detector's graphs are not published. Without given ones the nodes come from the cells of the last
                map: 20 kinds of things, learnt, with a place each (nn.graph.CellGraph, not counted).
             2. The released code reads the first weight twice, v = w_g (g' + l'): variant ``released``. ``paper``, the
                default, reads both. The parameters are the same.
             3. A vector is attended to as a sequence of one, as in the released code; the attention is then 1, and the
                queries and keys of the six attentions (3,151,872 parameters) learn nothing.
             4. Maps of other sizes than 64, 32, 16 and 8 cells are averaged onto the paper's grid.
             5. The backbone's classifier, which the released code never uses (513,000), is counted, not built.
Reproduces   results/retrieval/galr-rsicd.json
Provenance   Written from the paper and facts about its code; no third-party code.
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
from geoglot.nn.batch import PairBatch
from geoglot.nn.fusion import GuidedBlock, SelfBlock
from geoglot.nn.graph import CellGraph, GraphConvolutions
from geoglot.nn.hinge import bidirectional_hinge, duplicate_pairs
from geoglot.nn.multiscale import MultiScaleSalience
from geoglot.nn.recurrent import SkipThoughtEncoder
from geoglot.nn.two_tower import Pyramid, TwoTower

METHOD = MethodCard(
    title="GaLR",
    paper="Yuan et al., Remote Sensing Cross-Modal Text-Image Retrieval Based on Global and Local Information, "
    "IEEE TGRS 2022",
    kind="two-tower",
    variants=("paper", "released"),
    counted="both sides with word vectors and ResNet-18 with its classifier, without the detector",
)

NODES = 20
"""Object categories of the paper's detector, and the numbers that describe each."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss. The defaults are the paper's on RSITMD.

    Attributes:
        graphs: Where the local graph comes from: the backbone's ``cells``, or ``given`` behind the stage maps.
    """

    variant: Literal["paper", "released"] = "paper"
    graphs: Literal["cells", "given"] = "cells"
    channels: tuple[int, ...] = (64, 128, 256, 512)
    vocabulary: int = 1350
    dimension: int = 512
    grid: int = 16
    heads: int = 8
    dropout: float = 0.1
    weight_dropout: float = 0.2
    word_width: int = 620
    hidden: int = 2400
    text_dropout: float = 0.25
    margin: float = 0.2
    mask_duplicates: bool = False


def weighted_sum(global_part: Tensor, local_part: Tensor, weights: Tensor, *, variant: str) -> Tensor:
    """The mix v = w_g g' + w_l l'; in the released code w_g (g' + l'). (B, D), (B, D), (B, 2) -> (B, D).

    Example:
        >>> one, two, weights = torch.tensor([[1.0]]), torch.tensor([[10.0]]), torch.tensor([[0.75, 0.25]])
        >>> weighted_sum(one, two, weights, variant="paper"), weighted_sum(one, two, weights, variant="released")
        (tensor([[3.2500]]), tensor([[8.2500]]))
    """
    of_global, of_local = weights[:, :1], weights[:, 1:]
    return of_global * global_part + (of_global if variant == "released" else of_local) * local_part


class InformationFusion(nn.Module):
    """Multi-level information dynamic fusion: both vectors ask each other, then are mixed. (B, D), (B, D) -> (B, D)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, self.variant = config.dimension, config.variant
        self.global_self = SelfBlock(width, heads=config.heads, dropout=config.dropout)
        self.local_self = SelfBlock(width, heads=config.heads, dropout=config.dropout)
        self.local_guided = GuidedBlock(width, heads=config.heads, dropout=config.dropout)
        self.global_guided = GuidedBlock(width, heads=config.heads, dropout=config.dropout)
        self.hidden = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.weight_dropout)
        self.weights = nn.Linear(width, 2)

    @staticmethod
    def mixed(global_vectors: Tensor, local_vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Both parts, g' = sigmoid(l) * g and l' = g + l. (B, D), (B, D) -> (B, D), (B, D)."""
        return torch.sigmoid(local_vectors) * global_vectors, global_vectors + local_vectors

    def forward(self, global_vectors: Tensor, local_vectors: Tensor) -> Tensor:
        """(B, D), (B, D) -> (B, D)."""
        coarse, fine = self.global_self(global_vectors[:, None]), self.local_self(local_vectors[:, None])
        fine = self.local_guided(fine, coarse)
        coarse = self.global_guided(coarse, fine)
        global_part, local_part = self.mixed(coarse[:, 0], fine[:, 0])
        hidden = self.dropout(torch.sigmoid(self.hidden(global_part + local_part)))
        return weighted_sum(global_part, local_part, self.weights(hidden).softmax(1), variant=self.variant)


class Model(TwoTower):
    """Two towers; the image side joins a global and a local vector."""

    image_input = "pyramid"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.salience = MultiScaleSalience(config.channels, outputs=config.dimension, grid=config.grid)
        self.cells = CellGraph(config.channels[3], nodes=NODES) if config.graphs == "cells" else None
        self.graph = GraphConvolutions((NODES, NODES, NODES // 2, NODES))
        self.graph_projection = nn.Linear(NODES * NODES, config.dimension)
        self.fusion = InformationFusion(config)
        self.words = SkipThoughtEncoder(
            vocabulary=config.vocabulary, width=config.word_width, hidden=config.hidden, dropout=config.text_dropout
        )
        self.projection = nn.Linear(config.hidden, config.dimension)

    def local(self, images: Pyramid) -> Tensor:
        """The graph's vector: from given nodes and adjacency, else from the cells of the last map. -> (B, D), unit."""
        nodes, adjacency = images[4:6] if self.cells is None else self.cells(images[3])
        return F.normalize(self.graph_projection(self.graph(nodes, adjacency).flatten(1)), dim=1)

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """Stage maps, and with ``graphs="given"`` nodes (B, 20, 20) and adjacency (B, 20, 20) -> (B, D), unit rows."""
        whole = F.normalize(self.salience(tuple(images[:4])), dim=1)
        return F.normalize(self.fusion(whole, self.local(tuple(images))), dim=1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, D), unit rows."""
        return F.normalize(torch.relu(self.projection(self.words(tokens))), dim=1)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The hinge of images and the first text of each, both ways, summed over the batch."""
        paired = len(batch.items)
        scores = self.encode_image(batch.pyramid) @ self.encode_text(batch.tokens[:paired]).T
        same = duplicate_pairs(batch.items, batch.sentences[:paired]) if self.config.mask_duplicates else None
        rows, columns = bidirectional_hinge(scores, margin=self.config.margin, duplicates=same)
        return {"total": rows.sum() + columns.sum(), "image_to_text": rows, "text_to_image": columns}


STAGES = (0, 1, 2, 3)
"""Maps of the backbone that the method looks at."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 70,
    "batch": 100,
    "optimiser": {"name": "adam", "learning_rate": 2e-4, "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": None},
    "schedule": {"name": "steps", "milestones": (19, 39, 59), "factor": 0.7},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "words",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 256},),
    "validation_side": 256,
    "validate_every": 1,
    "backbone": "resnet18",
}
"""The paper's recipe on RSICD; 20 epochs on RSITMD."""

LEADERBOARD: Mapping[str, Any] = {"word_width": 300, "hidden": 512, "text_dropout": 0.1}
"""Sizes at which a head over cached features trains in minutes on one core."""

SMALL = {
    "channels": (8, 12, 16, 24),
    "vocabulary": 40,
    "dimension": 16,
    "grid": 4,
    "heads": 2,
    "dropout": 0.0,
    "weight_dropout": 0.0,
    "word_width": 12,
    "hidden": 24,
    "text_dropout": 0.0,
}
"""Sizes at which the contract tests run in a moment."""

UNUSED_CLASSIFIER = 512 * 1000 + 1000


def paper_parameters(variant: str = "paper", *, vocabulary: int = Config.vocabulary) -> int:
    """Parameters of the method on ResNet-18 with a detector's graphs; both variants have as many.

    Args:
        variant: ``paper`` or ``released``.
        vocabulary: Rows of the word table: 1,226 for RSICD, 1,350 for RSITMD.

    Example:
        >>> paper_parameters()
        46892998
    """
    with torch.device("meta"):
        config = Config(variant="released" if variant == "released" else "paper", graphs="given", vocabulary=vocabulary)
        modules = [Model(config), build_backbone("resnet18")]
    return sum(p.numel() for module in modules for p in module.parameters()) + UNUSED_CLASSIFIER
