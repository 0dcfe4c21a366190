"""From a class map to phrases with masks: the rules applied, and what is not worth a triplet set aside.

Equations of the paper in words (section III-C): the mask of a category is the union of the masks of its classes; that
of a category with a relation is the union of its connected regions for which the relation holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.data.mask_regions import Connectivity, Mask, contact, label_regions, within, without_strips
from geoglot.data.reference_rules import BODY, DEPTH_M, DOUBT, Category, Relation, Rulebook

LEAST_BUFFER = 1.5  # pixels: corners touch
WIDER = 1.5


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A class map and what it takes to read it.

    Attributes:
        classes: (H, W) class values.
        names: Class names by value.
        gsd_m: Metres per pixel.
        instances: (H, W) object numbers, 0 for none; ``None`` where objects are not told apart.
    """

    classes: NDArray[np.integer[Any]]
    names: Mapping[int, str]
    gsd_m: float
    instances: NDArray[np.integer[Any]] | None = None

    def of(self, *names: str) -> Mask:
        """Where classes lie."""
        return np.isin(self.classes, [value for value, name in self.names.items() if name in names])


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """A category with or without a relation, and what it means on a class map.

    Attributes:
        category: What is meant.
        relation: To what, or ``None``.
        mask: (H, W) bool.
        whole: (H, W) bool, mask of the category without the relation.
        doubtful: Pixels of regions of which one may think otherwise.
        strips: Pixels of the mask where it is narrower than the category should be.
    """

    category: Category
    relation: Relation | None
    mask: Mask
    whole: Mask
    doubtful: int = 0
    strips: int = 0

    @property
    def template(self) -> str:
        """Which of the paper's templates it fills."""
        words = (
            ["attribute"] * bool(self.category.attribute) + ["category"] + ["relation"] * (self.relation is not None)
        )
        return "+".join(words)


def meanings(labels: Labels, rulebook: Rulebook, *, connectivity: Connectivity = 8) -> Iterator[Meaning]:
    """Everything that a rulebook can say about a class map, the empty and the trivial included."""
    for category in rulebook.categories:
        whole = category_mask(labels, category, connectivity=connectivity)
        half = category.width_m / 2 / labels.gsd_m
        strips = whole & ~without_strips(whole, half)
        yield Meaning(category=category, relation=None, mask=whole, whole=whole, strips=int(strips.sum()))
        spoken_of = [relation for relation in rulebook.relations if category.name in relation.subjects]
        if not spoken_of:
            continue
        regions, count = label_regions(whole, connectivity=connectivity, instances=labels.instances)
        for relation in spoken_of:
            reference = category_mask(labels, rulebook.reference(relation), connectivity=connectivity) & ~whole
            mask, doubtful = related(regions, count, reference, relation, gsd_m=labels.gsd_m)
            yield Meaning(
                category=category,
                relation=relation,
                mask=mask,
                whole=whole,
                doubtful=doubtful,
                strips=int(np.count_nonzero(mask & strips)),
            )


def category_mask(labels: Labels, category: Category, *, connectivity: Connectivity = 8) -> Mask:
    """Where a category lies: its classes, and regions of others that lie on them."""
    mask = labels.of(*category.classes)
    if category.lying_on:
        regions, count = label_regions(labels.of(*category.lying_on), connectivity=connectivity)
        (share,) = contact(regions, count, mask, LEAST_BUFFER)
        mask = mask | np.concatenate([[False], share >= 0.5])[regions]
    return mask


def related(
    regions: NDArray[np.int32], count: int, reference: Mask, relation: Relation, *, gsd_m: float
) -> tuple[Mask, int]:
    """The regions for which a relation holds.

    Args:
        regions: (H, W) region numbers from 1, 0 outside.
        count: Number of regions.
        reference: (H, W) bool.
        relation: The rule.
        gsd_m: Metres per pixel.

    Returns:
        (H, W) bool, and the number of pixels of the regions in doubt.
    """
    if count == 0 or not reference.any():
        return np.zeros(regions.shape, dtype=bool), 0
    radius = max(LEAST_BUFFER, relation.buffer_m / gsd_m)
    if relation.rule == "enclose":
        reference = without_strips(reference, DEPTH_M / gsd_m)
    share, wider = contact(regions, count, reference, radius, WIDER * radius)
    holds = (share > 0) & (share >= relation.share)
    unsure = ~holds & ((share >= DOUBT * relation.share) | (wider >= relation.share)) & (wider > 0)
    if relation.rule == "enclose":
        inside = regions[(regions > 0) & ~within(regions == 0, max(BODY, radius))]
        is_seam = np.bincount(inside, minlength=count + 1)[1:] == 0
        unsure |= holds & is_seam
        holds &= ~is_seam
    sizes = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    return np.concatenate([[False], holds])[regions], int(sizes[unsure].sum())
