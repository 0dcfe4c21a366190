"""What phrases mean: the one table of categories, attributes and spatial relations.

Paper: "RRSIS: Referring Remote Sensing Image Segmentation" (Yuan, Mou, Hua, Zhu), sections III-B and III-C, Table I.
The paper gives the words and the way (masks of classes, connected regions, buffers); the numbers below are **ours**,
as it names none:

- Regions join pixels that touch by a side or a corner (``connectivity`` 8), on the crop before it is made smaller.
- A rule asks which share of a region's outline lies within ``buffer_m`` of the reference. The edge of the crop is
  outline, too, and nothing beyond it counts. ``touch``: at least a small share. ``contain`` (in, on): at least half,
  close by, as one sees the ground around what stands on it. ``enclose`` (surrounded by): nearly all.
- A buffer is at least 1.5 pixels, so that what touches by a corner is always near.
- What encloses must have some depth: strips of the reference narrower than ``2 * DEPTH_M`` are left out, for a villa
  with two metres of sand around it stands in a street, not in a desert. What is enclosed must have a body: a region of
  which no pixel lies ``BODY`` pixels, and farther than the buffer, inside is a seam, not a place.
- A surface (``width_m``) that is mostly narrower than its least width is dropped: a field's edge is no meadow.
- A region whose share lies just below what is asked (from ``share * DOUBT`` on), or that meets the rule with a buffer
  1.5 times as wide only, is *doubtful*: it is not meant, but where much is doubtful the triplet is dropped. So is an
  enclosed seam.
- Which classes a category includes: *road marking* is the lane markings (identity); *vehicle* is everything that
  drives or is drawn, *light-duty* cars and vans, *heavy-duty* trucks of both sizes and buses, *long* the large trucks
  (the paper does not say what is long); *truck* both sizes (inclusion). Lane markings count as road where they lie on
  one. *driving on the road* is said of vehicles, *on the road* of what does not drive by itself, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Rule = Literal["touch", "contain", "enclose"]

DOUBT = 0.7
BODY = 3
DEPTH_M = 5.0


@dataclass(frozen=True, kw_only=True)
class Category:
    """What a phrase can name.

    Attributes:
        name: The noun, a key of the noun table of :mod:`geoglot.data.reference_phrases`.
        classes: Class names that it includes: one of the same meaning (identity) or several (inclusion).
        attribute: Word that narrows it, or empty.
        lying_on: Classes that count as this one where they lie on it, as markings on a road do.
        width_m: A surface narrower than this is not what one would call so: a mask that is mostly narrower is dropped.
    """

    name: str
    classes: tuple[str, ...]
    attribute: str = ""
    lying_on: tuple[str, ...] = ()
    width_m: float = 0.0

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
        nouns: By category, its forms by language in the notation of :mod:`geoglot.data.reference_phrases`, for nouns
            that are not in the table there.
    """

    categories: tuple[Category, ...]
    relations: tuple[Relation, ...]
    references: tuple[Category, ...] = ()
    nouns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

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
        return Rulebook(categories=categories, relations=relations, references=references, nouns=self.nouns)


def _kept(category: Category, classes: Collection[str]) -> Category:
    return replace(
        category,
        classes=tuple(name for name in category.classes if name in classes),
        lying_on=tuple(name for name in category.lying_on if name in classes),
    )


def _category(
    name: str, *classes: str, attribute: str = "", lying_on: tuple[str, ...] = (), width_m: float = 0.0
) -> Category:
    return Category(name=name, classes=classes or (name,), attribute=attribute, lying_on=lying_on, width_m=width_m)


def _relation(name: str, rule: Rule, reference: str, *, buffer_m: float, share: float, of: str) -> Relation:
    subjects = tuple(subject.strip() for subject in of.split(","))
    return Relation(name=name, reference=reference, rule=rule, buffer_m=buffer_m, share=share, subjects=subjects)


# fmt: off
_MARKING = ("lane marking",)
_PARKING = ("paved parking place", "non-paved parking place")

SKYSCAPES = Rulebook(
    categories=(
        _category("road", "paved road", "non-paved road", lying_on=_MARKING),
        _category("road", "paved road", attribute="paved", lying_on=_MARKING),
        _category("road", "non-paved road", attribute="unpaved"),
        _category("vehicle", "car", "van", "truck", "large truck", "bus", "trailer"),
        _category("vehicle", "car", "van", attribute="light-duty"),
        _category("vehicle", "truck", "large truck", "bus", attribute="heavy-duty"),
        _category("car"),
        _category("van"),
        _category("building"),
        _category("truck", "truck", "large truck"),
        _category("truck", "large truck", attribute="long"),
        _category("trailer"),
        _category("bus"),
        _category("road marking", "lane marking"),
        _category("bikeway"),
        _category("sidewalk"),
        _category("tree"),
        _category("low vegetation"),
        _category("impervious surface"),
    ),
    references=(_category("parking area", *_PARKING, lying_on=_MARKING),),
    relations=(
        _relation("in the parking area", "contain", "parking area", buffer_m=0.5, share=0.5,
                  of="vehicle, car, van, truck, trailer, bus"),
        _relation("with a parking lot", "touch", "parking area", buffer_m=8, share=0.1, of="building"),
        _relation("driving on the road", "contain", "road", buffer_m=0.5, share=0.5,
                  of="vehicle, car, van, truck, bus"),
        _relation("on the road", "contain", "road", buffer_m=0.5, share=0.5, of="road marking, trailer, vehicle"),
        _relation("along the road", "touch", "road", buffer_m=12, share=0.1, of="building"),
        _relation("along the road", "touch", "road", buffer_m=5, share=0.1, of="tree, low vegetation"),
        _relation("along the road", "touch", "road", buffer_m=2, share=0.2, of="sidewalk, bikeway"),
        _relation("along with tree", "touch", "tree", buffer_m=3, share=0.1, of="road, sidewalk, bikeway"),
        _relation("surrounded by building", "enclose", "building", buffer_m=4, share=0.6,
                  of="low vegetation, tree, impervious surface"),
    ),
)
"""The paper's 14 categories, 5 attributes and 7 relations, for the 20 classes of SkyScapes."""

_ROADS = ("road", "roads", "street", "avenue", "motorway", "roundabout", "paved road", "non-paved road")
_BUILDINGS = ("building", "buildings", "house", "houses", "industrial building", "terminal", "roof")
_GREENS = ("vegetation", "tree", "trees", "low vegetation", "grass", "forest", "meadow", "garden", "park", "shrub")

GENERAL = Rulebook(
    categories=(
        _category("water", "water", "sea", "river", "lake", "pond", width_m=8),
        _category("bare land", "land", "bare land", "barren", "bare soil", "desert", width_m=8),
        _category("road", *_ROADS, lying_on=("car",)),
        _category("building", *_BUILDINGS),
        _category("vegetation", *_GREENS, width_m=4),
        _category("house", "house", "houses"),
        _category("industrial building"),
        _category("tree", "tree", "trees"),
        _category("forest", lying_on=("tree",), width_m=8),
        _category("meadow", "meadow", "grass", "grassland", width_m=8),
        _category("farmland", "farmland", "agriculture", "cropland", "agricultural land", width_m=8),
        _category("beach", width_m=8),
        _category("river"),
        _category("lake", width_m=8),
        _category("sea", width_m=8),
        _category("motorway", lying_on=("car",)),
        _category("roundabout"),
        _category("railway", "railway", "rail"),
        _category("bridge"),
        _category("parking area", "car park", "parking area", "parking lot", "parking", lying_on=("car",)),
        _category("car", "car", "cars"),
        _category("plane", "plane", "airplane", "aircraft"),
        _category("ship"),
        _category("boat"),
        _category("container"),
        _category("storage tank"),
        _category("swimming pool", "swimming pool", "pool"),
        _category("tennis court"),
        _category("football field"),
        _category("baseball diamond"),
        _category("stadium"),
        _category("playground"),
        _category("runway"),
        _category("pier"),
    ),
    relations=(
        _relation("along the road", "touch", "road", buffer_m=10, share=0.15, of="building, house, vegetation, tree"),
        _relation("by the water", "touch", "water", buffer_m=10, share=0.1, of="building, house, vegetation, road"),
        _relation("in the parking area", "contain", "parking area", buffer_m=1, share=0.5, of="car"),
        _relation("driving on the road", "contain", "road", buffer_m=1, share=0.5, of="car"),
        _relation("next to the building", "touch", "building", buffer_m=10, share=0.2,
                  of="swimming pool, parking area, tree"),
        _relation("surrounded by building", "enclose", "building", buffer_m=6, share=0.7,
                  of="vegetation, water"),
        _relation("surrounded by vegetation", "enclose", "vegetation", buffer_m=6, share=0.7,
                  of="building, house, water, parking area"),
        _relation("surrounded by bare land", "enclose", "bare land", buffer_m=3, share=0.8,
                  of="building, water, vegetation"),
        _relation("surrounded by water", "enclose", "water", buffer_m=6, share=0.8, of="bare land, vegetation"),
    ),
)
"""What land cover maps, generated scenes and users' own class maps have; :meth:`Rulebook.restricted` takes its part."""
# fmt: on
