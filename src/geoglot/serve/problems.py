"""Errors as problem JSON (RFC 9457): what went wrong, why, and what to do; never a path, never a traceback."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from geoglot.core.errors import ArchiveError, BundleError, DataError, GeoglotError, SourceError, UsageError

MEDIA_TYPE = "application/problem+json"
_PATH = re.compile(r"(?<![\w.:/])/[^\s'\"]+")
_STATUS: tuple[tuple[type[GeoglotError], int], ...] = (
    (UsageError, 422),
    (SourceError, 422),
    (BundleError, 409),
    (ArchiveError, 503),
    (DataError, 422),
)


class ProblemError(Exception):
    """An answer that is no success.

    Args:
        status: HTTP status.
        detail: What went wrong, in a sentence.
        remedy: What the asker can do about it.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, detail: str, remedy: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.headers = headers or {}

    def body(self) -> bytes:
        """The problem as JSON."""
        return json.dumps(self.record(), ensure_ascii=False).encode()

    def record(self) -> dict[str, Any]:
        """The problem as JSON-ready values."""
        title = HTTPStatus(self.status).phrase
        told = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return {**told, "remedy": self.remedy} if self.remedy else told


def problem_of(error: GeoglotError) -> ProblemError:
    """One of our own errors as a problem; a path in it is cut down to the file's name.

    Example:
        >>> told = problem_of(UsageError("k=0", cause="asks for no hits", remedy="give a number from 1 on"))
        >>> told.status, told.detail, told.remedy
        (422, 'k=0: asks for no hits.', 'give a number from 1 on')
        >>> problem_of(SourceError("/home/ada/a.tif", cause="is empty")).detail
        'a.tif: is empty.'
    """
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return ProblemError(
        status, f"{without_folders(error.subject)}: {without_folders(error.cause)}.", without_folders(error.remedy)
    )


def without_folders(text: str) -> str:
    """Text with every absolute path cut down to its last part.

    Example:
        >>> without_folders("link /srv/images/b.tif leads out of /srv/images")
        'link b.tif leads out of images'
        >>> without_folders("use and/or, 1/2")
        'use and/or, 1/2'
    """
    return _PATH.sub(_last_part, text)


def _last_part(found: re.Match[str]) -> str:
    written = found.group()
    core = written.rstrip(":;,)")
    return core.rstrip("/").rpartition("/")[2] + written[len(core) :]
