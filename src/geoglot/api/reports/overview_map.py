"""The overview of a sheet, as inline SVG: hits over a small picture of their scene, or over a plain map.

Pure functions: hits in, SVG out. Drawing units: the longer side of the drawing is 1,000.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from geoglot.core.records import Bounds, Hit

_LONG_SIDE = 1000.0
_SMALLEST_PLACE = 14.0
_MARGIN = 0.08


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A whole scene in one small picture.

    Attributes:
        jpeg: The picture; stretched to the scene's shape when drawn.
        width: Full-resolution width of the scene in pixels.
        height: Full-resolution height of the scene in pixels.
    """

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Where the map lies on Earth and how it is scaled; longitudes may run past 180 to stay in one piece."""

    west: float
    south: float
    east: float
    north: float

    @property
    def per_degree(self) -> tuple[float, float]:
        squeeze = max(math.cos(math.radians((self.south + self.north) / 2)), 0.05)
        wide, high = (self.east - self.west) * squeeze, self.north - self.south
        unit = _LONG_SIDE / max(wide, high)
        return unit * squeeze, unit

    @property
    def size(self) -> tuple[float, float]:
        across, down = self.per_degree
        return (self.east - self.west) * across, (self.north - self.south) * down

    def point(self, longitude: float, latitude: float) -> tuple[float, float]:
        across, down = self.per_degree
        return (_from(self.west, longitude) - self.west) * across, (self.north - latitude) * down


def scene_svg(hits: Sequence[Hit], overview: Overview, *, title: str, prefix: str) -> str:
    """Windows of hits over a picture of the scene that they all lie in.

    Args:
        hits: All of one source.
        overview: The scene's picture and full size.
        title: What the drawing shows, for screen readers.
        prefix: Cards are linked as ``#<prefix>-<rank>``.
    """
    unit = _LONG_SIDE / max(overview.width, overview.height)
    width, height = overview.width * unit, overview.height * unit
    shape = f'width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"'
    picture = f'<image href="{data_uri(overview.jpeg)}" {shape}/>'
    places = []
    for hit in reversed(hits):
        column, row, wide, high = (value * unit for value in hit.tile.window)
        corners = [(column, row), (column + wide, row), (column + wide, row + high), (column, row + high)]
        places.append(_place(hit, [corners], prefix))
    return _svg(width, height, picture + "".join(places), title=title, kind="over")


def map_svg(hits: Sequence[Hit], extent: Bounds | None, *, title: str, prefix: str) -> str:
    """Footprints of hits on a plain map with a grid of degrees.

    Args:
        hits: Unlocated ones are left out; at least one must be located.
        extent: Extent of the archive, drawn as a dashed frame; ``None`` shows the hits alone.
        title: What the drawing shows, for screen readers.
        prefix: Cards are linked as ``#<prefix>-<rank>``.
    """
    located = [hit for hit in hits if hit.tile.bounds is not None]
    frame = _frame([hit.tile.bounds for hit in located if hit.tile.bounds], extent)
    width, height = frame.size
    parts = [_grid(frame)]
    if extent is not None:
        left, top = frame.point(extent.west, extent.north)
        right, bottom = frame.point(extent.east, extent.south)
        outline = f"M{left:.1f} {top:.1f} H{right:.1f} V{bottom:.1f} H{left:.1f} Z"
        parts.append(f'<path class="extent" d="{outline}"/>')
    parts += [_place(hit, _rings(hit, frame), prefix) for hit in reversed(located)]
    return _svg(width, height, "".join(parts), title=title, kind="plain")


def data_uri(picture: bytes) -> str:
    """A JPEG or PNG as a ``data:`` address."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _from(west: float, longitude: float) -> float:
    """The longitude, moved by a full turn where it would lie west of ``west``."""
    return longitude + 360 if longitude < west - 1e-9 else longitude


def _frame(boxes: Sequence[Bounds], extent: Bounds | None) -> _Frame:
    everything = [*boxes, extent] if extent is not None else list(boxes)
    west, east = _narrowest_span(everything)
    south, north = min(box.south for box in everything), max(box.north for box in everything)
    side = max(east - west, north - south, 1e-4) * _MARGIN
    return _Frame(west=west - side, south=max(south - side, -90.0), east=east + side, north=min(north + side, 90.0))


def _narrowest_span(boxes: Sequence[Bounds]) -> tuple[float, float]:
    """West and east (it may exceed 180) of the narrowest frame that holds all boxes."""
    best = (-180.0, 180.0)
    for start in {box.west for box in boxes}:
        east = max(_from(start, box.west) + (box.east - box.west) % 360 for box in boxes)
        if east - start < best[1] - best[0]:
            best = (start, east)
    return best


def _rings(hit: Hit, frame: _Frame) -> list[list[tuple[float, float]]]:
    if hit.tile.footprint is None:
        west, south, east, north = hit.tile.bounds or (0.0, 0.0, 0.0, 0.0)
        return [[frame.point(x, y) for x, y in ((west, south), (east, south), (east, north), (west, north))]]
    import shapely

    shape = shapely.from_wkb(hit.tile.footprint)
    return [[frame.point(x, y) for x, y in part.exterior.coords[:-1]] for part in shapely.get_parts(shape)]


def _place(hit: Hit, rings: Sequence[Sequence[tuple[float, float]]], prefix: str) -> str:
    across = [x for ring in rings for x, _ in ring]
    down = [y for ring in rings for _, y in ring]
    left, top = min(across), min(down)
    if max(max(across) - left, max(down) - top) < _SMALLEST_PLACE:
        middle_x, middle_y = (left + max(across)) / 2, (top + max(down)) / 2
        at = f'cx="{middle_x:.1f}" cy="{middle_y:.1f}" r="{_SMALLEST_PLACE / 2:.0f}"'
        shape = f'<circle class="place {hit.band.value}" {at}/>'
        left, top = middle_x, middle_y
    else:
        outline = " ".join("M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in ring) + " Z" for ring in rings)
        shape = f'<path class="place {hit.band.value}" d="{outline}"/>'
    wide = 16 + 13 * len(str(hit.rank))
    number = f'x="{left + wide / 2:.1f}" y="{top + 22:.1f}" font-size="21" text-anchor="middle"'
    flag = (
        f'<rect class="flag" x="{left:.1f}" y="{top:.1f}" width="{wide}" height="30" rx="5"/>'
        f'<text class="flag-text" {number}>{hit.rank}</text>'
    )
    return f'<a href="#{escape(prefix)}-{hit.rank}" class="f{hit.rank}" aria-label="{hit.rank}">{shape}{flag}</a>'


def _grid(frame: _Frame) -> str:
    """Lines of latitude and longitude at a round step, with their degrees."""
    step = _round_step(max(frame.east - frame.west, frame.north - frame.south) / 7)
    digits = max(0, -math.floor(math.log10(step)))
    width, height = frame.size
    parts = []
    for number in range(math.ceil(frame.west / step), math.floor(frame.east / step) + 1):
        x = (number * step - frame.west) * frame.per_degree[0]
        degrees = (number * step + 180) % 360 - 180
        parts.append(f'<path class="grid" d="M{x:.1f} 0 V{height:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x + 5:.1f}" y="{height - 8:.1f}" font-size="20">{degrees:.{digits}f}°</text>'
        )
    for number in range(math.ceil(frame.south / step), math.floor(frame.north / step) + 1):
        y = (frame.north - number * step) * frame.per_degree[1]
        parts.append(f'<path class="grid" d="M0 {y:.1f} H{width:.1f}"/>')
        parts.append(f'<text class="tick" x="8" y="{y - 6:.1f}" font-size="20">{number * step:.{digits}f}°</text>')
    return "".join(parts)


def _round_step(rough: float) -> float:
    """The nearest of 1, 2 or 5 times a power of ten, not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def _svg(width: float, height: float, inside: str, *, title: str, kind: str) -> str:
    # Text anchors follow the page's direction; a map reads the same in every language.
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:.1f} {height:.1f}" direction="ltr" style="direction:ltr" '
        f'role="group" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )
