"""Slow and obvious: nested loops over plain lists, sharing no code with the package."""

from __future__ import annotations

from collections.abc import Sequence


def rank_of_best_answer(row: Sequence[float], right: set[int], ties: str) -> int:
    """Sort the items of one query by hand and walk down to the first right one."""
    order: list[int] = []
    remaining = set(range(len(row)))
    while remaining:
        top = max(row[j] for j in remaining)
        level = sorted(j for j in remaining if row[j] == top)
        if ties == "optimistic":
            level = [j for j in level if j in right] + [j for j in level if j not in right]
        if ties == "pessimistic":
            level = [j for j in level if j not in right] + [j for j in level if j in right]
        order += level
        remaining -= set(level)
    for place, item in enumerate(order, start=1):
        if item in right:
            return place
    raise AssertionError("no right answer")


def plain_ranks(scores: Sequence[Sequence[float]], image_of_caption: Sequence[int], ties: str):
    images, captions = len(scores), len(scores[0])
    image_to_text = []
    for i in range(images):
        right = {j for j in range(captions) if image_of_caption[j] == i}
        image_to_text.append(rank_of_best_answer(scores[i], right, ties))
    text_to_image = []
    for j in range(captions):
        column = [scores[i][j] for i in range(images)]
        text_to_image.append(rank_of_best_answer(column, {image_of_caption[j]}, ties))
    return image_to_text, text_to_image


def duplicate_aware(scores: Sequence[Sequence[float]], captions_of_image: Sequence[Sequence[str]], ties: str):
    """``scores[i][u]`` against the distinct strings in order of first appearance."""
    texts: list[str] = []
    for captions in captions_of_image:
        for caption in captions:
            if caption not in texts:
                texts.append(caption)
    image_to_text = []
    for i, captions in enumerate(captions_of_image):
        right = {u for u, text in enumerate(texts) if text in captions}
        image_to_text.append(rank_of_best_answer(scores[i], right, ties))
    text_to_image = []
    for u, text in enumerate(texts):
        right = {i for i, captions in enumerate(captions_of_image) if text in captions}
        text_to_image.append(rank_of_best_answer([row[u] for row in scores], right, ties))
    return image_to_text, text_to_image


def pair_auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    won = 0.0
    for p in positive:
        for n in negative:
            won += 1.0 if p > n else 0.5 if p == n else 0.0
    return won / (len(positive) * len(negative))


def precision_walk(relevance: Sequence[bool], k: int | None, cut: str) -> float:
    total = sum(relevance)
    if total == 0:
        return 0.0
    found, gained, answers_used = 0, 0.0, 0
    for place, right in enumerate(relevance, start=1):
        if not right:
            continue
        found += 1
        inside = k is None or (place <= k if cut == "places" else found <= k)
        if inside:
            gained += found / place
            answers_used += 1
    if k is None:
        return gained / total
    return gained / (min(k, total) if cut == "places" else answers_used)
