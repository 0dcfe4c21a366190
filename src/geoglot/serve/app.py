"""The service as an ASGI application: routes, errors, the page's own files, all behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from geoglot.core.errors import GeoglotError
from geoglot.core.version import VERSION
from geoglot.serve import routes_archive, routes_export, routes_jobs, routes_search, routes_stac, routes_tiles
from geoglot.serve.guard import SESSION_COOKIE, Guard
from geoglot.serve.problems import MEDIA_TYPE, ProblemError, problem_of
from geoglot.serve.service import Service
from geoglot.serve.settings import Settings
from geoglot.serve.wiring import PROBLEM_SCHEMA, PROBLEMS, service_of

_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>geoglot</title>
<h1>geoglot</h1><p>The service runs; the page is not part of this installation. Build it with <code>make web</code>, or
use the interface described at <a href="/v1/openapi.json">/v1/openapi.json</a>.</p></html>"""


def create_app(settings: Settings) -> Guard:
    """The whole service, ready for a server.

    Args:
        settings: Archive, names, limits.

    Raises:
        ArchiveError: There is no archive.
        BundleError: Its model is not here.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.jobs.start()
        await service.readers.run(service.warm)
        yield
        await service.close()

    app = FastAPI(
        title="geoglot",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.token = settings.token
    _handle_errors(app)
    app.include_router(routes_search.router)
    app.include_router(routes_archive.router)
    app.include_router(routes_tiles.router)
    app.include_router(routes_jobs.router)
    app.include_router(routes_export.router)
    app.include_router(routes_stac.router)
    _add_own_routes(app)
    _mount_page(app, settings.page)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return Guard(app, settings, service)


def _handle_errors(app: FastAPI) -> None:
    """Every error is a problem, and a problem is JSON."""

    async def own(_: Request, error: Exception) -> Response:
        problem = error if isinstance(error, ProblemError) else problem_of(error)  # type: ignore[arg-type]
        return JSONResponse(problem.record(), problem.status, problem.headers, MEDIA_TYPE)

    async def senseless(_: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError | ValidationError) else []
        places = [".".join(str(part) for part in one["loc"] if part != "body") for one in found[:5]]
        words = "; ".join(f"{place}: {one['msg']}" for place, one in zip(places, found, strict=False))
        return await own(
            _, ProblemError(422, words[:1000] or "The request makes no sense.", "see GET /v1/openapi.json")
        )

    async def plain(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        words = {404: "There is nothing here.", 405: "It cannot be asked that way."}.get(status, "It cannot be done.")
        return await own(_, ProblemError(status, words, "see GET /v1/openapi.json", headers))

    app.add_exception_handler(ProblemError, own)
    app.add_exception_handler(GeoglotError, own)
    app.add_exception_handler(RequestValidationError, senseless)
    app.add_exception_handler(ValidationError, senseless)
    app.add_exception_handler(HTTPException, plain)


def _add_own_routes(app: FastAPI) -> None:
    @app.get("/metrics", tags=["service"], response_class=Response, responses=PROBLEMS)
    async def metrics(request: Request) -> Response:
        """Counters, for Prometheus."""
        service = service_of(request)
        service.metrics.decoders.set(service.decoders.count)
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/v1/session", tags=["service"], status_code=204, response_class=Response, responses=PROBLEMS)
    async def session(request: Request) -> Response:
        """Keep the token in a cookie that scripts cannot read, so that pictures in the page are allowed, too."""
        response = Response(status_code=204)
        token = request.app.state.token
        if token is not None:
            secure = request.url.scheme == "https"
            response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/")
        return response


def _mount_page(app: FastAPI, folder: Path) -> None:
    """The page's own files, from one folder, links not followed; or a plain word where it was not built."""
    if (folder / "index.html").is_file():
        app.mount("/", StaticFiles(directory=folder, html=True, follow_symlink=False), name="page")
        return

    @app.get("/", include_in_schema=False)
    async def not_built() -> HTMLResponse:
        return HTMLResponse(_NOT_BUILT)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the interface, with our own form of errors instead of the framework's."""
    if app.openapi_schema is None:
        told = get_openapi(title="geoglot", version=VERSION, summary="Ask an archive of imagery.", routes=app.routes)
        schemas = told["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["ProblemOut"] = PROBLEM_SCHEMA
        told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{}, {"token": []}]
        app.openapi_schema = told
    return app.openapi_schema
