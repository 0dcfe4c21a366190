"""SAT (LAM): the word vector of the predicted scene category guides where Show, Attend and Tell looks.

Paper        Z. Zhang, W. Diao, W. Zhang, M. Yan, X. Gao, X. Sun, LAM: Remote Sensing Image Captioning with
             Label-Attention Mechanism, Remote Sensing 11 (20), 2349, 2019
Input        grids (B, C, H, W) of a frozen backbone; scene categories of the training images
Output       log-probabilities of the next word; probabilities of the categories as ``categories`` of the context
Equations    category = argmax of a linear classifier of the mean place     -> nn.scene_label.SceneLabel
             e_j = w^T tanh(W_v v_j + W_l E category + W_h h)               -> nn.attentive_lstm.AttentiveLSTM
             softmax(L_o (E y + L_h h + L_z z))                             -> nn.attentive_lstm.DeepOutput
             cross-entropy of the words, penalty, cross-entropy of the category  -> Model.losses
Deviations   1. The paper's classifier is its CNN, fine-tuned on the categories; the backbone here is frozen, so a
                linear layer over the mean place learns them, together with the sentences.
             2. A category has a vector of its own: names of categories are often not words of the vocabulary.
             3. How the label enters the attention is read as one more term of the comparison.
             4. Images whose category is not known (-1) teach the classifier nothing.
             5. Widths are not given: 512 everywhere; first state, penalty and dropout as soft attention has them.
             6. With several languages a vector of the caption's language is added to every word vector that is read.
Reproduces   results/captioning/sat_lam-*.json
Provenance   Written from the paper's description; no third-party code.
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
from geoglot.nn.scene_label import SceneLabel, category_cross_entropy
from geoglot.nn.teacher_forcing import read, word_losses

METHOD = MethodCard(
    title="SAT (LAM)",
    paper="Zhang, Diao, Zhang, Yan, Gao, Sun, Captioning with Label-Attention Mechanism, Remote Sensing 2019",
    kind="captioner",
    fidelity="partial",
    counted="all but the CNN, for 21 categories and 269 words (5 times and more in the training captions of UCM)",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and settings.

    Attributes:
        channels: C of the grids.
        vocabulary: Number of tokens, the four special ones included.
        attributes: Not used.
        languages: Number of languages; more than one adds a vector of the language to every word vector.
        categories: Number of scene categories, at least 1.
        max_length: Words of the longest caption.
        hidden: Width of the state.
        words: Width of a word vector.
        attention: Width of the attention's comparison.
        dropout: Before the output layer.
        penalty: Weight of the doubly stochastic penalty.
        label: Weight of the category's cross-entropy.
        variant: There is one.
    """

    channels: int = 512
    vocabulary: int = 273
    attributes: int = 0
    languages: int = 1
    categories: int = 21
    max_length: int = 30
    hidden: int = 512
    words: int = 512
    attention: int = 512
    dropout: float = 0.5
    penalty: float = 1.0
    label: float = 1.0
    variant: Literal["paper"] = "paper"


class Model(Captioner):
    """Label, word vectors, the recurrence and its deep output."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        self.language = nn.Embedding(config.languages, config.words) if config.languages > 1 else None
        self.label = SceneLabel(config.channels, config.categories, config.words)
        self.decoder = AttentiveLSTM(
            values=config.channels,
            words=config.words,
            hidden=config.hidden,
            attention=config.attention,
            guide=config.words,
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
        """The places as they are, and ``categories``, (B, K)."""
        return self._context(grids, languages)[0]

    def _context(self, grids: Tensor, languages: Tensor) -> tuple[Context, Tensor]:
        """The context, and the categories before their softmax."""
        places = grids.flatten(2).transpose(1, 2)
        logits = self.label(places.mean(1))
        language = None if self.language is None else self.language(languages)
        context = self.decoder.context(places, language, self.label.vectors(logits))
        return {**context, "categories": logits.softmax(1)}, logits

    def start(self, context: Context) -> State:
        """What the mean of the places says."""
        return self.decoder.start(context)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        vectors = self.embedding(words)
        state = self.decoder.step(context, state, self.decoder.prepare_words(vectors))
        return self.output(vectors, state["state"], state["seen"]), state

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption``, ``penalty`` and ``category``; ``total`` is the mean of their weighted sum."""
        config = self.config
        reading = read(batch.tokens)
        vectors = self.embedding(reading.words)
        context, logits = self._context(batch.grids, batch.languages)
        states = self.decoder.read(context, vectors, reading)
        said = self.output(vectors, states["state"], states["seen"])
        caption = reading.per_caption(word_losses(said, reading.targets))
        penalty = doubly_stochastic(states["attention"], reading)
        category = category_cross_entropy(logits, batch.categories)
        total = caption + config.penalty * penalty + config.label * category
        return {"total": total.mean(), "caption": caption, "penalty": penalty, "category": category}


SMALL = {"channels": 12, "vocabulary": 20, "categories": 3, "hidden": 24, "words": 10, "attention": 16, "dropout": 0.0}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 10, "learning_rate": 5e-4}
"""As the JTTS paper trained its decoders."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the CNN for UCM's vocabulary and categories.

    Example:
        >>> paper_parameters() > 4_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
