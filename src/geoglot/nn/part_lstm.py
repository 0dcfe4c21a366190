"""Long short-term memory (Hochreiter and Schmidhuber 1997) whose input comes in parts.

    i, f, g, o = W x + U h + b, in this order
    c <- sigmoid(f) c + sigmoid(i) tanh(g)
    h <- sigmoid(o) tanh(c)

A decoder knows most of x before its first word: the image, and while training all words. Those are the *fixed* parts,
multiplied once for all steps; the *moving* parts are multiplied together with h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.step_linear import StepLinear


def lstm_update(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """(R, 4 H) before the activations and c, (R, H) -> new h and c, (R, H) each."""
    take, keep, new, show = gates.chunk(4, 1)
    cell = torch.addcmul(torch.sigmoid(keep) * cell, torch.sigmoid(take), torch.tanh(new))
    return torch.sigmoid(show) * torch.tanh(cell), cell


class PartLSTM(nn.Module):
    """One layer, one step at a time.

    Args:
        fixed: Width of each fixed part by name.
        moving: Width of all moving parts together, without h.
        hidden: H.

    Example:
        >>> lstm = PartLSTM({"word": 3, "image": 5}, 2, 4)
        >>> prepared = lstm.prepare("word", torch.zeros(1, 3)) + lstm.prepare("image", torch.zeros(1, 5))
        >>> state, cell = lstm(prepared, torch.zeros(1, 2), torch.zeros(1, 4), torch.zeros(1, 4))
        >>> state.shape
        torch.Size([1, 4])
    """

    def __init__(self, fixed: Mapping[str, int], moving: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        bound = 1 / math.sqrt(hidden)
        weights = {name: torch.empty(4 * hidden, width).uniform_(-bound, bound) for name, width in fixed.items()}
        self.fixed = nn.ParameterDict(weights)
        self.moving = StepLinear(moving + hidden, 4 * hidden)
        for parameter in self.moving.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def prepare(self, name: str, part: Tensor) -> Tensor:
        """W x of one fixed part, without bias. (..., width) -> (..., 4 H)."""
        return F.linear(part, self.fixed[name])

    def forward(self, prepared: Tensor | None, moving: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            prepared: (R, 4 H), the sum of the fixed parts; None where there are none.
            moving: (R, moving), the moving parts side by side.
            state: (R, H), h.
            cell: (R, H), c.

        Returns:
            New h and c.
        """
        gates: Tensor = self.moving(torch.cat([moving, state], 1))
        return lstm_update(gates if prepared is None else prepared + gates, cell)
