"""Teacher forcing: the words of whole captions are known, so only what depends on a state waits for its step.

The words of a batch stand in reading order: all first words, then all second words, the longest caption first. A step
of a recurrence is then one matrix product over the captions that still have a word, and everything else (word vectors,
their part of a gate, the output layer) one product over all words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from geoglot.nn.captioner import PADDING, Context, State
from geoglot.nn.recurrent import reading_order


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The N words of B captions in reading order.

    Attributes:
        captions: B.
        rows: (N,) int64, which caption a word belongs to; the first ``sizes[0]`` are the captions in reading order.
        words: (N,) int64, the word that is read.
        targets: (N,) int64, the word that shall be said next.
        sizes: How many captions have a word at each step.
    """

    captions: int
    rows: Tensor
    words: Tensor
    targets: Tensor
    sizes: list[int]

    @property
    def order(self) -> Tensor:
        """(R,) int64, the captions, longest first; one without words is left out."""
        return self.rows[: self.sizes[0]]

    def per_caption(self, values: Tensor) -> Tensor:
        """Sum of a value of every word. (N,) -> (B,)."""
        return values.new_zeros(self.captions).index_add(0, self.rows, values)


def read(tokens: Tensor) -> Reading:
    """Captions as START, words, END, PADDING ... to words in reading order. (B, L) int64.

    Raises:
        ValueError: No caption has a word.

    Example:
        >>> reading = read(torch.tensor([[1, 7, 2, 0], [1, 8, 9, 2]]))
        >>> reading.words.tolist(), reading.targets.tolist(), reading.rows.tolist(), reading.sizes
        ([1, 1, 8, 7, 9], [8, 7, 9, 2, 2], [1, 0, 1, 0, 1], [2, 2, 1])
    """
    targets = tokens[:, 1:]
    lengths = (targets != PADDING).sum(1)
    if not lengths.any():
        raise ValueError("no caption has a word")
    rows, steps, sizes = reading_order(lengths)
    return Reading(
        captions=len(tokens), rows=rows, words=tokens[rows, steps], targets=targets[rows, steps], sizes=sizes
    )


def unroll(
    step: Callable[[Context, State, Tensor], State], context: Context, state: State, words: Tensor, sizes: list[int]
) -> Iterator[State]:
    """The state after every step.

    Args:
        step: Context, state and what was made of the words of this step -> new state; all with the same rows.
        context: Of the captions in reading order.
        state: Of the captions in reading order, before the first word.
        words: (N, ...), made of the words in reading order.
        sizes: How many captions have a word at each step.
    """
    size = len(next(iter(context.values())))
    for some in torch.split(words, sizes):
        if len(some) < size:  # what is cut off stays cut off, so that a gradient is added to the small part only
            size = len(some)
            context = {name: tensor[:size] for name, tensor in context.items()}
            state = {name: tensor[:size] for name, tensor in state.items()}
        state = step(context, state, some)
        yield state


def word_losses(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """-log p of the word that stands there. (N, V), (N,) -> (N,).

    Example:
        >>> word_losses(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
        tensor([2.])
    """
    return -log_probabilities.gather(1, targets[:, None]).squeeze(1)
