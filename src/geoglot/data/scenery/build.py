"""From a feature of the plan to its finished drawing."""

from __future__ import annotations

from collections.abc import Callable

from geoglot.data.scenery.draw_airport import draw_airport
from geoglot.data.scenery.draw_harbour import draw_harbour
from geoglot.data.scenery.draw_houses import draw_residential
from geoglot.data.scenery.draw_nature import (
    draw_bare,
    draw_beach,
    draw_desert,
    draw_farmland,
    draw_forest,
    draw_lake,
    draw_land,
    draw_meadow,
    draw_riverside,
)
from geoglot.data.scenery.draw_roads import draw_roads
from geoglot.data.scenery.draw_sport import draw_baseball, draw_courts, draw_stadium
from geoglot.data.scenery.draw_town import draw_commerce, draw_core, draw_industry, draw_park, draw_tanks
from geoglot.data.scenery.hashing import generator
from geoglot.data.scenery.plan import Feature, Kind, Plan
from geoglot.data.scenery.site import Site, open_site
from geoglot.data.scenery.sketch import Drawing, Sketch

THINGS_PER_FEATURE = 8192
"""Numbers set aside for the countable objects of one feature."""

_BUILDERS: dict[Kind, Callable[[Site], None]] = {
    Kind.BEACH: draw_beach,
    Kind.HARBOUR: draw_harbour,
    Kind.RIVERSIDE: draw_riverside,
    Kind.FOREST: draw_forest,
    Kind.FARMLAND: draw_farmland,
    Kind.MEADOW: draw_meadow,
    Kind.LAKE: draw_lake,
    Kind.BARE: draw_bare,
    Kind.DESERT: draw_desert,
    Kind.DENSE: draw_residential,
    Kind.MEDIUM: draw_residential,
    Kind.SPARSE: draw_residential,
    Kind.CORE: draw_core,
    Kind.COMMERCE: draw_commerce,
    Kind.INDUSTRY: draw_industry,
    Kind.TANKS: draw_tanks,
    Kind.STADIUM: draw_stadium,
    Kind.COURTS: draw_courts,
    Kind.BASEBALL: draw_baseball,
    Kind.PARK: draw_park,
    Kind.AIRPORT: draw_airport,
}


def build(plan: Plan, feature: Feature, *, first_id: int, gsd_m: float) -> Drawing:
    """Draw a feature.

    Args:
        plan: The plan it belongs to.
        feature: What to draw.
        first_id: Number of its first countable object; ``THINGS_PER_FEATURE`` are set aside.
        gsd_m: Ground sample distance, metres.

    Example:
        >>> from geoglot.data.scenery.plan import DemoPlan
        >>> plan = DemoPlan(1)
        >>> drawing = build(plan, plan.feature(5, 4), first_id=1, gsd_m=0.5)
        >>> len(drawing.things) < THINGS_PER_FEATURE
        True
    """
    sketch = Sketch(first_id)
    rng = generator(plan.seed, 0xB11D, feature.column, feature.row)
    site = open_site(plan, feature, sketch, rng)
    draw_land(site)
    draw_roads(site)
    builder = _BUILDERS.get(feature.kind)
    if builder is not None:
        builder(site)
    return sketch.finish(plan.warp, gsd_m=gsd_m)
