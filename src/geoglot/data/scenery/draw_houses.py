"""Roofs, and the residential districts made of them: dense, medium and sparse."""

from __future__ import annotations

import math

from geoglot.data.scenery.draw_vehicles import draw_car
from geoglot.data.scenery.plan import Kind
from geoglot.data.scenery.site import ASPHALT, GREENS, Site, plant, scaled, vary
from geoglot.data.scenery.sketch import Colour, Layer, area, rectangle

_ROOFS: tuple[Colour, ...] = (
    (152, 104, 84),
    (160, 116, 94),
    (138, 98, 80),
    (128, 118, 108),
    (142, 138, 132),
    (112, 110, 110),
    (98, 96, 98),
    (170, 160, 146),
    (186, 180, 170),
    (126, 104, 90),
)
_GARDENS: tuple[Colour, ...] = (*GREENS, (128, 124, 92), (140, 132, 102), (88, 104, 62), (150, 144, 124))


def draw_roof(
    site: Site, u: float, v: float, width: float, depth: float, *, angle: float = 0.0, hip: bool = True
) -> None:
    """A pitched roof in a rigid frame: ridge along the longer side, slopes lit by where they face."""
    sketch, rng = site.sketch, site.rng
    colour = vary(rng, rng.choice(_ROOFS), 12)
    frame = sketch.frame(u, v, angle)
    a, b = width / 2, depth / 2
    if b > a:
        frame, a, b, angle = sketch.frame(u, v, angle + math.pi / 2), b, a, angle + math.pi / 2
    foot = rectangle((0, 0), 2 * a, 2 * b)
    number = sketch.thing("house", foot, frame=frame)
    sketch.shadow(foot, rng.uniform(5.0, 7.5), frame=frame)
    ridge = a - b * 0.9 if hip else a
    faces = (
        ((-a, -b), (a, -b), (ridge, 0.0), (-ridge, 0.0), -math.pi / 2),
        ((-a, b), (a, b), (ridge, 0.0), (-ridge, 0.0), math.pi / 2),
        ((a, -b), (a, b), (ridge, 0.0), (ridge, 0.0), 0.0),
        ((-a, -b), (-a, b), (-ridge, 0.0), (-ridge, 0.0), math.pi),
    )
    for *corners, direction in faces if hip else faces[:2]:
        tone = scaled(colour, site.facing(angle + direction))
        sketch.polygon(corners, tone, "house", Layer.ROOF, frame=frame, thing=number)
    ridge_tone = scaled(colour, 1.14)
    sketch.box((0, 0), 2 * ridge, 0.5, ridge_tone, "house", Layer.ROOF_DETAIL, frame=frame, thing=number)
    if rng.random() < 0.35:
        at = (rng.uniform(-ridge, ridge) * 0.7, rng.choice((-1, 1)) * b * 0.45)
        sketch.box(at, 1.1, 1.1, (96, 88, 84), "house", Layer.ROOF_DETAIL, frame=frame, thing=number)
    if rng.random() < 0.3:
        # A wing at a right angle makes the house an L.
        side, wing = rng.choice((-1, 1)), min(a, b) * 0.9
        at = (rng.choice((-1, 1)) * (a - wing), side * b)
        corners_left = ((at[0] - wing / 2, 0.0), (at[0], 0.0), (at[0], at[1] + side * wing / 2))
        corners_left += ((at[0] - wing / 2, at[1] + side * wing / 2),)
        corners_right = tuple((2 * at[0] - x, y) for x, y in corners_left)
        sketch.polygon(
            corners_left, scaled(colour, site.facing(angle + math.pi)), "house", Layer.ROOF, frame=frame, thing=number
        )
        sketch.polygon(
            corners_right, scaled(colour, site.facing(angle)), "house", Layer.ROOF, frame=frame, thing=number
        )


class _Style:
    """Measures of a residential district, metres and shares."""

    def __init__(self, bands: int, lot: float, house: tuple[float, float], trees: float, pools: float) -> None:
        self.bands, self.lot, self.house, self.trees, self.pools = bands, lot, house, trees, pools


_STYLES = {
    Kind.DENSE: _Style(4, 13.5, (9.0, 12.0), 1.0, 0.03),
    Kind.MEDIUM: _Style(3, 20.0, (11.0, 15.0), 2.6, 0.14),
    Kind.SPARSE: _Style(2, 42.0, (13.0, 18.0), 6.5, 0.3),
}


def draw_residential(site: Site) -> None:
    """Lots in two rows along small lanes."""
    style = _STYLES[site.feature.kind]
    rng = site.rng
    site.lay(vary(rng, (118, 118, 86), 6), "garden")
    pitch = (site.bottom - site.top) / style.bands
    for index in range(style.bands):
        top = site.top + index * pitch
        lane = top + pitch / 2
        half = 2.9
        site.sketch.polygon(
            area(site.left - 3, lane - half - 1.2, site.right + 3, lane + half + 1.2),
            (164, 160, 152),
            "pavement",
            Layer.GROUND,
        )
        site.sketch.polygon(
            area(site.left - 3, lane - half, site.right + 3, lane + half), vary(rng, ASPHALT, 6), "street", Layer.ROAD
        )
        for side in (-1, 1):
            depth = pitch / 2 - half - 1.6
            edge = lane + side * (half + 1.6)
            count = max(1, int((site.right - site.left) / style.lot))
            width = (site.right - site.left) / count
            for k in range(count):
                _draw_lot(site, style, site.left + k * width, edge, width, depth, side)
        along = site.left + rng.uniform(4, 20)
        while along < site.right - 4:
            if rng.random() < 0.35:
                heading = rng.choice((0.0, math.pi))
                draw_car(site.sketch, rng, (along, lane + rng.choice((-1, 1)) * 1.9), heading)
            along += rng.uniform(6, 22)


def _draw_lot(site: Site, style: _Style, left: float, edge: float, width: float, depth: float, side: int) -> None:
    """One lot that opens to a lane at ``edge``; ``side`` says which way it runs from there."""
    rng, sketch = site.rng, site.sketch
    middle = left + width / 2
    lot_middle = edge + side * depth / 2
    inset = 0.25
    sketch.box(
        (middle, lot_middle), width - 2 * inset, depth - inset, vary(rng, rng.choice(_GARDENS), 8), "garden", Layer.GROUND
    )
    if rng.random() < 0.04:
        for _ in range(round(style.trees * 2)):
            plant(site, (middle + rng.uniform(-0.4, 0.4) * width, lot_middle + rng.uniform(-0.4, 0.4) * depth), 1.8, 4.2)
        return
    house_width = min(width - 2.0, rng.uniform(*style.house))
    house_depth = min(depth * 0.62, rng.uniform(style.house[0] * 0.85, style.house[1] * 1.05))
    setback = min(rng.uniform(3.5, 7.5) * (1.0 if style.lot < 30 else 1.8), depth - house_depth - 2)
    shift = rng.uniform(-0.5, 0.5) * max(0.0, width - house_width - 3)
    house_v = edge + side * (setback + house_depth / 2)
    tilt = rng.choice((0.0, 0.0, 0.0, rng.uniform(-0.25, 0.25))) if style.lot > 15 else 0.0
    drive = middle + shift + rng.choice((-1, 1)) * (house_width / 2 - 1.8)
    sketch.box(
        (drive, edge + side * (setback + 1) / 2), 3.2, setback + 1, vary(rng, (168, 165, 158), 10), "pavement", Layer.ROAD
    )
    if rng.random() < 0.42 and setback > 4.6:
        draw_car(sketch, rng, (drive, edge + side * (setback / 2 + 0.4)), math.pi / 2)
    draw_roof(
        site, middle + shift, house_v, house_width, house_depth, angle=tilt, hip=rng.random() < 0.6
    )
    back = edge + side * (setback + house_depth)
    room = depth - setback - house_depth
    if rng.random() < style.pools and room > 7:
        _draw_pool(site, middle + rng.uniform(-0.2, 0.2) * width, back + side * (room * 0.5), min(room - 3, 5.0))
    elif rng.random() < 0.22 and room > 5:
        at = (left + (2.2 if rng.random() < 0.5 else width - 2.2), back + side * (room - 2.2))
        sketch.box(at, 2.8, 2.4, vary(rng, (150, 146, 140), 16), "pavement", Layer.ROOF, tall=2.2)
    wanted = style.trees
    while wanted > 0:
        if rng.random() < wanted:
            behind = rng.random() < 0.72
            v = back + side * rng.uniform(1.5, max(1.6, room)) if behind else edge + side * rng.uniform(1, setback)
            plant(site, (left + rng.uniform(0.06, 0.94) * width, v), 1.3, 2.8 if style.lot < 15 else 4.4)
        wanted -= 1


def _draw_pool(site: Site, u: float, v: float, size: float) -> None:
    sketch, rng = site.sketch, site.rng
    width, depth = size * rng.uniform(1.5, 2.0), size
    sketch.box((u, v), width + 2.4, depth + 2.4, vary(rng, (190, 184, 170), 8), "pavement", Layer.ROAD)
    number = sketch.thing("swimming pool", rectangle((u, v), width, depth))
    sketch.box((u, v), width, depth, (104, 170, 186), "pool", Layer.MARKING, thing=number)
    sketch.box((u, v), width - 1.2, depth - 1.2, (86, 156, 178), "pool", Layer.MARKING, thing=number)
