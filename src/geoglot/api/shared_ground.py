"""Scenes that show the same ground: what is outlined in both of them is told once.

The scenes come in an order, the best first, and must be in one coordinate reference system to be compared. Of a phrase,
with S the ground that two scenes share and A, B a region of each:

    A and B are the same thing     where  |A & B| >= 0.3 min(|A & S|, |B & S|);  they become A | B
    they are two things            otherwise;  A & B stays with the earlier scene

The first rule measures on shared ground alone: a road that runs on through two sheets overlaps in a narrow strip only,
but there it is all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geoglot.api.segmenter import Region, Segmentation

if TYPE_CHECKING:
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

SAME = 0.3
"""Share of the smaller one, on shared ground, from which on two regions are one thing."""
LEAST_LEFT = 0.1
"""What is cut to less than this share of itself is left out."""


@dataclass(eq=False)
class _Outlined:
    """A region of one scene, and what becomes of it."""

    scene: int
    region: Region
    shape: BaseGeometry


@dataclass(frozen=True, eq=False)
class _Overlap:
    earlier: int
    later: int
    same: bool


def told_once(found: Sequence[Segmentation]) -> list[Segmentation]:
    """The same scenes without doubled ground: a thing that several show is the earliest one's, as a whole.

    A joined region has the mean score of its parts by their areas and lies where the earliest of them lies, though its
    outline may reach beyond that scene.

    Args:
        found: What was found, scene by scene, the best scene first.

    Returns:
        As many scenes in the same order; those that lost regions say so in their notes.
    """
    kept = [list(one.regions) for one in found]
    lost = [0] * len(found)
    for scenes in _neighbours(found):
        outlined = list(_outlined(found, scenes))
        overlaps = list(_overlaps(found, scenes, outlined))
        if not overlaps:
            continue
        told = _told(outlined, overlaps, found)
        for scene in scenes:
            kept[scene] = [region for owner, region in told if owner == scene]
            lost[scene] += len(found[scene].regions) - len(kept[scene])
    return [
        _with_regions(one, regions, gone) if list(one.regions) != regions else one
        for one, regions, gone in zip(found, kept, lost, strict=True)
    ]


def footprint(found: Segmentation) -> Polygon:
    """The ground of a scene in its own system."""
    import shapely

    a, b, c, d, e, f = found.transform or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    corners = ((0, 0), (found.width, 0), (found.width, found.height), (0, found.height))
    return shapely.Polygon([(a * x + b * y + c, d * x + e * y + f) for x, y in corners])


def _neighbours(found: Sequence[Segmentation]) -> Iterator[list[int]]:
    """Scenes with regions, by system; where there is one alone it has no double."""
    by_system: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(found):
        if one.crs is not None and one.regions:
            by_system[one.crs].append(number)
    yield from (scenes for scenes in by_system.values() if len(scenes) > 1)


def _outlined(found: Sequence[Segmentation], scenes: Sequence[int]) -> Iterator[_Outlined]:
    import shapely

    for scene in scenes:
        for region in found[scene].regions:
            shape = shapely.from_wkb(region.geometry)
            yield _Outlined(scene, region, shape if shape.is_valid else shapely.make_valid(shape))


def _overlaps(
    found: Sequence[Segmentation], scenes: Sequence[int], outlined: Sequence[_Outlined]
) -> Iterator[_Overlap]:
    """Pairs of regions of different scenes and the same phrase that cover some of the same ground."""
    import shapely

    grounds = {scene: footprint(found[scene]) for scene in scenes}
    tree = shapely.STRtree([one.shape for one in outlined])
    pairs = tree.query([one.shape for one in outlined], predicate="intersects")
    for earlier, later in pairs.T.tolist():
        one, other = outlined[earlier], outlined[later]
        if one.scene >= other.scene or one.region.phrase != other.region.phrase:
            continue
        both = one.shape.intersection(other.shape).area
        if both <= 0:
            continue
        shared = grounds[one.scene].intersection(grounds[other.scene])
        least = min(one.shape.intersection(shared).area, other.shape.intersection(shared).area)
        yield _Overlap(earlier, later, both >= SAME * least)


def _told(
    outlined: Sequence[_Outlined], overlaps: Sequence[_Overlap], found: Sequence[Segmentation]
) -> list[tuple[int, Region]]:
    """Regions after joining and cutting, each with its scene, in their old order."""
    import shapely

    root = list(range(len(outlined)))

    def find(number: int) -> int:
        while root[number] != number:
            number = root[number]
        return number

    for one in overlaps:
        if one.same:
            a, b = find(one.earlier), find(one.later)
            root[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = defaultdict(list)
    for number in range(len(outlined)):
        members[find(number)].append(number)
    shapes = {
        first: shapely.union_all([outlined[number].shape for number in some])
        if len(some) > 1
        else outlined[first].shape
        for first, some in members.items()
    }
    changed = {first for first, some in members.items() if len(some) > 1}
    for keeping, losing in sorted({(find(one.earlier), find(one.later)) for one in overlaps if not one.same}):
        if keeping != losing and keeping in shapes and losing in shapes:
            keeping, losing = sorted((keeping, losing))
            left = _largest(shapes[losing].difference(shapes[keeping]))
            if left.area < LEAST_LEFT * shapes[losing].area:
                del shapes[losing]
            else:
                shapes[losing] = left
                changed.add(losing)
    told = []
    for first, shape in shapes.items():
        owner = outlined[first]
        parts = [outlined[number] for number in members[first]]
        region = _reshaped(parts, shape, str(found[owner.scene].crs)) if first in changed else owner.region
        told.append((owner.scene, region))
    asked = {phrase.phrase: number for one in found for number, phrase in enumerate(one.phrases)}
    return sorted(told, key=lambda one: (one[0], asked.get(one[1].phrase, 0), -one[1].score))


def _largest(shape: BaseGeometry) -> Polygon:
    import shapely

    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return max(parts, key=shapely.area, default=shapely.Polygon())


def _reshaped(parts: Sequence[_Outlined], shape: BaseGeometry, crs: str) -> Region:
    """The region of the earliest part with another outline."""
    import shapely

    first = parts[0]
    outline = _largest(shape)
    areas = [one.shape.area for one in parts]
    score = sum(one.region.score * area for one, area in zip(parts, areas, strict=True)) / sum(areas)
    west, south, east, north = outline.bounds
    return replace(
        first.region,
        score=score,
        area_m2=None if first.region.area_m2 is None else area_on_earth(outline, crs),
        pixels=max(1, round(first.region.pixels * outline.area / first.shape.area)),
        geometry=shapely.to_wkb(outline),
        bounds=(west, south, east, north),
    )


def area_on_earth(shape: BaseGeometry, crs: str) -> float:
    """Square metres on the ellipsoid of a polygon in some system.

    Example:
        >>> from shapely import box
        >>> round(area_on_earth(box(500000, 0, 500100, 100), "EPSG:32631") / 0.9996**-2)
        10000
    """
    import pyproj

    from geoglot.api.segmentation_files import in_degrees

    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(in_degrees(shape, crs))
    return abs(float(area))


def _with_regions(found: Segmentation, regions: Sequence[Region], gone: int) -> Segmentation:
    counts: dict[str, int] = defaultdict(int)
    for region in regions:
        counts[region.phrase] += 1
    things = "region lies" if gone == 1 else "regions lie"
    note = f"{gone} {things} on ground that another scene shows too: told once, with that scene"
    return replace(
        found,
        regions=tuple(regions),
        phrases=tuple(replace(one, regions=counts[one.phrase]) for one in found.phrases),
        notes=(*found.notes, note) if gone > 0 else found.notes,
    )
