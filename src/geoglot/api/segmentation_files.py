"""Regions of several scenes in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.answer import GeoFormat
from geoglot.api.segmenter import Region, Segmentation, save_regions

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

WGS84 = "EPSG:4326"


def save_all(found: Sequence[Segmentation], path: Path, *, format: GeoFormat | None = None) -> tuple[str, ...]:
    """Write the regions of some scenes to one file, in the system that they share, else in WGS84.

    Args:
        found: What was found, scene by scene.
        path: Destination.
        format: By the suffix when not given.

    Returns:
        Scenes whose regions could not be written with the others, since they have no place on Earth.

    Raises:
        UsageError: The suffix says nothing.
        GeoglotError: The file cannot be written.
    """
    regions, crs, left_out = together(found)
    save_regions(regions, path, crs, format=format)
    return left_out


def together(found: Sequence[Segmentation]) -> tuple[list[Region], str | None, tuple[str, ...]]:
    """Regions in one system, the system, and scenes that do not fit in."""
    located = [one for one in found if one.crs is not None]
    systems = {one.crs for one in located}
    if not located:
        return [region for one in found for region in one.regions], None, ()
    left_out = tuple(one.source for one in found if one.crs is None and one.regions)
    if len(systems) == 1:
        return [region for one in located for region in one.regions], systems.pop(), left_out
    return [_moved(region, str(one.crs)) for one in located for region in one.regions], WGS84, left_out


def _moved(region: Region, crs: str) -> Region:
    import shapely

    shape = in_degrees(shapely.from_wkb(region.geometry), crs)
    west, south, east, north = shape.bounds
    return replace(region, geometry=shapely.to_wkb(shape), bounds=(west, south, east, north))


def in_degrees(shape: BaseGeometry, crs: str) -> BaseGeometry:
    """A geometry in longitude and latitude."""
    import numpy as np
    import pyproj
    import shapely

    way = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)

    def move(points: Any) -> Any:
        return np.column_stack(way.transform(points[:, 0], points[:, 1]))

    return shapely.transform(shape, move)
