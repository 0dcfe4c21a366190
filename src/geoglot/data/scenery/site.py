"""What a builder of a feature works with: its place, its random stream, its sketch, and small shared drawing steps."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from geoglot.data.scenery.plan import CELL, HALF_WIDTH, Edge, Feature, Plan
from geoglot.data.scenery.sketch import PLAN, TOWARDS_SUN, Colour, Layer, Point, Sketch, area

PAVEMENT = 3.0
"""Width of the strip between a road and a lot, metres."""

GREENS: tuple[Colour, ...] = ((104, 116, 72), (96, 110, 70), (116, 120, 80), (110, 112, 78), (92, 108, 64))
ASPHALT: Colour = (116, 116, 115)
CONCRETE: Colour = (178, 175, 166)
WHITE: Colour = (226, 226, 220)
YELLOW: Colour = (206, 178, 88)


@dataclass
class Site:
    """A feature under construction.

    Attributes:
        plan: The plan around it.
        feature: What is built.
        sketch: Where the shapes go.
        rng: The feature's own random stream.
        angle: Rotation of the plan at its centre, radians.
        left: West side of the ground inside the surrounding roads, plan metres; likewise ``top``, ``right``, ``bottom``.
    """

    plan: Plan
    feature: Feature
    sketch: Sketch
    rng: random.Random
    angle: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> Point:
        """Middle of the inner ground, plan metres."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def lay(self, colour: Colour, material: str, layer: Layer = Layer.GROUND, inset: float = 0.0) -> None:
        """Cover the inner ground."""
        outline = area(self.left + inset, self.top + inset, self.right - inset, self.bottom - inset)
        self.sketch.polygon(outline, colour, material, layer)

    def facing(self, direction: float) -> float:
        """Brightness of a slope that looks along a direction of the plan (radians): about 0.75 to 1.15."""
        world = direction + self.angle
        return 0.95 + 0.22 * (math.cos(world) * TOWARDS_SUN[0] + math.sin(world) * TOWARDS_SUN[1])


def open_site(plan: Plan, feature: Feature, sketch: Sketch, rng: random.Random) -> Site:
    """The ground of a feature inside its roads."""
    column, row, columns, rows = feature[1:]
    north = max(plan.edge(column + c, row, False) for c in range(columns))
    south = max(plan.edge(column + c, row + rows, False) for c in range(columns))
    west = max(plan.edge(column, row + r, True) for r in range(rows))
    east = max(plan.edge(column + columns, row + r, True) for r in range(rows))
    u, v = (column + columns / 2) * CELL, (row + rows / 2) * CELL
    return Site(
        plan=plan,
        feature=feature,
        sketch=sketch,
        rng=rng,
        angle=float(plan.warp.angle(u, v)),
        left=column * CELL + _clear(west),
        top=row * CELL + _clear(north),
        right=(column + columns) * CELL - _clear(east),
        bottom=(row + rows) * CELL - _clear(south),
    )


def _clear(edge: Edge) -> float:
    return HALF_WIDTH[edge] + (PAVEMENT if edge >= Edge.STREET else 1.0)


def vary(rng: random.Random, colour: Colour, amount: int = 10) -> Colour:
    """A colour a little lighter or darker, and a little off in hue."""
    shift = rng.randint(-amount, amount)
    red, green, blue = (min(255, max(0, c + shift + rng.randint(-amount // 3, amount // 3))) for c in colour)
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """A colour made brighter or darker."""
    red, green, blue = (min(255, max(0, round(c * factor))) for c in colour)
    return red, green, blue


def plant(site: Site, at: Point, smallest: float, largest: float, *, dry: bool = False, frame: int = PLAN) -> None:
    """One tree of a random kind and size at a plan point."""
    rng = site.rng
    look = rng.choice((9, 10, 11, 6)) if dry else rng.choice((0, 0, 1, 2, 3, 3, 4, 5, 6, 7))
    site.sketch.tree(at, rng.uniform(smallest, largest), look + 12 * rng.randrange(4), frame=frame)
