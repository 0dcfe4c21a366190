"""ADAPTIVE (LAM): a decoder that knows when to look, its looks guided by the word vector of the scene category.

Paper        Z. Zhang, W. Diao, W. Zhang, M. Yan, X. Gao, X. Sun, LAM: Remote Sensing Image Captioning with
             Label-Attention Mechanism, Remote Sensing 11 (20), 2349, 2019, on the decoder of J. Lu, C. Xiong,
             D. Parikh, R. Socher, Knowing When to Look, CVPR 2017
Input        grids (B, C, H, W) of a frozen backbone; scene categories of the training images
Output       log-probabilities of the next word; probabilities of the categories as ``categories`` of the context
Equations    V_j = ReLU(W_a a_j), v = ReLU(W_b mean a)                      -> Model.look
             category = argmax of a linear classifier of the mean place     -> nn.scene_label.SceneLabel
             h, m = LSTM([E y; v]), g = sigmoid(W_x [E y; v] + W_h h'), s = g tanh(m)     -> Model.recur
             z_j = w^T tanh(W_v V_j + W_l E category + W_g h), z_s = w^T tanh(W_s s + W_g h)  -> Model.recur
             [(1 - b) alpha; b] = softmax([z; z_s])                         -> sentinel_weight
             c = b s + (1 - b) sum_j alpha_j V_j                            -> Model.recur
             softmax(W_p (c + h))                                           -> Model.log_probabilities
             cross-entropy of the words, cross-entropy of the category      -> Model.losses
Deviations   1. The paper's classifier is its CNN, fine-tuned on the categories; the backbone here is frozen, so a
                linear layer over the mean place learns them, together with the sentences.
             2. A category has a vector of its own: names of categories are often not words of the vocabulary.
             3. How the label enters the attention is read as one more term of the comparison with a place; the
                sentinel, which is no place, is compared without it.
             4. Images whose category is not known (-1) teach the classifier nothing.
             5. Widths are not given: 512 everywhere; dropout 0.5 before the output layer.
             6. With several languages a vector of the caption's language is added to every word vector.
Reproduces   results/captioning/adaptive_lam-*.json
Provenance   Written from the papers' equations; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.additive_attention import AdditiveAttention, weighted_sum
from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State, rows
from geoglot.nn.part_lstm import lstm_update
from geoglot.nn.scene_label import SceneLabel, category_cross_entropy
from geoglot.nn.step_linear import StepLinear, shared_gradient
from geoglot.nn.teacher_forcing import read, unroll, word_losses

METHOD = MethodCard(
    title="ADAPTIVE (LAM)",
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
        hidden: Width of the state, of a place and of the sentinel.
        words: Width of a word vector.
        attention: Width of the attention's comparison.
        dropout: Before the output layer.
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
    label: float = 1.0
    variant: Literal["paper"] = "paper"


def sentinel_weight(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Where to look, and whether not to look at all.

    Args:
        scores: (R, P + 1), of the places and, last, of the sentinel.

    Returns:
        alpha over the places alone, (R, P), and b, (R, 1).

    Example:
        >>> alpha, b = sentinel_weight(torch.tensor([[1.0, 3.0, 4.0]]).log())
        >>> alpha, b
        (tensor([[0.2500, 0.7500]]), tensor([[0.5000]]))
    """
    return scores[:, :-1].softmax(1), scores.softmax(1)[:, -1:]


class Model(Captioner):
    """Label, word vectors, an LSTM with a sentinel, and an output layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        hidden, words = config.hidden, config.words
        self.embedding = nn.Embedding(config.vocabulary, words)
        self.language = nn.Embedding(config.languages, words) if config.languages > 1 else None
        self.label = SceneLabel(config.channels, config.categories, words)
        self.places = nn.Linear(config.channels, hidden)
        self.pooled = nn.Linear(config.channels, hidden)
        # the four gates of the LSTM and, as a fifth, that of the sentinel
        self.word_gates = nn.Linear(words, 5 * hidden, bias=False)
        self.image_gates = nn.Linear(hidden, 5 * hidden, bias=False)
        self.state_gates = StepLinear(hidden, 5 * hidden)
        self.attention = AdditiveAttention(hidden, hidden, config.attention)
        self.guide = nn.Linear(words, config.attention, bias=False)
        self.sentinel = nn.Linear(hidden, config.attention, bias=False)
        self.output = nn.Linear(hidden, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def look(self, grids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, H, W) -> V, (B, H * W, D), v, (B, D), and the mean of the grid, (B, C)."""
        places = grids.flatten(2).transpose(1, 2)
        mean = places.mean(1)
        return self.places(places).relu(), self.pooled(mean).relu(), mean

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The projected places and all that follows from them; ``categories``, (B, K)."""
        return self._context(grids, languages)[0]

    def _context(self, grids: Tensor, languages: Tensor) -> tuple[Context, Tensor]:
        """The context, and the categories before their softmax."""
        values, pooled, mean = self.look(grids)
        logits = self.label(mean)
        keys = self.attention.keys(values) + self.guide(self.label.vectors(logits))[:, None, :]
        image = self.image_gates(pooled)
        if self.language is not None:
            image = image + self.word_gates(self.language(languages))
        return {"values": values, "keys": keys, "image": image, "categories": logits.softmax(1)}, logits

    def start(self, context: Context) -> State:
        """State and cell at zero, looking everywhere alike."""
        values = context["values"]
        zero = torch.zeros_like(values[:, 0])
        even = torch.ones_like(values[:, :, 0]) / values.shape[1]
        return {"state": zero, "cell": zero, "seen": zero, "sentinel": zero[:, :1], "attention": even}

    def recur(self, context: Context, state: State, words: Tensor) -> State:
        """One word further; ``seen`` is c and ``sentinel`` is b, (R, 1).

        Args:
            context: Of R captions.
            state: Of R captions.
            words: (R, 5 D), what the gates make of the word vectors.
        """
        size = 4 * self.config.hidden
        gates = words + context["image"] + self.state_gates(state["state"])
        hidden, cell = lstm_update(gates[:, :size], state["cell"])
        sentinel = torch.sigmoid(gates[:, size:]) * torch.tanh(cell)
        keys = torch.cat([context["keys"], self.sentinel(sentinel)[:, None, :]], 1)
        attention, weight = sentinel_weight(self.attention.scores(keys, hidden))
        seen = weight * sentinel + (1 - weight) * weighted_sum(attention, context["values"])
        return {"state": hidden, "cell": cell, "seen": seen, "sentinel": weight, "attention": attention}

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        state = self.recur(context, state, self.word_gates(self.embedding(words)))
        return self.log_probabilities(state["seen"] + state["state"]), state

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """(N, D) -> (N, V)."""
        return self.output(self.dropout(outputs)).log_softmax(1)  # type: ignore[no-any-return]

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption`` and ``category``; ``total`` is the mean of their weighted sum."""
        reading = read(batch.tokens)
        context, logits = self._context(batch.grids, batch.languages)
        ordered = rows(context, reading.order)
        words = self.word_gates(self.embedding(reading.words))
        with shared_gradient(self):
            steps = unroll(self.recur, ordered, self.start(ordered), words, reading.sizes)
            outputs = torch.cat([state["seen"] + state["state"] for state in steps])
        caption = reading.per_caption(word_losses(self.log_probabilities(outputs), reading.targets))
        category = category_cross_entropy(logits, batch.categories)
        total = (caption + self.config.label * category).mean()
        return {"total": total, "caption": caption, "category": category}


SMALL = {
    "channels": 12,
    "vocabulary": 20,
    "categories": 3,
    "hidden": 24,
    "words": 10,
    "attention": 16,
    "dropout": 0.0,
}
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
