"""The two-layer decoder of Up-Down (Anderson et al. 2018), with or without semantic gates.

h1 = LSTM1(h1, [h2; gate1(h1); pooled; word])                                      (25)
alpha = softmax(w^T tanh(W_v v_j + W_h h1)), seen = sum_j alpha_j v_j              (26)-(28)
h2 = LSTM2(h2, [h1; gate2(h2); seen])                                              (29)
out = gate3(h2), or h2 without gates                                               (18), (21), (24)
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from geoglot.nn.additive_attention import AdditiveAttention, weighted_sum
from geoglot.nn.captioner import Context, State, rows
from geoglot.nn.part_lstm import PartLSTM
from geoglot.nn.semantic_gate import SemanticGate
from geoglot.nn.step_linear import shared_gradient
from geoglot.nn.teacher_forcing import Reading, unroll

GATES = ("gate_attention", "gate_language", "gate_output")


class TwoLayerDecoder(nn.Module):
    """Attention LSTM and language LSTM.

    Args:
        values: Width of a place of the image.
        pooled: Width of the image as a whole.
        words: Width of a word vector.
        hidden: H, width of both states.
        attention: Width of the attention's comparison.
        semantic: Width of the attribute feature; None leaves the gates out.
    """

    def __init__(
        self, *, values: int, pooled: int, words: int, hidden: int, attention: int, semantic: int | None = None
    ) -> None:
        super().__init__()
        self.hidden = hidden
        gate = hidden if semantic is not None else 0
        self.attention_lstm = PartLSTM({"pooled": pooled, "word": words}, hidden + gate, hidden)
        self.language_lstm = PartLSTM({}, hidden + gate + values, hidden)
        self.attention = AdditiveAttention(values, hidden, attention)
        names = () if semantic is None else GATES
        self.gates = nn.ModuleDict({name: SemanticGate(hidden, semantic or 0) for name in names})

    def context(self, values: Tensor, pooled: Tensor, semantic: Tensor | None, language: Tensor | None) -> Context:
        """All that no word changes.

        Args:
            values: (R, P, values).
            pooled: (R, pooled).
            semantic: (R, semantic), asked for with gates only.
            language: (R, words), added to every word vector; None adds nothing.
        """
        image = self.attention_lstm.prepare("pooled", pooled)
        if language is not None:
            image = image + self.attention_lstm.prepare("word", language)
        found = {"values": values, "keys": self.attention.keys(values), "image": image}
        if semantic is not None:
            found |= {name: cast(SemanticGate, gate).prepare(semantic) for name, gate in self.gates.items()}
        return found

    def prepare_words(self, vectors: Tensor) -> Tensor:
        """What the attention LSTM makes of word vectors. (N, words) -> (N, 4 H)."""
        return self.attention_lstm.prepare("word", vectors)

    def start(self, context: Context) -> State:
        """Both layers at zero, looking everywhere alike."""
        values = context["values"]
        zero = values.new_zeros(values.shape[0], self.hidden)
        even = torch.ones_like(values[:, :, 0]) / values.shape[1]
        return {"state1": zero, "cell1": zero, "state2": zero, "cell2": zero, "attention": even}

    def step(self, context: Context, state: State, words: Tensor) -> State:
        """One word further, the words as :meth:`prepare_words` makes them, (R, 4 H)."""
        first, second = state["state1"], state["state2"]
        parts = [second]
        if self.gates:
            parts.append(self.gates["gate_attention"](first, context["gate_attention"]))
        first, cell1 = self.attention_lstm(context["image"] + words, torch.cat(parts, 1), first, state["cell1"])
        attention = self.attention(context["keys"], first)
        parts = [first, weighted_sum(attention, context["values"])]
        if self.gates:
            parts.append(self.gates["gate_language"](second, context["gate_language"]))
        second, cell2 = self.language_lstm(None, torch.cat(parts, 1), second, state["cell2"])
        return {"state1": first, "cell1": cell1, "state2": second, "cell2": cell2, "attention": attention}

    def output(self, states: Tensor, gate: Tensor | None) -> Tensor:
        """What the word is read from.

        Args:
            states: (N, H), h2.
            gate: (N, 2 H), ``gate_output`` of the context's rows; None without gates.
        """
        if gate is None:
            return states
        out: Tensor = self.gates["gate_output"](states, gate)
        return out

    def read(self, context: Context, words: Tensor, reading: Reading) -> Tensor:
        """The outputs of whole captions, words in reading order.

        Args:
            context: Of the B captions.
            words: (N, words) vectors of the words that are read.
            reading: Their order.

        Returns:
            (N, H).
        """
        ordered = rows(context, reading.order)
        moving = {name: tensor for name, tensor in ordered.items() if name != "gate_output"}
        with shared_gradient(self):
            steps = unroll(self.step, moving, self.start(moving), self.prepare_words(words), reading.sizes)
            states = torch.cat([state["state2"] for state in steps])
        return self.output(states, context["gate_output"][reading.rows] if self.gates else None)
