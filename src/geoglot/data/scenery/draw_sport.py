"""Sports grounds: tennis courts, baseball diamonds, football fields, the stadium."""

from __future__ import annotations

import math

from geoglot.data.scenery.draw_town import draw_playground
from geoglot.data.scenery.draw_vehicles import draw_car_park
from geoglot.data.scenery.site import CONCRETE, GREENS, WHITE, Site, plant, vary
from geoglot.data.scenery.sketch import Colour, Layer, Point, rectangle, turned

_COURTS: tuple[tuple[Colour, Colour], ...] = (
    ((92, 128, 104), (116, 84, 74)),
    ((78, 112, 146), (92, 122, 92)),
    ((158, 96, 74), (146, 88, 70)),
    ((96, 130, 100), (82, 112, 88)),
    ((82, 108, 150), (70, 92, 132)),
)


def draw_tennis_court(site: Site, frame: int, at: Point, colours: tuple[Colour, Colour]) -> None:
    """A doubles court (10.97 m x 23.77 m) with lines, net and surround (16.5 m x 35 m)."""
    sketch = site.sketch
    x, y = at
    number = sketch.thing("tennis court", rectangle(at, 16.5, 35.0), frame=frame)
    play, surround = colours

    def patch(dx: float, dy: float, w: float, d: float, tone: Colour, layer: Layer) -> None:
        sketch.box((x + dx, y + dy), w, d, tone, "tennis", layer, frame=frame, thing=number)

    patch(0, 0, 16.5, 35.0, surround, Layer.ROAD)
    patch(0, 0, 10.97, 23.77, play, Layer.ROAD)
    line = 0.22
    for dx in (-5.485, -4.115, 4.115, 5.485):
        patch(dx, 0, line, 23.77, WHITE, Layer.MARKING)
    for dy in (-11.885, 11.885):
        patch(0, dy, 10.97, line, WHITE, Layer.MARKING)
    for dy in (-6.4, 6.4):
        patch(0, dy, 8.23, line, WHITE, Layer.MARKING)
    patch(0, 0, line, 12.8, WHITE, Layer.MARKING)
    patch(0, 0, 12.8, 0.3, (60, 62, 62), Layer.MARKING)


def _court_group(site: Site, u: float, v: float, columns: int, rows: int) -> None:
    frame = site.sketch.frame(u, v, site.rng.choice((0.0, math.pi / 2)))
    colours = site.rng.choice(_COURTS)
    width, depth = columns * 17.5 + 3, rows * 37 + 3
    site.sketch.box((0, 0), width, depth, (134, 132, 124), "pavement", Layer.GROUND, frame=frame)
    for row in range(rows):
        for column in range(columns):
            at = ((column - (columns - 1) / 2) * 17.5, (row - (rows - 1) / 2) * 37)
            draw_tennis_court(site, frame, at, colours)


def draw_courts(site: Site) -> None:
    """Groups of tennis courts between trees, with a club house, a car park and a playground."""
    rng = site.rng
    site.lay(vary(rng, rng.choice(GREENS), 6), "park")
    u, v = site.centre
    width, depth = site.right - site.left, site.bottom - site.top
    groups = [
        (u - width * 0.25, v - depth * 0.25, *rng.choice(((4, 2), (3, 2), (4, 1)))),
        (u + width * 0.27, v - depth * 0.22, *rng.choice(((2, 2), (2, 1), (3, 1)))),
        (u - width * 0.22, v + depth * 0.27, *rng.choice(((2, 1), (1, 1), (3, 2)))),
    ]
    for group in groups:
        _court_group(site, *group)
    draw_car_park(site.sketch, rng, (u + 10, v + depth * 0.5 - 36), width * 0.5 - 16, 33, fill=0.6)
    draw_playground(site, u + width * 0.25, v + depth * 0.16)
    taken = [(group[0], group[1], 46.0) for group in groups] + [(u + width * 0.25, v + depth * 0.3, 52.0)]
    _trees_between(site, taken, 110)


def _trees_between(site: Site, taken: list[tuple[float, float, float]], count: int) -> None:
    rng = site.rng
    for _ in range(count):
        at = (rng.uniform(site.left + 3, site.right - 3), rng.uniform(site.top + 3, site.bottom - 3))
        if all(max(abs(at[0] - u), abs(at[1] - v)) > reach for u, v, reach in taken):
            plant(site, at, 1.8, 4.4)


def draw_diamond(site: Site, u: float, v: float, angle: float, size: float = 1.0) -> None:
    """A baseball field: outfield, clay infield, grass square, bases and mound. Home plate is at the frame's origin."""
    sketch, rng = site.sketch, site.rng
    frame = sketch.frame(u, v, angle)
    radius = 76.0 * size
    fan = [(0.0, 6.0)] + [
        (radius * math.sin(t), -radius * math.cos(t)) for t in (-0.80 + 1.6 * k / 24 for k in range(25))
    ]
    track = [(0.0, 9.0)] + [
        ((radius + 3.5) * math.sin(t), -(radius + 3.5) * math.cos(t))
        for t in (-0.83 + 1.66 * k / 24 for k in range(25))
    ]
    number = sketch.thing("baseball diamond", track, frame=frame)

    def shape(points: list[Point] | tuple[Point, ...], tone: Colour, material: str, layer: Layer = Layer.ROAD) -> None:
        sketch.polygon(points, tone, material, layer, frame=frame, thing=number)

    grass, clay = vary(rng, (98, 116, 66), 8), vary(rng, (182, 148, 112), 8)
    shape(track, clay, "diamond_clay", Layer.GROUND)
    shape(fan, grass, "diamond_grass")
    mow = vary(rng, (108, 126, 74), 4)
    for k in range(0, 8, 2):
        low, high = radius * (0.44 + k * 0.07), radius * (0.44 + (k + 1) * 0.07)
        arc = [(high * math.sin(t), -high * math.cos(t)) for t in (-0.76 + 1.52 * j / 16 for j in range(17))]
        arc += [(low * math.sin(t), -low * math.cos(t)) for t in (0.76 - 1.52 * j / 16 for j in range(17))]
        shape(arc, mow, "diamond_grass")
    infield = 29.0 * size
    centre = (0.0, -18.5 * size)
    skin = [(0.0, 4.0)]
    skin += [
        (centre[0] + infield * math.sin(t), centre[1] - infield * math.cos(t))
        for t in (-1.35 + 2.7 * k / 20 for k in range(21))
    ]
    shape(skin, clay, "diamond_clay")
    half = 19.4 * size
    inner = [(0.0, -4.0), (half - 3, -half), (0.0, -2 * half + 4), (-half + 3, -half)]
    shape(inner, grass, "diamond_grass")
    sketch.disc((0, 0), 4.0 * size, clay, "diamond_clay", Layer.ROAD, frame=frame, thing=number)
    sketch.disc((0, -18.4 * size), 2.8 * size, clay, "diamond_clay", Layer.ROAD, frame=frame, thing=number)
    for x, y in ((0, 0), (half, -half), (0, -2 * half), (-half, -half)):
        sketch.box((x, y), 1.0, 1.0, WHITE, "diamond_clay", Layer.MARKING, frame=frame, thing=number)
    for side in (-1, 1):
        end = (side * radius * 0.707, -radius * 0.707)
        shape([(0, 0), (0.25, 0.25), (end[0] + 0.25, end[1]), end], WHITE, "diamond_grass", Layer.MARKING)
        bench = turned(rectangle((0, 0), 9.0, 2.5), (side * 22.0 * size, -14.0 * size), -side * math.pi / 4)
        sketch.polygon(bench, CONCRETE, "pavement", Layer.ROOF, frame=frame, height=2.5)


def draw_baseball(site: Site) -> None:
    """One, two or four diamonds, some turned back to back, surrounded by trees."""
    rng = site.rng
    site.lay(vary(rng, rng.choice(GREENS), 6), "park")
    u, v = site.centre
    layout = rng.choice(("pair", "four", "one"))
    if layout == "one":
        draw_diamond(site, u, v + 42, rng.uniform(-0.2, 0.2), 1.15)
        taken = [(u, v, 88.0)]
    elif layout == "pair":
        draw_diamond(site, u - 8, v + 8, -math.pi / 4 - math.pi / 2 + math.pi / 2, 1.0)
        draw_diamond(site, u + 8, v - 8 + 30, math.pi * 3 / 4, 1.0)
        taken = [(u - 30, v - 20, 62.0), (u + 36, v + 50, 62.0)]
    else:
        for k in range(4):
            angle = math.pi / 4 + k * math.pi / 2
            at = (u + 12 * math.sin(angle), v - 12 * math.cos(angle))
            draw_diamond(site, *at, angle, 0.92)
        taken = [(u, v, 88.0)]
    _trees_between(site, taken, 170)
    for _ in range(60):
        side = rng.randrange(4)
        t = rng.random()
        at = (
            site.left + 5 + (site.right - site.left - 10) * (t if side < 2 else side - 2),
            site.top + 5 + (site.bottom - site.top - 10) * (t if side >= 2 else side),
        )
        plant(site, at, 1.8, 4.2)


def draw_football_field(
    site: Site, frame: int, *, width: float = 105.0, depth: float = 68.0, at: Point = (0.0, 0.0)
) -> None:
    """A marked football field with mowing stripes."""
    sketch = site.sketch
    x, y = at
    number = sketch.thing("football field", rectangle(at, width + 8, depth + 8), frame=frame)

    def patch(dx: float, dy: float, w: float, d: float, tone: Colour, layer: Layer = Layer.MARKING) -> None:
        sketch.box((x + dx, y + dy), w, d, tone, "football", layer, frame=frame, thing=number)

    patch(0, 0, width + 8, depth + 8, (92, 114, 66), Layer.ROAD)
    stripe = width / 12
    for k in range(0, 12, 2):
        patch(-width / 2 + (k + 0.5) * stripe, 0, stripe, depth, (104, 128, 74), Layer.ROAD)
    line = 0.3
    for dy in (-depth / 2, depth / 2):
        patch(0, dy, width, line, WHITE)
    for dx in (-width / 2, 0.0, width / 2):
        patch(dx, 0, line, depth, WHITE)
    for side in (-1, 1):
        for length, reach in ((40.3, 16.5), (18.3, 5.5)):
            edge = side * (width / 2 - reach)
            patch(edge, 0, line, length, WHITE)
            for dy in (-length / 2, length / 2):
                patch(side * (width / 2 - reach / 2), dy, reach, line, WHITE)
    for k in range(24):
        a, b = k * math.pi / 12, (k + 1) * math.pi / 12
        arc = [(x + r * math.cos(t), y + r * math.sin(t)) for r, t in ((9.3, a), (9.3, b), (9.0, b), (9.0, a))]
        sketch.polygon(arc, WHITE, "football", Layer.MARKING, frame=frame, thing=number)


def _oval(length: float, radius: float) -> list[Point]:
    """A running track's outline: two straights of a length, two half circles."""
    half = length / 2
    right = [
        (half + radius * math.cos(t), radius * math.sin(t))
        for t in (-math.pi / 2 + math.pi * k / 18 for k in range(19))
    ]
    left = [
        (-half + radius * math.cos(t), radius * math.sin(t))
        for t in (math.pi / 2 + math.pi * k / 18 for k in range(19))
    ]
    return right + left


def draw_stadium(site: Site) -> None:
    """A field inside a running track inside stands, with a car park and a training field beside it."""
    rng, sketch = site.rng, site.sketch
    site.lay((164, 160, 150), "pavement")
    u, v = site.centre
    frame = sketch.frame(u, v - 22)
    outer = _oval(84.4, 73.0)
    number = sketch.thing("stadium", outer, frame=frame)
    sketch.shadow(outer, 19.0, frame=frame)

    def ring(points: list[Point], tone: Colour, layer: Layer = Layer.ROAD) -> None:
        sketch.polygon(points, tone, "stadium", layer, frame=frame, thing=number)

    # The stands are drawn over their own shadow, the ground inside them over the stands.
    tone = vary(rng, (198, 198, 196), 6)
    ring(outer, tone, Layer.DECK)
    ring(_oval(84.4, 71.0), (168, 170, 174), Layer.DECK)
    seats = rng.choice(((104, 118, 150), (150, 92, 84), (132, 140, 132)))
    for k, radius in enumerate((60.0, 57.5, 55.0, 52.5, 50.0)):
        ring(_oval(84.4, radius), seats if k % 2 == 0 else (150, 150, 148), Layer.DECK)
    _roof_ribs(site, frame, number)
    ring(_oval(84.4, 47.0), (150, 148, 144), Layer.DECK)
    ring(_oval(84.4, 45.5), (164, 94, 78), Layer.DECK)
    for radius in (44.2, 42.9, 41.6, 40.3, 39.0):
        ring(_oval(84.4, radius + 0.1), (214, 200, 190), Layer.DECK)
        ring(_oval(84.4, radius - 0.12), (164, 94, 78), Layer.DECK)
    ring(_oval(84.4, 36.5), (100, 122, 70), Layer.DECK)
    _inside_field(site, frame)
    draw_car_park(sketch, rng, (site.left + 4, site.bottom - 46), site.right - site.left - 8, 42, fill=0.35)
    for k in range(26):
        plant(site, (site.left + 3 + k * (site.right - site.left - 6) / 25, site.top + 3), 1.6, 3.2)


def _roof_ribs(site: Site, frame: int, number: int) -> None:
    for k in range(48):
        t = k * 2 * math.pi / 48
        straight = 42.2 if math.cos(t) > 0 else -42.2
        inner, outer = 60.0, 71.0
        c, s = math.cos(t), math.sin(t)
        points = [
            (straight + r * c - w * s, r * s + w * c)
            for r, w in ((inner, -0.2), (outer, -0.2), (outer, 0.2), (inner, 0.2))
        ]
        site.sketch.polygon(points, (120, 124, 130), "stadium", Layer.DECK, frame=frame, thing=number)


def _inside_field(site: Site, frame: int) -> None:
    """The football field inside the track, above the stands' layer."""
    sketch = site.sketch
    width, depth = 104.0, 64.0
    number = sketch.thing("football field", rectangle((0, 0), width, depth), frame=frame)

    def patch(dx: float, dy: float, w: float, d: float, tone: Colour, layer: Layer = Layer.DECK_MARKING) -> None:
        sketch.box((dx, dy), w, d, tone, "football", layer, frame=frame, thing=number)

    patch(0, 0, width, depth, (94, 120, 66), Layer.DECK)
    for k in range(0, 12, 2):
        patch(-width / 2 + (k + 0.5) * width / 12, 0, width / 12, depth, (106, 132, 76), Layer.DECK)
    width, depth = 100.0, 60.0
    for dy in (-depth / 2, depth / 2):
        patch(0, dy, width, 0.3, WHITE)
    for dx in (-width / 2, 0.0, width / 2):
        patch(dx, 0, 0.3, depth, WHITE)
    for side in (-1, 1):
        patch(side * (width / 2 - 16.5), 0, 0.3, 40.3, WHITE)
        for dy in (-20.15, 20.15):
            patch(side * (width / 2 - 8.25), dy, 16.5, 0.3, WHITE)
    for k in range(24):
        a, b = k * math.pi / 12, (k + 1) * math.pi / 12
        arc = [(r * math.cos(t), r * math.sin(t)) for r, t in ((9.3, a), (9.3, b), (9.0, b), (9.0, a))]
        sketch.polygon(arc, WHITE, "football", Layer.DECK_MARKING, frame=frame, thing=number)
