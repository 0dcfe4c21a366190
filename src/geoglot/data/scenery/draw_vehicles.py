"""Cars and lorries."""

from __future__ import annotations

import math
import random

from geoglot.data.scenery.site import scaled
from geoglot.data.scenery.sketch import PLAN, Colour, Layer, Point, Sketch, turned

_PAINT: tuple[Colour, ...] = (
    (222, 222, 220),
    (228, 228, 226),
    (214, 214, 214),
    (168, 170, 172),
    (140, 143, 146),
    (98, 100, 104),
    (52, 53, 56),
    (44, 45, 48),
    (150, 48, 44),
    (62, 82, 122),
    (88, 108, 136),
    (128, 112, 88),
    (76, 92, 78),
)
_GLASS: Colour = (46, 52, 60)


def draw_car(sketch: Sketch, rng: random.Random, at: Point, heading: float, *, frame: int = PLAN) -> None:
    """A car around a point; ``heading`` in radians, 0 towards +u."""
    paint = rng.choice(_PAINT)
    length, width = rng.uniform(4.1, 4.9), rng.uniform(1.8, 2.0)
    a, b = length / 2, width / 2
    body = turned(((-a, -b), (a - 0.4, -b), (a, -b + 0.4), (a, b - 0.4), (a - 0.4, b), (-a, b)), at, heading)
    number = sketch.thing("car", body, frame=frame)
    sketch.polygon(body, paint, "car", Layer.VEHICLE, frame=frame, thing=number, height=1.5)
    cabin = turned(((-a + 0.5, -b + 0.2), (a - 1.2, -b + 0.2), (a - 1.2, b - 0.2), (-a + 0.5, b - 0.2)), at, heading)
    sketch.polygon(cabin, _GLASS, "car", Layer.VEHICLE, frame=frame, thing=number)
    roof = turned(((-a + 1.1, -b + 0.2), (a - 2.0, -b + 0.2), (a - 2.0, b - 0.2), (-a + 1.1, b - 0.2)), at, heading)
    sketch.polygon(roof, scaled(paint, 1.04), "car", Layer.VEHICLE, frame=frame, thing=number)


def draw_lorry(sketch: Sketch, rng: random.Random, at: Point, heading: float, *, frame: int = PLAN) -> None:
    """A lorry with a box body; it counts as a car."""
    length = rng.uniform(9.0, 15.0)
    a, b = length / 2, 1.3
    body = turned(((-a, -b), (a - 2.6, -b), (a - 2.6, b), (-a, b)), at, heading)
    cab = turned(((a - 2.2, -b + 0.1), (a, -b + 0.1), (a, b - 0.1), (a - 2.2, b - 0.1)), at, heading)
    outline = turned(((-a, -b), (a, -b), (a, b), (-a, b)), at, heading)
    number = sketch.thing("car", outline, frame=frame)
    sketch.polygon(
        body,
        rng.choice(((224, 224, 222), (206, 208, 208), (184, 186, 190), (120, 134, 156), (170, 96, 80))),
        "car",
        Layer.VEHICLE,
        frame=frame,
        thing=number,
        height=3.6,
    )
    sketch.polygon(cab, rng.choice(_PAINT), "car", Layer.VEHICLE, frame=frame, thing=number, height=2.8)


def draw_car_park(
    sketch: Sketch,
    rng: random.Random,
    corner: Point,
    width: float,
    height: float,
    *,
    frame: int = PLAN,
    fill: float = 0.7,
    colour: Colour = (122, 122, 121),
) -> None:
    """A car park with marked bays: pairs of rows (5 m bays) on both sides of 6.5 m aisles.

    Args:
        sketch: Where to draw.
        rng: Random stream.
        corner: North-west corner.
        width: Extent along the rows, metres.
        height: Extent across the rows, metres.
        frame: Frame of the coordinates.
        fill: Share of the bays that are taken.
        colour: Of the ground.
    """
    x0, y0 = corner
    sketch.box((x0 + width / 2, y0 + height / 2), width, height, colour, "car_park", Layer.GROUND, frame=frame)
    bay, depth, aisle, margin = 2.7, 5.1, 6.5, 3.0
    count = int((width - 2 * margin) / bay)
    y, turn = y0 + 1.0, 0
    while y + depth <= y0 + height - 0.5 and count > 0:
        for k in range(count + 1):
            x = x0 + margin + k * bay
            sketch.box((x, y + depth / 2), 0.14, depth, (206, 206, 200), "car_park", Layer.MARKING, frame=frame)
            if k < count and rng.random() < fill:
                heading = math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
                at = (x + bay / 2 + rng.uniform(-0.15, 0.15), y + depth / 2 + rng.uniform(-0.25, 0.25))
                draw_car(sketch, rng, at, heading + rng.uniform(-0.03, 0.03), frame=frame)
        y += depth + (aisle if turn % 2 == 0 else 0.0)
        turn += 1
