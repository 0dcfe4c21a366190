"""Multi-scale salience: fine and coarse maps agree on where an image is worth looking at (Yuan et al. 2022, AMFMN).

l = conv3x3 (stride 4) [f1; up f2]      h = conv1x1 [f3; up f4]
x = [l; h] + mean over channels of [f3; up f4]
m = sigmoid(W_m flatten(value(x) * sigmoid(gate(x))))
v = m * (W_v mean over cells of f4)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.pooling import average_onto_grid
from geoglot.nn.two_tower import Pyramid


def enlarged(coarse: Tensor, size: Sequence[int]) -> Tensor:
    """A map at another resolution, nearest cell. (B, C, h, w), (H, W) -> (B, C, H, W)."""
    return F.interpolate(coarse, size=[int(side) for side in size], mode="nearest")


def _products(weight: Tensor, features: Tensor) -> Tensor:
    """A matrix times every cell; one product per image, as a broadcast one would copy the map. -> (B, rows, cells)."""
    return weight.expand(features.shape[0], -1, -1).bmm(features.flatten(2))


def convolve_enlarged(features: Tensor, weight: Tensor, size: Sequence[int], *, stride: int) -> Tensor:
    """Convolution of a map as if it had been enlarged to ``size``, which it is not.

    Every tap of the kernel is applied to all cells at once, by one matrix product, and its results are picked where
    the kernel would have met the cell. With few output channels this is four times as fast as enlarging and
    convolving, and needs no enlarged copy.

    Args:
        features: (B, C, h, w).
        weight: (outputs, C, K, K).
        size: H and W, at least K each.
        stride: Of the convolution over H and W, without padding.

    Returns:
        (B, outputs, (H - K) // stride + 1, (W - K) // stride + 1).
    """
    outputs, _, kernel, _ = weight.shape
    height, width = int(features.shape[-2]), int(features.shape[-1])
    rows, columns = (
        (
            torch.arange(0, full - kernel + 1, stride, device=features.device)[:, None]
            + torch.arange(kernel, device=features.device)
        )
        * side
        // full
        for full, side in zip(map(int, size), (height, width), strict=True)
    )
    everywhere = _products(weight.permute(2, 3, 0, 1).flatten(0, 2), features)
    # Cell that tap (y, x) meets at output (i, j): row rows[i, y], column columns[j, x].
    cells = (rows[:, None, :, None] * width + columns[None, :, None, :]).permute(2, 3, 0, 1)
    met = cells.reshape(1, kernel * kernel, 1, -1).expand(features.shape[0], -1, outputs, -1)
    taps = everywhere.view(-1, kernel * kernel, outputs, height * width)
    return taps.gather(3, met).sum(1).view(-1, outputs, len(rows), len(columns))


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None  # noqa: S101 (for mypy: it is built with one)
    return convolution.bias[:, None, None]


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
        size = pyramid[2].shape[-2:]
        fine = self.fine_activation(self._fine(pyramid[0], pyramid[1]))
        fine = average_onto_grid(fine, int(size[0]), int(size[1]))
        coarse, mean = self._coarse(pyramid[2], pyramid[3])
        mixed = torch.cat([fine, self.coarse_activation(coarse)], 1) + mean
        if self.unit_columns:
            mixed = F.normalize(mixed, dim=1)
        out: Tensor = self.value(mixed) * torch.sigmoid(self.gate(mixed))
        return out

    def _fine(self, first: Tensor, second: Tensor) -> Tensor:
        """The convolution of [f1; up f2]."""
        size, width = first.shape[-2:], first.shape[1]
        one = convolve_enlarged(first, self.fine.weight[:, :width], size, stride=4)
        return one + convolve_enlarged(second, self.fine.weight[:, width:], size, stride=4) + _bias(self.fine)

    def _coarse(self, third: Tensor, fourth: Tensor) -> tuple[Tensor, Tensor]:
        """The 1x1 convolution of [f3; up f4] and its mean over channels, both taken before enlarging."""
        width = third.shape[1]
        weights = self.coarse.weight.flatten(1)
        weights = torch.cat([weights, torch.full_like(weights[:1], 1 / weights.shape[1])])
        one = _products(weights[:, :width], third).view(-1, 4, *third.shape[-2:])
        other = _products(weights[:, width:], fourth).view(-1, 4, *fourth.shape[-2:])
        both = one + enlarged(other, third.shape[-2:])
        return both[:, :3] + _bias(self.coarse), both[:, 3:]

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Stage maps (B, C_k, H_k, W_k), finest first -> (B, outputs)."""
        salience = average_onto_grid(self.salience(pyramid), self.grid, self.grid)
        out: Tensor = torch.sigmoid(self.mask(salience.flatten(1))) * self.projection(pyramid[3].mean((2, 3)))
        return out
