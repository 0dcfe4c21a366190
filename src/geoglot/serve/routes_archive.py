"""``/v1/archive``, ``/v1/sources``, ``/v1/models``, ``/v1/results``: what there is."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from geoglot.api.archive import Archive
from geoglot.api.holdings import Holding
from geoglot.core.version import VERSION
from geoglot.models.bundle import Bundle
from geoglot.serve.pictures import WHOLE, as_png, cut
from geoglot.serve.problems import ProblemError
from geoglot.serve.service import Service
from geoglot.serve.shapes import ArchiveOut, HealthOut, ModelOut, SceneOut, SourceId, SourceOut, SourcesOut
from geoglot.serve.wiring import PNG, PROBLEMS, service_of

router = APIRouter(prefix="/v1", responses=PROBLEMS)


@router.get("/health", tags=["service"])
async def health() -> HealthOut:
    """Whether the service is there."""
    return HealthOut(status="ok", version=VERSION)


@router.get("/archive", tags=["archive"])
async def archive(request: Request) -> ArchiveOut:
    """What the archive holds, where it lies, and which model reads it."""
    service = service_of(request)

    def work(archive: Archive) -> ArchiveOut:
        return _describe(service, archive)

    return await service.readers.run(work)


def _describe(service: Service, archive: Archive) -> ArchiveOut:
    info, told = archive.info(), archive.store.info()
    holdings = service.readers.holdings(archive)
    service.metrics.tiles.set(told.rows)
    return ArchiveOut(
        name=service.name,
        tiles=told.rows,
        sources=len(holdings),
        failed_sources=told.sources.get("failed", 0),
        bounds=info["extent"],
        located_share=info["located_share"],
        time_range=info["time_range"],
        gsd_range=holdings.gsd_range(),
        storage_bytes=told.bytes,
        model=model_out(archive.encoder),
        captions=told.captions,
        codes=told.identity.codes,
        created=told.identity.created,
        coverage=holdings.coverage(),
        basemap=service.settings.basemap,
        can_index=bool(service.settings.imagery),
        features=service.features(),
    )


def model_out(bundle: Bundle) -> ModelOut:
    """The card of a model, as the page shows it."""
    card = bundle.card
    licence = card.get("licence")
    return ModelOut(
        id=bundle.id,
        languages=list(bundle.languages),
        licence=None if licence is None else str(licence),
        size_bytes=bundle.size_bytes,
        recall=dict(card.get("validation_mean_recall_percent") or {}),
    )


@router.get("/sources", tags=["archive"])
async def sources(
    request: Request,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    state: Literal["done", "partial", "failed", "damaged"] | None = None,
    name: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
) -> SourcesOut:
    """The files of the archive, page by page: state, tiles, why one failed."""
    held = (await service_of(request).holdings()).sources
    states = Counter(source.state for source in held)
    wanted = [
        source
        for source in held
        if (state is None or source.state == state) and (name is None or name.casefold() in source.name.casefold())
    ]
    shown = [SourceOut(**_source(source)) for source in wanted[offset : offset + limit]]
    return SourcesOut(sources=shown, total=len(wanted), states=dict(states))


@router.get("/sources/{source}", tags=["archive"])
async def source(source: SourceId, request: Request) -> SceneOut:
    """One file, opened: size, bands, place, resolution."""
    service = service_of(request)
    holding = await service.holding(source)
    info, _ = await service.picture(lambda: cut(service.decoders, holding, WHOLE, 128))
    located = info.crs is not None and info.kind == "scene"
    return SceneOut(
        **_source(holding),
        width=info.width,
        height=info.height,
        bands=info.band_count,
        dtype=info.dtype,
        crs=info.crs,
        picture=f"/v1/sources/{source}/picture.png",
        map_tiles=f"/v1/tiles/{{z}}/{{x}}/{{y}}.png?source={source}" if located else None,
    )


@router.get("/sources/{source}/picture.png", tags=["archive"], responses=PNG, response_class=Response)
async def picture(source: SourceId, request: Request, side: Annotated[int, Query(ge=16, le=1024)] = 1024) -> Response:
    """A whole file as a picture."""
    service = service_of(request)
    holding = await service.holding(source)
    key = ("source", source, holding.content, side)
    found = service.cache.get(key)
    if found is None:
        found = await service.picture(lambda: as_png(cut(service.decoders, holding, WHOLE, side)[1]))
        service.cache.put(key, found)
    return Response(found, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


def _source(holding: Holding) -> dict[str, Any]:
    from geoglot.serve.problems import without_folders

    return {
        "id": holding.id,
        "name": holding.name,
        "kind": holding.kind,
        "state": holding.state,
        "tiles": holding.tiles,
        "bytes": holding.size,
        "error": None if holding.error is None else without_folders(holding.error),
        "bounds": holding.bounds,
        "times": holding.times(),
        "gsd_m": None if holding.gsd_m is None else list(holding.gsd_m),
    }


@router.get("/models", tags=["archive"])
async def models() -> list[dict[str, Any]]:
    """The models that ship with this package."""
    from geoglot.api.models import list_models

    return list_models()


def no_such_page() -> ProblemError:
    """What to say where there is nothing."""
    return ProblemError(404, "There is nothing here.", "see GET /v1/openapi.json")
