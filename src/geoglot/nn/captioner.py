"""The shape of a captioning method: what of an image is computed once, and one step per word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geoglot.text.captions import END, PADDING, START, UNKNOWN

__all__ = ["END", "PADDING", "START", "UNKNOWN", "CaptionBatch", "Captioner", "Context", "State", "rows"]

Context = dict[str, Tensor]
"""What of B images does not change while their captions are written; every tensor has B as its first axis."""
State = dict[str, Tensor]
"""What changes from word to word; every tensor has the number of captions being written as its first axis."""


@dataclass(frozen=True, kw_only=True)
class CaptionBatch:
    """B captions with their images.

    Attributes:
        grids: (B, C, H, W) float32, the last stage of a backbone.
        tokens: (B, L) int64: START, words, END, then PADDING.
        attributes: (B, A) float32, 1 where the image's captions name the attribute, else 0.
        items: (B,) int64, which image of the training set; rows of one image share their grid and attributes.
        categories: (B,) int64 scene category of the image, -1 where unknown.
        languages: (B,) int64, position of the caption's language in the recipe; 0 where there is one.
        progress: Share of the training that is done, in [0, 1). A method that learns in phases goes by it, so training
            must set it.
    """

    grids: Tensor
    tokens: Tensor
    attributes: Tensor
    items: Tensor
    categories: Tensor
    languages: Tensor
    progress: float = 0.0


class Captioner(nn.Module, ABC):
    """Writes a sentence about a picture, word by word.

    The way of an image: stage map of a backbone -> ``context``, once -> ``start`` -> ``step`` for every word. The loops
    (greedy, beam, sampling) live in :mod:`geoglot.nn.decoding` and know no method.
    """

    @abstractmethod
    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """(B, C, H, W), (B,) int64 -> what the decoder asks of the images.

        A method with attributes gives their probabilities as ``attributes``, (B, A).
        """

    @abstractmethod
    def start(self, context: Context) -> State:
        """The state before the first word, one row per image."""

    @abstractmethod
    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further.

        Args:
            context: Of R images, one row per caption being written.
            state: Of R captions.
            words: (R,) int64, the last word of each; ``START`` at first.

        Returns:
            (R, V) log-probabilities of the next word, and the new state. A method with attention puts its weights into
            the state as ``attention``, (R, H * W), summing to one.
        """

    @abstractmethod
    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``total``, a scalar, and its terms, one value per caption, (B,).

        ``caption`` is -log p of the caption, the sum over its words and END, where a method says words. Parameters that
        do not learn in a phase get no gradient, not a zero one.
        """

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Called before the first batch of every epoch, counted from 0."""

    def word_tables(self) -> dict[str, nn.Embedding]:
        """Tables of word vectors that may start from vectors learnt elsewhere: ``words``, ``attributes``."""
        return {}

    @torch.no_grad()
    def start_from(self, vectors: Mapping[str, Tensor]) -> None:
        """Give word tables their first values.

        Args:
            vectors: (rows, width) for a name of :meth:`word_tables`; a row with NaN keeps its own first value. A table
                that the method does not have is passed over.

        Raises:
            ValueError: Vectors do not have the shape of their table.
        """
        for name, table in self.word_tables().items():
            if name not in vectors:
                continue
            given = vectors[name].to(table.weight)
            if given.shape != table.weight.shape:
                raise ValueError(f"vectors of {name} are {tuple(given.shape)}, not {tuple(table.weight.shape)}")
            known = ~given.isnan().any(1)
            table.weight[known] = given[known]


def rows(tensors: dict[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    """The same rows of every tensor.

    Example:
        >>> rows({"a": torch.tensor([1, 2, 3])}, torch.tensor([2, 2, 0]))["a"].tolist()
        [3, 3, 1]
    """
    return {name: tensor[chosen] for name, tensor in tensors.items()}
