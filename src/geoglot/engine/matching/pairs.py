"""Which images are compared in training: balanced pairs drawn anew every epoch, or all pairs within a batch.

Everything drawn is a function of (seed, epoch), so a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """P pairs of images.

    Attributes:
        first: (P,) int64 positions.
        second: (P,) int64 positions.
        same: (P,) bool, whether both are of one class.
    """

    first: Rows
    second: Rows
    same: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: slice | Rows) -> Pairs:
        return Pairs(first=self.first[rows], second=self.second[rows], same=self.same[rows])


def balanced_pairs(categories: Rows, count: int, *, seed: tuple[int, ...]) -> Pairs:
    """Pairs of which half are of one class, in a random order; an image is never paired with itself.

    The first images of matching pairs, and of the others, run through all images that have a partner before one
    comes again; the second is drawn evenly from the same class, or from all images of other classes.

    Args:
        categories: (M,) int64 classes.
        count: Pairs; of an odd number one more does not match.
        seed: Of the draws.

    Raises:
        DataError: There is one class alone, or no class with two images.

    Example:
        >>> pairs = balanced_pairs(np.array([0, 0, 1, 1, 2]), 8, seed=(0,))
        >>> int(pairs.same.sum()), bool((pairs.first == pairs.second).any())
        (4, False)
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(categories, kind="stable")
    _, starts, sizes = np.unique(categories[order], return_index=True, return_counts=True)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    of = np.unique(categories, return_inverse=True)[1]
    partnered = np.flatnonzero(sizes[of] > 1)
    if not len(partnered) or len(sizes) < 2:
        cause = "have one class" if len(sizes) < 2 else "have no class with two images"
        raise DataError("the training images", cause=cause, remedy="give several classes of several images")
    matching = count // 2
    first = _rounds(partnered, matching, generator)
    # Positions in the class: skip the image itself, or in the sorted listing the whole class.
    step = generator.integers(1, sizes[of[first]])
    second = order[starts[of[first]] + (position[first] - starts[of[first]] + step) % sizes[of[first]]]
    other = _rounds(np.arange(len(order)), count - matching, generator)
    skip = generator.integers(0, len(order) - sizes[of[other]])
    against = order[(starts[of[other]] + sizes[of[other]] + skip) % len(order)]
    mixed = generator.permutation(count)
    return Pairs(
        first=np.concatenate([first, other])[mixed],
        second=np.concatenate([second, against])[mixed],
        same=(np.arange(count) < matching)[mixed],
    )


def _rounds(rows: Rows, count: int, generator: np.random.Generator) -> Rows:
    """`count` of `rows`, each drawn once before any comes again."""
    times = -(-count // len(rows))
    drawn = [generator.permutation(rows) for _ in range(times)]
    return np.concatenate(drawn)[:count] if drawn else np.zeros(0, dtype=np.int64)


def class_batches(categories: Rows, batch: int, classes: int, *, seed: tuple[int, ...]) -> Iterator[Rows]:
    """Batches that hold several images of each of several classes, about one pass over all images.

    Classes come in a random order, all of them before one comes again, and so do the images of a class. A batch has
    ``batch // classes`` images of each class, all distinct: fewer of a class that has fewer.

    Args:
        categories: (M,) int64 classes.
        batch: Images per batch at most.
        classes: Classes per batch; no more than there are.
        seed: Of the draws.

    Yields:
        (B,) int64 positions.

    Raises:
        DataError: There is one class alone.
    """
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(categories == name) for name in np.unique(categories)]
    if len(members) < 2:
        raise DataError("the training images", cause="have one class", remedy="give several classes")
    classes = min(classes, len(members))
    each = max(2, batch // classes)
    queues: list[list[int]] = [[] for _ in members]
    waiting: list[int] = []
    for _ in range(max(1, len(categories) // (classes * each))):
        chosen: list[int] = []
        while len(chosen) < classes:
            if not waiting:
                waiting = generator.permutation(len(members)).tolist()
            # A class that the last round put into this batch waits for the next.
            taken = next((name for name in waiting if name not in chosen), None)
            if taken is None:
                waiting += generator.permutation(len(members)).tolist()
                continue
            waiting.remove(taken)
            chosen.append(taken)
        rows: list[int] = []
        for name in chosen:
            wanted = min(each, len(members[name]))
            drawn: list[int] = []
            while len(drawn) < wanted:
                if not queues[name]:
                    queues[name] = [row for row in generator.permutation(members[name]).tolist() if row not in drawn]
                drawn.append(queues[name].pop())
            rows += drawn
        yield np.array(rows, dtype=np.int64)


def all_pairs(categories: Rows, *, both_orders: bool) -> Pairs:
    """Every pair within a batch but an image with itself. (B,) -> B (B - 1) pairs, or half of them.

    Example:
        >>> pairs = all_pairs(np.array([4, 4, 7]), both_orders=False)
        >>> list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist()))
        [(0, 1, True), (0, 2, False), (1, 2, False)]
    """
    first, second = (
        np.nonzero(~np.eye(len(categories), dtype=bool)) if both_orders else np.triu_indices(len(categories), 1)
    )
    return Pairs(first=first, second=second, same=categories[first] == categories[second])


def balance(same: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weights of pairs that give both kinds half of the whole; they sum to 1.

    A batch that has one kind alone weights its pairs evenly.

    Example:
        >>> balance(np.array([True, False, False, False, False])).tolist()
        [0.5, 0.125, 0.125, 0.125, 0.125]
    """
    matching = int(same.sum())
    if matching in (0, len(same)):
        return np.full(len(same), 1 / max(1, len(same)), dtype=np.float32)
    return np.where(same, 0.5 / matching, 0.5 / (len(same) - matching)).astype(np.float32)
