"""``/v1/tiles/{z}/{x}/{y}.png``: a scene as a layer of a map; ``/v1/items/{id}/why``: why a tile was found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from geoglot.api.holdings import Holding
from geoglot.core.records import Window
from geoglot.geo.map_tiles import DEEPEST, Look
from geoglot.serve.pictures import as_png, check_unchanged
from geoglot.serve.problems import ProblemError
from geoglot.serve.service import Service
from geoglot.serve.shapes import Identifier, Language, SourceId, Words
from geoglot.serve.wiring import PNG, PROBLEMS, service_of

router = APIRouter(prefix="/v1", responses=PROBLEMS)
_KEPT = "private, max-age=3600"


@router.get("/tiles/{z}/{x}/{y}.png", tags=["archive"], responses=PNG, response_class=Response)
async def tile(
    z: Annotated[int, "0 shows the world"],
    x: int,
    y: int,
    source: SourceId,
    request: Request,
    bands: Annotated[
        str | None, Query(max_length=40, pattern=r"^\d{1,4}(,\d{1,4},\d{1,4})?$", examples=["4,3,2"])
    ] = None,
    stretch: Annotated[
        str | None, Query(max_length=60, description="Values that become black and white.", examples=["0,3000"])
    ] = None,
) -> Response:
    """A map tile of one scene (Web Mercator, 256 pixels), transparent where the scene is not."""
    service = service_of(request)
    if not (0 <= z <= DEEPEST and 0 <= x < 1 << z and 0 <= y < 1 << z):
        raise ProblemError(404, "There is no such tile of the map.")
    look = Look(
        bands=None if bands is None else tuple(int(band) for band in bands.split(",")), stretch=_stretch(stretch)
    )
    holding = await service.holding(source)
    path = check_unchanged(holding)
    key = ("tile", source, holding.content, z, x, y, look)
    found = service.cache.get(key)
    if found is None:
        found = await service.picture(lambda: as_png(service.maps.draw(path, z, x, y, look)))
        service.cache.put(key, found)
    return Response(found, media_type="image/png", headers={"Cache-Control": _KEPT})


@router.get("/items/{item}/why", tags=["items"], responses=PNG, response_class=Response)
async def why(item: Identifier, text: Words, request: Request, language: Language | None = None) -> Response:
    """Which part of a tile answers a text, as a picture with its words."""
    service = service_of(request)
    found = await service.readers.run(lambda archive: archive.store.find([item]).get(item))
    holding = None if found is None else (await service.holdings()).by_path.get(found.source)
    if found is None or holding is None:
        raise ProblemError(404, "There is no such tile.", "search again: the file may have changed")
    key = ("why", item, text, language)
    picture = service.cache.get(key)
    if picture is None:
        known, window = holding, found.tile.window
        picture = await service.picture(lambda: _explained(service, known, window, text, language))
        service.cache.put(key, picture)
    return Response(picture, media_type="image/png", headers={"Cache-Control": _KEPT})


def _explained(service: Service, holding: Holding, window: Window, text: str, language: str | None) -> bytes:
    from geoglot.api.explain import explain

    path = check_unchanged(holding)
    shown = None if holding.kind == "photo" else window
    with tempfile.TemporaryDirectory(prefix="geoglot-why-") as folder:
        lent = service.decoders.of_side
        found = explain(path, text, service.readers.encoder, window=shown, language=language, decoder_of=lent)
        return found.save(Path(folder) / "why.png").read_bytes()


def _stretch(written: str | None) -> tuple[float, float] | None:
    if written is None:
        return None
    try:
        low, high = (float(part) for part in written.split(","))
    except ValueError as error:
        raise ProblemError(422, "stretch: is no pair of numbers.", "write LOW,HIGH") from error
    return low, high
