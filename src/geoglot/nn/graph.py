"""Graphs of what an image holds, and convolution on them (Kipf and Welling 2017, as GaLR uses it).

X <- relu(A X W)      per layer, A the adjacency, X one row per node
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GraphConvolutions(nn.Module):
    """Layers without bias, each followed by a ReLU. (B, N, D_0), (B, N, N) -> (B, N, D_last).

    Args:
        widths: D_0, D_1, ..., D_last.

    Example:
        >>> layers = GraphConvolutions((3, 5, 2))
        >>> layers(torch.zeros(1, 4, 3), torch.eye(4)[None]).shape
        torch.Size([1, 4, 2])
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs, bias=False) for inputs, outputs in pairwise(widths))

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """(B, N, D_0), (B, N, N) -> (B, N, D_last)."""
        for layer in self.layers:
            nodes = torch.relu(layer(adjacency @ nodes))
        return nodes


def co_location(maps: Tensor) -> Tensor:
    """How much two nodes lie at the same place: cosines of their maps, rows scaled to sum 1. (B, N, P) -> (B, N, N).

    Args:
        maps: Non-negative, where each node is.

    Example:
        Nodes 0 and 1 share one of their two cells (cosine 1/2), node 2 stands alone:

        >>> co_location(torch.tensor([[[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]]))
        tensor([[[0.6667, 0.3333, 0.0000],
                 [0.3333, 0.6667, 0.0000],
                 [0.0000, 0.0000, 1.0000]]])
    """
    unit = F.normalize(maps, dim=2)
    overlap = unit @ unit.transpose(1, 2)
    return overlap / overlap.sum(2, keepdim=True).clamp(min=1e-12)


class CellGraph(nn.Module):
    """A graph from the last map of a backbone: nodes are kinds of things, learnt, with a place each.

    e = W f + b per cell; node k lies where softmax over cells of e_k is large, and its row is the mean of relu(e)
    there; two nodes are joined as much as their places overlap.

    Args:
        channels: Width of the map.
        nodes: Number of nodes, and of the numbers that describe each.

    Example:
        >>> nodes, adjacency = CellGraph(8, nodes=5)(torch.zeros(2, 8, 3, 3))
        >>> nodes.shape, adjacency.shape
        (torch.Size([2, 5, 5]), torch.Size([2, 5, 5]))
    """

    def __init__(self, channels: int, *, nodes: int = 20) -> None:
        super().__init__()
        self.evidence = nn.Linear(channels, nodes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> nodes (B, N, N) and adjacency (B, N, N)."""
        evidence = self.evidence(features.flatten(2).transpose(1, 2))
        places = evidence.transpose(1, 2).softmax(2)
        return places @ torch.relu(evidence), co_location(places)
