"""What can truthfully be said about a class map and its objects, before any language is chosen."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geoglot.data.scenery.classes import CLASS_INDEX, CLASSES

Mask = NDArray[np.bool_]

MANY, SEVERAL = 8, 3
"""From how many on things are *many*, and from how many on they may be *several*."""

# Surfaces that a sentence may name as a place, with the least share of the picture that earns it.
_PLACES: dict[str, tuple[tuple[str, ...], float]] = {
    "river": (("river",), 0.02),
    "lake": (("lake",), 0.02),
    "sea": (("sea",), 0.02),
    "beach": (("beach",), 0.015),
    "forest": (("forest",), 0.04),
    "meadow": (("meadow",), 0.06),
    "farmland": (("farmland",), 0.04),
    "bare land": (("bare land",), 0.06),
    "desert": (("desert",), 0.05),
    "road": (("street", "avenue"), 0.012),
    "motorway": (("motorway",), 0.02),
    "railway": (("railway",), 0.01),
    "car park": (("car park",), 0.01),
    "park": (("park",), 0.06),
    "quay": (("quay",), 0.02),
    "apron": (("apron",), 0.03),
    "runway": (("runway",), 0.04),
    "terminal": (("terminal",), 0.03),
    "pier": (("pier",), 0.008),
}
_WEIGHT: dict[str, float] = {
    "plane": 10,
    "stadium": 11,
    "storage tank": 10,
    "tennis court": 10,
    "baseball diamond": 10,
    "bridge": 8,
    "ship": 9,
    "boat": 9,
    "football field": 8,
    "playground": 7,
    "roundabout": 8,
    "runway": 9,
    "terminal": 8,
    "pier": 5,
    "swimming pool": 5,
    "industrial building": 6,
    "container": 5,
    "building": 5,
    "house": 5,
    "car": 2.5,
    "tree": 2,
}
_LAND = ("farmland", "forest", "meadow", "desert", "bare land", "sea", "river", "lake", "beach", "park")
_AIRPORT_AND_SHORE = ("terminal", "runway", "pier", "swimming pool", "container")
_BUILT = ("house", "building", "industrial building")


@dataclass(frozen=True)
class Group:
    """Some things of one class: how many there are, and how their number is told.

    Attributes:
        noun: Key of the noun tables.
        count: How many; 1 for a place.
        told: ``exact``, ``several``, ``many``, ``some`` or ``bare`` (no number); of land, ``most`` or ``part`` of it.
    """

    noun: str
    count: int = 1
    told: str = "exact"


@dataclass(frozen=True)
class Fact:
    """One true statement.

    Attributes:
        kind: ``exist``, ``near``, ``beside``, ``parked``, ``moored``, ``in``, ``around``, ``surrounded``, ``cross``,
            ``on``, ``land``, ``through``, ``closeup``.
        subject: What it is about.
        other: What it is related to.
        second: A second subject, joined by *and*.
        weight: How much it deserves to be said.
    """

    kind: str
    subject: Group
    other: Group | None = None
    second: Group | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class View:
    """A picture as a caption sees it.

    Attributes:
        classes: (H, W) uint8 class map.
        instances: (H, W) int32 object numbers, 0 for none.
        objects: (number, class name) of the objects that count, those of which more than half shows.
        gsd_m: Metres per pixel.
    """

    classes: NDArray[np.uint8]
    instances: NDArray[np.int32]
    objects: list[tuple[int, str]]
    gsd_m: float

    @cached_property
    def step(self) -> int:
        """Pixels per cell of the coarse maps in which relations are looked for (about 2 m)."""
        return max(1, round(2.0 / self.gsd_m))

    @cached_property
    def counts(self) -> Counter[str]:
        """Objects by class."""
        return Counter(name for _, name in self.objects)

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of the picture by class, [0, 1]."""
        pixels = np.bincount(self.classes.ravel(), minlength=len(CLASSES))
        return {name: float(pixels[index] / self.classes.size) for index, name in enumerate(CLASSES)}

    @cached_property
    def coarse(self) -> NDArray[np.uint8]:
        """The class map, one value in every ``step``."""
        return self.classes[:: self.step, :: self.step]

    def surface(self, *names: str) -> Mask:
        """Where classes lie, coarse."""
        return np.isin(self.coarse, [CLASS_INDEX[name] for name in names])

    def place(self, noun: str) -> Mask | None:
        """Where a place lies, coarse; ``None`` where it is absent or too small to be named."""
        names, least = _PLACES[noun]
        return self.surface(*names) if sum(self.shares[name] for name in names) >= least else None

    def where(self, class_name: str) -> Mask:
        """Where the counted objects of a class lie, coarse."""
        numbers = [number for number, name in self.objects if name == class_name]
        return np.isin(self.instances[:: self.step, :: self.step], numbers)

    def count_near(self, class_name: str, area: Mask, metres: float) -> int:
        """How many counted objects of a class have a part within a distance of an area."""
        near = self.instances[:: self.step, :: self.step][grown(area, self.cells(metres))]
        return len(set(np.unique(near).tolist()) & {number for number, name in self.objects if name == class_name})

    def cells(self, metres: float) -> int:
        """A distance in cells of the coarse maps."""
        return max(1, round(metres / (self.step * self.gsd_m)))


def grown(mask: Mask, cells: int) -> Mask:
    """A mask widened by a number of cells in both directions (a square neighbourhood).

    Example:
        >>> mask = np.zeros((5, 5), dtype=bool)
        >>> mask[2, 2] = True
        >>> int(grown(mask, 1).sum())
        9
    """
    out = mask
    for axis in (0, 1):
        pad = [(cells + 1, cells) if a == axis else (0, 0) for a in (0, 1)]
        total = np.cumsum(np.pad(out.astype(np.int32), pad), axis=axis)
        size = mask.shape[axis]
        high, low = np.arange(size) + 2 * cells + 1, np.arange(size)
        out = np.take(total, high, axis=axis) > np.take(total, low, axis=axis)
    return out


def close(first: Mask, second: Mask, cells: int) -> bool:
    """Whether every part of the first mask's bulk has some of the second within a distance.

    At least half of the first mask must lie near the second, so that a remark on a group holds for most of it.
    """
    if not first.any() or not second.any():
        return False
    return bool(grown(second, cells)[first].mean() >= 0.5)


def surrounded(inner: Mask, ring: Mask, cells: int) -> bool:
    """Whether ``ring`` lies on all sides of ``inner``: in at least seven of eight directions, and not cut by the edge.

    Example:
        >>> inner = np.zeros((9, 9), dtype=bool); inner[4, 4] = True
        >>> around = np.ones((9, 9), dtype=bool)
        >>> surrounded(inner, around, 2), surrounded(inner, inner, 2)
        (True, False)
    """
    belt = grown(inner, cells) & ~grown(inner, 1)
    rows, columns = np.nonzero(belt)
    if not len(rows):
        return False
    if belt[0].any() + belt[-1].any() + belt[:, 0].any() + belt[:, -1].any() > 1:
        return False
    inner_rows, inner_columns = np.nonzero(inner)
    angle = np.arctan2(rows - inner_rows.mean(), columns - inner_columns.mean())
    sector = np.clip(((angle + np.pi) / (2 * np.pi) * 8).astype(int), 0, 7)
    hits = np.bincount(sector, weights=ring[rows, columns], minlength=8)
    size = np.bincount(sector, minlength=8)
    return int((hits >= 0.22 * np.maximum(size, 1)).sum()) >= 7 and float(ring[belt].mean()) >= 0.3


def tell(noun: str, count: int, rng: random.Random) -> Group:
    """A group with a true way to tell its number."""
    if count <= 2:
        return Group(noun, count)
    small = noun in ("tree", "car", "house", "building", "container")
    ways = ["many"] * 2 if count >= MANY else ["several"] * 2
    ways += ["some"] if count < 12 else []
    ways += ["exact"] if count <= 10 and not small else []
    return Group(noun, count, rng.choice(ways))


def find_facts(view: View, rng: random.Random) -> list[Fact]:
    """All that could be said, weightiest first.

    Args:
        view: The picture.
        rng: Chooses between equally true ways to tell a number.
    """
    facts = [*_object_facts(view, rng), *_tree_facts(view, rng), *_district_facts(view, rng), *_land_facts(view)]
    return sorted(facts, key=lambda fact: -fact.weight)


def _object_facts(view: View, rng: random.Random) -> list[Fact]:
    places = {noun: mask for noun in _PLACES if (mask := view.place(noun)) is not None}
    facts: list[Fact] = []
    masks = {name: view.where(name) for name in view.counts if name in _WEIGHT and name != "tree"}
    for name, mask in masks.items():
        count, weight = view.counts[name], _WEIGHT[name]
        group = tell(name, count, rng)
        facts.append(Fact("exist", group, weight=weight * 0.5))
        if name == "bridge":
            for over in ("river", "road", "railway"):
                if over in places and close(mask, places[over], view.cells(14)):
                    facts.append(Fact("cross", group, Group(over), weight=weight + 2))
            continue
        for other in ("stadium", *_BUILT):
            if other in masks and other != name and name not in (*_BUILT, "terminal", "car", "boat", "ship", "pier"):
                reach = 25.0
                if close(mask, masks[other], view.cells(reach)):
                    beside = tell(other, view.count_near(other, mask, reach), rng)
                    facts.append(Fact("beside", group, beside, weight=weight + (1 if other == "stadium" else -1)))
        for noun, area in places.items():
            fact = _placed(view, group, mask, noun, area, weight)
            if fact is not None:
                facts.append(fact)
    facts += _joined(view, masks, places, rng)
    return facts


def _placed(view: View, group: Group, mask: Mask, noun: str, area: Mask, weight: float) -> Fact | None:
    name = group.noun
    if name == "car":
        return _cars(view, group, mask, noun, area)
    if name in ("boat", "ship"):
        if noun == "sea":
            return Fact("in", group, Group("sea"), weight=weight - 1)
        reach = {"quay": 30, "pier": 14}.get(noun)
        if reach is not None and close(mask, area, view.cells(reach)):
            return Fact("moored", group, Group(noun), weight=weight + 1)
        return None
    if name == "plane":
        return _planes(view, group, mask, noun, area)
    if name == noun or name in _AIRPORT_AND_SHORE and noun not in ("sea", "meadow", "apron", "quay"):
        return None
    if noun in ("apron", "quay", "runway", "terminal", "pier") and name not in (*_AIRPORT_AND_SHORE, "industrial building"):
        return None
    if noun in ("park", "bare land") and _within(mask, area, view):
        return Fact("in" if noun == "park" else "on", group, Group(noun), weight=weight)
    if close(mask, area, view.cells(14)):
        return Fact("beside", group, Group(noun), weight=weight)
    if close(mask, area, view.cells(45)):
        return Fact("near", group, Group(noun), weight=weight - 0.5)
    return None


def _within(mask: Mask, area: Mask, view: View) -> bool:
    """Whether things stand in an area: most of what lies right around them belongs to it."""
    belt = grown(mask, view.cells(8)) & ~grown(mask, 1)
    return bool(belt.any()) and float(area[belt].mean()) > 0.6


def _planes(view: View, group: Group, mask: Mask, noun: str, area: Mask) -> Fact | None:
    weight = _WEIGHT["plane"]
    if noun == "terminal" and close(mask, area, view.cells(35)):
        return Fact("parked", group, Group("terminal"), weight=weight + 3)
    if noun == "apron" and _within(mask, area, view):
        return Fact("parked", group, Group("apron"), weight=weight + 1)
    if noun == "runway" and _within(mask, area, view):
        return Fact("on", group, Group("runway"), weight=weight + 2)
    if noun == "meadow" and close(mask, area, view.cells(30)):
        return Fact("near", group, Group("meadow"), weight=weight - 2)
    return None


def _cars(view: View, group: Group, mask: Mask, noun: str, area: Mask) -> Fact | None:
    if noun == "car park":
        parked = float(grown(area, 1)[mask].mean()) if mask.any() else 0.0
        return Fact("parked", group, Group("car park"), weight=6.0) if parked > 0.7 and group.count >= 3 else None
    if noun in ("road", "motorway"):
        driving = float(grown(area, 1)[mask].mean()) if mask.any() else 0.0
        return Fact("on", group, Group(noun), weight=4.0) if driving > 0.7 else None
    return None


def _joined(view: View, masks: dict[str, Mask], places: dict[str, Mask], rng: random.Random) -> list[Fact]:
    """Two kinds of things beside the same place."""
    facts = []
    names = sorted((name for name in masks if name not in ("car", "bridge", "plane", "boat", "ship")), key=lambda n: -_WEIGHT[n])
    for first, second in zip(names, names[1:], strict=False):
        for noun in ("road", "motorway", "railway", "river", "lake", "forest", "car park"):
            if noun in places and all(close(masks[n], places[noun], view.cells(30)) for n in (first, second)):
                groups = tell(first, view.counts[first], rng), tell(second, view.counts[second], rng)
                facts.append(Fact("near", groups[0], Group(noun), groups[1], weight=_WEIGHT[first] + 0.7))
                break
    return facts


def _tree_facts(view: View, rng: random.Random) -> list[Fact]:
    trees = view.surface("tree", "forest")
    count = view.counts["tree"]
    facts: list[Fact] = []
    for name in ("baseball diamond", "tennis court", "football field", "stadium", "storage tank", "playground", "roundabout", "house", "swimming pool"):
        number = view.counts[name]
        if 1 <= number <= 6:
            mask = view.where(name)
            if surrounded(mask, grown(trees, 1), view.cells(18)):
                facts.append(Fact("surrounded", tell(name, number, rng), Group("tree", MANY, "bare"), weight=_WEIGHT[name] + 2))
                continue
            near = view.count_near("tree", mask, 20.0)
            if near >= SEVERAL and close(mask, trees, view.cells(16)):
                facts.append(Fact("around", tell("tree", near, rng), tell(name, number, rng), weight=_WEIGHT[name] - 1))
    if count >= SEVERAL:
        facts.append(Fact("exist", tell("tree", count, rng), weight=1.5))
        for noun in ("river", "lake", "road"):
            place = view.place(noun)
            near = view.count_near("tree", place, 22.0) if place is not None else 0
            if near >= SEVERAL:
                facts.append(Fact("near", tell("tree", near, rng), Group(noun), weight=3.0))
    return facts


def _district_facts(view: View, rng: random.Random) -> list[Fact]:
    houses, buildings, halls = (view.counts[name] for name in _BUILT)
    hectares = view.classes.size * view.gsd_m**2 / 10_000
    facts = []
    if houses >= MANY and houses >= buildings:
        noun = "dense residential" if houses / hectares >= 12 else "residential"
        facts.append(Fact("in", tell("house", houses, rng), Group(noun), weight=7))
        if view.counts["tree"] >= MANY:
            facts.append(Fact("in", tell("house", houses, rng), Group(noun), tell("tree", view.counts["tree"], rng), weight=6.5))
    if buildings >= MANY and view.shares["building"] > 0.12:
        facts.append(Fact("in", tell("building", buildings, rng), Group("town"), weight=7))
    if halls >= SEVERAL and view.shares["industrial building"] > 0.12:
        facts.append(Fact("in", tell("industrial building", halls, rng), Group("industrial area"), weight=7))
    return facts


def _land_facts(view: View) -> list[Fact]:
    facts = []
    for name in _LAND:
        if view.shares[name] >= 0.5:
            facts.append(Fact("land", Group(name, 1, "most"), weight=6.0 + view.shares[name]))
        elif view.shares[name] >= 0.12:
            facts.append(Fact("land", Group(name, 1, "part"), weight=0.8 + view.shares[name]))
    for line in ("river", "motorway", "railway", "road"):
        path = view.place(line)
        if path is None:
            continue
        belt = grown(path, view.cells(24)) & ~grown(path, 1)
        for name in ("farmland", "forest", "meadow", "desert", "bare land"):
            if belt.any() and float(view.surface(name)[belt].mean()) > 0.55 and _spans(path):
                facts.append(Fact("through", Group(line), Group(name), weight=5.0 if line != "road" else 3.5))
    if view.place("sea") is not None and view.place("beach") is not None:
        facts.append(Fact("beside", Group("beach"), Group("sea"), weight=8.0))
    largest = max(CLASSES[1:], key=lambda name: view.shares[name])
    # Any picture, however small, can at least be called a close view of what fills it.
    facts.append(Fact("closeup", Group(_CLOSE.get(largest, largest)), weight=0.01))
    return facts


_CLOSE = {"street": "road", "avenue": "road"}


def _spans(path: Mask) -> bool:
    """Whether a line leaves the picture on two sides."""
    return int(path[0].any()) + int(path[-1].any()) + int(path[:, 0].any()) + int(path[:, -1].any()) >= 2
