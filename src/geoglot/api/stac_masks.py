"""What was outlined in a scene as STAC Items: one for each phrase, with the label extension."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.stac import LABEL, VERSION

if TYPE_CHECKING:
    from geoglot.api.segmenter import Segmentation


def masks_as_items(
    found: Segmentation, *, time: datetime | None = None, files: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Outlined things as a STAC ItemCollection: an Item for each phrase of which something was found.

    Args:
        found: What was outlined.
        time: When the scene was taken. Where nobody knows, STAC still wants a time: it is when its file was changed
            last, and ``geoglot:time_known`` is false.
        files: Where the outlines lie, by kind: ``geojson``, ``gpkg``, ``geoparquet``, ``tif`` (the mask).

    Returns:
        A FeatureCollection. An Item's geometry is all that its phrase names, ``None`` where the scene is unlocated.
    """
    outlines = found.to_geojson()["features"]
    items = []
    for number, phrase in enumerate(dict.fromkeys(one["properties"]["phrase"] for one in outlines)):
        named = [one for one in outlines if one["properties"]["phrase"] == phrase]
        name = Path(found.source).name
        items.append(
            {
                "type": "Feature",
                "stac_version": VERSION,
                "stac_extensions": [LABEL],
                "id": f"{Path(name).stem}-{number + 1}",
                **_placed(named if found.crs is not None else []),
                "properties": {**_when(found.source, time), "title": f"{phrase}, {name}", **_label(phrase, named)},
                "links": [],
                "assets": _assets(files or {}),
            }
        )
    return {"type": "FeatureCollection", "features": items}


def _placed(features: list[dict[str, Any]]) -> dict[str, Any]:
    """The geometry of all features together, with its box."""
    import shapely
    from shapely.geometry import shape

    shapes = [shape(one["geometry"]) for one in features if one["geometry"] is not None]
    if not shapes:
        return {"geometry": None}
    parts = shapely.get_parts(shapely.union_all(shapely.make_valid(shapes)))
    areas = shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])
    return {"geometry": json.loads(shapely.to_geojson(areas)), "bbox": [float(edge) for edge in areas.bounds]}


def _when(source: str, time: datetime | None) -> dict[str, Any]:
    taken = time
    if taken is None:
        path = Path(source)
        taken = datetime.fromtimestamp(path.stat().st_mtime if path.is_file() else 0, UTC)
    written = taken.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"datetime": written, "geoglot:time_known": time is not None}


def _label(phrase: str, named: list[dict[str, Any]]) -> dict[str, Any]:
    """What the label extension, and we, say of outlines."""
    return {
        "label:type": "vector",
        "label:description": phrase,
        "label:properties": ["phrase"],
        "label:classes": [{"name": "phrase", "classes": [phrase]}],
        "label:tasks": ["segmentation"],
        "label:methods": ["automated"],
        "label:overviews": [{"property_key": "phrase", "counts": [{"name": phrase, "count": len(named)}]}],
        "geoglot:score": max(float(one["properties"]["score"]) for one in named),
    }


def _assets(files: Mapping[str, str]) -> dict[str, Any]:
    kinds = {
        "geojson": ("labels", "application/geo+json", "labels-vector"),
        "gpkg": ("geopackage", "application/geopackage+sqlite3", "labels-vector"),
        "geoparquet": ("geoparquet", "application/vnd.apache.parquet", "labels-vector"),
        "tif": ("mask", "image/tiff; application=geotiff; profile=cloud-optimized", "labels-raster"),
    }
    told = {}
    for kind, href in files.items():
        name, media, role = kinds[kind]
        told[name] = {"href": href, "type": media, "roles": ["labels", role]}
    return told
