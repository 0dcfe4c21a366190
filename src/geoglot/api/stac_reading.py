"""A STAC catalogue, collection, item collection or API response as the list of what to index.

Times come from the Items. Footprints do where the file itself says no place and is one picture: a photo. Only files of
this machine are read: what an Item has elsewhere is reported, never fetched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Bounds, Tile

if TYPE_CHECKING:
    from geoglot.archive.reading import TileReader
    from geoglot.geo.source import SourceInfo, TileBatch

_LARGEST_FILE = 512 << 20
_MOST_FILES = 1_000_000
_SHOWN_ROLES: Final = frozenset({"thumbnail", "overview", "metadata", "labels", "visual-preview"})
_RASTER_SUFFIXES: Final = frozenset({".tif", ".tiff", ".jp2", ".jpg", ".jpeg", ".png", ".webp"})
_RASTER_TYPES: Final = ("image/tiff", "image/jp2", "image/jpeg", "image/png", "image/webp", "image/vnd.stac.geotiff")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A file that an Item names.

    Attributes:
        path: The file.
        time: When it was taken.
        footprint: Well-known binary of the Item's geometry in WGS84.
        bounds: Of the footprint.
        gsd_m: Ground sample distance that the Item tells, metres per pixel.
    """

    path: Path
    time: datetime | None = None
    footprint: bytes | None = None
    bounds: Bounds | None = None
    gsd_m: float | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a catalogue names.

    Attributes:
        files: On this machine.
        elsewhere: One error for each asset that is on another machine, or is missing.
    """

    files: tuple[Listed, ...]
    elsewhere: tuple[SourceError, ...]


def is_stac(path: Path) -> bool:
    """Whether a path is a file of STAC, by its suffix and its first words.

    Example:
        >>> is_stac(Path("imagery"))
        False
    """
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return False
    try:
        record = _load(path)
    except SourceError:
        return False
    kind, parts = record.get("type"), record.get("features")
    if kind == "FeatureCollection" and isinstance(parts, list):
        return all(isinstance(one, Mapping) and ("stac_version" in one or "assets" in one) for one in parts)
    return kind in ("Catalog", "Collection", "Feature") and "stac_version" in record


def read_stac(path: Path) -> Listing:
    """Follow a catalogue to all its Items on this machine.

    Raises:
        SourceError: The file itself cannot be read.
        UsageError: It names more than a million files.
    """
    files: dict[Path, Listed] = {}
    elsewhere: list[SourceError] = []
    for place, item in _items(path, elsewhere):
        described = _described(item)
        for href in _raster_hrefs(item):
            file = _local(href, place)
            if file is None:
                cause, remedy = "is on another machine", "download it, and name the file in the catalogue"
                elsewhere.append(SourceError(href[:500], cause=cause, remedy=remedy, stage="discover"))
            elif not file.is_file():
                cause, remedy = f"is not there, but {place.name} names it", "put it back"
                elsewhere.append(SourceError(file, cause=cause, remedy=remedy, stage="discover"))
            else:
                files.setdefault(file, replace(described, path=file))
        if len(files) > _MOST_FILES:
            raise UsageError(path, cause=f"names more than {_MOST_FILES:,} files", remedy="index its parts")
    return Listing(files=tuple(files.values()), elsewhere=tuple(elsewhere))


def _items(start: Path, elsewhere: list[SourceError]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every Item with the file that it stands in; each file is read once, so rings of links end."""
    waiting, seen = [start], set()
    while waiting:
        path = waiting.pop()
        real = path.resolve()
        if real in seen:
            continue
        seen.add(real)
        try:
            record = _load(path)
        except SourceError as error:
            if path == start:
                raise
            elsewhere.append(error)
            continue
        if record.get("type") == "Feature":
            yield path, record
        elif record.get("type") == "FeatureCollection":
            yield from ((path, one) for one in record.get("features") or () if isinstance(one, Mapping))
        else:
            for link in _mappings(record.get("links")):
                if link.get("rel") in ("item", "child", "items") and isinstance(link.get("href"), str):
                    _follow(str(link["href"]), path, waiting, elsewhere)


def _follow(href: str, base: Path, waiting: list[Path], elsewhere: list[SourceError]) -> None:
    found = _local(href, base)
    if found is None:
        cause, remedy = "is on another machine", "download the catalogue, too"
        elsewhere.append(SourceError(href[:500], cause=cause, remedy=remedy, stage="discover"))
    else:
        waiting.append(found)


def _load(path: Path) -> dict[str, Any]:
    remedy = "give a STAC catalogue, collection, item or item collection"
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise SourceError(path, cause="is too large for a catalogue", remedy="split it", stage="discover")
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        cause = f"cannot be read ({error.strerror or error})"
        raise SourceError(path, cause=cause, remedy="check the path", stage="discover") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(path, cause="is no JSON", remedy=remedy, stage="discover") from error
    if not isinstance(record, dict):
        raise SourceError(path, cause="is no STAC", remedy=remedy, stage="discover")
    return record


def _local(href: str, base: Path) -> Path | None:
    """The file that an address means, seen from the file it stands in; ``None`` for other machines.

    Example:
        >>> _local("./a%20b.tif", Path("/data/item.json")), _local("https://example.org/a.tif", Path("item.json"))
        (PosixPath('/data/a b.tif'), None)
    """
    parts = urlsplit(href)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if parts.scheme or parts.netloc or href.startswith("/vsi") or "\0" in href:
        return None
    return Path(os.path.normpath(base.parent / unquote(parts.path)))


def _raster_hrefs(item: Mapping[str, Any]) -> list[str]:
    """Addresses of an Item's pictures: its data where it says which that is, never its thumbnails."""
    every = item.get("assets")
    assets = [one for one in every.values() if isinstance(one, Mapping)] if isinstance(every, Mapping) else []
    shown = [one for one in assets if isinstance(one.get("href"), str) and _is_raster(one)]
    data = [one for one in shown if "data" in _roles(one)]
    return [str(one["href"]) for one in data or shown]


def _is_raster(asset: Mapping[str, Any]) -> bool:
    if _SHOWN_ROLES & _roles(asset):
        return False
    suffix = Path(urlsplit(str(asset["href"])).path).suffix.lower()
    return str(asset.get("type", "")).lower().startswith(_RASTER_TYPES) or suffix in _RASTER_SUFFIXES


def _roles(asset: Mapping[str, Any]) -> set[str]:
    roles = asset.get("roles")
    return {str(role) for role in roles} if isinstance(roles, list) else set()


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _described(item: Mapping[str, Any]) -> Listed:
    """Time, place and resolution of an Item; what makes no sense is left out."""
    told = item.get("properties")
    properties: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    footprint = _footprint(item.get("geometry"))
    gsd = properties.get("gsd")
    return Listed(
        path=Path(),
        time=_time(properties),
        footprint=footprint,
        bounds=None if footprint is None else _bounds(item.get("bbox"), footprint),
        gsd_m=float(gsd) if isinstance(gsd, int | float) and 0 < gsd < 1e5 else None,
    )


def _time(properties: Mapping[str, Any]) -> datetime | None:
    from geoglot.api.area import parse_time

    if properties.get("geoglot:time_known") is False:
        return None
    for name in ("datetime", "start_datetime"):
        written = properties.get(name)
        if isinstance(written, str):
            try:
                return parse_time(written)
            except UsageError:
                continue
    return None


def _footprint(geometry: Any) -> bytes | None:
    import shapely
    from shapely.geometry import shape

    if not isinstance(geometry, Mapping) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return None
    try:
        found = shapely.force_2d(shape(dict(geometry)))
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError):
        return None
    west, south, east, north = found.bounds if not found.is_empty else (1.0, 1.0, 0.0, 0.0)
    sound = -180 <= west < east <= 180 and -90 <= south < north <= 90 and found.is_valid
    return bytes(shapely.to_wkb(found)) if sound else None


def _bounds(box: Any, footprint: bytes) -> Bounds:
    import shapely

    numbers = box if isinstance(box, list) and all(isinstance(value, int | float) for value in box) else []
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) == 4 and numbers[0] > numbers[2]:  # across 180 degrees: the geometry alone would not tell
        return Bounds(*(float(value) for value in numbers))
    return Bounds(*(float(value) for value in shapely.from_wkb(footprint).bounds))


class ListedReader:
    """A decoder that gives files the time and place that a catalogue tells of them.

    Args:
        decoder: Reads.
        listed: By path.
    """

    def __init__(self, decoder: TileReader, listed: Mapping[str, Listed]) -> None:
        self._decoder = decoder
        self._listed = listed

    def read(self, path: Path, *, root: Path | None = None) -> Iterator[SourceInfo | TileBatch]:
        """As of the decoder."""
        from geoglot.geo.source import SourceInfo, TileBatch

        known = self._listed.get(str(path.absolute()))
        kind = ""
        for part in self._decoder.read(path, root=root):
            if known is None:
                yield part
            elif isinstance(part, SourceInfo):
                kind = part.kind
                yield replace(part, time=known.time or part.time)
            elif isinstance(part, TileBatch):
                yield replace(part, tiles=[_placed(tile, known, whole=kind == "photo") for tile in part.tiles])

    def close(self) -> None:
        """As of the decoder."""
        self._decoder.close()


def _placed(tile: Tile, known: Listed, *, whole: bool) -> Tile:
    timed = replace(tile, time=known.time or tile.time)
    if not whole or tile.footprint is not None or known.footprint is None:
        return timed
    return replace(timed, footprint=known.footprint, bounds=known.bounds, gsd_m=tile.gsd_m or known.gsd_m)
