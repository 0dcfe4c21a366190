"""Pictures that lie over a map: a heat map as colours, with the places of its four corners."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.locate import HeatMap

_RAMP = ((0.0, (68, 1, 84)), (0.35, (59, 82, 139)), (0.6, (33, 145, 140)), (0.8, (94, 201, 98)), (1.0, (253, 231, 37)))
"""From weak to strong, the same in every light: after Viridis."""


def heat_overlay(heat: HeatMap, path: Path) -> dict[str, Any]:
    """Write a heat map as a picture with transparency, and say where its corners lie.

    Returns:
        ``corners``: longitude and latitude of the upper left, upper right, lower right and lower left corner (``None``
        where the scene is unlocated), ``low`` and ``high``: the scores that the ends of the colours stand for.
    """
    import numpy as np
    from PIL import Image

    known = heat.scores[np.isfinite(heat.scores)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    Image.fromarray(as_colours(heat.scores, low, high)).save(path, "PNG")
    return {"corners": corners_of(heat), "low": round(low, 6), "high": round(high, 6)}


def as_colours(scores: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Scores as colours: (H, W) with NaN for nothing -> (H, W, 4). Weak places are clearer than strong ones.

    Example:
        >>> import numpy as np
        >>> as_colours(np.array([[0.0, 1.0, np.nan]], np.float32), 0.0, 1.0).tolist()
        [[[68, 1, 84, 0], [253, 231, 37, 255], [0, 0, 0, 0]]]
    """
    import numpy as np

    there = np.isfinite(scores)
    share = np.clip(np.where(there, scores - low, 0) / max(high - low, 1e-9), 0, 1)
    stops = [stop for stop, _ in _RAMP]
    out = np.zeros((*scores.shape, 4), np.uint8)
    for channel in range(3):
        out[..., channel] = np.rint(np.interp(share, stops, [colour[channel] for _, colour in _RAMP]))
    out[..., 3] = np.rint(255 * share)
    out[~there] = 0
    return out


def corners_of(heat: HeatMap) -> list[Sequence[float]] | None:
    """Longitude and latitude of a heat map's corners, in the order in which map libraries want them."""
    import numpy as np

    from geoglot.geo.footprint import Locator

    if heat.crs is None or heat.transform is None:
        return None
    height, width = heat.scores.shape
    columns, rows = np.array([0.0, width, width, 0.0]), np.array([0.0, 0.0, height, height])
    longitude, latitude = Locator(heat.crs, heat.transform)(columns, rows)
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    return [[float(x), float(y)] for x, y in zip(longitude, latitude, strict=True)]
