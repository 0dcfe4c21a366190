"""Multi-scale salience: fine and coarse maps agree on where an image is worth looking at (Yuan et al. 2022, AMFMN).

l = conv3x3 (stride 4) [f1; up f2]      h = conv1x1 [f3; up f4]
x = [l; h] + mean over channels of [f3; up f4]
m = sigmoid(W_m flatten(value(x) * sigmoid(gate(x))))
v = m * (W_v mean over cells of f4)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.two_tower import Pyramid


def enlarged(coarse: Tensor, fine: Tensor) -> Tensor:
    """The coarse map at the resolution of the fine one, nearest cell. (B, C, h, w), (B, D, H, W) -> (B, C, H, W)."""
    return F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")


class MultiScaleSalience(nn.Module):
    """A pyramid to one vector per image.

    Maps of 64, 32, 16 and 8 cells per side, the paper's at 256 pixels, pass as they are. At any other size the salience
    map (and the fine map, where strides do not come out even) is averaged onto the grid that the weights are for.

    Args:
        channels: Widths of the four stages.
        outputs: Size of the vector.
        grid: Cells per side of the salience map.
        activation: ``none`` as in the released code, or ``prelu`` and unit columns of x, as in the paper.

    Example:
        >>> maps = tuple(torch.zeros(2, c, s, s) for c, s in ((4, 36), (6, 18), (8, 9), (8, 5)))
        >>> MultiScaleSalience((4, 6, 8, 8), outputs=10)(maps).shape
        torch.Size([2, 10])
    """

    def __init__(self, channels: tuple[int, ...], *, outputs: int, grid: int = 16, activation: str = "none") -> None:
        super().__init__()
        self.grid = grid
        self.fine = nn.Conv2d(channels[0] + channels[1], 3, 3, stride=4)
        self.coarse = nn.Conv2d(channels[2] + channels[3], 3, 1)
        self.fine_activation = nn.PReLU() if activation == "prelu" else nn.Identity()
        self.coarse_activation = nn.PReLU() if activation == "prelu" else nn.Identity()
        self.unit_columns = activation == "prelu"
        self.value = nn.Conv2d(6, 1, 1)
        self.gate = nn.Conv2d(6, 1, 1)
        self.mask = nn.Linear(grid * grid, outputs)
        self.projection = nn.Linear(channels[3], outputs)

    def salience(self, pyramid: Pyramid) -> Tensor:
        """Where to look: the gated map before it becomes a mask. -> (B, 1, H_3, W_3)."""
        first, second, third, fourth = pyramid
        high = torch.cat([third, enlarged(fourth, third)], 1)
        fine = self.fine_activation(self.fine(torch.cat([first, enlarged(second, first)], 1)))
        if fine.shape[-2:] != third.shape[-2:]:
            fine = F.adaptive_avg_pool2d(fine, (third.shape[-2], third.shape[-1]))
        mixed = torch.cat([fine, self.coarse_activation(self.coarse(high))], 1) + high.mean(1, keepdim=True)
        if self.unit_columns:
            mixed = F.normalize(mixed, dim=1)
        out: Tensor = self.value(mixed) * torch.sigmoid(self.gate(mixed))
        return out

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Stage maps (B, C_k, H_k, W_k), finest first -> (B, outputs)."""
        salience = self.salience(pyramid)
        if salience.shape[-2:] != (self.grid, self.grid):
            salience = F.adaptive_avg_pool2d(salience, self.grid)
        out: Tensor = torch.sigmoid(self.mask(salience.flatten(1))) * self.projection(pyramid[3].mean((2, 3)))
        return out
