"""Country without buildings: forest, fields, meadows, bare land, desert, shores, lakes and river banks."""

from __future__ import annotations

import math

import numpy as np

from geoglot.data.scenery.hashing import noise_at
from geoglot.data.scenery.plan import CELL, Kind
from geoglot.data.scenery.site import Site, plant, vary
from geoglot.data.scenery.sketch import Colour, Layer, Point, area, circle

_CROPS: tuple[tuple[Colour, tuple[str, ...]], ...] = (
    ((98, 116, 66), ("crop_u", "crop_v")),
    ((84, 106, 62), ("crop_u", "crop_v", "wide_u")),
    ((122, 128, 78), ("crop_u", "crop_v", "crop")),
    ((170, 152, 104), ("crop", "crop_u", "crop_v")),
    ((188, 168, 118), ("crop", "crop_v")),
    ((142, 118, 92), ("wide_u", "wide_v", "crop")),
    ((122, 102, 82), ("wide_u", "wide_v")),
    ((150, 146, 92), ("crop_u", "crop_v")),
    ((74, 98, 60), ("wide_u", "wide_v")),
    ((176, 166, 88), ("crop", "crop_u")),
)
_LAND: dict[Kind, tuple[Colour, str]] = {
    Kind.SEA: ((206, 190, 158), "beach"),
    Kind.LAKE: ((106, 118, 76), "meadow"),
    Kind.BEACH: ((132, 130, 92), "meadow"),
    Kind.HARBOUR: ((150, 148, 140), "pavement"),
    Kind.RIVERSIDE: ((104, 112, 74), "meadow"),
    Kind.FOREST: ((128, 128, 128), "forest"),
    Kind.FARMLAND: ((128, 128, 88), "meadow"),
    Kind.MEADOW: ((116, 122, 80), "meadow"),
    Kind.BARE: ((168, 148, 118), "bare"),
    Kind.DESERT: ((202, 176, 134), "desert"),
    Kind.AIRPORT: ((120, 122, 84), "meadow"),
}


def draw_land(site: Site) -> None:
    """What lies under everything else in the feature, with a wavy border that its neighbours share."""
    kind, column, row, columns, rows = site.feature
    colour, material = _LAND.get(kind, ((126, 124, 92), "meadow"))
    outline = area(column * CELL, row * CELL, (column + columns) * CELL, (row + rows) * CELL, 12.5)
    u, v = np.array(outline).T
    seed = site.plan.seed
    # The shift depends on the place alone, so two neighbours move their common border together.
    u2 = u + 15 * noise_at(seed + 901, u, v, 70.0) + 5 * noise_at(seed + 902, u, v, 21.0)
    v2 = v + 15 * noise_at(seed + 903, u, v, 70.0) + 5 * noise_at(seed + 904, u, v, 21.0)
    points: list[Point] = list(zip(u2.tolist(), v2.tolist(), strict=True))
    site.sketch.polygon(points, vary(site.rng, colour, 5), material, Layer.LAND)


def _scatter(site: Site, count: int, smallest: float, largest: float, *, dry: bool = False, dry_shore: float = 5.0) -> None:
    """Trees anywhere in the feature that is not water; thicker in some spots than in others."""
    rng, plan = site.rng, site.plan
    spots = np.array([(rng.uniform(site.left, site.right), rng.uniform(site.top, site.bottom)) for _ in range(count)])
    u, v = spots.T
    density = noise_at(plan.seed + 77, u, v, 55.0)
    wet = np.maximum(plan.river_distance(u, v), np.maximum(*plan.still_water(u, v)))
    for at, dense, depth in zip(spots.tolist(), density.tolist(), wet.tolist(), strict=True):
        if depth < -dry_shore and rng.uniform(-0.8, 0.7) < dense:
            plant(site, (at[0], at[1]), smallest, largest, dry=dry)


def draw_forest(site: Site) -> None:
    """Single trees along the edge; the closed canopy is a texture. Sometimes a track or a clearing."""
    rng = site.rng
    column, row = site.feature.column, site.feature.row
    for _ in range(150):
        along, out = rng.uniform(0, CELL), rng.gauss(0, 11)
        side = rng.randrange(4)
        u = column * CELL + (along if side < 2 else (CELL + out if side == 2 else -out))
        v = row * CELL + (along if side >= 2 else (CELL + out if side == 0 else -out))
        if site.left < u < site.right and site.top < v < site.bottom:
            plant(site, (u, v), 2.2, 4.8)
    for _ in range(40):
        plant(site, (rng.uniform(site.left, site.right), rng.uniform(site.top, site.bottom)), 3.0, 5.6)
    if rng.random() < 0.3:
        u, v = rng.uniform(site.left + 60, site.right - 60), rng.uniform(site.top + 60, site.bottom - 60)
        radius = rng.uniform(16, 42)
        glade = [
            (u + radius * s * math.cos(t), v + radius * s * math.sin(t))
            for t, s in ((k * math.pi / 10, rng.uniform(0.7, 1.25)) for k in range(20))
        ]
        site.sketch.polygon(glade, (122, 124, 82), "meadow", Layer.GROUND)


def draw_farmland(site: Site) -> None:
    """Parcels of different crops, cut by guillotine, with hedges, or one large round field watered from its middle."""
    rng = site.rng
    if rng.random() < 0.07:
        u, v = site.centre
        site.lay(vary(rng, (168, 148, 112), 8), "crop")
        radius = min(site.right - site.left, site.bottom - site.top) / 2 - 4
        site.sketch.disc((u, v), radius, vary(rng, (86, 110, 64), 8), "crop", Layer.GROUND, sides=64)
        half = [(u, v), *circle((u, v), radius, 64)[8:26]]
        site.sketch.polygon(half, vary(rng, (112, 124, 74), 8), "crop", Layer.GROUND)
        return
    parcels = [(site.left, site.top, site.right, site.bottom)]
    for _ in range(rng.choice((0, 1, 2, 3, 3, 4))):
        u0, v0, u1, v1 = parcels.pop(max(range(len(parcels)), key=lambda k: _size(parcels[k])))
        cut = rng.uniform(0.32, 0.68)
        if (u1 - u0 > v1 - v0) != (rng.random() < 0.2):
            middle = u0 + (u1 - u0) * cut
            parcels += [(u0, v0, middle, v1), (middle, v0, u1, v1)]
        else:
            middle = v0 + (v1 - v0) * cut
            parcels += [(u0, v0, u1, middle), (u0, middle, u1, v1)]
    for u0, v0, u1, v1 in parcels:
        colour, materials = rng.choice(_CROPS)
        inset = rng.uniform(0.8, 2.2)
        outline = area(u0 + inset, v0 + inset, u1 - inset, v1 - inset)
        site.sketch.polygon(outline, vary(rng, colour, 10), rng.choice(materials), Layer.LAND)
        if rng.random() < 0.35:
            _hedge(site, (u0, v0), (u1, v0) if rng.random() < 0.5 else (u0, v1))
    if rng.random() < 0.3:
        plant(site, (rng.uniform(site.left, site.right), rng.uniform(site.top, site.bottom)), 3, 5.5)


def _size(parcel: tuple[float, float, float, float]) -> float:
    return (parcel[2] - parcel[0]) * (parcel[3] - parcel[1])


def _hedge(site: Site, start: Point, end: Point) -> None:
    rng = site.rng
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    along = rng.uniform(2, 10)
    while along < length - 2:
        t = along / length
        at = (
            start[0] + (end[0] - start[0]) * t + rng.uniform(-1.5, 1.5),
            start[1] + (end[1] - start[1]) * t + rng.uniform(-1.5, 1.5),
        )
        plant(site, at, 1.5, 3.8)
        along += rng.uniform(2.5, 9) if rng.random() < 0.85 else rng.uniform(15, 45)


def draw_meadow(site: Site) -> None:
    """Grass with some groups of trees."""
    _scatter(site, site.rng.randint(25, 90), 1.6, 4.6)
    if site.rng.random() < 0.4:
        _path(site, (176, 160, 128))


def draw_bare(site: Site) -> None:
    """Soil with ruts and a few dry shrubs."""
    _scatter(site, 40, 0.7, 2.0, dry=True)
    for _ in range(site.rng.randint(1, 3)):
        _path(site, (186, 168, 138))


def draw_desert(site: Site) -> None:
    """Sand dotted with shrubs."""
    _scatter(site, site.rng.randint(150, 480), 0.6, 1.7, dry=True)
    if site.rng.random() < 0.35:
        _path(site, (214, 192, 152))


def draw_beach(site: Site) -> None:
    """Grass and a few trees behind the sand."""
    _scatter(site, 90, 1.2, 3.6, dry_shore=44.0)


def draw_lake(site: Site) -> None:
    """Trees around a lake."""
    _scatter(site, 190, 1.8, 4.8, dry_shore=6.0)


def draw_riverside(site: Site) -> None:
    """Banks with trees."""
    _scatter(site, site.rng.randint(120, 420), 1.8, 4.8, dry_shore=4.0)


def _path(site: Site, colour: Colour) -> None:
    """A foot-worn line across the feature."""
    rng = site.rng
    ends = [
        (site.left, rng.uniform(site.top, site.bottom)),
        (site.right, rng.uniform(site.top, site.bottom)),
    ]
    bow = rng.uniform(-60, 60)
    near: list[Point] = []
    far: list[Point] = []
    for k in range(21):
        t = k / 20
        u = ends[0][0] + (ends[1][0] - ends[0][0]) * t
        v = ends[0][1] + (ends[1][1] - ends[0][1]) * t + bow * math.sin(math.pi * t) + 4 * math.sin(9 * t + bow)
        v = min(max(v, site.top), site.bottom)
        near.append((u, v - 1.2))
        far.append((u, v + 1.2))
    site.sketch.polygon(near + far[::-1], vary(rng, colour, 8), "bare", Layer.GROUND)

