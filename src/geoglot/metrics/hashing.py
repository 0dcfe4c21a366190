"""Retrieval by binary codes: packed bits, Hamming distances, rankings and their mean average precision.

Conventions: a bit is +1 or -1 before packing; equal distances are settled by the lower database index (a stable
sort); relevance is equality of class labels; figures are in [0, 1]; a query without a right answer counts as 0 and
stays in the denominator. Average precision at k is read in the two ways of :mod:`geoglot.metrics.precision`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import GeoglotError, UsageError

RADII = (0, 1, 2, 3, 4, 5)
CELLS_PER_BLOCK = 1 << 21


def pack_codes(codes: ArrayLike) -> NDArray[np.uint8]:
    """Codes of -1 and +1 as bits, eight to a byte, the first bit highest; the rest of the last byte is 0.

    Args:
        codes: (N, bits) of -1 and +1.

    Returns:
        uint8, (N, ceil(bits / 8)).

    Raises:
        GeoglotError: The array is not two-dimensional or holds another value.

    Example:
        >>> pack_codes([[1, -1, -1, -1, -1, -1, -1, 1, 1]])  # 10000001 1
        array([[129, 128]], dtype=uint8)
    """
    array = np.asarray(codes)
    if array.ndim != 2 or array.shape[1] == 0:
        raise GeoglotError("codes", cause=f"have shape {array.shape}, not (N, bits)", remedy="pass one row per item")
    if not np.isin(array, (-1, 1)).all():
        raise GeoglotError("codes", cause="hold values other than -1 and +1", remedy="take the signs first")
    return np.packbits(array > 0, axis=1)


def unpack_codes(packed: NDArray[np.uint8], bits: int) -> NDArray[np.int8]:
    """The inverse of :func:`pack_codes`. (N, ceil(bits / 8)) -> (N, bits) of -1 and +1.

    Example:
        >>> unpack_codes(np.array([[160]], dtype=np.uint8), 3)
        array([[ 1, -1,  1]], dtype=int8)
    """
    found = np.unpackbits(packed, axis=1, count=bits).astype(np.int8)
    return 2 * found - 1


def hamming_distances(queries: NDArray[np.uint8], database: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Number of differing bits of every query with every item.

    Args:
        queries: Packed codes, uint8, (Q, bytes).
        database: Packed codes, uint8, (N, bytes).

    Returns:
        (Q, N), uint16.

    Raises:
        GeoglotError: The codes are not packed, or of different lengths.

    Example:
        >>> hamming_distances(np.array([[0b1100]], np.uint8), np.array([[0b1010], [0b1100]], np.uint8))
        array([[2, 0]], dtype=uint16)
    """
    for name, codes in (("queries", queries), ("database", database)):
        if codes.dtype != np.uint8 or codes.ndim != 2:
            cause = f"are {codes.dtype} of shape {codes.shape}, not packed bits (N, bytes)"
            raise GeoglotError(name, cause=cause, remedy="pack them with pack_codes")
    if queries.shape[1] != database.shape[1]:
        cause = f"have {database.shape[1]} bytes, the queries {queries.shape[1]}"
        raise GeoglotError("database", cause=cause, remedy="compare codes of one length")
    total = np.zeros((len(queries), len(database)), dtype=np.uint16)
    for mine, theirs in zip(_words(queries).T, _words(database).T, strict=True):
        total += _bit_count(mine[:, None] ^ theirs[None, :])
    return total


def _words(packed: NDArray[np.uint8]) -> NDArray[Any]:
    """Bytes as the widest words that their number allows: fewer passes over the matrix of distances."""
    width = next(size for size in (8, 4, 2, 1) if packed.shape[1] % size == 0)
    return np.ascontiguousarray(packed).view(f"u{width}")


def _bit_count(words: NDArray[Any]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    return _count_by_table(words)


def _count_by_table(words: NDArray[Any]) -> NDArray[np.uint8]:
    """For NumPy before 2.0, which cannot count bits: each byte looked up."""
    table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1).astype(np.uint8)
    counts = table[np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, words.dtype.itemsize)]
    return np.asarray(counts.sum(-1), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class HashingFigures:
    """How well codes retrieve, in [0, 1].

    Attributes:
        queries: Number of queries.
        database: Number of items.
        without_answer: Queries for which no item is right.
        map_answers: By k: AP over the first min(k, R) right items, wherever they stand. The published figures.
        map_places: By k: AP over the right items among the first k places, divided by min(k, R).
        precision: By k: share of the first k places that are right.
        map_radius: By Hamming radius: AP over the right items among those at most so far, divided by their number;
            a query that finds nothing right there counts as 0.
    """

    queries: int
    database: int
    without_answer: int
    map_answers: dict[int, float]
    map_places: dict[int, float]
    precision: dict[int, float]
    map_radius: dict[int, float]


def hashing_figures(
    queries: NDArray[np.uint8],
    database: NDArray[np.uint8],
    query_labels: ArrayLike,
    database_labels: ArrayLike,
    *,
    cutoffs: Sequence[int] = (5, 10, 20, 50, 100),
    radii: Sequence[int] = RADII,
) -> HashingFigures:
    """Rank the database by Hamming distance for every query and score the rankings.

    Args:
        queries: Packed codes, uint8, (Q, bytes).
        database: Packed codes, uint8, (N, bytes).
        query_labels: Classes, integers, (Q,).
        database_labels: Classes, integers, (N,).
        cutoffs: The k, each at least 1; one beyond N stands for the whole ranking.
        radii: Hamming radii.

    Raises:
        GeoglotError: There is no query or no item, or labels and codes differ in number.
        UsageError: A cut-off is below 1.

    Example:
        One query 00 of class 7; items 00 (class 1), 01 (class 7), 11 (class 7) stand at distances 0, 1, 2, the right
        ones at places 2 and 3. By answers AP@2 = (1/2 + 2/3) / 2 = 7/12; by places AP@2 = (1/2) / 2.

        >>> codes = np.array([[0b00], [0b01], [0b11]], np.uint8)
        >>> figures = hashing_figures(codes[:1], codes, [7], [1, 7, 7], cutoffs=(2,), radii=(0, 1))
        >>> round(figures.map_answers[2], 4), figures.map_places[2], figures.precision[2], figures.map_radius
        (0.5833, 0.25, 0.5, {0: 0.0, 1: 0.5})
    """
    mine, theirs = _labels(query_labels, queries, "query_labels"), _labels(database_labels, database, "database_labels")
    if any(k < 1 for k in cutoffs):
        raise UsageError(f"k = {min(cutoffs)}", cause="is below 1", remedy="ask for at least the first place")
    blocks: list[dict[str, NDArray[np.float64]]] = []
    without = 0
    height = max(1, CELLS_PER_BLOCK // len(database))
    for top in range(0, len(queries), height):
        rows = slice(top, top + height)
        distances = hamming_distances(queries[rows], database)
        # Distances of short codes fit a byte, and NumPy sorts bytes in one pass.
        keys = distances.astype(np.uint8) if 8 * queries.shape[1] < 256 else distances
        order = np.argsort(keys, axis=1, kind="stable")
        relevant = (mine[rows][:, None] == theirs)[np.arange(len(order))[:, None], order]
        without += int((~relevant.any(1)).sum())
        blocks.append(_block_figures(relevant, keys, cutoffs, radii))
    named = {}
    for name, cuts in (
        *((name, cutoffs) for name in ("map_answers", "map_places", "precision")),
        ("map_radius", radii),
    ):
        # One row per cut, each contiguous: the mean does not depend on how the queries were cut into blocks.
        values = np.concatenate([block[name] for block in blocks], axis=1)
        named[name] = {cut: float(row.mean()) for cut, row in zip(cuts, values, strict=True)}
    return HashingFigures(queries=len(queries), database=len(database), without_answer=without, **named)


def _block_figures(
    relevant: NDArray[np.bool_], keys: NDArray[Any], cutoffs: Sequence[int], radii: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Per measure the value of every cut and query of a block, (cuts, queries).

    Right answers as (query, place, number among its query's answers): everything below is counted on those alone.
    """
    queries, items = relevant.shape
    query, place = np.nonzero(relevant)
    totals = np.bincount(query, minlength=queries)
    number = np.arange(len(query)) - (np.cumsum(totals) - totals)[query] + 1
    precision = number / (place + 1)

    def per_query(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(query[chosen], weights=precision[chosen], minlength=queries).astype(np.float64)

    answers, places, shares, inside = [], [], [], []
    for k in cutoffs:
        counted = np.maximum(np.minimum(totals, k), 1)
        answers.append(per_query(number <= k) / counted)
        places.append(per_query(place < k) / counted)
        shares.append(np.bincount(query[place < k], minlength=queries) / min(k, items))
    for radius in radii:
        reach = np.count_nonzero(keys <= radius, axis=1)
        chosen = place < reach[query]
        found = np.bincount(query[chosen], minlength=queries)
        inside.append(per_query(chosen) / np.maximum(found, 1))
    values = {"map_answers": answers, "map_places": places, "precision": shares, "map_radius": inside}
    return {name: np.array(value, dtype=np.float64).reshape(-1, queries) for name, value in values.items()}


def _labels(labels: ArrayLike, codes: NDArray[np.uint8], name: str) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if len(codes) == 0:
        raise GeoglotError(name, cause="belong to no code", remedy="pass at least one query and one item")
    if array.shape != (len(codes),) or not np.issubdtype(array.dtype, np.integer):
        cause = f"are {array.dtype} of shape {array.shape}, not integers ({len(codes)},)"
        raise GeoglotError(name, cause=cause, remedy="pass one class per code")
    return array.astype(np.int64)
