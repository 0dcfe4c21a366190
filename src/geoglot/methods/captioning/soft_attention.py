"""Soft attention: a sentence is written while the eye moves over the image, all places mixed by their weight.

Paper        X. Lu, B. Wang, X. Zheng, X. Li, Exploring Models and Data for Remote Sensing Image Caption Generation,
             IEEE TGRS 56, 2018, with the decoder of K. Xu et al., Show, Attend and Tell, ICML 2015
Input        grids (B, C, H, W) of a frozen backbone
Output       log-probabilities of the next word
Equations    first state and cell from the mean of the places          -> nn.attentive_lstm.AttentiveLSTM
             e_j = w^T tanh(W_v v_j + W_h h), alpha = softmax(e)       -> nn.additive_attention.AdditiveAttention
             z = beta sum_j alpha_j v_j, beta = sigmoid(w_b^T h + b)   -> nn.attentive_lstm.AttentiveLSTM
             softmax(L_o (E y + L_h h + L_z z))                        -> nn.attentive_lstm.DeepOutput
             sum_j (1 - sum_t alpha_tj)^2                              -> nn.attentive_lstm.doubly_stochastic
             cross-entropy of the words plus the penalty               -> Model.losses
Deviations   1. Widths are not given for remote sensing: 512 everywhere.
             2. The first state is one layer with tanh of the mean place.
             3. Weight of the penalty 1, without a share tau of the sum; dropout 0.5 before the output layer.
             4. The backbone may be any; the papers use the 14 x 14 x 512 map of a VGG network.
             5. With several languages a vector of the caption's language is added to every word vector that is read.
Reproduces   results/captioning/soft_attention-*.json
Provenance   Written from the papers' equations; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.attentive_lstm import AttentiveLSTM, DeepOutput, doubly_stochastic
from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State
from geoglot.nn.teacher_forcing import read, word_losses

METHOD = MethodCard(
    title="Soft Attention",
    paper="Lu, Wang, Zheng, Li, Exploring Models and Data for Remote Sensing Image Caption Generation, IEEE TGRS 2018",
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
        attributes: Not used.
        languages: Number of languages; more than one adds a vector of the language to every word vector.
        categories: Not used.
        max_length: Words of the longest caption.
        hidden: Width of the state.
        words: Width of a word vector.
        attention: Width of the attention's comparison.
        dropout: Before the output layer.
        penalty: Weight of the doubly stochastic penalty.
        variant: There is one.
    """

    channels: int = 512
    vocabulary: int = 273
    attributes: int = 0
    languages: int = 1
    categories: int = 0
    max_length: int = 30
    hidden: int = 512
    words: int = 512
    attention: int = 512
    dropout: float = 0.5
    penalty: float = 1.0
    variant: Literal["paper"] = "paper"


class Model(Captioner):
    """Word vectors, the recurrence and its deep output."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        self.language = nn.Embedding(config.languages, config.words) if config.languages > 1 else None
        self.decoder = AttentiveLSTM(
            values=config.channels, words=config.words, hidden=config.hidden, attention=config.attention
        )
        self.output = DeepOutput(
            hidden=config.hidden,
            values=config.channels,
            words=config.words,
            vocabulary=config.vocabulary,
            dropout=config.dropout,
        )

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The places as they are."""
        language = None if self.language is None else self.language(languages)
        return self.decoder.context(grids.flatten(2).transpose(1, 2), language)

    def start(self, context: Context) -> State:
        """What the mean of the places says."""
        return self.decoder.start(context)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        vectors = self.embedding(words)
        state = self.decoder.step(context, state, self.decoder.prepare_words(vectors))
        return self.output(vectors, state["state"], state["seen"]), state

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption`` and ``penalty``; ``total`` is the mean of their weighted sum."""
        reading = read(batch.tokens)
        vectors = self.embedding(reading.words)
        states = self.decoder.read(self.context(batch.grids, batch.languages), vectors, reading)
        said = self.output(vectors, states["state"], states["seen"])
        caption = reading.per_caption(word_losses(said, reading.targets))
        penalty = doubly_stochastic(states["attention"], reading)
        return {"total": (caption + self.config.penalty * penalty).mean(), "caption": caption, "penalty": penalty}


SMALL = {"channels": 12, "vocabulary": 20, "hidden": 24, "words": 10, "attention": 16, "dropout": 0.0}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 10, "learning_rate": 5e-4}
"""As the JTTS paper trained its decoders."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the CNN for UCM's vocabulary.

    Example:
        >>> paper_parameters() > 4_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
