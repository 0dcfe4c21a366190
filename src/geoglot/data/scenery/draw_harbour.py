"""A harbour cell: quay, sheds and cranes' rails on land, piers with boats or a ship alongside in the water."""

from __future__ import annotations

import math

from geoglot.data.scenery.draw_vehicles import draw_car_park, draw_lorry
from geoglot.data.scenery.plan import CELL, WATER
from geoglot.data.scenery.site import CONCRETE, WHITE, Site, vary
from geoglot.data.scenery.sketch import Colour, Layer, Point, rectangle, turned


def draw_boat(site: Site, frame: int, at: Point, heading: float, length: float) -> None:
    """A pleasure boat: pointed hull, deck, cabin."""
    sketch, rng = site.sketch, site.rng
    a, b = length / 2, length * 0.15
    hull = turned(
        (
            (-a, -b * 0.85),
            (a * 0.25, -b),
            (a * 0.7, -b * 0.6),
            (a, 0),
            (a * 0.7, b * 0.6),
            (a * 0.25, b),
            (-a, b * 0.85),
        ),
        at,
        heading,
    )
    number = sketch.thing("boat", hull, frame=frame)
    paint = vary(rng, rng.choice(((232, 232, 228), (226, 226, 224), (218, 216, 208), (66, 84, 116))), 6)
    sketch.polygon(hull, paint, "boat", Layer.VEHICLE, frame=frame, thing=number, height=1.6)
    deck = turned(((-a * 0.8, -b * 0.6), (a * 0.3, -b * 0.7), (a * 0.3, b * 0.7), (-a * 0.8, b * 0.6)), at, heading)
    sketch.polygon(
        deck,
        rng.choice(((196, 176, 146), (206, 206, 202), (110, 134, 164), (178, 178, 174))),
        "boat",
        Layer.VEHICLE,
        frame=frame,
        thing=number,
    )
    cabin = turned(
        ((-a * 0.2, -b * 0.5), (a * 0.25, -b * 0.45), (a * 0.25, b * 0.45), (-a * 0.2, b * 0.5)), at, heading
    )
    sketch.polygon(
        cabin,
        rng.choice(((52, 62, 74), (236, 236, 234), (70, 86, 104))),
        "boat",
        Layer.VEHICLE,
        frame=frame,
        thing=number,
    )


def draw_ship(site: Site, frame: int, at: Point, heading: float, length: float) -> None:
    """A freighter with hatches or containers and a bridge house."""
    sketch, rng = site.sketch, site.rng
    a, b = length / 2, length * 0.075
    hull = turned(
        ((-a, -b * 0.8), (-a * 0.9, -b), (a * 0.72, -b), (a, 0), (a * 0.72, b), (-a * 0.9, b), (-a, b * 0.8)),
        at,
        heading,
    )
    number = sketch.thing("ship", hull, frame=frame)
    colour = rng.choice(((148, 76, 62), (96, 102, 110), (70, 92, 124), (120, 112, 100)))
    sketch.polygon(hull, (206, 202, 194), "ship", Layer.VEHICLE, frame=frame, thing=number, height=11)
    inner = turned(
        (
            (-a * 0.97, -b * 0.7),
            (-a * 0.88, -b * 0.88),
            (a * 0.7, -b * 0.88),
            (a * 0.95, 0),
            (a * 0.7, b * 0.88),
            (-a * 0.88, b * 0.88),
        ),
        at,
        heading,
    )
    sketch.polygon(inner, colour, "ship", Layer.VEHICLE, frame=frame, thing=number)
    laden = rng.random() < 0.6
    paints: tuple[Colour, ...] = ((158, 82, 66), (72, 104, 138), (186, 186, 182), (92, 122, 94), (190, 146, 80))
    bay, x = 13.5, -a * 0.55
    while x + bay < a * 0.7:
        if laden:
            lanes = max(3, int(2 * b * 0.8 / 2.6))
            for k in range(lanes):
                y = (k - (lanes - 1) / 2) * 2.6
                piece = turned(rectangle((x + bay / 2, y), 12.2, 2.45), at, heading)
                sketch.polygon(
                    piece, vary(rng, rng.choice(paints), 10), "ship", Layer.VEHICLE, frame=frame, thing=number
                )
        else:
            piece = turned(rectangle((x + bay / 2, 0), 10.5, b * 1.3), at, heading)
            sketch.polygon(piece, (176, 166, 148), "ship", Layer.VEHICLE, frame=frame, thing=number)
        x += bay
    house = turned(rectangle((-a * 0.74, 0), length * 0.1, b * 1.7), at, heading)
    sketch.polygon(house, (228, 228, 226), "ship", Layer.VEHICLE, frame=frame, thing=number)
    funnel = turned(rectangle((-a * 0.78, 0), length * 0.03, b * 0.5), at, heading)
    sketch.polygon(funnel, (84, 88, 96), "ship", Layer.VEHICLE, frame=frame, thing=number)


def _seaward(site: Site) -> float:
    """Direction of the open water seen from the cell, a multiple of a quarter turn (0 is +u)."""
    _, column, row, _, _ = site.feature
    for quarter, (dc, dr) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
        if site.plan.kind(column + dc, row + dr) in WATER:
            return quarter * math.pi / 2
    return 0.0


def draw_harbour(site: Site) -> None:
    """Everything in one frame that looks seaward: x grows towards the water; the quay ends 46 m outside the cell."""
    rng, sketch = site.rng, site.sketch
    column, row = site.feature.column, site.feature.row
    frame = sketch.frame((column + 0.5) * CELL, (row + 0.5) * CELL, _seaward(site))
    edge = CELL / 2 + 46.0
    land = [(-CELL * 0.2, -CELL / 2 - 3), (edge, -CELL / 2 - 3), (edge, CELL / 2 + 3), (-CELL * 0.2, CELL / 2 + 3)]
    sketch.polygon(land, vary(rng, (170, 166, 156), 5), "quay", Layer.GROUND, frame=frame)
    sketch.box((edge - 0.8, 0), 1.6, CELL + 6, (196, 192, 182), "quay", Layer.ROAD, frame=frame)
    if rng.random() < 0.62 or (column + row) % 2:
        _marina(site, frame, edge)
    else:
        _freight(site, frame, edge)


def _marina(site: Site, frame: int, edge: float) -> None:
    rng, sketch = site.rng, site.sketch
    for y in (-92.0, -31.0, 31.0, 92.0):
        reach = rng.uniform(105, 165)
        number = sketch.thing("pier", rectangle((edge + reach / 2, y), reach, 3.2), frame=frame)
        sketch.shadow(rectangle((edge + reach / 2, y), reach, 3.2), 1.2, frame=frame)
        sketch.box((edge + reach / 2, y), reach, 3.2, (184, 176, 160), "pier", Layer.DECK, frame=frame, thing=number)
        x = edge + 9.0
        while x < edge + reach - 4:
            for side in (-1, 1):
                length = rng.uniform(9, 15)
                finger = rectangle((x - 2.6, y + side * 6.0), 0.8, 9.0)
                sketch.polygon(finger, (196, 190, 176), "pier", Layer.DECK, frame=frame)
                if rng.random() < 0.86:
                    draw_boat(
                        site,
                        frame,
                        (x, y + side * (2.6 + length / 2)),
                        side * math.pi / 2 + (0 if rng.random() < 0.7 else math.pi),
                        length,
                    )
            x += 5.6
    draw_car_park(sketch, rng, (20, -110), 120, 42, frame=frame, fill=0.6)
    for y in (-30.0, 30.0, 85.0):
        _shed_in_frame(site, frame, (60, y), 66, 30)


def _freight(site: Site, frame: int, edge: float) -> None:
    rng, sketch = site.rng, site.sketch
    reach = 120.0
    number = sketch.thing("pier", rectangle((edge + reach / 2, -70), reach, 26), frame=frame)
    sketch.shadow(rectangle((edge + reach / 2, -70), reach, 26), 2.5, frame=frame)
    sketch.box((edge + reach / 2, -70), reach, 26, CONCRETE, "pier", Layer.DECK, frame=frame, thing=number)
    draw_ship(site, frame, (edge + 15, 42), math.pi / 2, rng.uniform(110, 140))
    draw_ship(site, frame, (edge + 70, -46), 0.0 if rng.random() < 0.5 else math.pi, rng.uniform(85, 110))
    for y in (-60.0, -20.0, 20.0, 60.0):
        for offset in (-14.0, -4.0):
            sketch.box((edge + offset, y), 0.4, 36, WHITE, "quay", Layer.MARKING, frame=frame)
    for y in (0.0, 62.0):
        # A gantry crane: legs on the quay, an arm over the water.
        sketch.shadow(rectangle((edge + 4, y), 44, 3), 22, frame=frame)
        for x, w, d, tone in ((edge - 9, 12.0, 16.0, (176, 122, 70)), (edge + 4, 46.0, 2.4, (196, 138, 80))):
            sketch.box((x, y), w, d if d < 5 else 2.0, tone, "quay", Layer.TOP, frame=frame)
            sketch.box((x, y + (8 if d > 5 else 0)), w, 2.0, tone, "quay", Layer.TOP, frame=frame)
    for x, y in ((70.0, -95.0), (50.0, 60.0)):
        _shed_in_frame(site, frame, (x, y), 78, 38)
    paints: tuple[Colour, ...] = ((158, 82, 66), (72, 104, 138), (186, 186, 182), (92, 122, 94), (190, 146, 80))
    for row in range(14):
        for k in range(4):
            if rng.random() < 0.8:
                at = (72 + k * 13.0, -60 + row * 2.8 + (row // 4) * 3.5)
                box = sketch.thing("container", rectangle(at, 12.2, 2.4), frame=frame)
                sketch.box(
                    at,
                    12.2,
                    2.4,
                    vary(rng, rng.choice(paints), 10),
                    "container",
                    Layer.ROOF,
                    frame=frame,
                    thing=box,
                    tall=2.6 * rng.randint(1, 4),
                )
    for _ in range(5):
        draw_lorry(sketch, rng, (rng.uniform(128, edge - 24), rng.uniform(-100, 100)), math.pi / 2, frame=frame)


def _shed_in_frame(site: Site, frame: int, at: Point, width: float, depth: float) -> None:
    sketch, rng = site.sketch, site.rng
    colour = vary(rng, rng.choice(((196, 198, 198), (176, 180, 184), (158, 120, 104), (132, 150, 170))), 8)
    foot = rectangle(at, width, depth)
    number = sketch.thing("industrial building", foot, frame=frame)
    sketch.shadow(foot, 9.0, frame=frame)
    sketch.polygon(foot, colour, "industrial", Layer.ROOF, frame=frame, thing=number)
    half = rectangle((at[0], at[1] + depth / 4), width, depth / 2)
    red, green, blue = (max(0, c - 22) for c in colour)
    sketch.polygon(half, (red, green, blue), "industrial", Layer.ROOF, frame=frame, thing=number)
