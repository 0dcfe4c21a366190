"""Additive attention (Bahdanau et al. 2015): a state asks the places of an image what it needs to see.

a_j = w^T tanh(W_v v_j + W_h h + b)
alpha = softmax(a)
seen = sum_j alpha_j v_j
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoglot.nn.step_linear import StepLinear


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """sum_j alpha_j v_j. (R, P), (R, P, D) -> (R, D).

    Example:
        >>> weighted_sum(torch.tensor([[0.25, 0.75]]), torch.tensor([[[4.0, 0.0], [0.0, 8.0]]]))
        tensor([[1., 6.]])
    """
    return torch.bmm(weights[:, None, :], values).squeeze(1)


class AdditiveAttention(nn.Module):
    """Weights over the P places of an image for a state.

    Args:
        values: Width of a place.
        queries: Width of a state.
        hidden: Width of the comparison.

    Example:
        >>> attention = AdditiveAttention(3, 5, 4)
        >>> places, state = torch.zeros(2, 6, 3), torch.zeros(2, 5)
        >>> weights = attention(attention.keys(places), state)
        >>> weights.shape, weights.sum(1).tolist()
        (torch.Size([2, 6]), [1.0, 1.0])
    """

    def __init__(self, values: int, queries: int, hidden: int) -> None:
        super().__init__()
        self.value = nn.Linear(values, hidden)
        self.query = StepLinear(queries, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # softmax would not notice a bias

    def keys(self, values: Tensor) -> Tensor:
        """W_v v_j + b, which no state changes. (R, P, values) -> (R, P, hidden)."""
        out: Tensor = self.value(values)
        return out

    def scores(self, keys: Tensor, state: Tensor) -> Tensor:
        """a, before the softmax. (R, P, hidden), (R, queries) -> (R, P)."""
        out: Tensor = self.score(torch.tanh(keys + self.query(state)[:, None, :])).squeeze(2)
        return out

    def forward(self, keys: Tensor, state: Tensor) -> Tensor:
        """Alpha. (R, P, hidden), (R, queries) -> (R, P), rows sum to one."""
        return self.scores(keys, state).softmax(1)
