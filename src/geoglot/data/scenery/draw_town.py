"""Town cells: the core, shopping with a car park, industry, a tank farm, parks."""

from __future__ import annotations

import math

from geoglot.data.scenery.draw_vehicles import draw_car_park, draw_lorry
from geoglot.data.scenery.site import CONCRETE, GREENS, WHITE, Site, plant, scaled, vary
from geoglot.data.scenery.sketch import Colour, Layer, circle, rectangle

_FLAT: tuple[Colour, ...] = (
    (176, 172, 164),
    (190, 186, 178),
    (158, 154, 148),
    (140, 138, 136),
    (204, 200, 192),
    (152, 138, 124),
    (168, 150, 134),
    (122, 120, 120),
)
_SHEDS: tuple[Colour, ...] = (
    (196, 198, 198),
    (176, 180, 184),
    (206, 204, 198),
    (128, 148, 172),
    (150, 164, 178),
    (164, 124, 106),
    (140, 152, 140),
    (220, 220, 216),
)


def draw_block_of_flats(site: Site, u: float, v: float, width: float, depth: float, height: float) -> None:
    """A flat-roofed building with parapet, a set-back top and machinery on its roof."""
    sketch, rng = site.sketch, site.rng
    frame = sketch.frame(u, v)
    colour = vary(rng, rng.choice(_FLAT), 10)
    foot = rectangle((0, 0), width, depth)
    number = sketch.thing("building", foot, frame=frame)
    layer = Layer.TOP if height > 14 else Layer.ROOF_DETAIL
    sketch.shadow(foot, height, frame=frame)

    def part(x: float, y: float, w: float, d: float, tone: Colour) -> None:
        sketch.box((x, y), w, d, tone, "building", layer, frame=frame, thing=number)

    part(0, 0, width, depth, scaled(colour, 1.14))
    part(0, 0, width - 1.4, depth - 1.4, scaled(colour, 0.72))
    part(0.35, 0.35, width - 2.1, depth - 2.1, colour)
    if min(width, depth) > 16 and rng.random() < 0.6:
        w, d = width * rng.uniform(0.35, 0.6), depth * rng.uniform(0.35, 0.6)
        x, y = rng.uniform(-0.12, 0.12) * width, rng.uniform(-0.12, 0.12) * depth
        part(x - 1.6, y - 2.0, w, d, scaled(colour, 0.55))
        part(x, y, w, d, scaled(colour, 1.1))
        part(x + 0.3, y + 0.3, w - 1.6, d - 1.6, scaled(colour, 0.95))
    for _ in range(rng.randint(2, 7)):
        w, d = rng.uniform(1.2, 3.4), rng.uniform(1.2, 3.0)
        x, y = rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * depth
        part(x - 0.7, y - 0.9, w, d, scaled(colour, 0.5))
        part(x, y, w, d, vary(rng, (186, 188, 188), 18))


def draw_core(site: Site) -> None:
    """City blocks: buildings of different heights around yards, car parks and trees."""
    rng, sketch = site.rng, site.sketch
    site.lay((158, 155, 148), "pavement")
    columns, rows = rng.choice(((3, 3), (3, 4), (4, 3), (4, 4)))
    width, depth = (site.right - site.left) / columns, (site.bottom - site.top) / rows
    for row in range(rows):
        for column in range(columns):
            u, v = site.left + (column + 0.5) * width, site.top + (row + 0.5) * depth
            draw = rng.random()
            if draw < 0.10:
                draw_car_park(sketch, rng, (u - width / 2 + 2, v - depth / 2 + 2), width - 4, depth - 4, fill=0.75)
            elif draw < 0.2:
                sketch.box((u, v), width - 5, depth - 5, vary(rng, rng.choice(GREENS), 6), "park", Layer.GROUND)
                for _ in range(rng.randint(8, 22)):
                    plant(site, (u + rng.uniform(-0.4, 0.4) * width, v + rng.uniform(-0.4, 0.4) * depth), 1.8, 4.2)
            else:
                w, d = width - rng.uniform(7, 20), depth - rng.uniform(7, 20)
                height = rng.choice((12, 16, 22, 30, 42)) * rng.uniform(0.8, 1.2)
                if w > 42 and d > 42 and rng.random() < 0.7:
                    _perimeter_block(site, u, v, w, d, rng.uniform(13, 22))
                else:
                    draw_block_of_flats(site, u, v, min(w, 46), min(d, 46), height)
                    for side in (-1, 1):
                        if rng.random() < 0.6:
                            for k in range(3):
                                plant(site, (u + (k - 1) * w / 3, v + side * (d / 2 + 3)), 1.4, 2.6)


def _perimeter_block(site: Site, u: float, v: float, width: float, depth: float, height: float) -> None:
    wing = 13.0
    site.sketch.box((u, v), width - 2 * wing, depth - 2 * wing, vary(site.rng, (122, 122, 96), 8), "garden", Layer.GROUND)
    for side in (-1, 1):
        draw_block_of_flats(site, u, v + side * (depth - wing) / 2, width, wing, height)
        draw_block_of_flats(site, u + side * (width - wing) / 2, v, wing, depth - 2 * wing, height)
    for _ in range(site.rng.randint(2, 7)):
        at = (u + site.rng.uniform(-0.5, 0.5) * (width - 38), v + site.rng.uniform(-0.5, 0.5) * (depth - 38))
        plant(site, at, 1.8, 3.4)


def draw_commerce(site: Site) -> None:
    """A large shop with its car park."""
    rng, sketch = site.rng, site.sketch
    site.lay(vary(rng, (150, 147, 141), 6), "pavement")
    width, depth = site.right - site.left, site.bottom - site.top
    shop = depth * rng.uniform(0.32, 0.42)
    v = site.top + 8 + shop / 2
    frame_width = width * rng.uniform(0.62, 0.8)
    draw_block_of_flats(site, site.left + 8 + frame_width / 2, v, frame_width, shop, 9.0)
    rest = width - frame_width - 24
    if rest > 16:
        draw_block_of_flats(site, site.right - 6 - rest / 2, v, rest, shop * 0.6, 6.0)
    top = site.top + shop + 20
    draw_car_park(
        sketch, rng, (site.left + 6, top), width - 12, site.bottom - top - 6, fill=rng.uniform(0.55, 0.9)
    )
    for k in range(12):
        plant(site, (site.left + 2 + k * width / 12, site.bottom - 2), 1.4, 2.6)
        plant(site, (site.left + 2 + k * width / 12, top - 4), 1.3, 2.2)


def draw_shed(site: Site, u: float, v: float, width: float, depth: float) -> None:
    """A hall with a ribbed, slightly pitched roof."""
    sketch, rng = site.sketch, site.rng
    frame = sketch.frame(u, v)
    colour = vary(rng, rng.choice(_SHEDS), 8)
    foot = rectangle((0, 0), width, depth)
    number = sketch.thing("industrial building", foot, frame=frame)
    sketch.shadow(foot, rng.uniform(7, 11), frame=frame)
    a, b = width / 2, depth / 2
    for low, high, direction in ((-b, 0.0, -math.pi / 2), (0.0, b, math.pi / 2)):
        tone = scaled(colour, 0.6 + 0.4 * site.facing(direction))
        sketch.polygon(
            ((-a, low), (a, low), (a, high), (-a, high)), tone, "industrial", Layer.ROOF, frame=frame, thing=number
        )
    x = -a + 3.0
    while x < a - 2:
        sketch.box((x, 0), 0.5, depth, scaled(colour, 0.93), "industrial", Layer.ROOF_DETAIL, frame=frame, thing=number)
        x += 5.0
    sketch.box((0, 0), width, 0.8, scaled(colour, 1.12), "industrial", Layer.ROOF_DETAIL, frame=frame, thing=number)
    for _ in range(rng.randint(0, 8)):
        at = (rng.uniform(-0.45, 0.45) * width, rng.uniform(-0.4, 0.4) * depth)
        sketch.box(at, 2.4, 1.4, (222, 224, 222), "industrial", Layer.ROOF_DETAIL, frame=frame, thing=number)


def draw_containers(site: Site, u: float, v: float, rows: int, columns: int) -> None:
    """Stacks of containers in rows, standing on whatever lies there."""
    paints: tuple[Colour, ...] = ((158, 82, 66), (72, 104, 138), (186, 186, 182), (92, 122, 94), (190, 146, 80))
    for row in range(rows):
        for column in range(columns):
            if site.rng.random() < 0.85:
                at = (u + column * 13.0, v + row * 2.9 + (row // 4) * 4.0)
                number = site.sketch.thing("container", rectangle(at, 12.2, 2.4))
                colour = vary(site.rng, site.rng.choice(paints), 12)
                tall = 2.6 * site.rng.randint(1, 3)
                site.sketch.box(at, 12.2, 2.4, colour, "container", Layer.ROOF, thing=number, tall=tall)


def draw_industry(site: Site) -> None:
    """Halls, yards, lorries and containers."""
    rng, sketch = site.rng, site.sketch
    yard = rng.random() < 0.5
    site.lay(vary(rng, (164, 158, 148) if yard else (150, 138, 118), 8), "pavement" if yard else "bare")
    depth = site.bottom - site.top
    rows = rng.choice((2, 3))
    for row in range(rows):
        u = site.left + 8
        while u < site.right - 40:
            w = min(rng.uniform(45, 110), site.right - 8 - u)
            d = depth / rows * rng.uniform(0.5, 0.72)
            v = site.top + (row + 0.5) * depth / rows
            if rng.random() < 0.82:
                draw_shed(site, u + w / 2, v, w, d)
                for _ in range(rng.randint(0, 4)):
                    at = (u + rng.uniform(4, w - 4), v + d / 2 + 8)
                    draw_lorry(sketch, rng, at, math.pi / 2 + rng.uniform(-0.06, 0.06))
            elif rng.random() < 0.5:
                draw_containers(site, u + 8, v - d / 2 + 6, int(d / 5), max(1, int(w / 15)))
            else:
                draw_car_park(sketch, rng, (u, v - d / 2), w, min(d, 36), fill=0.6)
            u += w + rng.uniform(9, 18)
    for _ in range(10):
        plant(site, (rng.uniform(site.left, site.right), rng.choice((site.top, site.bottom))), 1.5, 3.0)


def draw_tank(site: Site, u: float, v: float, radius: float) -> None:
    """A round storage tank: bright roof, a rim, a stair, and a shadow inside where the roof floats low."""
    sketch, rng = site.sketch, site.rng
    frame = sketch.frame(u, v)
    colour = vary(rng, rng.choice(((228, 228, 224), (218, 218, 214), (206, 206, 202), (190, 184, 176))), 6)
    outline = circle((0, 0), radius, 36)
    number = sketch.thing("storage tank", outline, frame=frame)
    sketch.shadow(outline, rng.uniform(11, 15) * min(1.0, radius / 12), frame=frame)

    def ring(r: float, tone: Colour, x: float = 0.0, y: float = 0.0) -> None:
        sketch.polygon(circle((x, y), r, 36), tone, "tank", Layer.ROOF, frame=frame, thing=number)

    ring(radius, scaled(colour, 0.86))
    if rng.random() < 0.4:
        # The wall shades the sunny side of a roof that has sunk.
        ring(radius - 0.7, scaled(colour, 0.58))
        lowered = radius * 0.84
        c, s = math.cos(-site.angle), math.sin(-site.angle)
        dx, dy = -0.62 * radius * 0.16, -0.78 * radius * 0.16
        ring(lowered, scaled(colour, 0.95), c * dx - s * dy, s * dx + c * dy)
    else:
        ring(radius - 0.7, colour)
        ring(radius * 0.16, scaled(colour, 0.88))
        for k in range(10):
            angle = k * math.pi / 5
            end = (math.cos(angle) * radius * 0.94, math.sin(angle) * radius * 0.94)
            side = (-math.sin(angle) * 0.14, math.cos(angle) * 0.14)
            sketch.polygon(
                ((side[0], side[1]), (end[0] + side[0], end[1] + side[1]), (end[0] - side[0], end[1] - side[1])),
                scaled(colour, 0.93),
                "tank",
                Layer.ROOF,
                frame=frame,
                thing=number,
            )
    sketch.box((radius * 0.72, 0), radius * 0.5, 0.9, (120, 120, 118), "tank", Layer.ROOF_DETAIL, frame=frame, thing=number)


def draw_tanks(site: Site) -> None:
    """A tank farm: tanks in rows, each within its bund, joined by pipes."""
    rng, sketch = site.rng, site.sketch
    site.lay(vary(rng, (172, 160, 138), 8), "bare")
    columns, rows = rng.choice(((3, 3), (4, 3), (3, 4), (4, 4), (2, 2)))
    width, depth = (site.right - site.left) / columns, (site.bottom - site.top) / rows
    for row in range(rows):
        radius = min(width, depth) * rng.uniform(0.24, 0.37)
        for column in range(columns):
            u, v = site.left + (column + 0.5) * width, site.top + (row + 0.5) * depth
            sketch.box((u, v), width - 5, depth - 5, (196, 186, 166), "bare", Layer.ROAD)
            sketch.box((u, v), width - 8, depth - 8, vary(rng, (158, 148, 128), 8), "bare", Layer.ROAD)
            if rng.random() < 0.14 and columns > 2:
                for k in range(4):
                    at = (u + (k % 2 - 0.5) * width * 0.45, v + (k // 2 - 0.5) * depth * 0.45)
                    draw_tank(site, *at, min(width, depth) * 0.15)
            elif rng.random() < 0.95:
                draw_tank(site, u, v, radius)
        pipe = site.top + (row + 1) * depth - 1.2
        for offset in (0.0, 0.9):
            sketch.box(
                ((site.left + site.right) / 2, pipe + offset), site.right - site.left - 8, 0.4, WHITE, "bare", Layer.MARKING
            )
    draw_shed(site, site.left + 12, site.bottom - 8, 18, 9)


def draw_park(site: Site) -> None:
    """Lawns, paths, trees, a pond-side square and a playground."""
    rng, sketch = site.rng, site.sketch
    site.lay(vary(rng, rng.choice(GREENS), 6), "park")
    u, v = site.centre
    width, depth = site.right - site.left, site.bottom - site.top
    for angle in (0.0, math.pi / 2, rng.uniform(0.5, 1.0), rng.uniform(2.0, 2.6)):
        c, s, reach = math.cos(angle), math.sin(angle), min(width, depth) * 0.47
        corners = [(u + c * t * reach - s * w, v + s * t * reach + c * w) for t, w in ((-1, -1.4), (1, -1.4), (1, 1.4), (-1, 1.4))]
        sketch.polygon(corners, (190, 178, 150), "path", Layer.ROAD)
    ring = min(width, depth) * 0.3
    sketch.disc((u, v), ring + 1.4, (190, 178, 150), "path", Layer.GROUND, sides=40)
    sketch.disc((u, v), ring - 1.4, vary(rng, rng.choice(GREENS), 6), "park", Layer.GROUND, sides=40)
    sketch.disc((u, v), 9.0, CONCRETE, "pavement", Layer.ROAD)
    sketch.disc((u, v), 4.0, (96, 140, 150), "pool", Layer.MARKING)
    draw_playground(site, u + width * 0.26, v + depth * 0.27)
    for _ in range(rng.randint(110, 190)):
        at = (rng.uniform(site.left + 3, site.right - 3), rng.uniform(site.top + 3, site.bottom - 3))
        clear_of_play = abs(at[0] - u - width * 0.26) > 22 or abs(at[1] - v - depth * 0.27) > 18
        if clear_of_play and math.hypot(at[0] - u, at[1] - v) > 14:
            plant(site, at, 1.8, 4.8)


def draw_playground(site: Site, u: float, v: float) -> None:
    """Coloured ground with climbing frames, slides and sand."""
    sketch, rng = site.sketch, site.rng
    frame = sketch.frame(u, v, rng.uniform(-0.3, 0.3))
    number = sketch.thing("playground", rectangle((0, 0), 34, 26), frame=frame)

    def patch(x: float, y: float, w: float, d: float, tone: Colour, layer: Layer = Layer.MARKING) -> None:
        sketch.box((x, y), w, d, tone, "playground", layer, frame=frame, thing=number)

    patch(0, 0, 34, 26, (172, 116, 88), Layer.ROAD)
    patch(-8, -5, 14, 12, (206, 190, 148))
    sketch.disc((8, 5), 6.0, (96, 132, 156), "playground", Layer.MARKING, frame=frame, thing=number)
    sketch.disc((8, -7), 4.0, (188, 166, 82), "playground", Layer.MARKING, frame=frame, thing=number)
    sketch.disc((-9, 8), 3.0, (104, 140, 92), "playground", Layer.MARKING, frame=frame, thing=number)
    for _ in range(6):
        x, y = rng.uniform(-13, 13), rng.uniform(-9, 9)
        sketch.shadow(rectangle((x, y), 3, 1.4), 2.2, frame=frame)
        patch(x, y, rng.uniform(2, 4.5), rng.uniform(0.8, 1.8), rng.choice(((186, 66, 58), (220, 196, 70), (64, 98, 150))), Layer.ROOF)
