"""Surfaces: which class a surface counts as, and how its flat colour is textured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoglot.data.scenery.classes import CLASS_INDEX


@dataclass(frozen=True)
class Material:
    """A surface.

    Attributes:
        class_name: Entry of the class table.
        grain: Pixel-sized variation, as a fraction of brightness.
        mottle: Variation of 1 to 20 m, as a fraction of brightness.
        patch: Variation of 20 to 200 m, as a fraction of brightness.
        tint: Levels of red, green, blue added where the patch noise is +1 (dry spots, dust, tar).
    """

    class_name: str
    grain: float = 0.02
    mottle: float = 0.03
    patch: float = 0.02
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)


_DRY = (9.0, 4.0, -2.0)

MATERIALS: dict[str, Material] = {
    "nothing": Material("nothing"),
    "meadow": Material("meadow", 0.05, 0.09, 0.07, _DRY),
    "crop_u": Material("farmland", 0.05, 0.06, 0.06, (8, 4, -2)),
    "crop_v": Material("farmland", 0.05, 0.06, 0.06, (8, 4, -2)),
    "wide_u": Material("farmland", 0.06, 0.07, 0.06, (8, 4, -2)),
    "wide_v": Material("farmland", 0.06, 0.07, 0.06, (8, 4, -2)),
    "crop": Material("farmland", 0.05, 0.07, 0.07, (10, 4, -3)),
    "forest": Material("forest", 0.03, 0.05, 0.10, (6, 5, -2)),
    "tree": Material("tree", 0.03, 0.03, 0.03, (6, 5, -2)),
    "bare": Material("bare land", 0.06, 0.13, 0.10, (14, 9, 4)),
    "desert": Material("desert", 0.05, 0.10, 0.09, (12, 7, 2)),
    "beach": Material("beach", 0.035, 0.04, 0.03, (4, 3, 1)),
    "sea": Material("sea", 0.03, 0.05, 0.03),
    "river": Material("river", 0.025, 0.03, 0.05, (5, 3, -2)),
    "lake": Material("lake", 0.02, 0.02, 0.03),
    "garden": Material("garden", 0.05, 0.11, 0.07, (9, 4, -2)),
    "park": Material("park", 0.045, 0.09, 0.07, (8, 4, -2)),
    "pavement": Material("pavement", 0.035, 0.03, 0.03, (5, 4, 2)),
    "path": Material("park", 0.04, 0.05, 0.03),
    "street": Material("street", 0.035, 0.035, 0.05, (5, 4, 3)),
    "avenue": Material("avenue", 0.035, 0.035, 0.05, (5, 4, 3)),
    "motorway": Material("motorway", 0.03, 0.03, 0.04, (5, 4, 3)),
    "railway": Material("railway", 0.09, 0.07, 0.03),
    "bridge": Material("bridge", 0.03, 0.03, 0.02),
    "house": Material("house", 0.06, 0.04, 0.0),
    "building": Material("building", 0.04, 0.025, 0.02),
    "industrial": Material("industrial building", 0.035, 0.03, 0.02),
    "car_park": Material("car park", 0.035, 0.04, 0.05, (5, 4, 3)),
    "car": Material("car", 0.03, 0.0, 0.0),
    "tank": Material("storage tank", 0.02, 0.02, 0.0),
    "tennis": Material("tennis court", 0.02, 0.03, 0.02),
    "diamond_grass": Material("baseball diamond", 0.04, 0.07, 0.03, (6, 3, -2)),
    "diamond_clay": Material("baseball diamond", 0.04, 0.06, 0.03),
    "football": Material("football field", 0.035, 0.06, 0.03, (6, 3, -2)),
    "stadium": Material("stadium", 0.03, 0.03, 0.02),
    "playground": Material("playground", 0.04, 0.06, 0.03),
    "pool": Material("swimming pool", 0.03, 0.03, 0.0),
    "quay": Material("quay", 0.035, 0.03, 0.04, (5, 4, 2)),
    "pier": Material("pier", 0.05, 0.04, 0.02),
    "boat": Material("boat", 0.025, 0.0, 0.0),
    "ship": Material("ship", 0.03, 0.04, 0.0),
    "runway": Material("runway", 0.03, 0.035, 0.05, (4, 4, 3)),
    "apron": Material("apron", 0.025, 0.028, 0.04, (5, 4, 2)),
    "terminal": Material("terminal", 0.03, 0.025, 0.02),
    "plane": Material("plane", 0.015, 0.0, 0.0),
    "roundabout": Material("roundabout", 0.04, 0.08, 0.03, (10, 5, -3)),
    "container": Material("container", 0.04, 0.02, 0.0),
}
"""Surfaces by name. Their order gives the codes that are drawn into the fourth channel of a block."""

CODE: dict[str, int] = {name: code for code, name in enumerate(MATERIALS)}
"""Code of a surface by its name."""

_ALL = tuple(MATERIALS.values())
CLASS_OF: NDArray[np.uint8] = np.array([CLASS_INDEX[m.class_name] for m in _ALL], dtype=np.uint8)
GRAIN: NDArray[np.float32] = np.array([m.grain for m in _ALL], dtype=np.float32)
MOTTLE: NDArray[np.float32] = np.array([m.mottle for m in _ALL], dtype=np.float32)
PATCH: NDArray[np.float32] = np.array([m.patch for m in _ALL], dtype=np.float32)
TINT: NDArray[np.float32] = np.array([m.tint for m in _ALL], dtype=np.float32)
