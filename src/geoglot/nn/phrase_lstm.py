"""A phrase read from left to right by a long short-term memory (Hochreiter and Schmidhuber 1997), forget bias 1.

    i, j, f, o = W x + U h + b
    c <- sigmoid(f + 1) c + sigmoid(i) tanh(j);  h <- sigmoid(o) tanh(c)

Padding on the right changes nothing: the state stays what it was after the last word.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PhraseLSTM(nn.Module):
    """Token ids to the states after every word.

    Args:
        vocabulary: Number of token ids; 0 is padding.
        words: Width of a word's vector.
        hidden: Width H of the state.

    Example:
        >>> states, last = PhraseLSTM(vocabulary=50, words=6, hidden=4)(torch.tensor([[7, 9, 0]]))
        >>> states.shape, torch.equal(states[0, 1], last[0]), torch.equal(states[0, 2], last[0])
        (torch.Size([1, 3, 4]), True, True)
    """

    def __init__(self, *, vocabulary: int, words: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, words)
        nn.init.uniform_(self.embedding.weight, -0.08, 0.08)
        self.input = nn.Linear(words, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)
        self.hidden = hidden

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) int64, 0 = padding -> states (B, L, H) and the last one (B, H); 0 of a phrase without words."""
        gates = self.input(self.embedding(tokens))
        state = memory = gates.new_zeros(len(tokens), self.hidden)
        states = []
        for place in range(tokens.shape[1]):
            entry, candidate, forget, output = (gates[:, place] + self.recurrent(state)).chunk(4, 1)
            kept = torch.sigmoid(forget + 1) * memory + torch.sigmoid(entry) * torch.tanh(candidate)
            is_word = (tokens[:, place] != 0)[:, None]
            memory = torch.where(is_word, kept, memory)
            state = torch.where(is_word, torch.sigmoid(output) * torch.tanh(kept), state)
            states.append(state)
        return torch.stack(states, 1), state
