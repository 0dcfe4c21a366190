"""The decoder of Show, Attend and Tell (Xu et al. 2015): one LSTM that looks at the places of an image before a word.

    h, c at first = tanh(W_h mean v), tanh(W_c mean v)
    alpha = softmax(w^T tanh(W_v v_j + W_g g + W_h h)), with g a guide of the image where there is one
    z = sigmoid(w_b^T h + b) sum_j alpha_j v_j
    h, c = LSTM(h, c, [E y; z])
    log p = log softmax(L_o (E y + L_h h + L_z z))

and the penalty sum_j (1 - sum_t alpha_tj)^2, which asks that every place is looked at over a sentence.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from geoglot.nn.additive_attention import AdditiveAttention, weighted_sum
from geoglot.nn.captioner import Context, State, rows
from geoglot.nn.part_lstm import PartLSTM
from geoglot.nn.step_linear import StepLinear, shared_gradient
from geoglot.nn.teacher_forcing import Reading, unroll

Choose = Callable[[Tensor], Tensor]
"""What is looked at, from alpha: (R, P) -> (R, P) weights that sum to one."""


def doubly_stochastic(attention: Tensor, reading: Reading) -> Tensor:
    """sum_j (1 - sum_t alpha_tj)^2 of every caption. (N, P) in reading order -> (B,).

    Example:
        >>> from geoglot.nn.teacher_forcing import read
        >>> looks = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
        >>> doubly_stochastic(looks, read(torch.tensor([[1, 7, 2]])))  # (1 - 1.5)^2 + (1 - 0.5)^2
        tensor([0.5000])
    """
    looked = attention.new_zeros(reading.captions, attention.shape[1]).index_add(0, reading.rows, attention)
    return (1 - looked).square().sum(1)


class AttentiveLSTM(nn.Module):
    """The recurrence.

    Args:
        values: Width of a place of the image.
        words: Width of a word vector.
        hidden: H, width of the state.
        attention: Width of the attention's comparison.
        guide: Width of the guide; None leaves it out.
    """

    def __init__(self, *, values: int, words: int, hidden: int, attention: int, guide: int | None = None) -> None:
        super().__init__()
        self.first_state = nn.Linear(values, hidden)
        self.first_cell = nn.Linear(values, hidden)
        self.lstm = PartLSTM({"word": words}, values, hidden)
        self.attention = AdditiveAttention(values, hidden, attention)
        self.gate = StepLinear(hidden, 1)
        self.guide = None if guide is None else nn.Linear(guide, attention, bias=False)

    def context(self, values: Tensor, language: Tensor | None, guide: Tensor | None = None) -> Context:
        """All that no word changes.

        Args:
            values: (R, P, values).
            language: (R, words), added to every word vector; None adds nothing.
            guide: (R, guide), where the module was made with one.
        """
        keys = self.attention.keys(values)
        if self.guide is not None and guide is not None:
            keys = keys + self.guide(guide)[:, None, :]
        found = {"values": values, "keys": keys}
        if language is not None:
            found["language"] = self.lstm.prepare("word", language)
        return found

    def prepare_words(self, vectors: Tensor) -> Tensor:
        """What the LSTM makes of word vectors. (N, words) -> (N, 4 H)."""
        return self.lstm.prepare("word", vectors)

    def start(self, context: Context) -> State:
        """State and cell from the mean of the places, looking everywhere alike."""
        values = context["values"]
        mean = values.mean(1)
        return {
            "state": torch.tanh(self.first_state(mean)),
            "cell": torch.tanh(self.first_cell(mean)),
            "seen": torch.zeros_like(mean),
            "attention": torch.ones_like(values[:, :, 0]) / values.shape[1],
        }

    def step(self, context: Context, state: State, words: Tensor, choose: Choose | None = None) -> State:
        """One word further, the words as :meth:`prepare_words` makes them, (R, 4 H); ``seen`` is z."""
        hidden = state["state"]
        attention = self.attention(context["keys"], hidden)
        weights = attention if choose is None else choose(attention)
        seen = torch.sigmoid(self.gate(hidden)) * weighted_sum(weights, context["values"])
        if "language" in context:
            words = words + context["language"]
        hidden, cell = self.lstm(words, seen, hidden, state["cell"])
        return {"state": hidden, "cell": cell, "seen": seen, "attention": attention}

    def read(self, context: Context, words: Tensor, reading: Reading, choose: Choose | None = None) -> State:
        """The states of whole captions after every word.

        Args:
            context: Of the B captions.
            words: (N, words) vectors of the words that are read, in reading order.
            reading: Their order.
            choose: See :data:`Choose`; called once a step, with the captions in reading order that have a word left.

        Returns:
            ``state`` (N, H), ``seen`` (N, values) and ``attention`` (N, P) in reading order.
        """
        ordered = rows(context, reading.order)

        def step(context: Context, state: State, words: Tensor) -> State:
            return self.step(context, state, words, choose)

        with shared_gradient(self):
            steps = list(unroll(step, ordered, self.start(ordered), self.prepare_words(words), reading.sizes))
        return {name: torch.cat([state[name] for state in steps]) for name in ("state", "seen", "attention")}


class DeepOutput(nn.Module):
    """log softmax(L_o (E y + L_h h + L_z z)), the word read from what was said, thought and seen.

    Args:
        hidden: Width of h.
        values: Width of z.
        words: Width of a word vector.
        vocabulary: V.
        dropout: Before L_o.
    """

    def __init__(self, *, hidden: int, values: int, words: int, vocabulary: int, dropout: float) -> None:
        super().__init__()
        self.state = nn.Linear(hidden, words)
        self.seen = nn.Linear(values, words, bias=False)
        self.output = nn.Linear(words, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor, states: Tensor, seen: Tensor) -> Tensor:
        """(N, words), (N, hidden), (N, values) -> (N, V) log-probabilities."""
        found = words + self.state(states) + self.seen(seen)
        out: Tensor = self.output(self.dropout(found)).log_softmax(1)
        return out
