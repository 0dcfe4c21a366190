"""An archive and its answers as STAC 1.1: a Collection of sources, Items of sources, tiles and hits.

Plain dictionaries, so that writing them needs no library. Longitude and latitude are WGS84. Where nobody knows when a
picture was taken, STAC still wants a time: it is when the file was changed last, and ``geoglot:time_known`` is false.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geoglot.api.holdings import Holding, box_geometry, holdings_of
from geoglot.core.errors import GeoglotError
from geoglot.core.records import Bounds, Hit, Tile

if TYPE_CHECKING:
    from geoglot.api.answer import Answer
    from geoglot.api.archive import Archive

VERSION: Final = "1.1.0"
LABEL: Final = "https://stac-extensions.github.io/label/v1.0.1/schema.json"
_WORLD = [-180.0, -90.0, 180.0, 90.0]
_MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff",
    ".tiff": "image/tiff; application=geotiff",
    ".jp2": "image/jp2",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def write_stac(archive: Archive, folder: str | Path) -> Path:
    """Write an archive as a STAC Collection with one Item for each of its sources.

    Args:
        archive: What to describe.
        folder: Where to; made if it does not exist. Files of an earlier writing are replaced.

    Returns:
        The path of the Collection.

    Raises:
        GeoglotError: The folder cannot be written.

    Example:
        >>> import geoglot as gg, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with gg.Archive.create(f"{folder}/town.archive") as made:
        ...     json.loads(write_stac(made, f"{folder}/stac").read_text())["type"]
        'Collection'
    """
    target = Path(folder)
    name = archive.path.resolve().name
    try:
        (target / "items").mkdir(parents=True, exist_ok=True)
        held = [source for source in holdings_of(archive).sources if source.tiles]
        links = [_link("root", "./collection.json"), _link("self", "./collection.json")]
        for source in held:
            links.append(_link("item", f"./items/{source.id}.json", "application/geo+json"))
            asset = Path(source.path)
            back = [_link(rel, "../collection.json") for rel in ("root", "parent", "collection")]
            item = source_item(source, collection=name, href=asset.resolve().as_uri(), links=back)
            _write(target / "items" / f"{source.id}.json", item)
        collection = collection_of(archive, name, held, links=links[:1] + links[2:])
        _write(target / "collection.json", collection)
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise GeoglotError(target, cause=cause, remedy="check the folder and its permissions", stage="write") from error
    return target / "collection.json"


def collection_of(
    archive: Archive, identifier: str, held: Sequence[Holding], *, links: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """An archive as a STAC Collection.

    Args:
        archive: What to describe.
        identifier: Its name.
        held: Its sources.
        links: Of the Collection.
    """
    from geoglot.api.coverage import coverage

    told = coverage(archive.store.searcher)
    extent, times = told["extent"], told["time_range"]
    gsd = [value for source in held if source.gsd_m is not None for value in source.gsd_m]
    summaries: dict[str, Any] = {"geoglot:model": [archive.store.identity.bundle_id]}
    if gsd:
        summaries["gsd"] = {"minimum": min(gsd), "maximum": max(gsd)}
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": identifier,
        "title": identifier,
        "description": f"{len(held):,} files, {archive.store.searcher.snapshot.rows:,} tiles, indexed by geoglot.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [_plain_box(extent)] if extent else [_WORLD]},
            "temporal": {"interval": [[_zulu(one) for one in times] if times else [None, None]]},
        },
        "summaries": summaries,
        "links": [dict(link) for link in links],
    }


def source_item(
    source: Holding,
    *,
    collection: str,
    href: str,
    links: Iterable[Mapping[str, Any]] = (),
    assets: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A file of an archive as a STAC Item.

    Args:
        source: The file.
        collection: Identifier of its Collection.
        href: Where its asset is.
        links: Of the Item.
        assets: More assets.
    """
    from geoglot.archive.rows import as_datetime

    first = None if source.first is None else as_datetime(source.first)
    last = None if source.last is None else as_datetime(source.last)
    known = first is not None and last is not None
    taken = first if first is not None else datetime.fromtimestamp(source.modified_ns / 1e9, UTC)
    properties: dict[str, Any] = {
        "datetime": _zulu(taken.isoformat()),
        "title": source.name,
        "geoglot:time_known": known,
        "geoglot:tiles": source.tiles,
        "geoglot:kind": source.kind,
    }
    if first is not None and last is not None and first != last:
        properties |= {"start_datetime": _zulu(first.isoformat()), "end_datetime": _zulu(last.isoformat())}
    if source.gsd_m is not None:
        properties["gsd"] = source.gsd_m[0]
    asset = {"href": href, "title": source.name, "roles": ["data"]}
    kind = _MEDIA_TYPES.get(Path(source.name).suffix.lower())
    return {
        **_located(source.bounds),
        "id": source.id,
        "collection": collection,
        "properties": properties,
        "links": [dict(link) for link in links],
        "assets": {"data": {**asset, **({"type": kind} if kind else {})}, **(assets or {})},
    }


def tile_item(
    identifier: str,
    tile: Tile,
    *,
    collection: str | None,
    name: str,
    fallback: datetime,
    properties: Mapping[str, Any] | None = None,
    links: Iterable[Mapping[str, Any]] = (),
    assets: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A tile as a STAC Item.

    Args:
        identifier: Of the tile.
        tile: Where and when.
        collection: Identifier of its Collection, if it has one.
        name: Of its source.
        fallback: The time where none is known.
        properties: More properties.
        links: Of the Item.
        assets: Its assets.
    """
    import shapely

    placed = _located(tile.bounds)
    if tile.footprint is not None:
        placed["geometry"] = json.loads(shapely.to_geojson(shapely.from_wkb(tile.footprint)))
    told: dict[str, Any] = {
        "datetime": _zulu((tile.time or fallback).isoformat()),
        "geoglot:time_known": tile.time is not None,
        "geoglot:source": name,
        "geoglot:window": list(tile.window),
        "geoglot:level": tile.level,
    }
    if tile.gsd_m is not None:
        told["gsd"] = tile.gsd_m
    belongs = [] if collection is None else [("collection", collection)]
    return {
        **placed,
        "id": identifier,
        **dict(belongs),
        "properties": {**told, **(properties or {})},
        "links": [dict(link) for link in links],
        "assets": dict(assets or {}),
    }


def answer_as_items(answer: Answer) -> dict[str, Any]:
    """Hits as a STAC ItemCollection; what was asked and how sure each hit is follows the label extension.

    Example:
        >>> from geoglot.api.answer import Answer
        >>> from geoglot.api.query import build_query
        >>> answer_as_items(Answer(query=build_query("an airport"), hits=()))
        {'type': 'FeatureCollection', 'features': []}
    """
    return {"type": "FeatureCollection", "features": [hit_item(hit, answer.query.label) for hit in answer]}


def hit_item(hit: Hit, asked: str, **more: Any) -> dict[str, Any]:
    """A hit as a STAC Item with the label extension.

    Args:
        hit: The place.
        asked: What was asked, for people.
        more: Arguments of :func:`tile_item`.
    """
    settings: dict[str, Any] = {"collection": None, "name": hit.source, "fallback": _EPOCH, **more}
    item = tile_item(hit.id, hit.tile, properties=hit_properties(hit, asked), **settings)
    return {**item, "stac_extensions": [LABEL]}


def hit_properties(hit: Hit, asked: str) -> dict[str, Any]:
    """What the label extension, and we, say of a hit."""
    caption = {} if hit.caption is None else {"geoglot:caption": hit.caption}
    return {
        "label:type": "vector",
        "label:description": asked,
        "label:properties": ["geoglot:band"],
        "label:classes": [{"name": "geoglot:band", "classes": ["likely", "uncertain", "background"]}],
        "label:tasks": ["detection"],
        "label:methods": ["automated"],
        "geoglot:rank": hit.rank,
        "geoglot:score": round(hit.score, 6),
        "geoglot:band": hit.band.value,
        **caption,
    }


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _located(bounds: Bounds | None) -> dict[str, Any]:
    """The head of an Item: with geometry and box, or without either."""
    head: dict[str, Any] = {"type": "Feature", "stac_version": VERSION, "stac_extensions": []}
    if bounds is None:
        return {**head, "geometry": None}
    return {**head, "geometry": box_geometry(bounds), "bbox": list(bounds)}


def _plain_box(extent: Sequence[float]) -> list[float]:
    return [float(value) for value in extent]


def _zulu(written: str) -> str:
    return datetime.fromisoformat(written).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _link(rel: str, href: str, kind: str = "application/json") -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": kind}


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
