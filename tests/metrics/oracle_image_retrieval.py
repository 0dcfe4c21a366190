"""Slow and obvious: nested loops over plain lists, sharing no code with the package."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ranking(row: Sequence[float], relevant: set[int], own: int, ties: str) -> list[int]:
    """Columns from the best place down, the query's own left out."""
    remaining = [j for j in range(len(row)) if j != own]
    order: list[int] = []
    while remaining:
        best = remaining[0]
        for j in remaining[1:]:
            higher = row[j] > row[best]
            worse_answer_first = (
                ties == "pessimistic" and row[j] == row[best] and best in relevant and j not in relevant
            )
            if higher or worse_answer_first:
                best = j
        order.append(best)
        remaining.remove(best)
    return order


def measures(
    row: Sequence[float], category: int, categories: Sequence[int], own: int, ties: str, largest: int, cutoffs
) -> dict[str, float] | None:
    """AP, both NMRR and P@k of one query; None where nothing is relevant. ``largest`` is the greatest G of all."""
    relevant = {j for j in range(len(row)) if categories[j] == category and j != own}
    total = len(relevant)
    if total == 0:
        return None
    order = ranking(row, relevant, own, ties)
    hits, precision_sum = 0, 0.0
    for place, column in enumerate(order, start=1):
        if column in relevant:
            hits += 1
            precision_sum += hits / place
    found = {"ap": precision_sum / total}
    for name, reach in (("nmrr", 2 * total), ("nmrr_mpeg7", min(4 * total, 2 * largest))):
        penalised = 0.0
        for place, column in enumerate(order, start=1):
            if column in relevant:
                penalised += place if place <= reach else 1.25 * reach
        found[name] = (penalised / total - 0.5 * (1 + total)) / (1.25 * reach - 0.5 * (1 + total))
    for k in cutoffs:
        found[f"p{k}"] = sum(1 for column in order[:k] if column in relevant) / k
    return found


def euclidean_scores(queries: Sequence[Sequence[float]], gallery: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[-math.dist(q, g) for g in gallery] for q in queries]


def cosine_scores(queries: Sequence[Sequence[float]], gallery: Sequence[Sequence[float]]) -> list[list[float]]:
    rows = []
    for q in queries:
        row = []
        for g in gallery:
            lengths = math.hypot(*q) * math.hypot(*g)
            row.append(sum(a * b for a, b in zip(q, g, strict=True)) / lengths if lengths else 0.0)
        rows.append(row)
    return rows
