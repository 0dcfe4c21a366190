"""``/stac``: the archive by the STAC API 1.0 (core, collections, features, item search, free text)."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from geoglot.api.archive import Archive
from geoglot.api.stac import collection_of
from geoglot.serve.intervals import box_of, interval_of
from geoglot.serve.problems import ProblemError
from geoglot.serve.shapes import Words
from geoglot.serve.stac_search import SCENES, TILES, StacQuery, geometry_of, search
from geoglot.serve.wiring import PROBLEMS, service_of

router = APIRouter(prefix="/stac", responses=PROBLEMS, tags=["stac"])
GEOJSON = "application/geo+json"
MOST = 500
CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0-rc.1/item-search#free-text",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
]
Names = Annotated[str | None, Query(max_length=20_000)]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Start = Annotated[int, Query(ge=0, le=1_000_000_000)]
_ITEMS: dict[int | str, dict[str, Any]] = {200: {"description": "Items", "content": {GEOJSON: {}}}}


class StacSearchIn(BaseModel):
    """The body of a STAC search. What this service does not know (fields, sortby ...) is left out of account."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    collections: list[Annotated[str, Field(max_length=200)]] | None = Field(default=None, max_length=100)
    ids: list[Annotated[str, Field(max_length=200)]] | None = Field(default=None, max_length=1000)
    bbox: list[FiniteFloat] | None = Field(default=None, min_length=4, max_length=6)
    intersects: dict[str, Any] | None = None
    datetime: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=10, ge=1, le=10_000)
    q: Words | list[Words] | None = None
    offset: int = Field(default=0, ge=0, le=1_000_000_000)


@router.get("")
async def landing(request: Request) -> dict[str, Any]:
    """Where everything is."""
    base, name = _base(request), service_of(request).name
    links = [
        _link("root", f"{base}/stac"),
        _link("self", f"{base}/stac"),
        _link("conformance", f"{base}/stac/conformance"),
        _link("data", f"{base}/stac/collections"),
        {**_link("search", f"{base}/stac/search", GEOJSON), "method": "GET"},
        {**_link("search", f"{base}/stac/search", GEOJSON), "method": "POST"},
        _link("service-desc", f"{base}/v1/openapi.json", "application/vnd.oai.openapi+json;version=3.1"),
        _link("service-doc", f"{base}/", "text/html"),
        *(_link("child", f"{base}/stac/collections/{one}") for one in (SCENES, TILES)),
    ]
    return {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": name,
        "title": name,
        "description": "An archive of imagery that can be asked in words: 'q' of a search is free text.",
        "conformsTo": CONFORMS_TO,
        "links": links,
    }


@router.get("/conformance")
async def conformance() -> dict[str, Any]:
    """What this interface conforms to."""
    return {"conformsTo": CONFORMS_TO}


@router.get("/collections")
async def collections(request: Request) -> dict[str, Any]:
    """Files (``scenes``) and their parts (``tiles``)."""
    told = [await _collection(request, one) for one in (SCENES, TILES)]
    base = _base(request)
    return {"collections": told, "links": [_link("root", f"{base}/stac"), _link("self", f"{base}/stac/collections")]}


@router.get("/collections/{collection}")
async def collection(collection: str, request: Request) -> dict[str, Any]:
    """One collection."""
    return await _collection(request, collection)


@router.get("/collections/{collection}/items", responses=_ITEMS, response_class=JSONResponse)
async def items(
    collection: str,
    request: Request,
    bbox: Names = None,
    datetime: Names = None,
    limit: Limit = 10,
    offset: Start = 0,
) -> Response:
    """Items of a collection by box and time."""
    _check(collection)
    after, before = interval_of(datetime)
    query = StacQuery(
        collections=(collection,), box=box_of(bbox), after=after, before=before, limit=min(limit, MOST), offset=offset
    )
    return await _found(request, query, {"bbox": bbox, "datetime": datetime})


@router.get("/collections/{collection}/items/{item}", responses=_ITEMS, response_class=JSONResponse)
async def item(collection: str, item: str, request: Request) -> Response:
    """One Item."""
    _check(collection)
    base, service = _base(request), service_of(request)
    query = StacQuery(collections=(collection,), ids=(item,), limit=1)
    found = await service.readers.run(lambda archive: search(archive, service.readers.holdings(archive), query, base))
    if not found.items:
        raise ProblemError(404, "There is no such Item.")
    return JSONResponse(found.items[0], media_type=GEOJSON)


@router.get("/search", responses=_ITEMS, response_class=JSONResponse)
async def search_by_address(
    request: Request,
    collections: Names = None,
    ids: Names = None,
    bbox: Names = None,
    datetime: Names = None,
    intersects: Names = None,
    q: Annotated[str | None, Query(min_length=1, max_length=2000)] = None,
    limit: Limit = 10,
    offset: Start = 0,
) -> Response:
    """Items by box, time, identifiers and free text."""
    after, before = interval_of(datetime)
    query = StacQuery(
        collections=_split(collections),
        ids=_split(ids),
        box=box_of(bbox),
        polygon=geometry_of(_json(intersects)),
        after=after,
        before=before,
        words=q,
        limit=min(limit, MOST),
        offset=offset,
    )
    kept = {
        "collections": collections,
        "ids": ids,
        "bbox": bbox,
        "datetime": datetime,
        "q": q,
        "intersects": intersects,
    }
    return await _found(request, query, kept)


@router.post("/search", responses=_ITEMS, response_class=JSONResponse)
async def search_by_body(asked: StacSearchIn, request: Request) -> Response:
    """The same, asked by a body."""
    after, before = interval_of(asked.datetime)
    words = asked.q if isinstance(asked.q, str) or asked.q is None else " ".join(asked.q)
    query = StacQuery(
        collections=tuple(asked.collections or ()),
        ids=tuple(asked.ids or ()),
        box=box_of(None if asked.bbox is None else ",".join(map(str, asked.bbox))),
        polygon=geometry_of(asked.intersects),
        after=after,
        before=before,
        words=words,
        limit=min(asked.limit, MOST),
        offset=asked.offset,
    )
    return await _found(request, query, None, asked.model_dump(exclude_none=True))


async def _found(
    request: Request, query: StacQuery, kept: dict[str, str | None] | None, body: dict[str, Any] | None = None
) -> Response:
    """A page of Items with a link to the next."""
    base, service = _base(request), service_of(request)
    if query.words is not None and query.offset + query.limit > service.settings.limits.deepest:
        raise ProblemError(422, "That is too far down the list.", "narrow the search")
    found = await service.readers.run(lambda archive: search(archive, service.readers.holdings(archive), query, base))
    here = f"{base}{request.url.path}"
    links = [_link("root", f"{base}/stac"), _link("self", here, GEOJSON)]
    following = {"limit": query.limit, "offset": query.offset + query.limit}
    if found.more and body is not None:
        links.append({**_link("next", here, GEOJSON), "method": "POST", "body": {**body, **following}})
    elif found.more:
        address = urlencode({name: value for name, value in {**(kept or {}), **following}.items() if value is not None})
        links.append({**_link("next", f"{here}?{address}", GEOJSON), "method": "GET"})
    told: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": found.items,
        "links": links,
        "numberReturned": len(found.items),
    }
    if found.matched is not None:
        told["numberMatched"] = found.matched
    return JSONResponse(told, media_type=GEOJSON)


async def _collection(request: Request, name: str) -> dict[str, Any]:
    _check(name)
    base, service = _base(request), service_of(request)
    here = f"{base}/stac/collections/{name}"
    links = [
        _link("self", here),
        _link("root", f"{base}/stac"),
        _link("parent", f"{base}/stac"),
        _link("items", f"{here}/items", GEOJSON),
    ]

    def work(archive: Archive) -> dict[str, Any]:
        held = [source for source in service.readers.holdings(archive).sources if source.tiles]
        told = collection_of(archive, name, held, links=links)
        return {**told, "title": f"{service.name}: {name}"}

    return await service.readers.run(work)


def _check(name: str) -> None:
    if name not in (SCENES, TILES):
        raise ProblemError(404, "There is no such Collection.", "see GET /stac/collections")


def _base(request: Request) -> str:
    """The address of this service, as the asker wrote it (its name was checked by the guard)."""
    return f"{request.url.scheme}://{request.headers['host']}"


def _split(written: str | None) -> tuple[str, ...]:
    return tuple(part for part in (written or "").split(",") if part)


def _json(written: str | None) -> dict[str, Any] | None:
    import json

    if written is None:
        return None
    try:
        told = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise ProblemError(422, "intersects: is no JSON.", "give a GeoJSON geometry") from error
    if not isinstance(told, dict):
        raise ProblemError(422, "intersects: is no geometry.", "give a GeoJSON geometry")
    return told


def _link(rel: str, href: str, kind: str = "application/json") -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": kind}
