"""SCAN: every word looks for its regions (or every region for its words), and the matches are pooled to a score.

Paper        Lee, Chen, Hua, Hu, He, Stacked Cross Attention for Image-Text Matching, ECCV 2018; on the cells of
             ResNet-18 as the baseline of the remote-sensing papers that follow AMFMN
Input        a pyramid of stage maps, finest first, (B, C_k, H_k, W_k): the H W cells of the last are the regions v_i;
             tokens (T, L) int64, a state per word e_j
Output       scores (B, T)
Equations    cosines    s_ij = <v_i, e_j>, both unit vectors                            -> attended_cosines
             clipped    s'_ij = [s_ij]+ / sqrt(sum_j [s_ij]+^2)                         -> normalised_cosines
             attention  a_ij = softmax_i(lambda1 s'_ij)                                 -> attention_weights
             context    c_j = sum_i a_ij v_i, R_j = cos(e_j, c_j)                       -> attended_cosines
             pooling    log(sum_j exp(lambda2 R_j)) / lambda2, or the mean of R_j       -> pooled
             hinge      max_j [m + s_ij - s_ii]+ + max_i [m + s_ij - s_jj]+             -> nn.hinge.bidirectional_hinge
             ``t2i`` reads as printed: words query regions. ``i2t`` exchanges the roles of i and j.
Deviations   1. 8 x 8 cells of ResNet-18 instead of 36 detected regions, without a linear map, so that a word's state is
                as wide as a cell: the sizes behind the remote-sensing tables.
             2. [s]+ lets a tenth of negative cosines through (``slope`` 0.1), as the released code does; 0 is the
                equation as printed.
             3. The cosine with the context is taken from s_ij and the inner products of the regions (of the words)
                with each other, |c|^2 = a' G a: equal in exact arithmetic, and several times less work.
             4. ``mask_duplicates`` keeps repeated captions of the batch from being hardest negatives; off, as in the
                paper.
Reproduces   results/retrieval/scan-rsicd.json, results/retrieval/scan-ucm.json
Provenance   Written from the paper and facts about its code; no third-party code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.backbone import build_backbone
from geoglot.nn.batch import PairBatch
from geoglot.nn.hinge import Negatives, bidirectional_hinge, duplicate_pairs
from geoglot.nn.recurrent import WordEncoder, word_mask
from geoglot.nn.two_tower import Features, Pyramid, RetrievalModel

Variant = Literal["t2i", "i2t"]
Normalisation = Literal["clipped_l2norm", "softmax"]
Pooling = Literal["lse", "avg"]

METHOD = MethodCard(
    title="SCAN",
    paper="Lee et al., Stacked Cross Attention for Image-Text Matching, ECCV 2018",
    kind="scorer",
    variants=("t2i", "i2t"),
    counted="ResNet-18 without classifier and the recurrent layers; without word vectors",
)

SHARPNESS: Mapping[Variant, tuple[float, float]] = {"t2i": (9.0, 6.0), "i2t": (4.0, 5.0)}
"""The paper's lambda1 of the attention and lambda2 of the pooling."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes, the attention and the loss. The defaults are the paper's.

    Attributes:
        variant: ``t2i``, words attend to regions, or ``i2t``, regions attend to words.
        vocabulary: Number of token ids, padding included.
        channels: Widths of the backbone's stages; the last is the width of regions and of word states.
        word_width: Size of a word vector.
        normalisation: What is done to the cosines before the attention's softmax, along the axis of the queries.
        slope: What is left of negative cosines by ``clipped_l2norm``.
        attention_sharpness: lambda1; ``None`` is the variant's own of :data:`SHARPNESS`.
        pooling: ``lse`` (log of the sum of exponentials) or ``avg``.
        pooling_sharpness: lambda2; ``None`` is the variant's own.
        margin: By how much a pair must beat the wrong ones.
        negatives: ``hardest`` or ``sum``.
        mask_duplicates: Pairs with the same image or sentence cost nothing.
        block: Cosines (numbers) that are held at once; a larger score matrix is computed in parts.
    """

    variant: Variant = "t2i"
    vocabulary: int = 1226
    channels: tuple[int, ...] = (64, 128, 256, 512)
    word_width: int = 300
    normalisation: Normalisation = "clipped_l2norm"
    slope: float = 0.1
    attention_sharpness: float | None = None
    pooling: Pooling = "lse"
    pooling_sharpness: float | None = None
    margin: float = 0.2
    negatives: Negatives = "hardest"
    mask_duplicates: bool = False
    block: int = 1 << 20


def normalised_cosines(cosines: Tensor, query_mask: Tensor, *, normalisation: Normalisation, slope: float) -> Tensor:
    """s'_ij, along the queries of one image or text.

    Args:
        cosines: (..., Q), 0 at queries that are padding.
        query_mask: (..., Q) bool, broadcastable, False at padding.
        normalisation: ``clipped_l2norm`` or ``softmax``.
        slope: Of negative cosines, for ``clipped_l2norm``.

    Example:
        >>> cosines, mask = torch.tensor([[0.3, 0.4, 0.0]]), torch.tensor([True, True, True])
        >>> normalised_cosines(cosines, mask, normalisation="clipped_l2norm", slope=0.1)
        tensor([[0.6000, 0.8000, 0.0000]])
    """
    if normalisation == "softmax":
        return cosines.masked_fill(~query_mask, -torch.inf).softmax(-1)
    clipped = F.leaky_relu(cosines, slope)
    return clipped / (clipped.square().sum(-1, keepdim=True) + 1e-16).sqrt()


def attention_weights(normalised: Tensor, context_mask: Tensor | None, *, sharpness: float) -> Tensor:
    """Softmax over the contexts, but for its denominator, which no cosine sees.

    Args:
        normalised: (C, n, ...) with contexts along the second axis, in [-1, 1].
        context_mask: (C, n) bool; ``None`` where there is no padding.
        sharpness: lambda1.

    Returns:
        exp(lambda1 s'), 0 at padding; the shape of ``normalised``.
    """
    weights = (sharpness * normalised).exp()
    if context_mask is None:
        return weights
    return weights * context_mask.view(*context_mask.shape, *(1,) * (weights.ndim - 2)).to(weights.dtype)


def attended_cosines(
    queries: Tensor,
    query_mask: Tensor,
    contexts: Tensor,
    context_mask: Tensor | None,
    *,
    normalisation: Normalisation = "clipped_l2norm",
    slope: float = 0.1,
    sharpness: float = 9.0,
) -> Tensor:
    """R: the cosine between every query and what it attends to.

    Args:
        queries: (Q, m, D) unit vectors, m per text (``t2i``) or image (``i2t``), 0 at padding.
        query_mask: (Q, m) bool.
        contexts: (C, n, D) unit vectors, n per image (``t2i``) or text (``i2t``), 0 at padding.
        context_mask: (C, n) bool; ``None`` where there is no padding.
        normalisation: See :func:`normalised_cosines`.
        slope: See :func:`normalised_cosines`.
        sharpness: lambda1.

    Returns:
        (C, Q, m).
    """
    count, length, _ = contexts.shape
    cosines = contexts @ queries.flatten(0, 1).T
    by_query = cosines.view(count, length, *query_mask.shape)
    normalised = normalised_cosines(by_query, query_mask, normalisation=normalisation, slope=slope)
    weights = attention_weights(normalised, context_mask, sharpness=sharpness).flatten(2)
    products = contexts @ contexts.transpose(1, 2)
    along = (weights * cosines).sum(1)
    squared = (weights * (products @ weights)).sum(1)
    return (along / (squared + 1e-16).sqrt()).view(count, *query_mask.shape)


def pooled(matches: Tensor, mask: Tensor, *, pooling: Pooling, sharpness: float) -> Tensor:
    """One score from the matches of a pair. (..., m), (..., m) bool -> (...).

    Example:
        >>> matches, mask = torch.tensor([0.2, 0.4, 9.0]), torch.tensor([True, True, False])
        >>> pooled(matches, mask, pooling="avg", sharpness=6.0)
        tensor(0.3000)
    """
    if pooling == "avg":
        weights = mask.to(matches.dtype)
        return (matches * weights).sum(-1) / weights.sum(-1)
    return (sharpness * matches).masked_fill(~mask, -torch.inf).logsumexp(-1) / sharpness


class Model(RetrievalModel):
    """Unit regions, unit word states and stacked cross attention between them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.text = WordEncoder(vocabulary=config.vocabulary, width=config.word_width, hidden=config.channels[-1])
        own = SHARPNESS[config.variant]
        self.attention_sharpness = own[0] if config.attention_sharpness is None else config.attention_sharpness
        self.pooling_sharpness = own[1] if config.pooling_sharpness is None else config.pooling_sharpness

    def image_features(self, images: Tensor | Pyramid) -> Features:
        """A pyramid, of which the last map (B, D, H, W) counts -> regions (B, H W, D), unit norm, row by row."""
        return (F.normalize(images[-1].flatten(2).transpose(1, 2), dim=-1),)

    def text_features(self, tokens: Tensor) -> Features:
        """(T, L) int64, 0 = padding -> word states (T, L, D), unit norm and 0 at padding; lengths (T,)."""
        states, lengths = self.text(tokens)
        return F.normalize(states, dim=-1), lengths

    def similarity(self, images: Features, texts: Features) -> Tensor:
        """Scores of all pairs, in blocks of texts of similar length. -> (B, T)."""
        (regions,), (words, lengths) = images, texts
        order = lengths.argsort(stable=True)
        sorted_lengths = lengths[order].tolist()
        blocks = [regions.new_zeros(len(regions), 0)]
        for rows in text_blocks(sorted_lengths, budget=self.config.block):
            chosen, longest = order[rows], sorted_lengths[rows.stop - 1]
            part, mask = words[chosen, :longest], word_mask(lengths[chosen], longest)
            images_at_once = max(1, self.config.block // (regions.shape[1] * mask.numel()))
            blocks.append(torch.cat([self._scores(few, part, mask) for few in torch.split(regions, images_at_once)]))
        return torch.cat(blocks, 1)[:, order.argsort()]

    def similarity_in_one_piece(self, images: Features, texts: Features) -> Tensor:
        """The same scores without blocks, whose number depends on the lengths: this one can be exported. -> (B, T)."""
        (regions,), (words, lengths) = images, texts
        return self._scores(regions, words, word_mask(lengths, words.shape[1]))

    def _scores(self, regions: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """(B, R, D), (T, L, D), (T, L) -> (B, T)."""
        config = self.config
        options: dict[str, Any] = {
            "normalisation": config.normalisation,
            "slope": config.slope,
            "sharpness": self.attention_sharpness,
        }
        if config.variant == "t2i":
            matches = attended_cosines(words, mask, regions, None, **options)
            return pooled(matches, mask, pooling=config.pooling, sharpness=self.pooling_sharpness)
        whole = regions.new_ones(regions.shape[:2], dtype=torch.bool)
        matches = attended_cosines(regions, whole, words, mask, **options)
        return pooled(matches, whole, pooling=config.pooling, sharpness=self.pooling_sharpness).T

    def word_region_attention(self, images: Tensor | Pyramid, tokens: Tensor) -> Tensor:
        """Attention of pairs, image i with text i.

        Args:
            images: A pyramid of B images.
            tokens: (B, L) int64, 0 = padding.

        Returns:
            (B, L, H W), regions row by row; 0 at padding. In ``t2i`` a word's weights sum to 1 over the regions, in
            ``i2t`` a region's weights sum to 1 over the words.
        """
        config = self.config
        (regions,), (words, lengths) = self.image_features(images), self.text_features(tokens)
        mask = word_mask(lengths, words.shape[1])
        cosines = words @ regions.transpose(1, 2)
        options: dict[str, Any] = {"normalisation": config.normalisation, "slope": config.slope}
        if config.variant == "t2i":
            normalised = normalised_cosines(cosines.transpose(1, 2), mask[:, None], **options).transpose(1, 2)
            weights = (self.attention_sharpness * normalised).softmax(2)
            return weights * mask[:, :, None]
        whole = regions.new_ones(regions.shape[:2], dtype=torch.bool)
        normalised = normalised_cosines(cosines, whole[:, None], **options)
        weights = attention_weights(normalised, mask, sharpness=self.attention_sharpness)
        return weights / weights.sum(1, keepdim=True)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The hinge of every image and of its text; ``total`` is their sum."""
        paired, config = len(batch.items), self.config
        scores = self.similarity(self.image_features(batch.pyramid), self.text_features(batch.tokens[:paired]))
        same = duplicate_pairs(batch.items, batch.sentences[:paired]) if config.mask_duplicates else None
        rows, columns = bidirectional_hinge(scores, margin=config.margin, negatives=config.negatives, duplicates=same)
        return {"total": rows.sum() + columns.sum(), "image_to_text": rows, "text_to_image": columns}


def text_blocks(sorted_lengths: list[int], *, budget: int) -> list[slice]:
    """Runs of texts whose padded words stay within the square root of the budget, so that an image block fits beside.

    Args:
        sorted_lengths: Lengths of the texts, shortest first.
        budget: Cosines held at once.

    Returns:
        Slices that cover all texts in order, none of them empty; a text longer than that is alone.

    Example:
        >>> text_blocks([1, 1, 2, 4], budget=16)  # at most 4 padded words in a block
        [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    words_at_once = max(1, math.isqrt(budget))
    blocks, start = [], 0
    for end, length in enumerate(sorted_lengths):
        if end > start and (end - start + 1) * length > words_at_once:
            blocks.append(slice(start, end))
            start = end
    return [*blocks, slice(start, len(sorted_lengths))] if sorted_lengths else []


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

LEADERBOARD: Mapping[str, Any] = {"word_width": 128}
"""Sizes at which a head over cached features trains in minutes on one core."""

SMALL = {"channels": (8, 12, 16, 24), "vocabulary": 40, "word_width": 12, "block": 512}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "t2i") -> int:
    """Parameters on ResNet-18 without the word vectors, as the remote-sensing tables count; both variants have them."""
    with torch.device("meta"):
        parts = [build_backbone("resnet18"), model := Model(Config())]
    total = sum(p.numel() for part in parts for p in part.parameters())
    return total - model.text.embedding.weight.numel()
