"""geoglot-compact: a small two-tower model for four languages, trained from scratch.

Paper        Ours, in the spirit of Al Rahhal et al., Multilanguage Transformer for Improved Text to Remote Sensing
             Image Retrieval, IEEE JSTARS 2022: two towers, one shared sphere, a learnt temperature, a language drawn
             per sample.
Input        images (B, 3, H, W) float32 in [0, 1]; tokens (T, L) int64, 0 = padding
Output       embeddings (B, D) and (T, D), unit norm
Equations    similarity  s_ij = <u_i, v_j> / tau                                      -> logits
             contrast    cross-entropy against all positives, both ways, in the batch -> nn.losses.symmetric_contrastive
             memory      the same against the latest embedding of all training items  -> memory_contrast
             translation 1 - <v_lang, v_en> between translations of one sentence      -> translation_gap
Deviations   1. Convolutions instead of a vision transformer: 10,000 training images and no outside weights.
             2. Sub-words over four languages and a one-block text tower: laptops, and words unseen in training.
             3. Identical captions count as positives of every image that carries them (two thirds of RSICD's sentences
                occur more than once).
             4. Two auxiliary heads (scene category, caption words) in training only.
             5. Where the recipe asks for it, pictures carry rectangles of one another, and texts, categories and words
                count by area (CutMix, Yun et al. 2019); such batches are kept out of the memory.
Reproduces   results/retrieval/compact-rsicd.json, results/retrieval/compact-ucm.json
Provenance   Written from the papers; no third-party code. Weights: trained by recipes/compact.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.batch import PairBatch
from geoglot.nn.losses import multi_positive_cross_entropy, symmetric_contrastive, word_prediction
from geoglot.nn.memory import EmbeddingMemory
from geoglot.nn.pooling import AttentionPool2d
from geoglot.nn.residual import ResidualNetwork
from geoglot.nn.text_transformer import TextTransformer, by_length
from geoglot.nn.two_tower import Pyramid, TwoTower

MIXES_PICTURES = True
TRAINING_ONLY = ("category_head.", "words_head.")
COLOUR_MEAN = (0.37, 0.39, 0.36)
COLOUR_DEVIATION = (0.19, 0.18, 0.18)


METHOD = MethodCard(
    title="geoglot-compact",
    paper="geoglot, after Al Rahhal et al., Multilanguage Transformer, IEEE JSTARS 2022",
    kind="two-tower",
    counted="both towers and the temperature, without the heads used in training only",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss weights. The defaults are the shipped model's."""

    dimension: int = 256
    channels: tuple[int, ...] = (40, 80, 160, 320)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    drop_blocks: float = 0.09
    hidden: int = 512
    vocabulary: int = 6000
    text_width: int = 256
    text_layers: int = 1
    text_heads: int = 4
    max_length: int = 32
    dropout: float = 0.1
    temperature: float = 0.07
    categories: int = 52
    words: int = 449
    items: int = 1
    sentences: int = 1
    memory_weight: float = 0.5
    memory_from: float = 0.35
    category_weight: float = 0.3
    words_weight: float = 0.05
    translation_weight: float = 0.5


def logits(images: Tensor, texts: Tensor, temperature: Tensor) -> Tensor:
    """s_ij = <u_i, v_j> / tau. (B, D), (T, D), () -> (B, T)."""
    return images @ texts.T / temperature


def translation_gap(texts: Tensor, translations: Tensor) -> Tensor:
    """1 - cosine between a text and its English twin, which is held fixed. (T, D), (P, 2) -> (P,)."""
    other, english = translations.unbind(1)
    return 1 - (texts[other] * texts[english].detach()).sum(1)


def memory_contrast(queries: Tensor, memory: EmbeddingMemory, positives: Tensor, temperature: Tensor) -> Tensor:
    """Cross-entropy of queries against every remembered embedding. (N, D), (N, items) -> (N,)."""
    filled = memory.filled()
    return multi_positive_cross_entropy(logits(queries, memory.vectors[filled], temperature), positives[:, filled])


def of_both(values: Tensor, batch: PairBatch) -> Tensor:
    """What holds of pictures that carry a rectangle of a partner: both, each by its area. (B, N) -> (B, N)."""
    if batch.partners is None:
        return values
    return batch.own_area * values + (1 - batch.own_area) * values[batch.partners]


class ImageTower(nn.Module):
    """Pixels to features to the shared sphere."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.network = ResidualNetwork(config.channels, config.blocks, drop_probability=config.drop_blocks)
        self.pool = AttentionPool2d(self.network.outputs, heads=4)
        self.hidden = nn.Linear(5 * self.network.outputs, config.hidden)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(config.hidden, config.dimension)
        self.register_buffer("mean", torch.tensor(COLOUR_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(COLOUR_DEVIATION)[:, None, None], persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, hidden)."""
        images = ((images - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.training):
            features = self.network(images)
        out: Tensor = self.dropout(F.gelu(self.norm(self.hidden(self.pool(features.float())))))
        return out

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, D), unit norm."""
        return F.normalize(self.projection(self.features(images)), dim=-1)


class Model(TwoTower):
    """Two towers and, for training, two heads and two memories."""

    image_input = "pixels"
    sentences_of_item: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.image = ImageTower(config)
        self.text = TextTransformer(
            vocabulary=config.vocabulary,
            width=config.text_width,
            layers=config.text_layers,
            heads=config.text_heads,
            max_length=config.max_length,
            outputs=config.dimension,
            dropout=config.dropout,
        )
        self.log_temperature = nn.Parameter(torch.tensor(math.log(config.temperature)))
        self.category_head = nn.Linear(config.hidden, config.categories)
        self.words_head = nn.Linear(config.hidden, config.words)
        self.image_memory = EmbeddingMemory(config.items, config.dimension)
        self.text_memory = EmbeddingMemory(config.sentences, config.dimension)
        self.register_buffer("sentences_of_item", torch.full((config.items, 5), -1))

    @property
    def temperature(self) -> Tensor:
        """tau, at least 0.01 as in CLIP."""
        return self.log_temperature.exp().clamp(min=0.01)

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, D), unit norm."""
        out: Tensor = self.image(images)
        return out

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, D), unit norm."""
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.training):
            vectors = by_length(self.text, tokens) if self.training else self.text(tokens)
        return F.normalize(vectors.float(), dim=-1)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Per-sample losses; ``total`` (a scalar) is what training minimises.

        From the share ``memory_from`` of the training on, the batch is contrasted against the memories too; they are
        written from the start.
        """
        config = self.config
        features = self.image.features(batch.images)
        images = F.normalize(self.image.projection(features), dim=-1)
        everything = self.encode_text(batch.tokens)
        paired = len(batch.sentences)
        texts, sentences = everything[:paired], batch.sentences
        owned = self.sentences_of_item[batch.items]
        positives = of_both((owned[:, :, None] == sentences).any(1).float(), batch)
        categories = of_both(F.one_hot(batch.categories, config.categories).float(), batch)
        image_loss, text_loss = symmetric_contrastive(logits(images, texts, self.temperature), positives)
        terms = {
            "image_to_text": image_loss,
            "text_to_image": text_loss,
            "category": F.cross_entropy(
                self.category_head(features), categories, label_smoothing=0.1, reduction="none"
            ),
            "words": word_prediction(self.words_head(features), of_both(batch.words, batch)),
            "translation": translation_gap(everything, batch.translations),
        }
        total = (
            (image_loss.mean() + text_loss.mean()) / 2
            + config.category_weight * terms["category"].mean()
            + config.words_weight * terms["words"].mean()
            + config.translation_weight * terms["translation"].mean()
        )
        mixed = batch.partners is not None
        if batch.progress >= config.memory_from and not mixed:
            sentence_positives = torch.zeros(len(images), config.sentences, dtype=torch.bool, device=images.device)
            sentence_positives.scatter_(1, owned, True)
            item_positives = (self.sentences_of_item.T[:, None] == sentences[:, None]).any(0)
            terms["image_to_memory"] = memory_contrast(images, self.text_memory, sentence_positives, self.temperature)
            terms["text_to_memory"] = memory_contrast(texts, self.image_memory, item_positives, self.temperature)
            memory_loss = (terms["image_to_memory"].mean() + terms["text_to_memory"].mean()) / 2
            total = total + config.memory_weight * memory_loss
        if not mixed:
            self.image_memory.write(batch.items, images)
        self.text_memory.write(sentences, texts)
        return {"total": total, **terms}


SMALL = {
    "dimension": 16,
    "channels": (8, 8, 16, 16),
    "blocks": (1, 1, 1, 1),
    "hidden": 32,
    "vocabulary": 40,
    "text_width": 16,
    "max_length": 8,
    "categories": 3,
    "words": 5,
    "items": 8,
    "sentences": 8,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters of the shipped model's two towers."""
    with torch.device("meta"):
        model = Model(Config())
    towers = [model.image, model.text]
    return sum(p.numel() for tower in towers for p in tower.parameters()) + 1
