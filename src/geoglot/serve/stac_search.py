"""What a STAC search asks, found in an archive: files by box and time, tiles by words too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from geoglot.api.answer import Answer
from geoglot.api.holdings import Holding, Holdings
from geoglot.api.stac import hit_properties, source_item, tile_item
from geoglot.archive.filter import Filter, split_box
from geoglot.core.errors import UsageError
from geoglot.core.records import Bounds

if TYPE_CHECKING:
    from geoglot.api.archive import Archive

SCENES = "scenes"
TILES = "tiles"


@dataclass(frozen=True, kw_only=True)
class StacQuery:
    """A STAC search, read.

    Attributes:
        collections: ``scenes``, ``tiles`` or both; none means what suits the question.
        ids: Of Items.
        box: West, south, east, north.
        polygon: GeoJSON geometry.
        after: At or after, ISO 8601.
        before: Before.
        words: Free text.
        limit: Items of a page.
        offset: Items before it.
    """

    collections: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    box: tuple[float, float, float, float] | None = None
    polygon: dict[str, Any] | None = None
    after: str | None = None
    before: str | None = None
    words: str | None = None
    limit: int = 10
    offset: int = 0

    @property
    def wants_tiles(self) -> bool:
        """Words are answered by tiles; so are searches in that collection alone."""
        if self.collections:
            return TILES in self.collections and (SCENES not in self.collections or self.words is not None)
        return self.words is not None or bool(self.ids and len(self.ids[0]) == 32)

    @property
    def wants_nothing(self) -> bool:
        """Whether only collections are named that are not here."""
        return bool(self.collections) and not {SCENES, TILES} & set(self.collections)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of Items, how many there are in all, and whether more follow."""

    items: list[dict[str, Any]]
    matched: int | None
    more: bool


def search(archive: Archive, holdings: Holdings, query: StacQuery, base: str) -> Found:
    """The Items that a STAC search asks for.

    Raises:
        UsageError: A box, time or geometry makes no sense.
    """
    if query.wants_nothing:
        return Found(items=[], matched=0, more=False)
    if query.words is not None and query.wants_tiles:
        return _by_words(archive, holdings, query, base)
    if query.wants_tiles:
        return _tiles(archive, holdings, query, base)
    return _scenes(holdings, query, base)


def _by_words(archive: Archive, holdings: Holdings, query: StacQuery, base: str) -> Found:
    answer = archive.search(
        query.words,
        k=query.limit + 1,
        offset=query.offset,
        within=query.box,
        polygon=query.polygon,
        after=query.after,
        before=query.before,
    )
    wanted = set(query.ids)
    hits = [hit for hit in answer[: query.limit] if not wanted or hit.id in wanted]
    found = Answer(query=answer.query, hits=tuple(hits))
    items = [
        tile_out(
            hit.id,
            hit.tile,
            holdings.named(hit.source),
            archive,
            base,
            hit_properties(hit, found.query.label),
            label=True,
        )
        for hit in found
    ]
    return Found(items=items, matched=None, more=len(answer) > query.limit)


def _tiles(archive: Archive, holdings: Holdings, query: StacQuery, base: str) -> Found:
    if query.ids:
        known = archive.store.find(query.ids)
        chosen = [known[one] for one in query.ids if one in known]
        page = chosen[query.offset : query.offset + query.limit]
        told = [tile_out(raw.id, raw.tile, holdings.named(raw.source), archive, base) for raw in page]
        return Found(items=told, matched=len(chosen), more=len(chosen) > query.offset + query.limit)
    from geoglot.api.area import parse_time

    searcher = archive.store.searcher
    condition = Filter.from_options(
        bbox=query.box, polygon=query.polygon, after=parse_time(query.after), before=parse_time(query.before)
    )
    items: list[dict[str, Any]] = []
    before = 0
    for number, (segment, mask) in enumerate(zip(searcher.segments, searcher.masks(condition), strict=True)):
        rows = np.arange(len(segment)) if mask is None else np.flatnonzero(mask)
        first = max(0, query.offset - before)
        for row in rows[first : first + query.limit - len(items)].tolist():
            raw = searcher.hit(number, row, 0.0, 1)
            items.append(tile_out(raw.id, raw.tile, holdings.named(raw.source), archive, base))
        before += len(rows)
    return Found(items=items, matched=before, more=before > query.offset + query.limit)


def _scenes(holdings: Holdings, query: StacQuery, base: str) -> Found:
    boxes = None if query.box is None else split_box(query.box)
    after, before = _microseconds(query.after), _microseconds(query.before)
    wanted = set(query.ids)
    shape = None if query.polygon is None else Filter.from_options(polygon=query.polygon).polygon
    chosen = [
        source
        for source in holdings.sources
        if source.tiles
        and (not wanted or source.id in wanted)
        and (boxes is None or _meets(source.bounds, boxes))
        and (shape is None or (source.bounds is not None and _touches(shape, source.bounds)))
        and (after is None or (source.last is not None and source.last >= after))
        and (before is None or (source.first is not None and source.first < before))
        and (query.words is None or query.words.casefold() in source.name.casefold())
    ]
    page = chosen[query.offset : query.offset + query.limit]
    return Found(
        items=[scene_out(source, base) for source in page],
        matched=len(chosen),
        more=len(chosen) > query.offset + query.limit,
    )


def scene_out(source: Holding, base: str) -> dict[str, Any]:
    """A file as an Item of the interface: its pictures, never its path."""
    assets = {
        "overview": {
            "href": f"{base}/v1/sources/{source.id}/picture.png",
            "type": "image/png",
            "roles": ["overview", "thumbnail"],
        }
    }
    item = source_item(source, collection=SCENES, href="", links=item_links(SCENES, source.id, base), assets=assets)
    del item["assets"]["data"]
    if source.bounds is not None and source.kind == "scene":
        tiles = f"{base}/v1/tiles/{{z}}/{{x}}/{{y}}.png?source={source.id}"
        item["links"].append({"rel": "xyz", "href": tiles, "type": "image/png", "title": source.name})
    return item


def tile_out(
    identifier: str,
    tile: Any,
    named: tuple[str, str],
    archive: Archive,
    base: str,
    properties: dict[str, Any] | None = None,
    *,
    label: bool = False,
) -> dict[str, Any]:
    """A tile as an Item of the interface."""
    from geoglot.api.stac import LABEL

    source, name = named
    links = [
        *item_links(TILES, identifier, base),
        {
            "rel": "derived_from",
            "href": f"{base}/stac/collections/{SCENES}/items/{source}",
            "type": "application/geo+json",
        },
    ]
    thumbnail = {"href": f"{base}/v1/items/{identifier}/thumbnail.png", "type": "image/png", "roles": ["thumbnail"]}
    item = tile_item(
        identifier,
        tile,
        collection=TILES,
        name=name,
        fallback=datetime.fromisoformat(archive.store.identity.created).astimezone(UTC),
        properties=properties,
        links=links,
        assets={"thumbnail": thumbnail},
    )
    return {**item, "stac_extensions": [LABEL]} if label else item


def item_links(collection: str, identifier: str, base: str) -> list[dict[str, Any]]:
    """The links that every Item has."""
    here = f"{base}/stac/collections/{collection}"
    return [
        {"rel": "self", "href": f"{here}/items/{identifier}", "type": "application/geo+json"},
        {"rel": "parent", "href": here, "type": "application/json"},
        {"rel": "collection", "href": here, "type": "application/json"},
        {"rel": "root", "href": f"{base}/stac", "type": "application/json"},
    ]


def _microseconds(written: str | None) -> int | None:
    from geoglot.api.area import parse_time
    from geoglot.archive.rows import as_microseconds

    found = parse_time(written)
    return None if found is None else as_microseconds(found)


def _meets(bounds: Bounds | None, boxes: Sequence[Bounds]) -> bool:
    if bounds is None:
        return False
    own = split_box(bounds)
    return any(
        one.west <= box.east and one.east >= box.west and one.south <= box.north and one.north >= box.south
        for one in own
        for box in boxes
    )


def _touches(shape: Any, bounds: Bounds) -> bool:
    import shapely

    return any(shapely.intersects(shape, shapely.box(*one)) for one in split_box(bounds))


def geometry_of(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """The geometry of an ``intersects``: areas only.

    Raises:
        UsageError: It is a point, a line or a collection.
    """
    if given is not None and given.get("type") not in ("Polygon", "MultiPolygon"):
        raise UsageError("intersects", cause="is no polygon", remedy="give a Polygon or MultiPolygon, or a bbox")
    return given
