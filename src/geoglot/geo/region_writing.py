"""Polygons with their facts as files: GeoPackage and GeoParquet in the raster's own system, GeoJSON in WGS84.

Polygons of a raster that lies nowhere stay in its pixels (column to the right, row downwards), in every format.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoglot.core.errors import UsageError
from geoglot.geo.writing import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

LAYER = "regions"
Kind = str
"""``text``, ``whole`` or ``number``: of a column."""
_ARROW = {"text": "string", "whole": "int64", "number": "float64"}


def write_regions(
    geometries: Sequence[bytes],
    columns: Mapping[str, tuple[Kind, Sequence[Any]]],
    path: Path,
    *,
    format: str,
    crs: str | None,
) -> None:
    """Write polygons, replacing the file; none at all are an empty layer.

    Args:
        geometries: N polygons or multi-polygons, well-known binary, in `crs` or in pixels.
        columns: By name what kind of values it has, and N values; ``None`` for unknown.
        path: Destination.
        format: ``gpkg``, ``geojson`` or ``geoparquet``.
        crs: What the geometries are in; ``None`` for pixels.

    Raises:
        UsageError: The format is unknown.
        GeoglotError: The file cannot be written.
    """
    writers = {"gpkg": _write_geopackage, "geojson": _write_geojson, "geoparquet": _write_geoparquet}
    if format not in writers:
        raise UsageError(format, cause="is no format for regions", remedy=f"choose one of {', '.join(writers)}")
    suffix = ".gpkg" if format == "gpkg" else ""
    write_whole(path, lambda temporary: writers[format](geometries, columns, temporary, crs), suffix=suffix)


def regions_to_geojson(
    geometries: Sequence[bytes], columns: Mapping[str, tuple[Kind, Sequence[Any]]], crs: str | None
) -> dict[str, Any]:
    """A GeoJSON FeatureCollection: WGS84, or pixels where there is no place (and then it says so)."""
    from shapely.geometry import mapping

    shapes = _in_degrees(geometries, crs)
    names = list(columns)
    rows = zip(*(values for _, values in columns.values()), strict=True) if names else iter([()] * len(geometries))
    features = [
        {
            "type": "Feature",
            "geometry": json.loads(json.dumps(mapping(_anticlockwise(shape)))),
            "properties": dict(zip(names, row, strict=True)),
        }
        for shape, row in zip(shapes, rows, strict=True)
    ]
    told: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    return told if crs is not None else {**told, "coordinates_are": "pixels (column, row) of the picture"}


def _anticlockwise(shape: Any) -> Any:
    """The same with exteriors anticlockwise, as far as numbers go."""
    from shapely import MultiPolygon
    from shapely.geometry.polygon import orient

    return orient(shape) if shape.geom_type == "Polygon" else MultiPolygon([orient(part) for part in shape.geoms])


def _in_degrees(geometries: Sequence[bytes], crs: str | None) -> list[Any]:
    import shapely

    shapes = [shapely.from_wkb(geometry) for geometry in geometries]
    if crs is None or not shapes:
        return shapes
    import pyproj

    way = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def move(points: Any) -> Any:
        return np.column_stack(way.transform(points[:, 0], points[:, 1])).round(8)

    return [shapely.transform(shape, move) for shape in shapes]


def _write_geojson(
    geometries: Sequence[bytes], columns: Mapping[str, tuple[Kind, Sequence[Any]]], path: Path, crs: str | None
) -> None:
    told = regions_to_geojson(geometries, columns, crs)
    path.write_text(json.dumps(told, allow_nan=False, indent=1) + "\n", encoding="utf-8")


def _write_geopackage(
    geometries: Sequence[bytes], columns: Mapping[str, tuple[Kind, Sequence[Any]]], path: Path, crs: str | None
) -> None:
    import warnings

    from pyogrio.raw import write

    data, masks = [], []
    for kind, values in columns.values():
        absent = np.array([value is None for value in values], bool)
        empty: Any = "" if kind == "text" else 0
        filled = [empty if value is None else value for value in values]
        data.append(np.array(filled, {"text": object, "whole": np.int64, "number": np.float64}[kind]))
        masks.append(absent if absent.any() else None)
    geometry = np.empty(len(geometries), object)
    geometry[:] = list(geometries)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")
        write(
            path,
            geometry=geometry,
            field_data=data,
            fields=np.array(list(columns), object),
            field_mask=masks,
            layer=LAYER,
            driver="GPKG",
            geometry_type="MultiPolygon",
            promote_to_multi=True,
            crs=crs,
            nan_as_null=True,
        )
    _add_style(path)


def _add_style(path: Path) -> None:
    """A style that QGIS takes by itself: outlines in colour over a see-through fill."""
    from geoglot.geo.layer_style import LAYER_STYLES, qgis_style

    with closing(sqlite3.connect(path)) as database, database:
        database.execute(LAYER_STYLES)
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, 'geom', ?, ?, '', 1, '', '')",
            (LAYER, LAYER, qgis_style()),
        )
        database.execute(
            "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles')"
        )


def _write_geoparquet(
    geometries: Sequence[bytes], columns: Mapping[str, tuple[Kind, Sequence[Any]]], path: Path, crs: str | None
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    shapes = [shapely.from_wkb(geometry) for geometry in geometries]
    boxes = [dict(zip(("xmin", "ymin", "xmax", "ymax"), shape.bounds, strict=True)) for shape in shapes]
    edges = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
    arrays = {name: pa.array(list(values), _arrow(kind)) for name, (kind, values) in columns.items()}
    turned = [shapely.to_wkb(_anticlockwise(shape)) for shape in shapes]
    arrays |= {"bbox": pa.array(boxes, edges), "geometry": pa.array(turned, pa.binary())}
    table = pa.table(arrays).replace_schema_metadata({b"geo": json.dumps(_geo(shapes, crs)).encode()})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _arrow(kind: Kind) -> pa.DataType:
    import pyarrow as pa

    return getattr(pa, _ARROW[kind])()


def _geo(shapes: Sequence[Any], crs: str | None) -> dict[str, Any]:
    """The metadata of GeoParquet 1.1; a ``crs`` of null says that the coordinates lie in no known system."""
    import pyproj

    geometry: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon", "Polygon"],
        "crs": None if crs is None else json.loads(pyproj.CRS.from_user_input(crs).to_json()),
        "orientation": "counterclockwise",
        "covering": {"bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}},
    }
    if shapes:
        every = np.array([shape.bounds for shape in shapes])
        geometry["bbox"] = [*every[:, :2].min(axis=0).tolist(), *every[:, 2:].max(axis=0).tolist()]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
