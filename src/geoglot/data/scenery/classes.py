"""The class table of the generator: what a pixel of the class map can be."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    "nothing",
    "meadow",
    "farmland",
    "forest",
    "tree",
    "bare land",
    "desert",
    "beach",
    "sea",
    "river",
    "lake",
    "garden",
    "park",
    "pavement",
    "street",
    "avenue",
    "motorway",
    "railway",
    "bridge",
    "house",
    "building",
    "industrial building",
    "car park",
    "car",
    "storage tank",
    "tennis court",
    "baseball diamond",
    "football field",
    "stadium",
    "playground",
    "swimming pool",
    "quay",
    "pier",
    "boat",
    "ship",
    "runway",
    "apron",
    "terminal",
    "plane",
    "roundabout",
    "container",
)
"""Names by class value; value 0 is never drawn. A class map is a ``uint8`` array of indices into this table."""

CLASS_INDEX: dict[str, int] = {name: index for index, name in enumerate(CLASSES)}
"""Class value by name."""
