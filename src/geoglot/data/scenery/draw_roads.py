"""Roads, their crossings and the traffic on them, railways, and bridges where they meet a river."""

from __future__ import annotations

import math

import numpy as np

from geoglot.data.scenery.draw_vehicles import draw_car, draw_lorry
from geoglot.data.scenery.hashing import fraction
from geoglot.data.scenery.plan import CELL, HALF_WIDTH, TOWN, Edge, Kind
from geoglot.data.scenery.site import ASPHALT, CONCRETE, WHITE, YELLOW, Site, plant, scaled, vary
from geoglot.data.scenery.sketch import Colour, Layer, Point, band, circle

_SURFACE = {Edge.STREET: "street", Edge.AVENUE: "avenue", Edge.MOTORWAY: "motorway", Edge.RAILWAY: "railway"}
_LANES: dict[Edge, tuple[float, ...]] = {
    Edge.STREET: (2.1,),
    Edge.AVENUE: (2.9, 6.4),
    Edge.MOTORWAY: (4.2, 7.9, 11.6),
}
_TONE: dict[Edge, Colour] = {
    Edge.STREET: ASPHALT,
    Edge.AVENUE: (106, 106, 106),
    Edge.MOTORWAY: (136, 134, 129),
    Edge.RAILWAY: (124, 115, 106),
}


class _Stretch:
    """One side of a cell: from ``start`` to ``end``, with the direction along it."""

    def __init__(self, site: Site, column: int, row: int, vertical: bool, edge: Edge) -> None:
        self.site, self.edge, self.vertical = site, edge, vertical
        self.start: Point = (column * CELL, row * CELL)
        self.end: Point = (column * CELL, (row + 1) * CELL) if vertical else ((column + 1) * CELL, row * CELL)
        plan = site.plan
        self.clear_start = _clearance(site, column, row, vertical, edge)
        ahead = (column, row + 1) if vertical else (column + 1, row)
        self.clear_end = _clearance(site, *ahead, vertical, edge)
        beside = (column - 1, row) if vertical else (column, row - 1)
        self.in_town = bool({plan.kind(column, row), plan.kind(*beside)} & TOWN)
        self.salt = fraction(plan.seed, 83, column, row, vertical)

    def at(self, along: float, across: float = 0.0) -> Point:
        """Plan point at a distance along the stretch and to the right of it."""
        u, v = self.start
        return (u - across, v + along) if self.vertical else (u + along, v + across)

    def strip(
        self,
        low: float,
        high: float,
        colour: Colour,
        material: str,
        layer: Layer,
        *,
        begin: float = 0.0,
        finish: float = CELL,
        thing: int = 0,
        height: float = 0.0,
    ) -> None:
        """A strip between two offsets, from one distance along the stretch to another."""
        if finish <= begin:
            return
        outline = band(self.at(begin), self.at(finish), low, high)
        self.site.sketch.polygon(outline, colour, material, layer, thing=thing, height=height)


def _clearance(site: Site, column: int, row: int, vertical: bool, edge: Edge) -> float:
    north, east, south, west = site.plan.around(column, row)
    crossing = max(east, west) if vertical else max(north, south)
    if crossing is Edge.NONE or (edge >= Edge.RAILWAY and crossing < edge):
        return 0.0
    if _is_roundabout(site, column, row):
        return 24.0
    return HALF_WIDTH[crossing] + (3.5 if crossing >= Edge.STREET else 0.5)


def _is_roundabout(site: Site, column: int, row: int) -> bool:
    around = site.plan.around(column, row)
    roads = [edge for edge in around if edge in (Edge.STREET, Edge.AVENUE)]
    return len(roads) >= 3 and max(around) <= Edge.AVENUE and site.plan.roundabout(column, row)


def draw_roads(site: Site) -> None:
    """The north and west sides of every cell of the feature, and the crossings at their north-west corners."""
    _, left, top, columns, rows = site.feature
    for row in range(top, top + rows):
        for column in range(left, left + columns):
            for vertical in (False, True):
                edge = site.plan.edge(column, row, vertical)
                if edge is not Edge.NONE:
                    _draw_stretch(_Stretch(site, column, row, vertical, edge))
            _draw_crossing(site, column, row)


def _draw_stretch(road: _Stretch) -> None:
    half, edge = HALF_WIDTH[road.edge], road.edge
    if edge is Edge.TRACK:
        tone = vary(road.site.rng, (158, 144, 116), 8)
        road.strip(-half, half, tone, "bare", Layer.ROAD)
        road.strip(-0.4, 0.4, (128, 126, 90), "bare", Layer.ROAD)
        return
    surface, tone = _SURFACE[edge], scaled(_TONE[edge], 0.92 + 0.16 * road.salt)
    if edge in (Edge.STREET, Edge.AVENUE):
        if road.in_town:
            road.strip(-half - 2.4, half + 2.4, (172, 169, 161), "pavement", Layer.GROUND)
        else:
            road.strip(-half - 1.6, half + 1.6, (150, 142, 116), "bare", Layer.GROUND)
        road.strip(-half, half, tone, surface, Layer.ROAD)
        _mark_street(road)
    elif edge is Edge.MOTORWAY:
        road.strip(-half - 5, half + 5, (120, 120, 84), "meadow", Layer.GROUND)
        _motorway(road, tone)
    else:
        road.strip(-half, half, tone, surface, Layer.ROAD)
        _rails(road, Layer.MARKING)
    if not road.vertical:
        _bridge(road, tone)
    _traffic(road)


def _dashes(
    road: _Stretch, across: float, length: float, gap: float, colour: Colour, material: str, layer: Layer
) -> None:
    along, stop = road.clear_start + 8.0, CELL - road.clear_end - 8.0
    while along + length < stop:
        road.strip(across - 0.1, across + 0.1, colour, material, layer, begin=along, finish=along + length)
        along += length + gap


def _mark_street(road: _Stretch) -> None:
    surface, first, last = _SURFACE[road.edge], road.clear_start + 6, CELL - road.clear_end - 6
    half = HALF_WIDTH[road.edge]
    if road.edge is Edge.STREET:
        _dashes(road, 0.0, 3.0, 4.5, WHITE, surface, Layer.MARKING)
    else:
        for across in (-0.35, 0.35):
            road.strip(across - 0.1, across + 0.1, YELLOW, surface, Layer.MARKING, begin=first, finish=last)
        for across in (-4.6, 4.6):
            _dashes(road, across, 3.0, 6.0, WHITE, surface, Layer.MARKING)
        for across in (-half + 0.6, half - 0.6):
            road.strip(across - 0.1, across + 0.1, WHITE, surface, Layer.MARKING, begin=first, finish=last)
    if road.in_town and (road.edge is Edge.AVENUE or road.salt < 0.6):
        for clear, side in ((road.clear_start, 1), (road.clear_end, -1)):
            if clear >= HALF_WIDTH[Edge.STREET]:
                _zebra(road, clear if side > 0 else CELL - clear, side)


def _zebra(road: _Stretch, along: float, side: int) -> None:
    half, surface = HALF_WIDTH[road.edge], _SURFACE[road.edge]
    begin, finish = sorted((along + side * 0.5, along + side * 3.7))
    across = -half + 0.7
    while across < half - 0.6:
        road.strip(across, across + 0.6, WHITE, surface, Layer.MARKING, begin=begin, finish=finish)
        across += 1.25
    stop = sorted((along + side * 5.0, along + side * 5.5))
    # Right-hand traffic: the lanes that come up to this crossing lie on one side only.
    low, high = (-half + 0.5, -0.5) if side > 0 else (0.5, half - 0.5)
    road.strip(low, high, WHITE, surface, Layer.MARKING, begin=stop[0], finish=stop[1])


def _motorway(road: _Stretch, tone: Colour) -> None:
    half = HALF_WIDTH[Edge.MOTORWAY]
    road.strip(-half, half, tone, "motorway", Layer.DECK)
    road.strip(-1.5, 1.5, (150, 148, 128), "motorway", Layer.DECK)
    road.strip(-0.35, 0.35, CONCRETE, "motorway", Layer.DECK_MARKING)
    for lane in (-9.75, 9.75, -6.05, 6.05):
        # A slightly darker wheel path in every lane.
        road.strip(lane - 3.1, lane - 2.3, scaled(tone, 0.93), "motorway", Layer.DECK)
    for across in (-13.6, -2.3, 2.3, 13.6):
        colour = YELLOW if abs(across) < 3 else WHITE
        road.strip(across - 0.12, across + 0.12, colour, "motorway", Layer.DECK_MARKING)
    along = 0.0
    while along + 3.5 < CELL:
        for across in (-9.75, -6.05, 6.05, 9.75):
            road.strip(
                across - 0.12,
                across + 0.12,
                WHITE,
                "motorway",
                Layer.DECK_MARKING,
                begin=along,
                finish=along + 3.5,
            )
        along += 12.5
    column, row = round(road.start[0] / CELL), round(road.start[1] / CELL)
    north, east, south, west = road.site.plan.around(column, row)
    crossing = max(east, west) if road.vertical else max(north, south)
    if Edge.AVENUE <= crossing < Edge.MOTORWAY:
        _overpass(road, HALF_WIDTH[crossing] + 7.0)


def _overpass(road: _Stretch, reach: float) -> None:
    """The bridge that carries the motorway over the road that crosses it where the stretch starts."""
    half = HALF_WIDTH[Edge.MOTORWAY] + 1.2
    sketch = road.site.sketch
    outline = band(road.at(-reach), road.at(reach), -half, half)
    number = sketch.thing("bridge", outline)
    quarter = len(outline) // 2
    sketch.shadow([outline[0], outline[quarter - 1], outline[quarter], outline[-1]], 6.5)
    for low, high, tone, layer in (
        (-half, half, (150, 148, 142), Layer.DECK),
        (-half, -half + 1.2, CONCRETE, Layer.DECK_MARKING),
        (half - 1.2, half, CONCRETE, Layer.DECK_MARKING),
        (-1.5, 1.5, (170, 167, 158), Layer.DECK_MARKING),
    ):
        road.strip(low, high, tone, "bridge", layer, begin=-reach, finish=reach, thing=number)


def _rails(road: _Stretch, layer: Layer) -> None:
    for track in (-2.6, 2.6):
        road.strip(track - 1.3, track + 1.3, (104, 94, 86), "railway", layer)
        for rail in (-0.75, 0.75):
            road.strip(track + rail - 0.12, track + rail + 0.12, (176, 172, 168), "railway", layer)


def _bridge(road: _Stretch, tone: Colour) -> None:
    """A deck over the water that the stretch crosses, if it does."""
    steps = np.arange(-20.0, CELL + 20.0, 4.0)
    points = np.array([road.at(float(step)) for step in steps])
    wet = steps[road.site.plan.river_distance(points[:, 0], points[:, 1]) > 0]
    if not len(wet):
        return
    begin, finish = float(wet.min()) - 9.0, float(wet.max()) + 9.0
    half = HALF_WIDTH[road.edge] + 1.6
    sketch = road.site.sketch
    outline = band(road.at(begin), road.at(finish), -half, half)
    number = sketch.thing("bridge", outline)
    quarter = len(outline) // 2
    sketch.shadow([outline[0], outline[quarter - 1], outline[quarter], outline[-1]], 6.0)
    road.strip(-half, half, (186, 182, 172), "bridge", Layer.DECK, begin=begin, finish=finish, thing=number)
    road.strip(
        -half + 1.4, half - 1.4, scaled(tone, 1.06), "bridge", Layer.DECK, begin=begin, finish=finish, thing=number
    )
    lines = {Edge.AVENUE: (-0.35, 0.35), Edge.STREET: (0.0,), Edge.RAILWAY: (-3.35, -1.85, 1.85, 3.35)}
    for across in lines.get(road.edge, (-9.75, -6.05, 0.0, 6.05, 9.75)):
        road.strip(
            across - 0.12,
            across + 0.12,
            WHITE if road.edge is not Edge.AVENUE else YELLOW,
            "bridge",
            Layer.DECK_MARKING,
            begin=begin,
            finish=finish,
            thing=number,
        )


def _traffic(road: _Stretch) -> None:
    rng, lanes = road.site.rng, _LANES.get(road.edge, ())
    spacing = {Edge.MOTORWAY: 42.0, Edge.AVENUE: 46.0, Edge.STREET: 70.0}.get(road.edge, 0.0)
    if not road.in_town:
        spacing *= 1.0 if road.edge is Edge.MOTORWAY else 4.0
    base = math.pi / 2 if road.vertical else 0.0
    for lane in lanes:
        for side in (-1, 1):
            along = road.clear_start + rng.uniform(9, 9 + spacing)
            while along < CELL - road.clear_end - 10:
                # Offsets to the right of the travel direction carry traffic along it.
                heading = base if side > 0 else base + math.pi
                heavy = road.edge is Edge.MOTORWAY and abs(lane) > 11 and rng.random() < 0.4
                (draw_lorry if heavy else draw_car)(
                    road.site.sketch, rng, road.at(along, side * lane + rng.uniform(-0.2, 0.2)), heading
                )
                along += rng.uniform(14 if heavy else 8, 2 * spacing)
    if road.edge is Edge.STREET and road.in_town:
        _kerbside(road, base)


def _kerbside(road: _Stretch, base: float) -> None:
    """Parked cars and street trees along a street."""
    rng = road.site.rng
    if road.salt < 0.7:
        along = road.clear_start + 14
        while along < CELL - road.clear_end - 14:
            side = rng.choice((-1, 1))
            plant(road.site, road.at(along, side * (HALF_WIDTH[Edge.STREET] + 2.2)), 1.8, 3.6)
            along += rng.uniform(9, 26)


def _draw_crossing(site: Site, column: int, row: int) -> None:
    north, east, south, west = site.plan.around(column, row)
    streets = [edge for edge in (north, east, south, west) if edge in (Edge.STREET, Edge.AVENUE)]
    if not streets or max(north, east, south, west) is Edge.MOTORWAY:
        return
    u, v = column * CELL, row * CELL
    sketch = site.sketch
    if _is_roundabout(site, column, row):
        sketch.disc((u, v), 26.5, (172, 169, 161), "pavement", Layer.GROUND, sides=40)
        sketch.disc((u, v), 24.0, ASPHALT, "street", Layer.ROAD, sides=40)
        for radius, colour in ((13.2, WHITE), (12.7, (168, 160, 148)), (11.5, vary(site.rng, (98, 116, 68), 8))):
            number = sketch.thing("roundabout", circle((u, v), 12.7, 36)) if colour is WHITE else number
            sketch.disc((u, v), radius, colour, "roundabout", Layer.MARKING, thing=number, sides=36)
        for _ in range(site.rng.randint(1, 6)):
            plant(site, (u + site.rng.uniform(-6, 6), v + site.rng.uniform(-6, 6)), 1.6, 3.2)
        for k in range(site.rng.randint(1, 4)):
            angle = k * 1.7 + site.rng.random()
            at = (u + 18.5 * math.cos(angle), v + 18.5 * math.sin(angle))
            draw_car(sketch, site.rng, at, angle - math.pi / 2)
        return
    across, along = HALF_WIDTH[max(north, south)], HALF_WIDTH[max(east, west)]
    if max(north, south) in (Edge.NONE, Edge.RAILWAY) or max(east, west) in (Edge.NONE, Edge.RAILWAY):
        return
    fillet = 3.5
    # Kerbs are rounded where two roads meet, so the patch is an octagon.
    outline = [
        (u - across - fillet, v - along),
        (u - across, v - along - fillet),
        (u + across, v - along - fillet),
        (u + across + fillet, v - along),
        (u + across + fillet, v + along),
        (u + across, v + along + fillet),
        (u - across, v + along + fillet),
        (u - across - fillet, v + along),
    ]
    surface = "avenue" if Edge.AVENUE in streets else "street"
    sketch.polygon(outline, scaled(_TONE[max(streets)], 1.0), surface, Layer.ROAD)
    if Kind.CORE in {site.plan.kind(column, row)} and site.rng.random() < 0.5:
        draw_car(sketch, site.rng, (u + site.rng.uniform(-4, 4), v + 2.5), 0.0)
