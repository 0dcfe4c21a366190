"""A long short-term memory over maps whose gates are 1x1 convolutions, with weights of its own at every place.

j, i, f = N(W_j [x; h]), N(W_i [x; h]), N(W_f [x; h])       N: layer norm over all places and channels
c <- sigmoid(f + w_f * c + 1) c + sigmoid(i + w_i * c) tanh(j)
h <- sigmoid(W_o [x; h] + w_o * c) tanh(c)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoglot.nn.convolutional_segmenter import at_grid


class ConvolutionalLSTM(nn.Module):
    """A sequence of maps to the last state.

    Args:
        width: C, of the maps and the state.
        grid: Places on a side of the grid that the peepholes w belong to; maps of other sizes interpolate them. 0: one
            weight per channel.

    Example:
        >>> ConvolutionalLSTM(4, 5)([torch.zeros(1, 4, 5, 7)] * 3).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 3 * width, 1, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) for _ in range(3))
        self.output = nn.Conv2d(2 * width, width, 1)
        side = max(grid, 1)
        self.peepholes = nn.Parameter(torch.zeros(3, width, side, side))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps (B, C, H, W), in the order they are read -> (B, C, H, W)."""
        state = memory = torch.zeros_like(maps[0])
        entering, forgetting, leaving = (at_grid(weights, maps[0].shape[-2:]) for weights in self.peepholes)
        for features in maps:
            joined = torch.cat([features, state], 1)
            parts = zip(self.norms, self.gates(joined).chunk(3, 1), strict=True)
            candidate, entry, forget = (norm(part) for norm, part in parts)
            kept = torch.sigmoid(forget + forgetting * memory + 1) * memory
            memory = kept + torch.sigmoid(entry + entering * memory) * torch.tanh(candidate)
            state = torch.sigmoid(self.output(joined) + leaving * memory) * torch.tanh(memory)
        return state
