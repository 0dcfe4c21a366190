"""Why a model gives a picture and a text their score: what every explanation asks of a model, and occlusion.

Occlusion needs nothing but scores, so it explains any model: parts of the picture are hidden one after the other, words
are left out one after the other, and what the score loses is how much the part or the word mattered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.models.bundle import Bundle

How = Literal["occlusion", "rollout", "attention"]
HOWS: Final[tuple[How, ...]] = ("occlusion", "rollout", "attention")

WINDOWS_ACROSS: Final = 6
"""Positions of the window along a side: 36 in all, each hidden and shown alone; a second of work on one core."""
LEFT_OUT: Final = 0.75
"""Share of the words that are left out at most."""
MOST_TEXTS: Final = 240
"""About so many shortened texts are scored: a fifth of a second."""
WINDOW_SHARE: Final = 1 / 3
"""Side of the hidden window as a share of the picture's side."""

Scores = Callable[[NDArray[np.uint8], Sequence[str]], NDArray[np.float32]]
"""(N, S, S, 3) uint8 pictures and T texts -> (N, T), higher is better."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """What matters for one score.

    Attributes:
        heat: (G, G) float32, at least 0: how much each place speaks for the text, in the unit of the way.
        weights: (W,) float32: how far the score falls when the word goes, negative where it rises; by rollout, shares
            that sum to one.
        score: Of the whole picture with the whole text.
        word_heat: (W, G, G) float32, where each word looks; ``None`` where the way does not tell.
    """

    heat: NDArray[np.float32]
    weights: NDArray[np.float32]
    score: float
    word_heat: NDArray[np.float32] | None = None


class Explainer(Protocol):
    """A model that can be looked into."""

    @property
    def id(self) -> str:
        """Name and version."""

    @property
    def side(self) -> int:
        """Input side in pixels."""

    @property
    def ways(self) -> tuple[How, ...]:
        """What it offers, the best first."""

    def scores(self, pixels: NDArray[np.uint8], texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 and T texts -> (N, T)."""

    def find(self, how: How, pixels: NDArray[np.uint8], words: Sequence[str]) -> Finding:
        """Explain one picture, (side, side, 3) uint8, and one text, by one of ``ways``."""


def by_occlusion(scores: Scores, pixels: NDArray[np.uint8], words: Sequence[str]) -> Finding:
    """Hide parts of a picture, leave out words: what the score loses is what they matter.

    The heat of a window is the mean of two differences: the score that is lost when the window is hidden, and the score
    that it has alone above that of a picture with everything hidden. The words are weighed by :func:`word_weights`.

    Args:
        scores: The model.
        pixels: (S, S, 3) uint8.
        words: At least one.

    Returns:
        Heat on the model's grid of pixels, (S, S), and weights, both in the unit of the score.

    Example:
        A model whose score is the brightness of the upper left corner, for the word "bright" only:

        >>> def scores(pixels, texts):
        ...     corner = pixels[:, :4, :4].mean((1, 2, 3)) / 255
        ...     return np.outer(corner, ["bright" in text for text in texts]).astype(np.float32)
        >>> picture = np.zeros((12, 12, 3), np.uint8)
        >>> picture[:4, :4] = 255
        >>> found = by_occlusion(scores, picture, ["a", "bright", "roof"])
        >>> found.weights.tolist(), bool(found.heat[:2, :2].min() > 2 * found.heat[6:, 6:].max())
        ([0.0, 1.0, 0.0], True)
    """
    masks = sliding_windows(len(pixels))
    nothing = np.ones((1, *masks.shape[1:]), bool)
    views = hidden(pixels, np.concatenate([~nothing, nothing, masks, ~masks]))
    of_pictures = scores(views, [" ".join(words)])[:, 0].astype(np.float64)
    whole, empty, without, alone = np.split(of_pictures, [1, 2, 2 + len(masks)])
    heat = spread(((whole - without) + (alone - empty)) / 2, masks)
    weights = word_weights(lambda texts: scores(pixels[None], texts)[0], words)
    return Finding(heat=np.maximum(heat, 0), weights=weights, score=float(whole[0]))


def word_weights(
    scores: Callable[[Sequence[str]], NDArray[np.float32]], words: Sequence[str], *, seed: int = 0
) -> NDArray[np.float32]:
    """How far the score falls, on average, when a word goes while others are gone already.

    Words are left out one after the other until a quarter is left, in all orders or, from five words on, in random
    ones. To leave out each word alone would tell too little: of two that say the same, both would count for nothing.

    Args:
        scores: Scores of texts with the picture, (T,).
        words: At least one.
        seed: Of the orders; the same seed gives the same weights.

    Returns:
        (W,) float32, in the unit of the score; negative where the score rises without the word.

    Example:
        >>> says_boat = lambda texts: np.array([0.5 * ("boat" in text) for text in texts])
        >>> word_weights(says_boat, ["the", "boat"]).tolist()
        [0.0, 0.5]
    """
    count = len(words)
    steps = max(1, min(count - 1, round(LEFT_OUT * count)))
    orders = _orders(count, at_most=2 * max(1, MOST_TEXTS // (2 * steps)), seed=seed)
    texts = [_without(words, order[:gone]) for order in orders for gone in range(steps + 1)]
    distinct = list(dict.fromkeys(texts))
    score_of = dict(zip(distinct, np.asarray(scores(distinct), np.float64), strict=True))
    along = np.array([score_of[text] for text in texts]).reshape(len(orders), steps + 1)
    falls, times = np.zeros(count), np.zeros(count)
    for order, fall in zip(orders, -np.diff(along, axis=1), strict=True):
        falls[order[:steps]] += fall
        times[order[:steps]] += 1
    weights: NDArray[np.float32] = (falls / times).astype(np.float32)
    return weights


def _orders(count: int, *, at_most: int, seed: int) -> list[NDArray[np.int64]]:
    """All orders of a few words, else random ones, each also backwards: so every word goes at least once."""
    if math.factorial(min(count, 8)) <= at_most:
        return [np.array(order) for order in permutations(range(count))]
    generator = np.random.default_rng(seed)
    forward = [generator.permutation(count) for _ in range(at_most // 2)]
    return [order for one in forward for order in (one, one[::-1])]


def _without(words: Sequence[str], gone: NDArray[np.int64]) -> str:
    left_out = set(gone.tolist())
    return " ".join(word for position, word in enumerate(words) if position not in left_out)


def sliding_windows(side: int, *, across: int = WINDOWS_ACROSS, share: float = WINDOW_SHARE) -> NDArray[np.bool_]:
    """Square windows on an even grid, the outer ones flush with the edges.

    Returns:
        bool (across squared, side, side), rows of windows first.

    Example:
        >>> sliding_windows(4, across=3, share=0.5)[1].astype(int).tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    size = max(1, round(share * side))
    starts = np.round(np.linspace(0, side - size, across)).astype(int)
    position = np.arange(side)
    along = (position >= starts[:, None]) & (position < starts[:, None] + size)
    windows: NDArray[np.bool_] = (along[:, None, :, None] & along[None, :, None, :]).reshape(-1, side, side)
    return windows


def hidden(pixels: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture with each mask's part painted in the picture's mean colour. (S, S, 3), (K, S, S) -> (K, S, S, 3).

    Example:
        >>> picture = np.array([[[0, 0, 0], [100, 10, 50]]], np.uint8)
        >>> hidden(picture, np.array([[[True, False]]])).tolist()
        [[[[50, 5, 25], [100, 10, 50]]]]
    """
    colour = np.round(pixels.mean((0, 1))).astype(np.uint8)
    return np.where(masks[..., None], colour, pixels)


def spread(values: NDArray[np.float64], masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values of windows as a smooth map: at every place the mean over the windows, the nearer their middle the more.

    A window's weight falls from its middle with a Gaussian of half its side, so the map has no steps where windows end.

    Args:
        values: (K,), one per window.
        masks: (K, S, S) bool, square windows.

    Returns:
        (S, S) float32, between the lowest and the highest value.

    Example:
        >>> masks = np.array([[[True, False, False]], [[False, False, True]]])
        >>> spread(np.array([1.0, 3.0]), masks).round(2).tolist()  # the middle one is as far from both
        [[1.0, 2.0, 3.0]]
    """
    _, height, width = masks.shape
    down, along = (_bell(np.asarray(masks.any(axis)), size) for axis, size in ((2, height), (1, width)))
    weights: NDArray[np.float64] = down[:, :, None] * along[:, None, :]
    total = np.einsum("k,kij->ij", values, weights)
    smooth: NDArray[np.float32] = (total / weights.sum(0)).astype(np.float32)
    return smooth


def _bell(marks: NDArray[np.bool_], length: int) -> NDArray[np.float64]:
    """(K, length) marks of an interval each -> a bell over the whole length round the interval's middle."""
    position, inside = np.arange(length), marks.astype(np.float64)
    lengths = inside.sum(axis=1, keepdims=True)
    middle = (inside * position).sum(axis=1, keepdims=True) / lengths
    half = np.maximum(lengths / 2, 0.25) / 1.5
    bell: NDArray[np.float64] = np.exp(-0.5 * ((position - middle) / half) ** 2) + 1e-12
    return bell


@dataclass(frozen=True)
class BundleExplainer:
    """A bundle, explained by what its score loses.

    Attributes:
        bundle: Two towers that share one sphere.
        bare: Whether texts are taken as they are; otherwise they are asked as a search asks them.
    """

    bundle: Bundle
    bare: bool = False

    @property
    def id(self) -> str:
        """Name and version of the bundle."""
        return self.bundle.id

    @property
    def side(self) -> int:
        """Input side in pixels."""
        return self.bundle.side

    @property
    def ways(self) -> tuple[How, ...]:
        """Occlusion only: networks in a bundle give vectors and nothing else."""
        return ("occlusion",)

    def scores(self, pixels: NDArray[np.uint8], texts: Sequence[str]) -> NDArray[np.float32]:
        """Cosines. (N, side, side, 3) uint8 and T texts -> (N, T)."""
        asked = self.bundle.encode_texts(texts) if self.bare else self.bundle.encode_queries(texts)
        cosines: NDArray[np.float32] = self.bundle.encode_images(pixels) @ asked.T
        return cosines

    def find(self, how: How, pixels: NDArray[np.uint8], words: Sequence[str]) -> Finding:
        """Explain one picture and one text."""
        return by_occlusion(self.scores, pixels, words)
