"""Semantic gate: what a state passes on, filtered by the attributes of the image (Ye et al. 2022).

i = W_i h + W_i^s f_s + b_i
g = sigmoid(W_g h + W_g^s f_s + b_g)
out = i * g
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.step_linear import StepLinear


class SemanticGate(nn.Module):
    """One gate. The attributes' side does not change from word to word and is computed once.

    Args:
        hidden: Width of state and output.
        semantic: Width of f_s.

    Example:
        >>> import torch
        >>> gate = SemanticGate(4, 3)
        >>> gate(torch.zeros(2, 4), gate.prepare(torch.zeros(2, 3))).shape
        torch.Size([2, 4])
    """

    def __init__(self, hidden: int, semantic: int) -> None:
        super().__init__()
        self.state = StepLinear(hidden, 2 * hidden)
        self.semantic = nn.Linear(semantic, 2 * hidden, bias=False)

    def prepare(self, semantic: Tensor) -> Tensor:
        """W^s f_s of information and gate. (R, semantic) -> (R, 2 hidden)."""
        out: Tensor = self.semantic(semantic)
        return out

    def forward(self, state: Tensor, prepared: Tensor) -> Tensor:
        """(R, hidden), (R, 2 hidden) -> (R, hidden)."""
        return F.glu(self.state(state) + prepared, 1)
