"""An airport: runway with markings, taxiways, apron, terminal with planes at the gates, hangars, car park."""

from __future__ import annotations

import math

from geoglot.data.scenery.draw_vehicles import draw_car_park
from geoglot.data.scenery.plan import CELL
from geoglot.data.scenery.site import WHITE, YELLOW, Site, plant, scaled, vary
from geoglot.data.scenery.sketch import Colour, Layer, Point, rectangle, turned

_RUNWAY_V, _TAXI_V, _APRON_TOP, _APRON_BOTTOM = -205.0, -95.0, -48.0, 96.0


def draw_plane(site: Site, frame: int, at: Point, heading: float, length: float) -> None:
    """An airliner: fuselage, swept wings, tail, engines; ``heading`` is where the nose points."""
    sketch, rng = site.sketch, site.rng
    size = length / 38.0
    body = (
        (19, 0), (18, 1.2), (15.5, 1.95), (-10, 1.95), (-17, 0.9), (-19, 0.35),
        (-19, -0.35), (-17, -0.9), (-10, -1.95), (15.5, -1.95), (18, -1.2),
    )  # fmt: skip
    wings = ((5.5, 1.8), (-3.2, 17.0), (-5.4, 17.2), (-2.8, 6.2), (-3.6, 1.8))
    tail = ((-14.2, 0.8), (-17.4, 6.4), (-18.9, 6.5), (-17.9, 0.5))

    def place(points: tuple[tuple[float, float], ...], mirrored: bool = False) -> list[Point]:
        sign = -size if mirrored else size
        return turned([(x * size, y * sign) for x, y in points], at, heading)

    outline = (
        (19, 0), (15.5, 1.95), (5.5, 1.95), (-3.2, 17.0), (-5.4, 17.2), (-2.8, 6.2), (-3.6, 1.95), (-14.2, 1.2), (-18.9, 6.5),
        (-19, 0), (-18.9, -6.5), (-14.2, -1.2), (-3.6, -1.95), (-2.8, -6.2), (-5.4, -17.2), (-3.2, -17.0), (5.5, -1.95), (15.5, -1.95),
    )  # fmt: skip
    number = sketch.thing("plane", place(outline), frame=frame)
    paint = vary(rng, (236, 237, 238), 5)
    livery = rng.choice(((178, 58, 54), (56, 84, 140), (60, 118, 112), (198, 150, 64), (80, 82, 88)))

    def shape(points: list[Point], tone: Colour, height: float = 0.0, layer: Layer = Layer.ROOF_DETAIL) -> None:
        sketch.polygon(points, tone, "plane", layer, frame=frame, thing=number, height=height)

    for mirrored in (False, True):
        shape(place(wings, mirrored), scaled(paint, 0.9), 5.0, Layer.ROOF)
        shape(place(tail, mirrored), scaled(paint, 0.92), 6.0, Layer.ROOF)
        engine = ((4.6, 5.0), (4.6, 6.9), (0.2, 6.9), (0.2, 5.0))
        shape(place(engine, mirrored), (150, 154, 160), 0.0, Layer.ROOF)
    shape(place(body), paint, 6.5)
    shade = ((15.5, 0.9), (15.5, 1.95), (-10, 1.95), (-17, 0.9), (-16, 0.5), (-10, 0.9))
    shape(place(shade, mirrored=math.sin(heading + site.angle + 0.6) > 0), scaled(paint, 0.84))
    shape(place(((-13.5, 0.28), (-18.6, 0.28), (-18.6, -0.28), (-13.5, -0.28))), livery, 11.0)
    shape(place(((17.2, 0.9), (16.4, 1.2), (16.4, -1.2), (17.2, -0.9))), (60, 66, 76))


def draw_airport(site: Site) -> None:
    """Everything in one rigid frame of 1,500 m x 520 m in the middle of the feature, with grass around."""
    _, column, row, columns, rows = site.feature
    sketch = site.sketch
    frame = sketch.frame((column + columns / 2) * CELL, (row + rows / 2) * CELL)
    _draw_runway(site, frame)
    _draw_taxiways(site, frame)
    _draw_terminal(site, frame)
    _draw_hangars(site, frame)
    rng = site.rng
    for _ in range(260):
        at = (rng.uniform(-780, 780), rng.uniform(190, 300))
        if abs(at[0]) > 250 or at[1] > 250:
            plant(site, at, 2.0, 4.6, frame=frame)


def _draw_runway(site: Site, frame: int) -> None:
    sketch = site.sketch
    length, width, v = 1500.0, 45.0, _RUNWAY_V

    def patch(x: float, y: float, w: float, d: float, tone: Colour, layer: Layer = Layer.MARKING) -> None:
        sketch.box((x, v + y), w, d, tone, "runway", layer, frame=frame, thing=number)

    number = sketch.thing("runway", rectangle((0, v), length, width), frame=frame)
    patch(0, 0, length + 90, width + 14, (142, 139, 130), Layer.GROUND)
    patch(0, 0, length, width, (104, 104, 104), Layer.ROAD)
    for side in (-1, 1):
        patch(0, side * (width / 2 - 1), length, 0.9, WHITE)
        for k in range(8):
            patch(side * (length / 2 - 22), (k - 3.5) * 4.9, 28, 1.9, WHITE)
        for offset in (-1, 1):
            patch(side * (length / 2 - 330), offset * 9.5, 45, 6.5, WHITE)
        # Rubber where the wheels touch down.
        patch(side * (length / 2 - 300), 0, 260, 9, (88, 88, 89), Layer.ROAD)
        for k, bar in enumerate((3.0, -3.0)):
            patch(side * (length / 2 - 62), bar, 9, 1.6, WHITE)
            patch(side * (length / 2 - 62 - (4 if k else -4)), 0, 1.6, 7, WHITE)
    x = -length / 2 + 95
    while x < length / 2 - 95:
        patch(x, 0, 30, 0.9, WHITE)
        x += 50


def _draw_taxiways(site: Site, frame: int) -> None:
    sketch = site.sketch

    def strip(x0: float, y0: float, x1: float, y1: float, width: float) -> None:
        angle = math.atan2(y1 - y0, x1 - x0)
        length = math.hypot(x1 - x0, y1 - y0)
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        for w, tone, layer in (
            (width + 8, (150, 146, 134), Layer.GROUND),
            (width, (128, 127, 124), Layer.ROAD),
            (0.5, YELLOW, Layer.MARKING),
        ):
            corners = turned(rectangle((0, 0), length + (0 if w < 1 else 6), w), middle, angle)
            sketch.polygon(corners, tone, "apron", layer, frame=frame)

    strip(-735, _TAXI_V, 735, _TAXI_V, 22)
    for x in (-735, 735):
        strip(x, _RUNWAY_V + 16, x, _TAXI_V, 22)
    for x, lean in ((-300, 90), (300, -90), (0, 0)):
        strip(x, _RUNWAY_V + 16, x + lean, _TAXI_V, 22)
    for x in (-230, -70, 90, 250):
        strip(x, _TAXI_V, x, _APRON_TOP + 6, 24)


def _draw_terminal(site: Site, frame: int) -> None:
    sketch, rng = site.sketch, site.rng
    half = 430.0
    depth = _APRON_BOTTOM - _APRON_TOP
    middle = (_APRON_TOP + _APRON_BOTTOM) / 2
    sketch.box((0, middle), 2 * half, depth, (184, 181, 172), "apron", Layer.GROUND, frame=frame)
    for k in range(1, 44):
        # Joints between the concrete slabs.
        x = -half + k * 2 * half / 44
        sketch.box((x, middle), 0.25, depth, (168, 165, 157), "apron", Layer.ROAD, frame=frame)
    for k in range(1, 8):
        sketch.box((0, _APRON_TOP + k * depth / 8), 2 * half, 0.25, (168, 165, 157), "apron", Layer.ROAD, frame=frame)
    sketch.box((0, _APRON_TOP + 16), 2 * half - 40, 0.5, YELLOW, "apron", Layer.MARKING, frame=frame)
    pieces = [((0.0, 118.0), 460.0, 46.0)] + [((x, 78.0), 22.0, 70.0) for x in (-150.0, 0.0, 150.0)]
    outline = rectangle((0, 118), 460, 46)
    number = sketch.thing("terminal", outline, frame=frame)
    for (x, y), w, d in pieces:
        sketch.shadow(rectangle((x, y), w, d), 14, frame=frame)
    for (x, y), w, d in pieces:
        for shrink, tone in ((0.0, (222, 222, 218)), (1.6, (150, 152, 154)), (2.4, (194, 196, 196))):
            sketch.box((x, y), w - shrink, d - shrink, tone, "terminal", Layer.ROOF, frame=frame, thing=number)
    for k in range(22):
        x = -220 + k * 20.5
        sketch.box((x, 118), 9, 30, (170, 180, 190), "terminal", Layer.ROOF_DETAIL, frame=frame, thing=number)
        sketch.box((x, 118), 0.8, 44, (214, 214, 212), "terminal", Layer.ROOF_DETAIL, frame=frame, thing=number)
    for x in (-150.0, 0.0, 150.0):
        for side in (-1, 1):
            for y in (58.0, 96.0):
                if y > 90:
                    continue
                nose = (x + side * 17, y)
                sketch.box((x + side * 14, y + 4), 10, 3, (206, 206, 204), "terminal", Layer.ROOF, frame=frame, thing=number, tall=5)
                if rng.random() < 0.93:
                    length = rng.uniform(34, 42)
                    draw_plane(site, frame, (nose[0] + side * (length / 2 + 2), y), 0.0 if side < 0 else math.pi, length)
                sketch.box((nose[0] + side * 22, y), 44, 0.4, YELLOW, "apron", Layer.MARKING, frame=frame)
    for x in (-380.0, -330.0, -280.0, 280.0, 330.0, 380.0):
        if rng.random() < 0.9:
            draw_plane(site, frame, (x, 40 + rng.uniform(-3, 3)), -math.pi / 2, rng.uniform(32, 40))
    for x in (-90.0, 60.0):
        draw_plane(site, frame, (x + rng.uniform(-30, 30), _TAXI_V), rng.choice((0.0, math.pi)), 38)
    draw_plane(site, frame, (rng.uniform(-500, 500), _RUNWAY_V), 0.0, 40)
    _draw_land_side(site, frame)


def _draw_land_side(site: Site, frame: int) -> None:
    sketch, rng = site.sketch, site.rng
    sketch.box((0, 160), 560, 26, (140, 138, 132), "pavement", Layer.GROUND, frame=frame)
    sketch.box((0, 160), 560, 14, (112, 112, 112), "street", Layer.ROAD, frame=frame)
    draw_car_park(sketch, rng, (-235, 178), 220, 70, frame=frame, fill=0.8)
    draw_car_park(sketch, rng, (15, 178), 220, 70, frame=frame, fill=0.65)
    sketch.box((0, 230), 9, 160, (116, 116, 115), "street", Layer.ROAD, frame=frame)


def _draw_hangars(site: Site, frame: int) -> None:
    sketch, rng = site.sketch, site.rng
    sketch.box((530, 60), 190, 120, (176, 173, 164), "apron", Layer.GROUND, frame=frame)
    for x in (480.0, 575.0):
        foot = rectangle((x, 92), 78, 58)
        number = sketch.thing("industrial building", foot, frame=frame)
        sketch.shadow(foot, 16, frame=frame)
        for k in range(6):
            tone = scaled((186, 190, 194), (0.86, 0.93, 1.0, 1.06, 1.0, 0.92)[k])
            sketch.box((x - 39 + 6.5 + k * 13, 92), 13, 58, tone, "industrial", Layer.ROOF, frame=frame, thing=number)
    for x in (470.0, 520.0, 570.0):
        draw_plane(site, frame, (x, 30), rng.choice((-math.pi / 2, math.pi / 2)), rng.uniform(18, 26))
    tower = (300.0, 150.0)
    sketch.disc(tower, 7, (206, 204, 198), "terminal", Layer.TOP, frame=frame, tall=40)
    sketch.disc(tower, 4.5, (96, 112, 122), "terminal", Layer.TOP, frame=frame)
