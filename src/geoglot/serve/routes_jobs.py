"""``/v1/index``, ``/v1/caption``, ``/v1/locate``, ``/v1/segment`` and ``/v1/jobs``: long work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import Field, FiniteFloat

from geoglot.api.holdings import exact_pattern
from geoglot.archive.rows import as_datetime
from geoglot.geo.opening import is_within
from geoglot.serve.jobs import Job
from geoglot.serve.pictures import check_unchanged
from geoglot.serve.problems import ProblemError
from geoglot.serve.service import Service
from geoglot.serve.shapes import Identifier, Language, Shown, SourceId, Strict, Token, Words
from geoglot.serve.wiring import PROBLEMS, service_of

router = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["jobs"])
Band = Annotated[int, Field(ge=1, le=10_000)]
MEDIA_TYPES = {
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "geoparquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    "stac": "application/geo+json",
}
_SUFFIXES = {
    "geojson": ".geojson",
    "gpkg": ".gpkg",
    "geoparquet": ".parquet",
    "png": ".png",
    "tif": ".tif",
    "stac": ".stac.json",
}


class IndexIn(Strict):
    """Files and folders to read into the archive, below the folders that ``--imagery`` allows."""

    paths: list[Annotated[str, Field(min_length=1, max_length=4000)]] = Field(min_length=1, max_length=100)
    tile: int = Field(default=256, ge=16, le=8192)
    overlap: FiniteFloat = Field(default=0.25, ge=0, le=0.9)
    levels: int = Field(default=1, ge=1, le=16)
    bands: list[Band] | None = Field(default=None, min_length=1, max_length=3)


class CaptionIn(Strict):
    """Which tiles to caption, and in which languages: some by identifier, those of some files, or all."""

    captioner: str = Field(default="captioner", pattern="^[a-z0-9][a-z0-9_-]{0,60}$")
    languages: list[Language] = Field(default_factory=list, max_length=4)
    sources: list[SourceId] = Field(default_factory=list, max_length=200)
    items: list[Identifier] = Field(
        default_factory=list,
        max_length=100,
        description="Tiles; the result tells their captions, by tile and language.",
    )


class LocateIn(Strict):
    """What to look for in a scene: words, an uploaded picture, or both."""

    source: SourceId
    text: Words | None = None
    image: Token | None = None
    k: int = Field(default=5, ge=0, le=100)


class SegmentIn(Strict):
    """Which things to outline in a scene."""

    source: SourceId
    phrases: list[Words] = Field(min_length=1, max_length=20)
    threshold: FiniteFloat | None = Field(default=None, gt=0, lt=1, description="The model's own by default.")


class JobRef(Shown):
    """A job that was queued."""

    job: Identifier


class JobOut(Shown):
    """One job."""

    id: Identifier
    kind: Literal["index", "caption", "locate", "segment"]
    title: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    created: str
    finished: str | None
    progress: dict[str, Any] | None = Field(description="done, total, words, seconds, left_seconds")
    result: dict[str, Any] | None
    problem: dict[str, Any] | None


@router.post("/index", status_code=202)
async def index(asked: IndexIn, request: Request) -> JobRef:
    """Read more imagery into the archive."""
    service = service_of(request)
    paths = [str(allowed(service.settings.imagery, path)) for path in asked.paths]
    options = asked.model_dump(exclude={"paths"})
    title = f"index {', '.join(Path(path).name for path in paths[:3])}"
    return _queued(service, "index", title, {"archive": _archive(service), "paths": paths, "options": options})


@router.post("/caption", status_code=202)
async def caption(asked: CaptionIn, request: Request) -> JobRef:
    """Write captions of tiles that have none."""
    from geoglot.models.bundle import available

    service = service_of(request)
    if asked.captioner not in available():
        raise ProblemError(409, f"There is no captioner {asked.captioner}.", "see GET /v1/models")
    patterns = [exact_pattern((await service.holding(one)).path) for one in asked.sources]
    if asked.items:
        known = await service.readers.run(lambda archive: archive.store.find(asked.items))
        if len(known) < len(set(asked.items)):
            raise ProblemError(404, "There is no such tile.", "search again: the file may have changed")
    languages = ", ".join(asked.languages) or "en"
    told = {
        "archive": _archive(service),
        "captioner": asked.captioner,
        "languages": asked.languages,
        "sources": patterns,
        "items": asked.items,
    }
    return _queued(service, "caption", f"captions ({languages})", told)


@router.post("/locate", status_code=202)
async def locate(asked: LocateIn, request: Request) -> JobRef:
    """A heat map of a scene: how much each part is like what is asked for."""
    service = service_of(request)
    if asked.text is None and asked.image is None:
        raise ProblemError(422, "Nothing is asked for.", "give text, image or both")
    holding = await service.holding(asked.source)
    path = check_unchanged(holding)
    like = None if asked.image is None else str(service.uploads.path(asked.image))
    told = {"archive": _archive(service), "path": str(path), "text": asked.text, "like": like, "k": asked.k}
    return _queued(service, "locate", f"{asked.text or 'picture'} in {holding.name}", told)


@router.post("/segment", status_code=202)
async def segment(asked: SegmentIn, request: Request) -> JobRef:
    """Polygons of what phrases name in a scene."""
    service = service_of(request)
    if "segment" not in service.features():
        raise ProblemError(409, "No segmenter is installed.", "install a version that ships one")
    holding = await service.holding(asked.source)
    taken = None if holding.first is None else as_datetime(holding.first)
    told = {
        "path": str(check_unchanged(holding)),
        "phrases": asked.phrases,
        "threshold": asked.threshold,
        "time": None if taken is None else taken.isoformat(),
    }
    return _queued(service, "segment", f"{', '.join(asked.phrases[:3])} in {holding.name}", told)


@router.get("/jobs")
async def jobs(request: Request) -> list[JobOut]:
    """All jobs, the latest first."""
    return [JobOut(**job.record()) for job in service_of(request).jobs.every()]


@router.get("/jobs/{job}")
async def job(job: Identifier, request: Request) -> JobOut:
    """Where one job stands."""
    return JobOut(**service_of(request).jobs.get(job).record())


@router.get(
    "/jobs/{job}/events",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}},
)
async def events(job: Identifier, request: Request) -> StreamingResponse:
    """What a job says: ``progress``, then ``done``, ``failed`` or ``cancelled``; each event holds the whole job."""
    service = service_of(request)
    return StreamingResponse(service.jobs.events(service.jobs.get(job)), media_type="text/event-stream")


@router.get(
    "/jobs/{job}/result",
    response_class=FileResponse,
    responses={200: {"description": "A file", "content": {kind: {} for kind in MEDIA_TYPES.values()}}},
)
async def result(
    job: Identifier,
    request: Request,
    format: Annotated[Literal["geojson", "gpkg", "geoparquet", "png", "tif", "stac"], Query()] = "geojson",
) -> Response:
    """A file that a job made."""
    found: Job = service_of(request).jobs.get(job)
    if found.state != "done":
        raise ProblemError(409, f"The job is {found.state}.", "wait until it is done")
    path = found.folder / f"result{_SUFFIXES[format]}"
    if not path.is_file():
        raise ProblemError(404, f"The job made no {format}.", "ask for another format")
    shown = "inline" if format == "png" else "attachment"
    return FileResponse(
        path,
        media_type=MEDIA_TYPES[format],
        filename=f"{found.kind}{_SUFFIXES[format]}",
        content_disposition_type=shown,
    )


@router.delete("/jobs/{job}", status_code=204, response_class=Response)
async def cancel(job: Identifier, request: Request) -> Response:
    """End a job; forget one that is done."""
    await service_of(request).jobs.cancel(job)
    return Response(status_code=204)


def allowed(folders: tuple[Path, ...], written: str) -> Path:
    """A path that may be indexed: absolute or below one of the folders, and really in one of them.

    Raises:
        ProblemError: It is not; whether it exists is not said.
    """
    if not folders:
        raise ProblemError(403, "Nothing may be indexed from here.", "start 'geoglot serve' with --imagery DIR")
    if "\0" not in written:
        for folder in folders:
            root = os.path.realpath(folder)
            real = os.path.realpath(Path(root) / written)
            # a catalogue could name files that lie elsewhere: those are for the command line
            if is_within(real, root) and Path(real).exists() and not real.lower().endswith(("json", ".parquet")):
                return Path(real)
    raise ProblemError(403, "That is not in a folder from which may be indexed.", "see --imagery of 'geoglot serve'")


def _archive(service: Service) -> str:
    return str(service.settings.archive.resolve())


def _queued(service: Service, kind: str, title: str, asked: dict[str, Any]) -> JobRef:
    return JobRef(job=service.jobs.add(kind, title[:200], asked).id)
