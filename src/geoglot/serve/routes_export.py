"""``/v1/export``, ``/v1/results``: answers as files, and the measured figures."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from geoglot.api.answer import Answer
from geoglot.api.archive import Archive
from geoglot.api.stac import answer_as_items
from geoglot.core.records import Hit
from geoglot.serve.asking import as_query, check_size
from geoglot.serve.routes_jobs import MEDIA_TYPES
from geoglot.serve.service import Service
from geoglot.serve.shapes import Identifier, SearchIn
from geoglot.serve.wiring import PROBLEMS, service_of

router = APIRouter(prefix="/v1", responses=PROBLEMS)
Format = Literal["geojson", "gpkg", "geoparquet", "csv", "stac"]
_SUFFIXES: dict[Format, str] = {
    "geojson": ".geojson",
    "gpkg": ".gpkg",
    "geoparquet": ".parquet",
    "csv": ".csv",
    "stac": ".json",
}
_TYPES: dict[Format, str] = {**MEDIA_TYPES, "csv": "text/csv; charset=utf-8", "stac": "application/geo+json"}  # type: ignore[dict-item]
_LARGEST_RESULT = 200_000


class ExportIn(SearchIn):
    """A question, and which of its hits to write; all where none is named."""

    only: list[Identifier] = Field(default_factory=list, max_length=5000)


@router.post(
    "/export",
    tags=["search"],
    response_class=Response,
    responses={200: {"description": "A file", "content": {kind: {} for kind in sorted(set(_TYPES.values()))}}},
)
async def export(asked: ExportIn, request: Request, format: Annotated[Format, Query()] = "geojson") -> Response:
    """The hits of a question as a file for a map, a table or a catalogue."""
    service = service_of(request)
    check_size(asked, service.settings.limits)
    body = await service.readers.run(lambda archive: _written(service, archive, asked, format))
    headers = {"Content-Disposition": f'attachment; filename="hits{_SUFFIXES[format]}"'}
    return Response(body, media_type=_TYPES[format], headers=headers)


def _written(service: Service, archive: Archive, asked: ExportIn, format: Format) -> bytes:
    holdings = service.readers.holdings(archive)
    answer = as_query(asked, holdings, service.uploads).ask(archive)
    chosen = set(asked.only)
    hits = tuple(replace(hit, source=holdings.named(hit.source)[1]) for hit in answer if not chosen or hit.id in chosen)
    told = replace(answer, hits=hits)
    if format == "csv":
        return as_csv(hits).encode()
    if format == "stac":
        return json.dumps(answer_as_items(told), ensure_ascii=False).encode()
    return _as_file(told, format)


def _as_file(answer: Answer, format: Literal["geojson", "gpkg", "geoparquet"]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="geoglot-export-") as folder:
        return answer.save(Path(folder) / f"hits{_SUFFIXES[format]}", format=format).read_bytes()


def as_csv(hits: tuple[Hit, ...]) -> str:
    """Hits as a table, one line each; what a spreadsheet would take for a formula is quoted.

    Example:
        >>> as_csv(()).startswith("rank,score,band,source,")
        True
    """
    names = ["rank", "score", "band", "source", "column", "row", "width", "height", "level"]
    names += ["west", "south", "east", "north", "time", "gsd_m", "merged", "caption", "id"]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    for hit in hits:
        tile = hit.tile
        place = tuple(tile.bounds) if tile.bounds else ("", "", "", "")
        time = tile.time.isoformat() if tile.time else ""
        row = [hit.rank, round(hit.score, 6), hit.band.value, hit.source, *tile.window, tile.level, *place]
        row += [time, tile.gsd_m if tile.gsd_m is not None else "", hit.merged, hit.caption or "", hit.id]
        writer.writerow([_harmless(value) for value in row])
    return file.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


@router.get("/results", tags=["archive"])
async def results() -> dict[str, dict[str, Any]]:
    """Measured figures by task and run, where this installation has them."""
    return await _read_results()


async def _read_results() -> dict[str, dict[str, Any]]:
    import asyncio

    return await asyncio.to_thread(read_results, Path(__file__).resolve().parents[3] / "results")


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Every small file of figures in a folder's folders, by folder and name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*/*.json")) if folder.is_dir() else ():
        if path.stat().st_size <= _LARGEST_RESULT:
            found.setdefault(path.parent.name, {})[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return found
