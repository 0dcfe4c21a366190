"""Hits as files for a geographic information system: GeoJSON, GeoPackage, GeoParquet.

A file is written under a temporary name beside its destination, then renamed: what stands there is always whole.
Unlocated hits are kept, with no geometry. Longitude comes first everywhere, in WGS84.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.core.records import Bounds, Hit
from geoglot.geo.band_style import BAND_COLOURS, add_style

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["geojson", "gpkg", "geoparquet"]

_LAYER = "hits"


def write_hits(hits: Sequence[Hit], path: Path, *, format: Format) -> None:
    """Write hits to a file, replacing it.

    Args:
        hits: In the order of their ranks; may be empty.
        path: Destination.
        format: ``geojson`` (RFC 7946), ``gpkg`` (GeoPackage, layer ``hits``) or ``geoparquet`` (1.1).

    Raises:
        UsageError: The format is unknown.
        GeoglotError: The file cannot be written.

    Example:
        >>> target = Path(tempfile.mkdtemp()) / "hits.geojson"
        >>> write_hits([], target, format="geojson")
        >>> json.loads(target.read_text())["type"]
        'FeatureCollection'
    """
    writers: dict[str, Callable[[Sequence[Hit], Path], None]] = {
        "geojson": _write_geojson,
        "gpkg": _write_geopackage,
        "geoparquet": _write_geoparquet,
    }
    if format not in writers:
        raise UsageError(format, cause="is no format for hits", remedy=f"choose one of {', '.join(writers)}")
    path = Path(path)
    write_whole(path, lambda temporary: writers[format](hits, temporary), suffix=".gpkg" if format == "gpkg" else "")


def write_geoparquet(
    table: pa.Table, footprints: Sequence[bytes | None], boxes: Sequence[Bounds | None], path: Path
) -> None:
    """Write rows with their places as GeoParquet 1.1, replacing the file.

    Args:
        table: N rows without geometry.
        footprints: N polygons as well-known binary; ``None`` where unlocated.
        boxes: N bounding boxes.
        path: Destination.

    Raises:
        GeoglotError: The file cannot be written.
    """
    write_whole(path, lambda temporary: _write_located(table, footprints, boxes, temporary))


def write_whole(path: Path, write: Callable[[Path], None], *, suffix: str = "") -> None:
    """Write a file under another name in its folder, then give it its name: what stands there is always whole.

    Args:
        path: Destination.
        write: Writes the file that it is given.
        suffix: Of that file; the destination's by default.

    Raises:
        GeoglotError: It cannot be written.
    """
    try:
        # A folder of its own: GeoPackages have companions (journals) while they are written.
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            temporary = Path(folder) / f"hits{suffix or path.suffix}"
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        remedy = "check the folder, its permissions and the space on the disk"
        cause = f"cannot be written ({error.strerror or error})"
        raise GeoglotError(path, cause=cause, remedy=remedy, stage="write") from error


def hits_to_geojson(hits: Sequence[Hit]) -> dict[str, Any]:
    """Hits as a GeoJSON ``FeatureCollection``; the geometry of an unlocated hit is ``None``.

    Example:
        >>> from geoglot.core.records import Band, Tile, Window
        >>> tile = Tile(window=Window(0, 0, 9, 9))
        >>> hit = Hit(rank=1, score=0.5, band=Band.LIKELY, id="0" * 32, source="a.jpg", tile=tile)
        >>> hits_to_geojson([hit])["features"][0]["geometry"] is None
        True
    """
    return {"type": "FeatureCollection", "features": [_feature(hit) for hit in hits]}


def _feature(hit: Hit) -> dict[str, Any]:
    import shapely
    from shapely.geometry import mapping

    properties = hit.as_record()
    del properties["bounds"]
    feature: dict[str, Any] = {"type": "Feature", "id": hit.id, "geometry": None, "properties": properties}
    if hit.tile.footprint is not None:
        # Through text: tuples become the lists that JSON readers expect, also where no file is written.
        feature["geometry"] = json.loads(json.dumps(mapping(shapely.from_wkb(hit.tile.footprint))))
        if hit.tile.bounds is not None:
            feature["bbox"] = list(hit.tile.bounds)
    return feature


def _write_geojson(hits: Sequence[Hit], path: Path) -> None:
    # Text that is not sound Unicode (odd file names) is escaped, so the file is always UTF-8.
    path.write_text(json.dumps(hits_to_geojson(hits), allow_nan=False, indent=1) + "\n", encoding="utf-8")


def _columns(hits: Sequence[Hit]) -> dict[str, list[Any]]:
    """Attributes as columns, one value for each hit; captions where there are any."""
    told: dict[str, list[Any]] = {}
    if any(hit.caption is not None for hit in hits):
        told = {
            "caption": [hit.caption for hit in hits],
            "caption_language": [hit.caption_language for hit in hits],
        }
    return {
        "rank": [hit.rank for hit in hits],
        "score": [float(hit.score) for hit in hits],
        "band": [hit.band.value for hit in hits],
        "source": [sound_text(hit.source) for hit in hits],
        "window_column": [hit.tile.window.column for hit in hits],
        "window_row": [hit.tile.window.row for hit in hits],
        "window_width": [hit.tile.window.width for hit in hits],
        "window_height": [hit.tile.window.height for hit in hits],
        "level": [hit.tile.level for hit in hits],
        "time": [hit.tile.time for hit in hits],
        "gsd_m": [hit.tile.gsd_m for hit in hits],
        "merged": [hit.merged for hit in hits],
        "id": [hit.id for hit in hits],
        **told,
    }


def sound_text(text: str) -> str:
    """Text that UTF-8 can hold: bytes of a file name that are no text become replacement marks."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _table(hits: Sequence[Hit]) -> Any:
    import pyarrow as pa

    whole = dict.fromkeys(
        ("rank", "window_column", "window_row", "window_width", "window_height", "level", "merged"), pa.int64()
    )
    kinds = {**whole, "score": pa.float64(), "gsd_m": pa.float64(), "time": pa.timestamp("us", tz="UTC")}
    columns = _columns(hits)
    arrays = {name: pa.array(values, type=kinds.get(name, pa.string())) for name, values in columns.items()}
    return pa.table(arrays)


def _write_geopackage(hits: Sequence[Hit], path: Path) -> None:
    import numpy as np
    from pyogrio.raw import write

    columns = _columns(hits)
    # A GeoPackage date has milliseconds and no zone: UTC, and said to be so by its type.
    times = [np.datetime64(t.replace(tzinfo=None), "ms") if t else np.datetime64("NaT", "ms") for t in columns["time"]]
    columns["gsd_m"] = [float("nan") if value is None else value for value in columns["gsd_m"]]
    text = {"band", "source", "id", "caption", "caption_language"}
    data = [
        np.array(times, "datetime64[ms]")
        if name == "time"
        else np.array(values, object if name in text else np.float64 if name in ("score", "gsd_m") else np.int64)
        for name, values in columns.items()
    ]
    geometry = np.empty(len(hits), object)
    geometry[:] = [hit.tile.footprint for hit in hits]
    write(
        path,
        geometry=geometry,
        field_data=data,
        fields=np.array(list(columns), object),
        field_mask=[
            np.array([t is None for t in values]) if name == "time" else None for name, values in columns.items()
        ],
        layer=_LAYER,
        driver="GPKG",
        geometry_type="MultiPolygon",
        promote_to_multi=True,
        crs="EPSG:4326",
        gdal_tz_offsets={"time": np.full(len(hits), 100, np.int8)},
        nan_as_null=True,
    )
    add_style(path, _LAYER, "band", BAND_COLOURS)


def _write_geoparquet(hits: Sequence[Hit], path: Path) -> None:
    _write_located(_table(hits), [hit.tile.footprint for hit in hits], [hit.tile.bounds for hit in hits], path)


def _write_located(
    table: pa.Table, footprints: Sequence[bytes | None], found: Sequence[Bounds | None], path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyproj

    edges = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
    boxes = [
        None if bounds is None else dict(zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True)) for bounds in found
    ]
    table = table.append_column("bbox", pa.array(boxes, type=edges))
    table = table.append_column("geometry", pa.array(list(footprints), type=pa.binary()))
    covering = {"bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}}
    geometry: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon", "Polygon"],
        "crs": json.loads(pyproj.CRS.from_user_input("OGC:CRS84").to_json()),
        "orientation": "counterclockwise",
        "covering": covering,
    }
    located = [bounds for bounds in found if bounds is not None]
    if located:
        geometry["bbox"] = list(_around(located))
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"geo": json.dumps(geo).encode()})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _around(boxes: Sequence[Bounds]) -> Bounds:
    """One box around all; where any crosses 180 degrees, the whole circle."""
    south, north = min(box.south for box in boxes), max(box.north for box in boxes)
    if any(box.crosses_antimeridian for box in boxes):
        return Bounds(-180.0, south, 180.0, north)
    return Bounds(min(box.west for box in boxes), south, max(box.east for box in boxes), north)
