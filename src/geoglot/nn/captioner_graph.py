"""A captioner as two graphs whose inputs and outputs are plain tensors, as an exporter wants them.

One is run once for an image, the other once for a word. Context and state lose their names on the way and get them
back by their order, which :func:`graphs` tells.
"""

from __future__ import annotations

from collections import UserDict
from typing import cast

import torch
from torch import Tensor, nn

from geoglot.nn.captioner import START, Captioner, Context, State


class ImageGraph(nn.Module):
    """(B, C, H, W), (B,) int64 -> the tensors of the context, then those of the first state."""

    def __init__(self, model: Captioner) -> None:
        super().__init__()
        self.model = model

    def forward(self, grids: Tensor, languages: Tensor) -> tuple[Tensor, ...]:
        """Context and start."""
        context = self.model.context(grids, languages)
        return *context.values(), *self.model.start(context).values()


class StepGraph(nn.Module):
    """(R,) int64, the tensors of the context, those of the state -> (R, V), then the tensors of the new state.

    Args:
        model: The captioner.
        context: Names of the context's tensors that a step reads.
        state: Names of the state's tensors that a step reads.
        outputs: Names of the tensors of the new state, in the order they are given.
    """

    def __init__(
        self, model: Captioner, context: tuple[str, ...], state: tuple[str, ...], outputs: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.model, self.context, self.state, self.outputs = model, context, state, outputs

    def forward(self, words: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One word further."""
        context = dict(zip(self.context, tensors, strict=False))
        state = dict(zip(self.state, tensors[len(self.context) :], strict=True))
        said, new = self.model.step(context, state, words)
        return said, *(new[name] for name in self.outputs)


class _Watched(UserDict[str, Tensor]):
    """A mapping that remembers what was read."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__(tensors)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return self.data[name]


@torch.no_grad()
def graphs(model: Captioner, grids: Tensor, languages: Tensor) -> tuple[ImageGraph, StepGraph, tuple[str, ...]]:
    """Both graphs of a captioner in evaluation mode, and the names of what the first gives.

    Args:
        model: The captioner; it is put into evaluation mode.
        grids: (B, C, H, W), any of the size to come.
        languages: (B,) int64.

    Returns:
        The graph of an image, the graph of a word, which takes only what a step reads, and the names of the context's
        tensors and those of the first state in the order of the first graph's outputs.
    """
    model.eval()
    context = model.context(grids, languages)
    state = model.start(context)
    seen, had = _Watched(context), _Watched(state)
    words = torch.full((len(grids),), START, dtype=torch.int64)
    _, new = model.step(cast(Context, seen), cast(State, had), words)
    reads = tuple(name for name in context if name in seen.read), tuple(name for name in state if name in had.read)
    return ImageGraph(model), StepGraph(model, *reads, tuple(new)), (*context, *state)
