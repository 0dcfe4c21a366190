"""What all routes share: the service behind a request, and how answers that are no JSON are described."""

from __future__ import annotations

from typing import Any, Final, cast

from fastapi import Request

from geoglot.serve.problems import MEDIA_TYPE
from geoglot.serve.service import Service
from geoglot.serve.shapes import ProblemOut

_STATUSES = {
    400: "The request was broken off",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not there",
    405: "Not that way",
    408: "Too slow",
    409: "Not now, or not installed",
    410: "Gone or changed",
    413: "Too long",
    421: "Another name",
    422: "Makes no sense",
    503: "Too much at once",
}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": words, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}}
    for status, words in _STATUSES.items()
}
PNG: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A picture", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}
PROBLEM_SCHEMA: Final = ProblemOut.model_json_schema()


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return cast(Service, request.app.state.service)
