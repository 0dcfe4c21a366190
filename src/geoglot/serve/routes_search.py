"""``/v1/search``, ``/v1/items``, ``/v1/images``: questions, tiles, pictures to ask with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from geoglot.api.archive import Archive
from geoglot.api.saved_query import SavedQuery
from geoglot.serve.asking import answered, as_query, check_size, geometry_of
from geoglot.serve.pictures import as_png, cut
from geoglot.serve.problems import ProblemError
from geoglot.serve.service import Service
from geoglot.serve.shapes import Identifier, ItemOut, Language, SearchIn, SearchOut, TermIn, UploadOut, Words
from geoglot.serve.wiring import PNG, PROBLEMS, service_of

router = APIRouter(prefix="/v1", responses=PROBLEMS)
_KEPT = "private, max-age=86400"


@router.post("/search", tags=["search"])
async def search(asked: SearchIn, request: Request) -> SearchOut:
    """Find places by words, pictures, tiles, or a weighted mixture."""
    return await ask(service_of(request), asked)


@router.get("/search", tags=["search"])
async def search_by_address(
    request: Request,
    q: Words,
    lang: Language | None = None,
    bbox: Annotated[str | None, Query(max_length=200, examples=["5.0,43.2,5.6,43.6"])] = None,
    datetime: Annotated[str | None, Query(max_length=100, examples=["2021-01-01/2021-12-31"])] = None,
    k: Annotated[int, Query(ge=1)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> SearchOut:
    """The short form: words, a box, an interval of time."""
    from geoglot.serve.intervals import box_of, interval_of

    after, before = interval_of(datetime)
    asked = SearchIn(
        terms=[TermIn(text=q)],
        language=lang,
        within=box_of(bbox),
        time_from=after,
        time_to=before,
        k=k,
        offset=offset,
    )
    return await ask(service_of(request), asked)


async def ask(service: Service, asked: SearchIn) -> SearchOut:
    """Ask in a reader's thread."""
    check_size(asked, service.settings.limits)

    def work(archive: Archive) -> SearchOut:
        holdings = service.readers.holdings(archive)
        query: SavedQuery = as_query(asked, holdings, service.uploads)
        with service.metrics.searches.time():
            return answered(asked, query, archive, holdings, service.name)

    return await service.readers.run(work)


@router.get("/items/{item}", tags=["items"])
async def item(item: Identifier, request: Request) -> ItemOut:
    """One tile: where, when, what its captions say."""
    service = service_of(request)

    def work(archive: Archive) -> ItemOut | None:
        found = archive.store.find([item]).get(item)
        if found is None:
            return None
        source, name = service.readers.holdings(archive).named(found.source)
        words = archive.store.words
        key = bytes.fromhex(item)
        captions = {} if words is None else words.captions([key]).get(key, {})
        tile = found.tile
        return ItemOut(
            id=item,
            source=source,
            name=name,
            window=tile.window,
            level=tile.level,
            bounds=tile.bounds,
            footprint=geometry_of(tile.footprint),
            time=tile.time.isoformat() if tile.time else None,
            gsd_m=tile.gsd_m,
            captions={language: told.caption for language, told in captions.items() if told.caption},
            thumbnail=f"/v1/items/{item}/thumbnail.png",
        )

    told = await service.readers.run(work)
    if told is None:
        raise ProblemError(404, "There is no such tile.", "search again: the file may have changed")
    return told


@router.get("/items/{item}/thumbnail.png", tags=["items"], responses=PNG, response_class=Response)
async def thumbnail(item: Identifier, request: Request, side: Annotated[int, Query(ge=16, le=512)] = 256) -> Response:
    """A tile as a small picture."""
    service = service_of(request)
    key = ("item", item, side)
    picture = service.cache.get(key)
    if picture is None:
        found = await service.readers.run(lambda archive: archive.store.find([item]).get(item))
        holding = None if found is None else (await service.holdings()).by_path.get(found.source)
        if found is None or holding is None:
            raise ProblemError(404, "There is no such tile.", "search again: the file may have changed")
        known, window = holding, found.tile.window
        picture = await service.picture(lambda: as_png(cut(service.decoders, known, window, side)[1]))
        service.cache.put(key, picture)
    return Response(picture, media_type="image/png", headers={"Cache-Control": _KEPT})


@router.post(
    "/images",
    tags=["search"],
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(request: Request) -> UploadOut:
    """Send a picture (GeoTIFF, JPEG, PNG, WebP, JPEG 2000; the body is the file itself) to search with."""
    service = service_of(request)
    body = await request.body()
    if not body:
        raise ProblemError(422, "The body is empty.", "send the picture's bytes as the body")
    token, width, height = await service.picture(lambda: service.uploads.add(body))
    return UploadOut(image=token, thumbnail=f"/v1/images/{token}.png", width=width, height=height)


@router.get("/images/{image}.png", tags=["search"], responses=PNG, response_class=Response)
async def uploaded(image: str, request: Request) -> Response:
    """A picture that was sent, as it was understood."""
    try:
        path = service_of(request).uploads.path(image)
    except ProblemError as error:
        raise ProblemError(404, error.detail, error.remedy) from error
    return Response(path.read_bytes(), media_type="image/png", headers={"Cache-Control": _KEPT})
