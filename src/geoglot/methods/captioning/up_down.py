"""Up-Down: a two-layer decoder that looks again at the image before every word.

Paper        P. Anderson, X. He, C. Buehler, D. Teney, M. Johnson, S. Gould, L. Zhang, Bottom-Up and Top-Down Attention
             for Image Captioning and Visual Question Answering, CVPR 2018
Input        grids (B, C, H, W) of a frozen backbone; the places of the grid stand for the paper's regions
Output       log-probabilities of the next word
Equations    pooled = mean of the places                                              -> Model.context
             LSTM1 in [h2; pooled; W_e word], LSTM2 in [seen; h1]        -> nn.two_layer_lstm.TwoLayerDecoder
             a_j = w^T tanh(W_v v_j + W_h h1), softmax, weighted sum     -> nn.additive_attention.AdditiveAttention
             softmax(W h2 + b)                                                        -> Model.log_probabilities
             cross-entropy of the words                                               -> Model.losses
Deviations   1. Places of a grid instead of regions that a detector found; the paper calls this its ResNet baseline.
             2. Trained with cross-entropy alone, without the second training on CIDEr.
             3. Dropout before the output layer (0.5) is not in the paper.
             4. With several languages a vector of the caption's language is added to every word vector.
Reproduces   results/captioning/up_down-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State
from geoglot.nn.teacher_forcing import read, word_losses
from geoglot.nn.two_layer_lstm import TwoLayerDecoder

METHOD = MethodCard(
    title="Up-Down",
    paper="Anderson, He, Buehler, Teney, Johnson, Gould, Zhang, Bottom-Up and Top-Down Attention, CVPR 2018",
    kind="captioner",
    counted="all but the CNN, for 269 words (5 times and more in the training captions of UCM)",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the paper.

    Attributes:
        channels: C of the grids.
        vocabulary: Number of tokens, the four special ones included.
        attributes: Not used.
        languages: Number of languages; more than one adds a vector of the language to every word vector.
        categories: Not used.
        max_length: Words of the longest caption.
        hidden: Width of both states.
        words: Width of a word vector.
        attention: Width of the attention's comparison.
        dropout: Before the output layer.
        variant: There is one.
    """

    channels: int = 2048
    vocabulary: int = 273
    attributes: int = 0
    languages: int = 1
    categories: int = 0
    max_length: int = 30
    hidden: int = 1000
    words: int = 1000
    attention: int = 512
    dropout: float = 0.5
    variant: Literal["paper"] = "paper"


class Model(Captioner):
    """Word vectors, the decoder and an output layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        self.language = nn.Embedding(config.languages, config.words) if config.languages > 1 else None
        self.decoder = TwoLayerDecoder(
            values=config.channels,
            pooled=config.channels,
            words=config.words,
            hidden=config.hidden,
            attention=config.attention,
        )
        self.output = nn.Linear(config.hidden, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The places as they are and their mean."""
        places = grids.flatten(2).transpose(1, 2)
        language = None if self.language is None else self.language(languages)
        return self.decoder.context(places, places.mean(1), None, language)

    def start(self, context: Context) -> State:
        """Both layers at zero."""
        return self.decoder.start(context)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        state = self.decoder.step(context, state, self.decoder.prepare_words(self.embedding(words)))
        return self.log_probabilities(self.decoder.output(state["state2"], None)), state

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """(N, D) -> (N, V)."""
        return self.output(self.dropout(outputs)).log_softmax(1)  # type: ignore[no-any-return]

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption``; ``total`` is its mean."""
        reading = read(batch.tokens)
        context = self.context(batch.grids, batch.languages)
        outputs = self.decoder.read(context, self.embedding(reading.words), reading)
        caption = reading.per_caption(word_losses(self.log_probabilities(outputs), reading.targets))
        return {"total": caption.mean(), "caption": caption}


SMALL = {"channels": 12, "vocabulary": 20, "hidden": 24, "words": 10, "attention": 16, "dropout": 0.0}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 10, "learning_rate": 5e-4}
"""As the JTTS paper trained its decoders."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the CNN for UCM's vocabulary.

    Example:
        >>> paper_parameters()
        38500385
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
