"""Captions of a :class:`~geoglot.nn.captioner.Captioner`, by the loop of :mod:`geoglot.text.caption_decoding`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.nn.captioner import Captioner, Context
from geoglot.nn.captioner import rows as rows_of
from geoglot.text.caption_decoding import Writing, Written, write


class _Steps:
    """A captioner and the state of the captions being written."""

    def __init__(self, model: Captioner, context: Context) -> None:
        self.model, self.context = model, context
        self.state = model.start(context)
        self.images = np.arange(len(next(iter(context.values()))))
        self.of_rows = context

    def __call__(
        self, images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        device = next(iter(self.context.values())).device
        if not np.array_equal(images, self.images):
            self.images = images
            self.of_rows = rows_of(self.context, torch.from_numpy(images).to(device))
        size = len(next(iter(self.state.values())))
        if not np.array_equal(rows, np.arange(size)):
            self.state = rows_of(self.state, torch.from_numpy(rows).to(device))
        said, self.state = self.model.step(self.of_rows, self.state, torch.from_numpy(words).to(device))
        attention = self.state.get("attention")
        return said.float().cpu().numpy(), None if attention is None else attention.float().cpu().numpy()


@torch.no_grad()
def write_context(
    model: Captioner, context: Context, writing: Writing | None = None, *, items: Sequence[int] | None = None
) -> Written:
    """Captions of the B images of a context; the model works in evaluation mode and goes back to its own.

    Args:
        model: Any captioner.
        context: What :meth:`~geoglot.nn.captioner.Captioner.context` gave.
        writing: How; greedy by default.
        items: See :func:`geoglot.text.caption_decoding.write`.
    """
    training = model.training
    model.eval()
    try:
        images = len(next(iter(context.values())))
        return write(_Steps(model, context), images, writing or Writing(), items=items)
    finally:
        model.train(training)


@torch.no_grad()
def write_captions(
    model: Captioner,
    grids: Tensor,
    languages: Tensor,
    writing: Writing | None = None,
    *,
    items: Sequence[int] | None = None,
) -> tuple[Written, Context]:
    """Captions of B images from their grids, and the context, whose ``attributes`` a method may have.

    Args:
        model: Any captioner.
        grids: (B, C, H, W).
        languages: (B,) int64.
        writing: How; greedy by default.
        items: See :func:`geoglot.text.caption_decoding.write`.
    """
    training = model.training
    model.eval()
    try:
        context = model.context(grids, languages)
    finally:
        model.train(training)
    return write_context(model, context, writing, items=items), context
