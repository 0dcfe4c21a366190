"""HVSA: hypersphere-based alignment, from easy pairs to hard ones.

Paper        Zhang, Li, Zhang, Chen, Gao, Sun, Hypersphere-Based Remote Sensing Cross-Modal Text-Image Retrieval via
             Curriculum Learning, IEEE TGRS 2023
Input        a pyramid of stage maps, of which the last is used, (B, C, H, W), ResNet-18 in the paper;
             tokens (T, L) int64
Output       embeddings (B, D) and (T, D), unit norm
Equations    entities   a = softmax over cells of K f, a / sum over keys; f + norm(conv(K' a)) -> KeyEntityAttention
             image      v = W_v mean over cells, unit                                -> Model.encode_image
             text       t = relu(W h), h the last state of uni-skip, unit            -> Model.encode_text
             curriculum sum e^(-b c) c / B^2, c = [m + s_ij - s_ii]+ and its reverse -> easy_first
             uniformity mean over pairs of images of e^(-g |v_i - v_j|^2)            -> uniformity
             balance    softmax of a small network of both losses weighs them        -> LossBalance
Deviations   1. ``released`` holds b = 0.5 and lets the gradient flow through the weight e^(-b c), and spreads every
                fifth image of the batch only. ``paper``, the default, spreads them all, holds the weights fixed, and
                lets b fall to 0 over the training: easy pairs first, then all alike. How it falls is our reading.
             2. K' starts as the transpose of K and is free afterwards, as in the released code.
             3. The network that balances the losses gains by favouring the smaller one; it is kept as it is.
             4. The backbone's classifier, which the released code never uses (513,000), is counted, not built.
Reproduces   results/retrieval/hvsa-rsicd.json
Provenance   Written from facts about the paper and its code; no third-party code.
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
from geoglot.nn.hinge import duplicate_pairs
from geoglot.nn.recurrent import SkipThoughtEncoder
from geoglot.nn.two_tower import Pyramid, TwoTower

METHOD = MethodCard(
    title="HVSA",
    paper="Zhang et al., Hypersphere-Based Remote Sensing Cross-Modal Text-Image Retrieval via Curriculum Learning, "
    "IEEE TGRS 2023",
    kind="two-tower",
    variants=("paper", "released"),
    counted="both sides with word vectors, ResNet-18 with its classifier, and the network that balances the losses",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss. The defaults are the paper's on RSITMD."""

    variant: Literal["paper", "released"] = "paper"
    channels: tuple[int, ...] = (64, 128, 256, 512)
    vocabulary: int = 1350
    dimension: int = 512
    keys: int = 64
    word_width: int = 620
    hidden: int = 2400
    text_dropout: float = 0.25
    margin: float = 0.2
    easiness: float = 0.5
    sharpness: float = 2.0
    mask_duplicates: bool = False


def easy_first(
    scores: Tensor, *, margin: float, easiness: float, fixed: bool, duplicates: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Hinge losses, each weighted by e^(-b c): the harder the pair, the less it counts.

    Args:
        scores: (B, B), image i with text j; the diagonal holds the true pairs.
        margin: m.
        easiness: b; at 0 all count alike.
        fixed: Hold the weights fixed instead of letting the gradient flow through them.
        duplicates: (B, B) bool, True where a wrong pair is right as well and costs nothing.

    Returns:
        (B,) image to text and (B,) text to image, sums over the negatives.

    Example:
        One violation, c = 0.2 + 0.4 - 0.5 = 0.1, each way: 0.1 e^-0.1 = 0.0905

        >>> easy_first(torch.tensor([[0.5, 0.4], [0.0, 0.5]]), margin=0.2, easiness=1.0, fixed=True)
        (tensor([0.0905, 0.0000]), tensor([0.0000, 0.0905]))
    """
    pairs = scores.diagonal()
    allowed = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    if duplicates is not None:
        allowed = allowed & ~duplicates
    sums = []
    for own, axis in ((pairs[:, None], 1), (pairs[None, :], 0)):
        costs = (margin + scores - own).clamp(min=0) * allowed
        weights = torch.exp(-easiness * (costs.detach() if fixed else costs))
        sums.append((weights * costs).sum(axis))
    return sums[0], sums[1]


def uniformity(vectors: Tensor, sharpness: float) -> Tensor:
    """How close each vector is to the others: mean of e^(-g |v_i - v_j|^2). (N, D) -> (N,); 0 for one alone.

    Example:
        Opposite unit vectors, |v_i - v_j|^2 = 4: e^-8

        >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), 2.0)
        tensor([0.0003, 0.0003])
    """
    squares = vectors.square().sum(1)
    distances = squares[:, None] + squares - 2 * vectors @ vectors.T
    others = ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    return (torch.exp(-sharpness * distances) * others).sum(1) / max(1, len(vectors) - 1)


class KeyEntityAttention(nn.Module):
    """Attention of the cells to learnt keys, which all images share. (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int, *, keys: int) -> None:
        super().__init__()
        self.before = nn.Conv2d(channels, channels, 1)
        self.keys = nn.Conv1d(channels, keys, 1, bias=False)
        self.values = nn.Conv1d(keys, channels, 1, bias=False)
        self.after = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        with torch.no_grad():
            self.values.weight.copy_(self.keys.weight.transpose(0, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        cells = self.before(features).flatten(2)
        weights = self.keys(cells).softmax(2)
        weights = weights / (weights.sum(1, keepdim=True) + 1e-9)
        change = self.values(weights).view_as(features)
        return torch.relu(features + self.norm(self.after(change)))


class LossBalance(nn.Module):
    """Weights of two losses from their values, without biases. (2,) -> (2,), positive, sum 1."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, 64, bias=False),
            nn.PReLU(),
            nn.Linear(64, 128, bias=False),
            nn.PReLU(),
            nn.Linear(128, 2, bias=False),
        )

    def forward(self, losses: Tensor) -> Tensor:
        """(2,) -> (2,)."""
        out: Tensor = self.layers(losses).softmax(0)
        return out


class Model(TwoTower):
    """Two towers and a balance between two losses."""

    image_input = "pyramid"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.entities = KeyEntityAttention(config.channels[3], keys=config.keys)
        self.image_projection = nn.Linear(config.channels[3], config.dimension)
        self.words = SkipThoughtEncoder(
            vocabulary=config.vocabulary, width=config.word_width, hidden=config.hidden, dropout=config.text_dropout
        )
        self.text_projection = nn.Linear(config.hidden, config.dimension)
        self.balance = LossBalance()

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """Stage maps -> (B, D), unit rows."""
        return F.normalize(self.image_projection(self.entities(images[3]).mean((2, 3))), dim=1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, D), unit rows."""
        return F.normalize(torch.relu(self.text_projection(self.words(tokens))), dim=1)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Weighted hinge of images and the first text of each, and uniformity of the images, balanced."""
        config, paired = self.config, len(batch.items)
        paper = config.variant == "paper"
        images = self.encode_image(batch.pyramid)
        scores = images @ self.encode_text(batch.tokens[:paired]).T
        rows, columns = easy_first(
            scores,
            margin=config.margin,
            easiness=config.easiness * (1 - batch.progress if paper else 1),
            fixed=paper,
            duplicates=duplicate_pairs(batch.items, batch.sentences[:paired]) if config.mask_duplicates else None,
        )
        spread = uniformity(images if paper else images[::5], config.sharpness)
        parts = torch.stack([(rows.sum() + columns.sum()) / paired**2, spread.mean()])
        total = (self.balance(parts) * parts).sum()
        return {"total": total, "image_to_text": rows, "text_to_image": columns, "uniformity": spread}


STAGES = (3,)
"""Maps of the backbone that the method looks at."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 50,
    "batch": 256,
    "optimiser": {"name": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01, "betas": (0.9, 0.999), "clip": None},
    "schedule": {"name": "steps", "milestones": (20, 40), "factor": 0.1},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "words",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 256},),
    "validation_side": 256,
    "validate_every": 1,
    "backbone": "resnet18",
}
"""The released code's recipe on RSICD; 5e-4 on RSITMD."""

LEADERBOARD: Mapping[str, Any] = {"word_width": 300, "hidden": 512, "text_dropout": 0.1}
"""Sizes at which a head over cached features trains in minutes on one core."""

SMALL = {
    "channels": (8, 12, 16, 24),
    "vocabulary": 40,
    "dimension": 16,
    "keys": 6,
    "word_width": 12,
    "hidden": 24,
    "text_dropout": 0.0,
}
"""Sizes at which the contract tests run in a moment."""

UNUSED_CLASSIFIER = 512 * 1000 + 1000


def paper_parameters(variant: str = "paper", *, vocabulary: int = Config.vocabulary) -> int:
    """Parameters of the method on ResNet-18; both variants have as many.

    Args:
        variant: ``paper`` or ``released``.
        vocabulary: Rows of the word table: 1,226 for RSICD, 1,350 for RSITMD.

    Example:
        >>> paper_parameters()
        36369618
    """
    with torch.device("meta"):
        config = Config(variant="released" if variant == "released" else "paper", vocabulary=vocabulary)
        modules = [Model(config), build_backbone("resnet18")]
    return sum(p.numel() for module in modules for p in module.parameters()) + UNUSED_CLASSIFIER
