"""Truncation cross-entropy: a word that is probable enough is not pushed further, which leaves room for its synonyms.

Paper        X. Li, X. Zhang, W. Huang, Q. Wang, Truncation Cross Entropy Loss for Remote Sensing Image Captioning,
             IEEE TGRS 59, 2021
Input        grids (B, C, H, W) of a frozen backbone
Output       log-probabilities of the next word
Equations    -log p where p < 1 - margin, else 0, of every word  -> truncated_losses
             decoder of soft attention (``soft``)                -> nn.attentive_lstm.AttentiveLSTM
             decoder of Up-Down (``up_down``)                    -> nn.two_layer_lstm.TwoLayerDecoder
             sum of the truncated losses of a caption            -> Model.losses
Deviations   1. The loss is read from the paper's abstract: beyond the margin neither loss nor gradient.
             2. The margin that the paper chose is not known to us: 0.1.
             3. Nor is its decoder: soft attention, and Up-Down as a second reading.
             4. ``soft`` has no doubly stochastic penalty, so that the loss is the only difference to cross-entropy.
             5. Widths are not given: 512 for ``soft`` and ``up_down`` alike; dropout 0.5 before the output layer.
             6. With several languages a vector of the caption's language is added to every word vector that is read.
Reproduces   results/captioning/tce_loss-*.json
Provenance   Written from the paper's description; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.attentive_lstm import AttentiveLSTM, DeepOutput
from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State
from geoglot.nn.teacher_forcing import Reading, read, word_losses
from geoglot.nn.two_layer_lstm import TwoLayerDecoder

Variant = Literal["soft", "up_down"]

METHOD = MethodCard(
    title="TCE loss",
    paper="Li, Zhang, Huang, Wang, Truncation Cross Entropy Loss for Remote Sensing Image Captioning, IEEE TGRS 2021",
    kind="captioner",
    variants=("soft", "up_down"),
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
        hidden: Width of the states.
        words: Width of a word vector.
        attention: Width of the attention's comparison.
        dropout: Before the output layer.
        margin: Probability that is left to the other words, in [0, 1); 0 is cross-entropy.
        variant: Which decoder.
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
    margin: float = 0.1
    variant: Variant = "soft"


def truncated_losses(losses: Tensor, *, margin: float) -> Tensor:
    """-log p where p < 1 - margin, elsewhere 0 without a gradient.

    Args:
        losses: (N,), -log p.
        margin: In [0, 1).

    Example:
        >>> truncated_losses(-torch.tensor([0.5, 0.95]).log(), margin=0.1)
        tensor([0.6931, 0.0000])
    """
    if margin == 0:
        return losses
    return torch.where((-losses.detach()).exp() < 1 - margin, losses, 0.0)


class Model(Captioner):
    """Word vectors, one of two decoders and its output."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if not 0 <= config.margin < 1:
            raise ValueError(f"a margin of {config.margin} is outside [0, 1)")
        self.config = config
        channels, hidden, words, attention = config.channels, config.hidden, config.words, config.attention
        self.embedding = nn.Embedding(config.vocabulary, words)
        self.language = nn.Embedding(config.languages, words) if config.languages > 1 else None
        self.decoder: AttentiveLSTM | TwoLayerDecoder
        self.output: DeepOutput | nn.Linear
        if config.variant == "soft":
            self.decoder = AttentiveLSTM(values=channels, words=words, hidden=hidden, attention=attention)
            self.output = DeepOutput(
                hidden=hidden, values=channels, words=words, vocabulary=config.vocabulary, dropout=config.dropout
            )
        else:
            self.decoder = TwoLayerDecoder(
                values=channels, pooled=channels, words=words, hidden=hidden, attention=attention
            )
            self.output = nn.Linear(hidden, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The places as they are, with their mean for ``up_down``."""
        places = grids.flatten(2).transpose(1, 2)
        language = None if self.language is None else self.language(languages)
        if isinstance(self.decoder, AttentiveLSTM):
            return self.decoder.context(places, language)
        return self.decoder.context(places, places.mean(1), None, language)

    def start(self, context: Context) -> State:
        """As the decoder starts."""
        return self.decoder.start(context)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        vectors = self.embedding(words)
        state = self.decoder.step(context, state, self.decoder.prepare_words(vectors))
        if isinstance(self.output, DeepOutput):
            return self.output(vectors, state["state"], state["seen"]), state
        return self.output(self.dropout(state["state2"])).log_softmax(1), state

    def read_words(self, context: Context, reading: Reading) -> Tensor:
        """Log-probabilities of all words of whole captions. -> (N, V)."""
        vectors = self.embedding(reading.words)
        if isinstance(self.decoder, AttentiveLSTM):
            states = self.decoder.read(context, vectors, reading)
            return self.output(vectors, states["state"], states["seen"])  # type: ignore[no-any-return]
        outputs = self.decoder.read(context, vectors, reading)
        return self.output(self.dropout(outputs)).log_softmax(1)  # type: ignore[no-any-return]

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption`` is the cross-entropy, not learnt from; ``total`` is the mean of ``truncated``."""
        reading = read(batch.tokens)
        words = word_losses(self.read_words(self.context(batch.grids, batch.languages), reading), reading.targets)
        truncated = reading.per_caption(truncated_losses(words, margin=self.config.margin))
        return {"total": truncated.mean(), "caption": reading.per_caption(words), "truncated": truncated}


SMALL = {"channels": 12, "vocabulary": 20, "hidden": 24, "words": 10, "attention": 16, "dropout": 0.0}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 10, "learning_rate": 5e-4}
"""As the JTTS paper trained its decoders."""


def paper_parameters(variant: str = "soft") -> int:
    """Parameters without the CNN for UCM's vocabulary.

    Example:
        >>> paper_parameters("up_down") > paper_parameters("soft") > 4_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
