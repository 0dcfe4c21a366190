"""Word-Sentence: first the words that the image asks for, then a sentence made of this set of words and nothing else.

Paper        Q. Wang, W. Huang, X. Zhang, X. Li, Word-Sentence Framework for Remote Sensing Image Captioning, IEEE
             TGRS 59, 2021
Input        grids (B, C, H, W) of a frozen backbone
Output       log-probabilities of the next word; the words of the set as ``words`` of the context, ``kept`` where real
Equations    p = sigmoid(W ReLU(W' mean a + b') + b) of every word of the vocabulary       -> WordClassifier
             mean over the words of (p - [the caption has the word])^2                     -> word_error
             the words with p >= 1/2, most probable first                                  -> word_set
             transformer without positions from the set to the sentence    -> nn.word_transformer.WordTransformer
             cross-entropy of the words                                                    -> Model.losses
Deviations   1. The paper's extractor is a whole CNN; the backbone here is frozen, so two layers learn over the mean.
             2. A caption's own words are the labels, not those of all captions of the image; over an epoch a word's
                probability is learnt as the share of the captions that have it.
             3. The extractor learns alone until ``first_phase`` of the training is done, then stays as it is; the
                generator learns from the sets that the extractor finds, not from the true ones.
             4. A set has at most ``slots`` words and always the most probable one; empty slots are not seen.
             5. Set and sentence share their word vectors; keys have no bias.
             6. Dropout 0.1 and the width 512 of the extractor are not given.
             7. The generator sees the last ``max_length`` + 1 words.
             8. With several languages a vector of the language is added to every word vector of the sentence, and
                every word has one more bias per language in the extractor.
Reproduces   results/captioning/word_sentence-*.json
Provenance   Written from the paper's description; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.captioner import PADDING, CaptionBatch, Captioner, Context, State
from geoglot.nn.teacher_forcing import word_losses
from geoglot.nn.word_transformer import WordTransformer
from geoglot.text.captions import RESERVED

METHOD = MethodCard(
    title="Word-Sentence",
    paper="Wang, Huang, Zhang, Li, Word-Sentence Framework for Remote Sensing Image Captioning, IEEE TGRS 2021",
    kind="captioner",
    fidelity="partial",
    counted="all but the CNN, for 269 words (5 times and more in the training captions of UCM)",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and settings.

    Attributes:
        channels: C of the grids.
        vocabulary: Number of tokens, the four special ones included.
        attributes: Not used: every word is one.
        languages: Number of languages; see the deviations.
        categories: Not used.
        max_length: Words of the longest caption.
        words: D, width of a word vector and of the transformer.
        layers: Of the encoder, and of the decoder.
        heads: Of every attention.
        inner: Width between the two layers of a block.
        extractor: Width of the extractor's hidden layer.
        slots: Words of the largest set.
        threshold: Probability from which on a word belongs to the set.
        dropout: Within the transformer.
        first_phase: Share of the training in which the extractor learns.
        variant: There is one.
    """

    channels: int = 2048
    vocabulary: int = 273
    attributes: int = 0
    languages: int = 1
    categories: int = 0
    max_length: int = 30
    words: int = 128
    layers: int = 2
    heads: int = 8
    inner: int = 512
    extractor: int = 512
    slots: int = 30
    threshold: float = 0.5
    dropout: float = 0.1
    first_phase: float = 0.5
    variant: Literal["paper"] = "paper"


class WordClassifier(nn.Module):
    """Words before their sigmoid, the special tokens left out. (B, inputs), (B,) int64 -> (B, words)."""

    def __init__(self, inputs: int, hidden: int, words: int, languages: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, words))
        self.language = nn.Embedding(languages, words) if languages > 1 else None

    def forward(self, pooled: Tensor, languages: Tensor) -> Tensor:
        """Logits of the words of the caption's language."""
        logits: Tensor = self.layers(pooled)
        return logits if self.language is None else logits + self.language(languages)


def caption_words(tokens: Tensor, vocabulary: int) -> Tensor:
    """1 where a caption has the word. (B, L) int64 -> (B, vocabulary - 4) float32.

    Example:
        >>> caption_words(torch.tensor([[1, 5, 5, 4, 2, 0]]), 7)
        tensor([[1., 1., 0.]])
    """
    found = torch.zeros(len(tokens), vocabulary, device=tokens.device).scatter(1, tokens, 1.0)
    return found[:, len(RESERVED) :]


def word_error(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of each caption. (B, words) twice -> (B,).

    Example:
        >>> word_error(torch.tensor([[0.5, 1.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([0.1250])
    """
    return (probabilities - labels).square().mean(1)


def word_set(probabilities: Tensor, *, slots: int, threshold: float) -> tuple[Tensor, Tensor]:
    """The words of an image, most probable first.

    Args:
        probabilities: (B, words), special tokens left out.
        slots: S, at most the number of words.
        threshold: From which on a word is kept; the first always is.

    Returns:
        (B, S) int64 tokens and (B, S) bool, which of them belong to the set.

    Example:
        >>> word_set(torch.tensor([[0.2, 0.9, 0.5], [0.1, 0.2, 0.3]]), slots=2, threshold=0.5)
        (tensor([[5, 6],
                [6, 5]]), tensor([[ True,  True],
                [ True, False]]))
    """
    values, places = probabilities.topk(slots, 1)
    first = torch.arange(slots, device=values.device) == 0
    return places + len(RESERVED), (values >= threshold) | first


class Model(Captioner):
    """Extractor of words and generator of the sentence."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        words = config.vocabulary - len(RESERVED)
        self.slots = min(config.slots, words)
        self.extractor = WordClassifier(config.channels, config.extractor, words, config.languages)
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        self.language = nn.Embedding(config.languages, config.words) if config.languages > 1 else None
        self.transformer = WordTransformer(
            width=config.words,
            layers=config.layers,
            heads=config.heads,
            inner=config.inner,
            dropout=config.dropout,
        )
        self.output = nn.Linear(config.words, config.vocabulary)

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def word_probabilities(self, grids: Tensor, languages: Tensor) -> Tensor:
        """What the extractor finds. (B, C, H, W), (B,) -> (B, V - 4)."""
        return torch.sigmoid(self.extractor(grids.flatten(2).mean(2), languages))

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The set of words and what the encoder makes of it; ``kept`` is 1 where a slot is filled."""
        with torch.no_grad():
            found = self.word_probabilities(grids, languages)
            words, kept = word_set(found, slots=self.slots, threshold=self.config.threshold)
        memory = self.transformer.encode(self.embedding(words), kept)
        context = {"memory": memory, "kept": kept.to(memory.dtype), "words": words}
        if self.language is not None:
            context["language"] = self.language(languages)
        return context

    def start(self, context: Context) -> State:
        """No word has been read."""
        rows = torch.zeros_like(context["words"][:, :1])
        return {"read": rows.expand(-1, self.config.max_length + 1)}

    def read_words(self, context: Context, tokens: Tensor) -> Tensor:
        """What the decoder makes of words. (R, L) int64 -> (R, L, D)."""
        vectors = self.embedding(tokens)
        if "language" in context:
            vectors = vectors + context["language"][:, None, :]
        return self.transformer.decode(vectors, tokens != PADDING, context["memory"], context["kept"] > 0)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further; the words so far are read again."""
        read = torch.cat([state["read"][:, 1:], words[:, None]], 1)
        return self.log_probabilities(self.read_words(context, read)[:, -1]), {"read": read}

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """(N, D) -> (N, V)."""
        return self.output(outputs).log_softmax(1)  # type: ignore[no-any-return]

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``words`` in the first phase, ``caption`` after it; ``total`` is its mean."""
        if batch.progress < self.config.first_phase:
            found = self.word_probabilities(batch.grids, batch.languages)
            error = word_error(found, caption_words(batch.tokens, self.config.vocabulary))
            return {"total": error.mean(), "words": error}
        context = self.context(batch.grids, batch.languages)
        targets = batch.tokens[:, 1:]
        said = self.log_probabilities(self.read_words(context, batch.tokens[:, :-1]).flatten(0, 1))
        costs = word_losses(said, targets.flatten()).view_as(targets)
        caption = torch.where(targets == PADDING, 0.0, costs).sum(1)
        return {"total": caption.mean(), "caption": caption}


SMALL = {
    "channels": 12,
    "vocabulary": 20,
    "words": 24,
    "layers": 1,
    "heads": 4,
    "inner": 32,
    "extractor": 24,
    "dropout": 0.0,
    "first_phase": 0.2,
}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 64, "learning_rate": 1e-4}
"""As the paper trained."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the CNN for UCM's vocabulary.

    Example:
        >>> paper_parameters() > 1_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
