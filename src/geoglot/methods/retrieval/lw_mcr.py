"""LW-MCR: a lightweight multi-scale method, taught by a larger one and by pictures without captions.

Paper        Yuan, Zhang, Rong, Li, Chen, Wang, Fu, Sun, A Lightweight Multi-Scale Crossmodal Text-Image Retrieval
             Method in Remote Sensing, IEEE TGRS 2022. A reconstruction: no code is public, and the sizes, the group
             counts and the loss weights are ours.
Input        a pyramid of stage maps, finest first, (B, C_k, H_k, W_k), of a light network in the paper;
             tokens (T, L) int64
Output       embeddings (B, D) and (T, D), unit norm
Equations    image      x_k = mean over cells of relu(group conv(filter(f_k))), u = W [x_1; ..; x_4] -> ImageBranch
             text       y_1 = group conv(words), y_2 = y_1 + group conv(y_1); mean + maximum of y_2 -> TextBranch
             hinge      sum_{i != j} [m + s_ij - s_ii]+ + [m + s_ij - s_jj]+         -> nn.hinge
             hidden     1/K sum_k |unit(A_k x_k) - unit(teacher's x_k)|^2            -> hidden_gap
             outcome    KL(softmax(teacher's s / t) | softmax(s / t)), both ways     -> score_gap
             unlabelled cross-entropy of one view of an image against the other views -> view_contrast
Deviations   1. ``b`` is the base; ``d`` adds the teacher; ``u`` adds to ``d`` pictures without captions. The abstract
                names the three; that each includes the one before is our reading.
             2. The teacher has the same shape with full instead of grouped convolutions and wider levels; it learns
                beside the student (which never moves it) instead of before it.
             3. The pictures without captions are those of the batch, their captions unread; ``unlabelled_loss`` takes
                any others. A view is a window of the maps, without some channels.
             4. In the gallery the maps come from the backbone that all methods share. ``paper_parameters`` counts our
                own light network (nn.light, SqueezeNet's blocks in four stages) instead, as the published 1.65 M must
                include the image side: the other rows of that table do, and none of them can be as small without it.
             5. 1.65 M holds for the paper's word lists (1,226 and 1,350 rows); 6,000 sub-words alone are 1.5 M.
Reproduces   results/retrieval/lw_mcr-rsicd.json
Provenance   Written from the abstract and tables; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.batch import PairBatch
from geoglot.nn.grouped import ChannelFilter, GroupedWords, fitting_groups, shuffle
from geoglot.nn.hinge import bidirectional_hinge, duplicate_pairs
from geoglot.nn.light import CHANNELS, LightNetwork
from geoglot.nn.pooling import average_onto_grid, masked_max, masked_mean
from geoglot.nn.recurrent import text_lengths, word_mask
from geoglot.nn.two_tower import Pyramid, TwoTower

METHOD = MethodCard(
    title="LW-MCR",
    paper="Yuan et al., A Lightweight Multi-Scale Crossmodal Text-Image Retrieval Method in Remote Sensing, "
    "IEEE TGRS 2022",
    kind="two-tower",
    variants=("b", "d", "u"),
    fidelity="partial",
    counted="both sides with word vectors and a light image network, without the teacher",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss weights; all but the margin are ours.

    Attributes:
        variant: ``b`` base, ``d`` with a teacher, ``u`` with a teacher and pictures without captions.
        level_width: Channels of each image level.
        teacher_width: The same for the teacher.
        temperature: Of the scores that the student copies.
        view_temperature: Of the contrast between views.
        window: Smallest share of a map's side that a view keeps.
        grid: Cells per side from which on a map is averaged down to this grid.
    """

    variant: Literal["b", "d", "u"] = "b"
    channels: tuple[int, ...] = CHANNELS
    vocabulary: int = 1226
    dimension: int = 512
    word_width: int = 256
    level_width: int = 128
    image_groups: int = 4
    text_groups: int = 8
    teacher_width: int = 256
    margin: float = 0.2
    temperature: float = 0.2
    view_temperature: float = 0.1
    window: float = 0.6
    grid: int = 16
    channel_dropout: float = 0.1
    hidden_weight: float = 1.0
    outcome_weight: float = 1.0
    unlabelled_weight: float = 0.2
    mask_duplicates: bool = False


def hidden_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of the directions of two vectors; the teacher's is held fixed. (N, D), (N, D) -> (N,).

    Example:
        Directions (1, 0) and (0.6, 0.8): 0.16 + 0.64

        >>> hidden_gap(torch.tensor([[5.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([0.8000])
    """
    return (F.normalize(student, dim=1) - F.normalize(teacher.detach(), dim=1)).square().sum(1)


def score_gap(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(softmax(teacher / t) | softmax(student / t)) of every row; the teacher's is held fixed. (N, M) -> (N,).

    Example:
        Teacher (1/2, 1/2), student (3/4, 1/4): (ln 2/3 + ln 2) / 2 = 0.1438

        >>> score_gap(torch.tensor([[3.0, 1.0]]).log(), torch.zeros(1, 2), 1.0)
        tensor([0.1438])
    """
    wanted = (teacher.detach() / temperature).log_softmax(1)
    given = (student / temperature).log_softmax(1)
    return (wanted.exp() * (wanted - given)).sum(1)


def view_contrast(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each image's first view against the second views of all, and the reverse. (B, D) -> (B,)."""
    logits = one @ other.T / temperature
    own = torch.arange(len(one), device=one.device)
    return (F.cross_entropy(logits, own, reduction="none") + F.cross_entropy(logits.T, own, reduction="none")) / 2


def view(pyramid: Pyramid, *, window: float, dropout: float) -> Pyramid:
    """The same random window of every stage, without some of the channels.

    Args:
        pyramid: Stage maps (B, C_k, H_k, W_k).
        window: Smallest share of a side that is kept, in (0, 1].
        dropout: Share of the channels that is dropped.
    """
    share, top, left = (1 - (1 - window) * torch.rand(1).item()), torch.rand(1).item(), torch.rand(1).item()
    views = []
    for features in pyramid:
        height, width = (max(1, round(share * side)) for side in features.shape[-2:])
        row = round(top * (features.shape[-2] - height))
        column = round(left * (features.shape[-1] - width))
        views.append(F.dropout2d(features[:, :, row : row + height, column : column + width], dropout))
    return tuple(views)


def averaged(pyramid: Pyramid, grid: int) -> Pyramid:
    """Maps of more than ``grid`` cells per side, averaged onto that grid; the others as they are."""
    return tuple(average_onto_grid(f, grid, grid) if min(f.shape[-2:]) > grid else f for f in pyramid)


class ImageBranch(nn.Module):
    """Stage maps to one vector per stage, and these to one vector."""

    def __init__(self, config: Config, *, width: int, groups: int) -> None:
        super().__init__()
        self.filters = nn.ModuleList(ChannelFilter(channels, reduction=16) for channels in config.channels)
        self.groups = [fitting_groups(groups, channels, width) for channels in config.channels]
        self.levels = nn.ModuleList(
            nn.Conv2d(channels, width, 1, groups=count)
            for channels, count in zip(config.channels, self.groups, strict=True)
        )
        self.projection = nn.Linear(len(config.channels) * width, config.dimension)

    def forward(self, pyramid: Pyramid) -> tuple[Tensor, list[Tensor]]:
        """Maps (B, C_k, H_k, W_k) -> (B, D), and the levels (B, width)."""
        levels = []
        parts = zip(self.filters, self.levels, self.groups, pyramid, strict=True)
        for redundancy, convolution, groups, features in parts:
            levels.append(torch.relu(shuffle(convolution(redundancy(features)), groups)).mean((2, 3)))
        return self.projection(torch.cat(levels, 1)), levels


class TextBranch(nn.Module):
    """Tokens to two layers of features, and these to one vector."""

    def __init__(self, config: Config, *, groups: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.word_width, padding_idx=0)
        self.first = GroupedWords(config.word_width, config.dimension, kernel=3, groups=groups)
        self.second = GroupedWords(config.dimension, config.dimension, kernel=3, groups=groups)

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(T, L) int64, 0 = padding -> (T, D), and the means of both layers, (T, D) each."""
        mask = word_mask(text_lengths(tokens), tokens.shape[1])
        first = self.first(self.embedding(tokens).transpose(1, 2), mask)
        second = first + self.second(first, mask)
        layers = [first.transpose(1, 2), second.transpose(1, 2)]
        means = [masked_mean(layer, mask) for layer in layers]
        return means[1] + masked_max(layers[1], mask), means


class Branches(nn.Module):
    """Both sides of a student, or of its teacher."""

    def __init__(self, config: Config, *, width: int, image_groups: int, text_groups: int) -> None:
        super().__init__()
        self.image = ImageBranch(config, width=width, groups=image_groups)
        self.text = TextBranch(config, groups=text_groups)

    def forward(self, pyramid: Pyramid, tokens: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Scores (B, T), image levels and text levels."""
        image, image_levels = self.image(pyramid)
        text, text_levels = self.text(tokens)
        return F.normalize(image, dim=1) @ F.normalize(text, dim=1).T, image_levels, text_levels


class Teaching(nn.Module):
    """What is needed in training only: the teacher, and maps from the student's levels to the teacher's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.teacher = Branches(config, width=config.teacher_width, image_groups=1, text_groups=1)
        self.image_maps = nn.ModuleList(nn.Linear(config.level_width, config.teacher_width) for _ in config.channels)
        self.text_maps = nn.ModuleList(nn.Linear(config.dimension, config.dimension) for _ in range(2))


class Model(TwoTower):
    """A light student and, for training, its teacher."""

    image_input = "pyramid"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.student = Branches(
            config, width=config.level_width, image_groups=config.image_groups, text_groups=config.text_groups
        )
        self.teaching = None if config.variant == "b" else Teaching(config)

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """Stage maps -> (B, D), unit rows."""
        return F.normalize(self.student.image(averaged(tuple(images), self.config.grid))[0], dim=1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, D), unit rows."""
        return F.normalize(self.student.text(tokens)[0], dim=1)

    def unlabelled_loss(self, pyramid: Pyramid) -> Tensor:
        """How far two views of each image are from finding each other among all. Stage maps -> (B,)."""
        config = self.config
        one, other = (
            self.encode_image(view(pyramid, window=config.window, dropout=config.channel_dropout)) for _ in range(2)
        )
        return view_contrast(one, other, config.view_temperature)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The hinge and, by variant, the gaps to the teacher and the contrast of views, all summed over the batch."""
        config, tokens = self.config, batch.tokens[: len(batch.items)]
        same = duplicate_pairs(batch.items, batch.sentences[: len(tokens)]) if config.mask_duplicates else None
        pyramid = averaged(batch.pyramid, config.grid)
        scores, *levels = self.student(pyramid, tokens)
        rows, columns = bidirectional_hinge(scores, margin=config.margin, duplicates=same)
        terms, total = {"image_to_text": rows, "text_to_image": columns}, rows.sum() + columns.sum()
        if self.teaching is not None:
            wanted, *teacher_levels = self.teaching.teacher(pyramid, tokens)
            taught = bidirectional_hinge(wanted, margin=config.margin, duplicates=same)
            maps = [*self.teaching.image_maps, *self.teaching.text_maps]
            pairs = zip(maps, [*levels[0], *levels[1]], [*teacher_levels[0], *teacher_levels[1]], strict=True)
            gaps = [hidden_gap(layer(student), teacher) for layer, student, teacher in pairs]
            terms["teacher"] = taught[0] + taught[1]
            terms["hidden"] = torch.stack(gaps).mean(0)
            terms["outcome"] = score_gap(scores, wanted, config.temperature) + score_gap(
                scores.T, wanted.T, config.temperature
            )
            total = total + terms["teacher"].sum() + config.hidden_weight * terms["hidden"].sum()
            total = total + config.outcome_weight * terms["outcome"].sum()
        if config.variant == "u":
            terms["unlabelled"] = self.unlabelled_loss(pyramid)
            total = total + config.unlabelled_weight * terms["unlabelled"].sum()
        return {"total": total, **terms}


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
"""The recipe of the same authors' other methods; the paper's own is not known."""

LEADERBOARD: Mapping[str, Any] = {"variant": "d", "grid": 9}
"""The paper's sizes, with its teacher; fine maps are averaged to the nine cells that the third has at 144 pixels."""

SMALL = {
    "channels": (8, 12, 16, 24),
    "vocabulary": 40,
    "dimension": 16,
    "word_width": 8,
    "level_width": 8,
    "image_groups": 4,
    "text_groups": 4,
    "teacher_width": 12,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "b", *, vocabulary: int = Config.vocabulary) -> int:
    """Parameters at inference, with a light image network; the same for all variants, as the teacher stays behind.

    Args:
        variant: ``b``, ``d`` or ``u``.
        vocabulary: Rows of the word table: 1,226 for RSICD, 1,350 for RSITMD.
    """
    with torch.device("meta"):
        modules = [Model(Config(vocabulary=vocabulary)).student, LightNetwork()]
    return sum(p.numel() for module in modules for p in module.parameters())
