"""The score of every query with every image, in chunks: what one image gives once, what a pair needs for each pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from geoglot.engine.matching.images import Progress, no_progress
from geoglot.nn.matcher import Matcher

PAIRS_TOGETHER: Final = 2048
IMAGES_TOGETHER: Final = 256
HELD_BYTES: Final = 1 << 29
"""Most bytes of sides that are held at a time."""


def both_orders_logit(forward: Tensor, backward: Tensor) -> Tensor:
    """Log odds of the mean of two probabilities, given as logits; never saturates, so it has no needless ties.

    Example:
        >>> mean = torch.sigmoid(both_orders_logit(torch.tensor([2.0]), torch.tensor([-1.0])))
        >>> torch.allclose(mean, (torch.sigmoid(torch.tensor([2.0])) + torch.sigmoid(torch.tensor([-1.0]))) / 2)
        True
    """
    yes = torch.logaddexp(functional.logsigmoid(forward), functional.logsigmoid(backward))
    no = torch.logaddexp(functional.logsigmoid(-forward), functional.logsigmoid(-backward))
    return yes - no


@torch.no_grad()
def learned_scores(
    model: Matcher,
    queries: NDArray[Any],
    gallery: NDArray[Any],
    *,
    both_orders: bool | None = None,
    held_bytes: int = HELD_BYTES,
    pairs_together: int = PAIRS_TOGETHER,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Log odds that a pair matches, of every query with every image.

    Args:
        model: The method; evaluated, in evaluation mode.
        queries: (Q, C, H, W) features.
        gallery: (N, C, H, W) features.
        both_orders: Average the probability over both orders; ``None`` does as the method says (``symmetric``).
        held_bytes: Most bytes of left and right sides that are held at a time. While those of all images fit, every
            image passes :meth:`left` and :meth:`right` once; beyond, images of the gallery pass them once for every
            block of queries.
        pairs_together: Pairs per call of :meth:`compare`.
        device: Where the method works.
        progress: Called with (pairs done, pairs in all).

    Returns:
        (Q, N) float32, higher is better.
    """
    model = model.eval().to(device)
    symmetric = model.symmetric if both_orders is None else both_orders
    out = np.empty((len(queries), len(gallery)), dtype=np.float32)
    step = _images_that_fit(model, queries, held_bytes, device)
    done = 0
    for start in range(0, len(queries), step):
        asked = _sides(model, queries[start : start + step], symmetric, device)
        for first in range(0, len(gallery), step):
            searched = _sides(model, gallery[first : first + step], symmetric, device, other=True)
            for rows, columns in _blocks(len(asked[0]), len(searched[0]), pairs_together):
                score = _compare(model, asked, searched, rows, columns)
                out[start + rows.start : start + rows.stop, first + columns.start : first + columns.stop] = score
                done += score.size
                progress(done, out.size)
    return out


Sides = tuple[Tensor, Tensor | None]
"""What an image gives as the first of a pair and, where both orders count, as the second; for a gallery the reverse."""


def _sides(model: Matcher, features: NDArray[Any], symmetric: bool, device: str, *, other: bool = False) -> Sides:
    first, second = (model.right, model.left) if other else (model.left, model.right)
    parts = [
        torch.from_numpy(np.asarray(features[i : i + IMAGES_TOGETHER], dtype=np.float32)).to(device)
        for i in range(0, len(features), IMAGES_TOGETHER)
    ]
    return torch.cat([first(part) for part in parts]), torch.cat([second(p) for p in parts]) if symmetric else None


def _images_that_fit(model: Matcher, queries: NDArray[Any], held_bytes: int, device: str) -> int:
    one = model.left(torch.from_numpy(np.asarray(queries[:1], dtype=np.float32)).to(device))
    # Two sides of queries and of the gallery each.
    return max(1, held_bytes // (4 * one.element_size() * max(1, one.numel())))


def _blocks(rows: int, columns: int, pairs_together: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of at most so many pairs, as near to a square as they can be: few sides, many pairs."""
    height = max(1, min(rows, int(pairs_together**0.5)))
    width = max(1, min(columns, pairs_together // height))
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, columns))


def _compare(model: Matcher, asked: Sides, searched: Sides, rows: slice, columns: slice) -> NDArray[np.float32]:
    height, width = rows.stop - rows.start, columns.stop - columns.start

    def spread(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return first[rows].repeat_interleave(width, 0), second[columns].repeat((height, *[1] * (second.ndim - 1)))

    logits = model.compare(*spread(asked[0], searched[0]))
    if asked[1] is not None and searched[1] is not None:
        second, first = spread(asked[1], searched[1])
        logits = both_orders_logit(logits, model.compare(first, second))
    return logits.float().cpu().numpy().reshape(height, width)


def distance_scores(
    queries: NDArray[Any], gallery: NDArray[Any], metric: Literal["euclidean", "cosine"], *, together: int = 1024
) -> NDArray[np.float32]:
    """Nearness of flattened features: minus the Euclidean distance, or the cosine.

    Args:
        queries: (Q, ...) features.
        gallery: (N, ...) features.
        metric: Which.
        together: Images of the gallery that are held at a time.

    Returns:
        (Q, N) float32, higher is better. A feature of zeros has cosine 0 with all.
    """
    asked = _flat(queries)
    # Distances do not change when all features move together, but small differences of large numbers get lost.
    middle = asked.mean(0, keepdims=True) if metric == "euclidean" else np.float64(0)
    asked = _prepared(asked - middle, metric)
    out = np.empty((len(queries), len(gallery)), dtype=np.float32)
    for start in range(0, len(gallery), together):
        searched = _prepared(_flat(gallery[start : start + together]) - middle, metric)
        found = asked @ searched.T
        if metric == "euclidean":
            squares = np.square(asked).sum(1)[:, None] + np.square(searched).sum(1)[None] - 2 * found
            found = -np.sqrt(np.maximum(squares, 0))
        out[:, start : start + together] = found
    return out


def _flat(features: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(features, dtype=np.float64).reshape(len(features), -1)


def _prepared(features: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    if metric == "euclidean":
        return features
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float64] = features / np.where(lengths > 0, lengths, 1)
    return unit
