"""What phrases mean: the one table of categories, attributes and spatial relations.

Paper: "RRSIS: Referring Remote Sensing Image Segmentation" (Yuan, Mou, Hua, Zhu), sections III-B and III-C, Table I.
The paper gives the words and the way (masks of classes, connected regions, buffers); the numbers below are **ours**,
as it names none:

- Regions join pixels that touch by a side or a corner (``connectivity`` 8), on the crop before it is made smaller.
- A rule asks which share of a region's outline lies within ``buffer_m`` of the reference. The edge of the crop is
  outline, too, and nothing beyond it counts. ``touch``: at least a small share. ``contain`` (in, on): at least half,
  close by, as one sees the ground around what stands on it. ``enclose`` (surrounded by): nearly all.
- A buffer is at least 1.5 pixels, so that what touches by a corner is always near.
- A region whose share lies just below what is asked (from ``share * DOUBT`` on), or that meets the rule with a buffer
  1.5 times as wide only, is *doubtful*: it is not meant, but where much is doubtful the triplet is dropped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Rule = Literal["touch", "contain", "enclose"]

DOUBT = 0.7


@dataclass(frozen=True, kw_only=True)
class Category:
    """What a phrase can name.

    Attributes:
        name: The noun, a key of the noun table of :mod:`geoglot.data.reference_phrases`.
        classes: Class names that it includes: one of the same meaning (identity) or several (inclusion).
        attribute: Word that narrows it, or empty.
        lying_on: Classes that count as this one where they lie on it, as markings on a road do.
    """

    name: str
    classes: tuple[str, ...]
    attribute: str = ""
    lying_on: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Attribute and name."""
        return f"{self.attribute} {self.name}".strip()


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A spatial relation to what lies around.

    Attributes:
        name: The English words, a key of the relation table of :mod:`geoglot.data.reference_phrases`.
        reference: Category that the relation is to.
        rule: ``touch``, ``contain`` or ``enclose``.
        buffer_m: What is no farther away is near, metres.
        share: Share of a region's outline that must be near the reference, [0, 1].
        subjects: Names of categories it may be said of; attributes of them are included.
    """

    name: str
    reference: str
    rule: Rule
    buffer_m: float
    share: float
    subjects: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """Categories and relations that fit the classes of a source.

    Attributes:
        categories: In the order in which triplets are made.
        relations: Likewise.
        references: Categories that only relations speak of.
    """

    categories: tuple[Category, ...]
    relations: tuple[Relation, ...]
    references: tuple[Category, ...] = ()

    def reference(self, relation: Relation) -> Category:
        """The category that a relation is to."""
        pool = [c for c in (*self.references, *self.categories) if not c.attribute]
        return next(c for c in pool if c.name == relation.reference)

    def restricted(self, classes: Collection[str]) -> Rulebook:
        """The part of the table that classes allow: categories keep the classes that are there."""

        def kept(several: tuple[Category, ...]) -> tuple[Category, ...]:
            fitted = (_kept(category, classes) for category in several)
            return tuple(category for category in fitted if category.classes)

        categories, references = kept(self.categories), kept(self.references)
        names = {category.name for category in categories}
        known = names | {category.name for category in references}
        relations = tuple(r for r in self.relations if r.reference in known and names & set(r.subjects))
        return Rulebook(categories=categories, relations=relations, references=references)


def _kept(category: Category, classes: Collection[str]) -> Category:
    return Category(
        name=category.name,
        classes=tuple(name for name in category.classes if name in classes),
        attribute=category.attribute,
        lying_on=tuple(name for name in category.lying_on if name in classes),
    )


LAND_COVER = Rulebook(
    categories=(
        Category(name="water", classes=("water",)),
        Category(name="bare land", classes=("land", "bare land", "barren", "bare soil")),
        Category(name="road", classes=("road", "roads")),
        Category(name="building", classes=("building", "buildings")),
        Category(name="vegetation", classes=("vegetation", "tree", "trees", "low vegetation", "grass", "forest")),
    ),
    relations=(
        Relation(name="along the road", reference="road", rule="touch", buffer_m=10, share=0.15,
                 subjects=("building", "vegetation")),
        Relation(name="by the water", reference="water", rule="touch", buffer_m=10, share=0.1,
                 subjects=("building", "vegetation", "road")),
        Relation(name="surrounded by building", reference="building", rule="enclose", buffer_m=6, share=0.7,
                 subjects=("vegetation", "bare land", "water")),
        Relation(name="surrounded by vegetation", reference="vegetation", rule="enclose", buffer_m=6, share=0.7,
                 subjects=("building", "water", "bare land")),
        Relation(name="surrounded by bare land", reference="bare land", rule="enclose", buffer_m=3, share=0.8,
                 subjects=("building", "water", "vegetation")),
        Relation(name="surrounded by water", reference="water", rule="enclose", buffer_m=6, share=0.8,
                 subjects=("bare land", "vegetation")),
    ),
)  # fmt: skip
"""Water, bare land, road, building, vegetation: the Dubai set and rasters like it."""
