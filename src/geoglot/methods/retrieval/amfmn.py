"""AMFMN: a fine-grained matching network whose image decides how a text is read.

Paper        Yuan, Zhang, Fu, Li, Deng, Wang, Sun, Exploring a Fine-Grained Multiscale Method for Cross-Modal Remote
             Sensing Image Retrieval, IEEE TGRS 2022 (arXiv 2204.09868)
Input        a pyramid of stage maps, finest first, (B, C_k, H_k, W_k), ResNet-18 in the paper; tokens (T, L) int64
Output       scores (B, T): cosines of an image and a text vector that depends on the image
Equations    image      v = salience mask * projected mean of the last map           -> nn.multiscale
             text       t = relu(W h), h the last state of uni-skip                  -> ReleasedText
             guidance   u_ij from v_i and t_j: soft, fusion or similarity            -> nn.guidance
             score      s_ij = cos(v_i, u_ij)                                        -> nn.guidance.pair_cosines
             hinge      sum_{i != j} [a_ij + s_ij - s_ii]+ + [a_ij + s_ij - s_jj]+   -> margin_hinge
             margin     a = g (e^b - e^(b S)) / (e^b - 1), S the texts' similarity   -> dynamic_margin
             keywords   F = s * sigmoid(w) + k * (1 - sigmoid(w)), w = W [s; k]      -> KeywordGate
Deviations   1. ``released`` is the default, since it made the published weights: a one-directional GRU of 2400 units,
                plain margin 0.2, no keywords. ``paper`` has the bidirectional GRU (mean of directions and of words),
                PReLU and unit columns in the salience, the keyword branch and the dynamic margin.
             2. Keywords: neither paper nor code says which words they are. All words count, but for those that
                ``set_stop_words`` names.
             3. The margin's text similarity is taken between the texts of the batch, each the one caption drawn of its
                image, over tokens (metrics.text_similarity); the paper compares with all five captions by BLEU and
                METEOR. Its eq. 29 is printed as a fraction that does not reach its own limits; the form above has
                a(0) = g and a(1) = 0. The defaults g = 0.6 and b = 3 are from the middle of its ablation.
             4. In ``paper`` one guidance serves sentence and keywords.
             5. Maps of other sizes than 64, 32, 16 and 8 cells are averaged onto the paper's grid.
             6. The weights that the released code builds and never uses (a gate of 524,800 parameters, the backbone's
                classifier of 513,000) are counted, as it counts, but not built.
Reproduces   results/retrieval/amfmn-rsicd.json
Provenance   Written from the paper and facts about its code; no third-party code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.metrics.text_similarity import caption_similarity
from geoglot.nn.backbone import build_backbone
from geoglot.nn.batch import PairBatch
from geoglot.nn.guidance import Attention, SoftGuidance, guidance, pair_cosines, rows_per_block, soft_cosines
from geoglot.nn.hinge import bidirectional_hinge, duplicate_pairs
from geoglot.nn.multiscale import MultiScaleSalience
from geoglot.nn.pooling import masked_mean
from geoglot.nn.recurrent import Recurrence, SkipThoughtEncoder, WordEncoder, last_state, text_lengths, word_mask
from geoglot.nn.two_tower import Features, Pyramid, RetrievalModel

METHOD = MethodCard(
    title="AMFMN",
    paper="Yuan et al., Exploring a Fine-Grained Multiscale Method for Cross-Modal Remote Sensing Image Retrieval, "
    "IEEE TGRS 2022",
    kind="scorer",
    variants=("released", "paper"),
    counted="both sides with word vectors and ResNet-18; released: with the weights that its code never uses",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss. The defaults are the released code's on RSICD; ``hidden`` is not used by ``paper``."""

    variant: Literal["released", "paper"] = "released"
    attention: Attention = "soft"
    channels: tuple[int, ...] = (64, 128, 256, 512)
    vocabulary: int = 1226
    dimension: int = 512
    grid: int = 16
    word_width: int = 620
    hidden: int = 2400
    text_dropout: float = 0.25
    margin: float = 0.2
    dynamic_range: float = 0.6
    dynamic_bend: float = 3.0
    mask_duplicates: bool = False


def dynamic_margin(similarity: Tensor, *, largest: float, bend: float) -> Tensor:
    """Margin of a wrong pair: the more its text resembles the right one, the smaller. [0, 1] -> [0, largest].

    a = g (e^b - e^(b S)) / (e^b - 1)    (eq. 29), concave for b > 0

    Args:
        similarity: S, of any shape.
        largest: g, the margin of texts that have nothing in common.
        bend: b > 0.

    Example:
        (e^2 - e) / (e^2 - 1) = (7.389 - 2.718) / 6.389 = 0.7311

        >>> dynamic_margin(torch.tensor([0.0, 0.5]), largest=1.0, bend=2.0)
        tensor([1.0000, 0.7311])
    """
    # Divided through by e^b, which would overflow for a large bend.
    return largest * torch.expm1(bend * (similarity - 1)) / math.expm1(-bend)


def margin_hinge(scores: Tensor, margins: Tensor, duplicates: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The bidirectional hinge with a margin for every pair, summed over the negatives.

    Args:
        scores: (B, B), image i with text j; the diagonal holds the true pairs.
        margins: (B, B), a_ij; the diagonal is ignored.
        duplicates: (B, B) bool, True where a wrong pair is right as well and costs nothing.

    Returns:
        (B,) image to text and (B,) text to image.

    Example:
        >>> scores, margins = torch.tensor([[0.5, 0.4], [0.0, 0.5]]), torch.tensor([[0.0, 0.3], [0.2, 0.0]])
        >>> margin_hinge(scores, margins)  # 0.3 + 0.4 - 0.5 = 0.2
        (tensor([0.2000, 0.0000]), tensor([0.0000, 0.2000]))
    """
    pairs = scores.diagonal()
    allowed = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    if duplicates is not None:
        allowed = allowed & ~duplicates
    image_to_text = ((margins + scores - pairs[:, None]).clamp(min=0) * allowed).sum(1)
    text_to_image = ((margins + scores - pairs[None, :]).clamp(min=0) * allowed).sum(0)
    return image_to_text, text_to_image


class ReleasedText(nn.Module):
    """One vector per text: the last state of uni-skip, projected. (T, L) -> ((T, D),)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.words = SkipThoughtEncoder(
            vocabulary=config.vocabulary,
            width=config.word_width,
            hidden=config.hidden,
            dropout=config.text_dropout,
        )
        self.projection = nn.Linear(config.hidden, config.dimension)

    def forward(self, tokens: Tensor) -> Features:
        """(T, L) int64, 0 = padding -> (T, D)."""
        return (torch.relu(self.projection(self.words(tokens))),)


class PaperText(nn.Module):
    """Two vectors per text: of the sentence and of its keywords. (T, L) -> ((T, D), (T, D))."""

    stop_words: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.words = WordEncoder(vocabulary=config.vocabulary, width=config.word_width, hidden=config.dimension)
        self.keywords = Recurrence(config.word_width, config.dimension)
        self.keyword_layers = nn.Sequential(
            nn.Linear(config.dimension, config.dimension), nn.ReLU(), nn.Linear(config.dimension, config.dimension)
        )
        self.register_buffer("stop_words", torch.zeros(config.vocabulary, dtype=torch.bool))

    def only_keywords(self, tokens: Tensor) -> Tensor:
        """The tokens without stop words, moved together. (T, L) -> (T, L)."""
        kept = tokens.masked_fill(self.stop_words[tokens], 0)
        order = (kept == 0).to(torch.int8).argsort(dim=1, stable=True)
        return kept.gather(1, order)

    def forward(self, tokens: Tensor) -> Features:
        """(T, L) int64, 0 = padding -> sentence and keywords, (T, D) each."""
        states, lengths = self.words(tokens)
        keywords = self.only_keywords(tokens)
        ends = text_lengths(keywords)
        last = last_state(self.keywords(self.words.embedding(keywords), ends), ends)
        return masked_mean(states, word_mask(lengths, tokens.shape[1])), self.keyword_layers(last)


class KeywordGate(nn.Module):
    """F = s * sigmoid(w) + k * (1 - sigmoid(w)), w = W [s / |s|; k / |k|] + b. (..., D), (..., D) -> (..., D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(2 * width, width)

    def forward(self, sentence: Tensor, keywords: Tensor) -> Tensor:
        """(..., D), (..., D) -> (..., D)."""
        both = torch.cat([F.normalize(sentence, dim=-1), F.normalize(keywords, dim=-1)], -1)
        return torch.lerp(keywords, sentence, torch.sigmoid(self.weight(both)))


class Model(RetrievalModel):
    """A scorer: image vectors, text vectors, and a gate between them."""

    image_input = "pyramid"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        paper = config.variant == "paper"
        self.image = MultiScaleSalience(
            config.channels,
            outputs=config.dimension,
            grid=config.grid,
            activation="prelu" if paper else "none",
        )
        self.text = PaperText(config) if paper else ReleasedText(config)
        self.guidance = guidance(config.attention, config.dimension)
        self.gate = KeywordGate(config.dimension) if paper else None

    def set_stop_words(self, tokens: Iterable[int]) -> None:
        """Token ids that are no keywords; only the paper's variant looks at them."""
        if isinstance(self.text, PaperText):
            self.text.stop_words[torch.as_tensor(list(tokens), dtype=torch.int64)] = True

    def image_features(self, images: Tensor | Pyramid) -> Features:
        """Stage maps -> unit v, and the image's part of the guidance."""
        vectors = self.image(images)
        return (F.normalize(vectors, dim=1), *self.guidance.image_part(vectors))

    def text_features(self, tokens: Tensor) -> Features:
        """(T, L) int64, 0 = padding -> the text's part of the guidance, once per vector of the text."""
        return tuple(part for vector in self.text(tokens) for part in self.guidance.text_part(vector))

    def similarity(self, images: Features, texts: Features) -> Tensor:
        """Cosines of images with the texts they guide. -> (B, T)."""
        if self.gate is None and isinstance(self.guidance, SoftGuidance):
            return soft_cosines(images[0], images[1], texts[0])
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            # An exported graph has no loop over a number of images that is not known yet.
            return pair_cosines(images[0], self.pairs(images, texts))
        rows = rows_per_block(texts[0])
        blocks = [
            pair_cosines(images[0][top : top + rows], self.pairs(tuple(f[top : top + rows] for f in images), texts))
            for top in range(0, len(images[0]), rows)
        ]
        return torch.cat(blocks)

    def pairs(self, images: Features, texts: Features) -> Tensor:
        """Guided texts, one per pair. -> (B, T, D)."""
        if self.gate is None:
            return self.guidance.pairs(images[1:], texts)
        half = len(texts) // 2
        sentence = self.guidance.pairs(images[1:], texts[:half])
        fused: Tensor = self.gate(sentence, self.guidance.pairs(images[1:], texts[half:]))
        return fused

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """The hinge of images and the first text of each, both ways, summed over the batch."""
        config, paired = self.config, len(batch.items)
        tokens = batch.tokens[:paired]
        scores = self.similarity(self.image_features(batch.pyramid), self.text_features(tokens))
        same = duplicate_pairs(batch.items, batch.sentences[:paired]) if config.mask_duplicates else None
        if config.variant == "released":
            rows, columns = bidirectional_hinge(scores, margin=config.margin, duplicates=same)
        else:
            alike = torch.from_numpy(caption_similarity(tokens.cpu().numpy())).to(scores)
            # Rows are images, each standing for its own caption, the reference; columns are candidate texts.
            margins = dynamic_margin(alike.T, largest=config.dynamic_range, bend=config.dynamic_bend)
            rows, columns = margin_hinge(scores, margins, same)
        return {"total": rows.sum() + columns.sum(), "image_to_text": rows, "text_to_image": columns}


STAGES = (0, 1, 2, 3)
"""Maps of the backbone that the method looks at."""

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 70,
    "batch": 100,
    "optimiser": {"name": "adam", "learning_rate": 1e-4, "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": None},
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
"""The released code's recipe on RSICD (2e-4 on RSITMD; the paper says 150 epochs of batches of 128)."""

LEADERBOARD: Mapping[str, Any] = {"word_width": 300, "hidden": 512, "text_dropout": 0.1}
"""Sizes at which a head over cached features trains in minutes on one core."""

SMALL = {
    "channels": (8, 12, 16, 24),
    "vocabulary": 40,
    "dimension": 16,
    "grid": 4,
    "word_width": 12,
    "hidden": 24,
    "text_dropout": 0.0,
}
"""Sizes at which the contract tests run in a moment."""

UNUSED_GATE = 2 * 512 * 512 + 512
UNUSED_CLASSIFIER = 512 * 1000 + 1000


def paper_parameters(
    variant: str = "released", *, attention: Attention = "soft", vocabulary: int = Config.vocabulary
) -> int:
    """Parameters of the method on ResNet-18, word vectors included.

    Args:
        variant: ``released`` counts the two blocks that its code builds and never uses, ``paper`` does not.
        attention: ``soft``, ``fusion`` or ``similarity``.
        vocabulary: Rows of the word table: 1,226 for RSICD, 1,350 for RSITMD.

    Example:
        >>> paper_parameters()
        36619348
    """
    sizes: dict[str, Any] = {"variant": "paper", "word_width": 300} if variant == "paper" else {}
    with torch.device("meta"):
        modules = [Model(Config(attention=attention, vocabulary=vocabulary, **sizes)), build_backbone("resnet18")]
    unused = 0 if variant == "paper" else UNUSED_GATE + UNUSED_CLASSIFIER
    return sum(p.numel() for module in modules for p in module.parameters()) + unused
