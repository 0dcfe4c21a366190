"""CSMLF: a shared space of pictures and sentences; the nearest training sentence is the caption.

Paper        B. Wang, X. Lu, X. Zheng, X. Li, Semantic Descriptions of High-Resolution Remote Sensing Images,
             IEEE GRSL 16, 2019 (collective semantic metric learning framework)
Input        grids (B, C, H, W) of a frozen backbone
Output       the words of a training sentence, one after the other
Equations    collective sentence: mean of the word vectors of an image's captions  -> collective
             both sides projected, squared Euclidean distance d                    -> squared_distances
             log(1 + exp(1 - l (t - d))), l = 1 for pairs that match, else -1      -> metric_losses
             caption = sentence of least distance                                  -> Model.context
Deviations   1. Read from the paper's abstract and from how others describe it: the loss is the generalised logistic
                loss of discriminative metric learning (Hu, Lu, Tan, CVPR 2014).
             2. The collective of an image is that of its captions in the batch.
             3. Sentences found are single ones, not collectives: they are kept in a bank while training reads them.
             4. Widths and threshold are not given: word vectors of 300 (learnt, unless a table is given), 512, t = 2.
             5. With several languages an image is given the nearest sentence of the language asked for.
             6. It says a whole sentence with certainty, so that beams and probabilities mean nothing.
Reproduces   results/captioning/csmlf-*.json
Provenance   Written from the paper's description; no third-party code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.captioner import END, PADDING, CaptionBatch, Captioner, Context, State

METHOD = MethodCard(
    title="CSMLF",
    paper="Wang, Lu, Zheng, Li, Semantic Descriptions of High-Resolution Remote Sensing Images, IEEE GRSL 2019",
    kind="captioner",
    variants=("paper",),
    fidelity="partial",
    counted="all but the CNN and the bank of sentences",
)
_CERTAIN = 40.0
"""Logit of the word that follows, beside 0 for all others."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and settings.

    Attributes:
        channels: C of the grids.
        vocabulary: Number of tokens, the four special ones included.
        attributes: Not used.
        languages: Number of languages.
        categories: Not used.
        max_length: Words of the longest caption.
        words: Width of a word vector.
        shared: Width of the shared space.
        threshold: t, squared distance at which a pair is as likely to match as not.
        sentences: Places in the bank; sentences beyond them are not kept.
        variant: There is one.
    """

    channels: int = 2048
    vocabulary: int = 273
    attributes: int = 0
    languages: int = 1
    categories: int = 0
    max_length: int = 30
    words: int = 300
    shared: int = 512
    threshold: float = 2.0
    sentences: int = 20_000
    variant: Literal["paper"] = "paper"


def collective(vectors: Tensor, items: Tensor) -> Tensor:
    """The mean over the sentences of the same image. (B, E), (B,) int64 -> (B, E)."""
    same = (items[:, None] == items).to(vectors.dtype)
    return same @ vectors / same.sum(1, keepdim=True)


def squared_distances(images: Tensor, sentences: Tensor) -> Tensor:
    """(B, D), (S, D) -> (B, S)."""
    return (images.square().sum(1)[:, None] + sentences.square().sum(1) - 2 * images @ sentences.T).clamp(min=0)


def metric_losses(distances: Tensor, match: Tensor, threshold: float) -> Tensor:
    """Mean generalised logistic loss of an image's pairs, those that match and the others weighing the same.

    Args:
        distances: (B, S), squared.
        match: (B, S) bool.
        threshold: t.

    Returns:
        (B,).

    Example:
        >>> distances = torch.tensor([[0.0, 4.0]])
        >>> metric_losses(distances, torch.tensor([[True, False]]), 2.0)  # both log(1 + exp(1 - 2))
        tensor([0.3133])
    """
    sign = torch.where(match, 1.0, -1.0)
    losses = F.softplus(1 - sign * (threshold - distances))
    parts = [(losses * part).sum(1) / part.sum(1).clamp(min=1) for part in (match, ~match)]
    return (parts[0] + parts[1]) / 2


class Model(Captioner):
    """Two projections, a table of words, and a bank of sentences that fills in training."""

    bank: Tensor
    bank_languages: Tensor
    kept: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        self.image = nn.Linear(config.channels, config.shared)
        self.sentence = nn.Linear(config.words, config.shared)
        self.register_buffer("bank", torch.full((config.sentences, config.max_length + 1), PADDING))
        self.register_buffer("bank_languages", torch.full((config.sentences,), -1))
        self.register_buffer("kept", torch.zeros((), dtype=torch.int64))
        self._known: set[tuple[int, ...]] = set()

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def sentence_vectors(self, tokens: Tensor) -> Tensor:
        """Mean of the word vectors, END and PADDING left out. (S, L) -> (S, words)."""
        spoken = ((tokens != PADDING) & (tokens != END)).to(self.embedding.weight.dtype)[..., None]
        vectors: Tensor = self.embedding(tokens)
        return (vectors * spoken).sum(1) / spoken.sum(1).clamp(min=1)

    def project_images(self, grids: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D), unit norm."""
        return F.normalize(self.image(grids.mean((2, 3))), dim=1)

    def project_sentences(self, vectors: Tensor) -> Tensor:
        """(S, words) -> (S, D), unit norm."""
        return F.normalize(self.sentence(vectors), dim=1)

    @torch.no_grad()
    def remember(self, tokens: Tensor, languages: Tensor) -> None:
        """Put sentences that are not there yet into the bank. (B, L) without START, (B,)."""
        if not self._known and int(self.kept):
            self._known = {
                (int(language), *row)
                for language, row in zip(self.bank_languages[: self.kept], self.bank[: self.kept].tolist(), strict=True)
            }
        width = self.bank.shape[1]
        for row, language in zip(F.pad(tokens, (0, width))[:, :width].tolist(), languages.tolist(), strict=True):
            place, known = int(self.kept), (language, *row)
            if known in self._known or place >= len(self.bank):
                continue
            self._known.add(known)
            self.bank[place] = torch.tensor(row)
            self.bank_languages[place] = language
            self.kept += 1

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``metric`` per caption."""
        tokens = batch.tokens[:, 1:]
        if self.training:
            self.remember(tokens, batch.languages)
        sentences = self.project_sentences(collective(self.sentence_vectors(tokens), batch.items))
        distances = squared_distances(self.project_images(batch.grids), sentences)
        same_words = (tokens[:, None] == tokens).all(2)
        match = same_words | (batch.items[:, None] == batch.items)
        terms = metric_losses(distances, match, self.config.threshold)
        return {"total": terms.mean(), "metric": terms}

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The nearest sentence of each image, (B, L)."""
        sentences = self.project_sentences(self.sentence_vectors(self.bank))
        distances = squared_distances(self.project_images(grids), sentences)
        other = self.bank_languages != languages[:, None]
        return {"sentence": self.bank[distances.masked_fill(other, float("inf")).argmin(1)]}

    def start(self, context: Context) -> State:
        """At the first word."""
        return {"place": torch.zeros_like(context["sentence"][:, 0])}

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """The next word of the sentence; after its last, and after any END, END."""
        last = context["sentence"].shape[1] - 1
        following = context["sentence"].gather(1, state["place"].clamp(max=last)[:, None]).squeeze(1)
        following = torch.where((following == PADDING) | (words == END), END, following)
        logits = _CERTAIN * F.one_hot(following, self.config.vocabulary).to(self.embedding.weight.dtype)
        return logits.log_softmax(1), {"place": state["place"] + 1}


SMALL = {"channels": 12, "vocabulary": 20, "words": 10, "shared": 16, "sentences": 30}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters at the paper's sizes; the bank is not counted."""
    with torch.device("meta"):
        model = Model(Config())
    return sum(p.numel() for p in model.parameters())
