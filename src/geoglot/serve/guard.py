"""What stands before every request: names, token, sizes, times, places in the queue; and what follows every answer.

Plain ASGI, so that nothing is read or parsed before the request has been found fit.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from geoglot.serve.metrics import Metrics
from geoglot.serve.problems import MEDIA_TYPE, ProblemError
from geoglot.serve.service import Service
from geoglot.serve.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOG: Final = logging.getLogger("geoglot.serve")
SESSION_COOKIE: Final = "geoglot"
_OPEN_TO_ALL = frozenset({"/v1/health"})
_GUARDED = ("/v1", "/stac", "/metrics")
_PICTURES = frozenset({"/v1/images"})
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HOST = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?$")

SECURITY_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def content_policy(basemap: str | None) -> bytes:
    """The page may run its own scripts and show pictures of this service, and of the base map if one is set.

    Example:
        >>> content_policy("https://tiles.example.org/{z}/{x}/{y}.png").decode().split("; ")[2]
        "img-src 'self' blob: data: https://tiles.example.org"
    """
    origin = re.match(r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?", basemap or "")
    more = f" {origin.group()}" if origin else ""
    return (
        "default-src 'none'; script-src 'self'; "
        f"img-src 'self' blob: data:{more}; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        f"connect-src 'self'{more}; worker-src 'self' blob:; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ).encode()


class Guard:
    """The outermost layer of the service.

    Args:
        app: What is guarded.
        settings: Names, token, limits.
        service: What is behind it.
    """

    def __init__(self, app: App, settings: Settings, service: Service) -> None:
        self._app = app
        self._settings = settings
        self.service = service
        self._metrics = service.metrics
        self._hosts = settings.allowed_hosts()
        self._policy = content_policy(settings.basemap)
        self._working = 0
        self._turn = asyncio.Semaphore(settings.limits.at_once)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1003})
                return
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope, send, self._policy, self._metrics)
        try:
            self._check(scope)
            await self._in_turn(scope, receive, seen)
        except ProblemError as problem:
            await seen.refuse(problem)
        except Exception:
            LOG.exception("unexpected", extra={"request": seen.identifier})
            await seen.refuse(
                ProblemError(500, "Something went wrong here.", f"report it with the number {seen.identifier}")
            )
        finally:
            seen.done()

    def _check(self, scope: Scope) -> None:
        """Refuse what can be refused by its head alone.

        Raises:
            ProblemError: The name, the token, the origin or the announced length does not fit.
        """
        headers = _headers(scope)
        host = _HOST.match(headers.get("host", ""))
        if host is None or host.group(1).lower() not in self._hosts:
            remedy = "use the address that 'geoglot serve' printed, or start it with --allow-host NAME"
            raise ProblemError(421, "This service does not go by that name.", remedy)
        self._check_token(scope, headers)
        if scope["method"] in _METHODS_WITH_BODY:
            self._check_origin(headers)
        length = headers.get("content-length")
        if length is not None and (not length.isdecimal() or int(length) > self._most(scope)):
            raise ProblemError(413, f"The body is longer than {self._most(scope):,} bytes.", "send less")

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> None:
        token = self._settings.token
        if token is None or scope["path"] in _OPEN_TO_ALL or not scope["path"].startswith(_GUARDED):
            return  # the page's own files hold nothing
        kind, _, shown = headers.get("authorization", "").partition(" ")
        given = shown.strip() if kind.lower() == "bearer" else _cookie(headers)
        if not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
            remedy = "send 'Authorization: Bearer TOKEN', or open the page with #token=TOKEN"
            raise ProblemError(401, "This service needs a token.", remedy, {"WWW-Authenticate": "Bearer"})

    def _check_origin(self, headers: dict[str, str]) -> None:
        """Another site's page must not act through the reader's browser."""
        origin = headers.get("origin")
        if origin is None:
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                raise ProblemError(403, "Another site asked for this.", "use the page of this service")
            return
        name = origin.partition("://")[2]
        if name != headers.get("host", ""):
            raise ProblemError(403, "Another site asked for this.", "use the page of this service")

    def _most(self, scope: Scope) -> int:
        limits = self._settings.limits
        return limits.picture_bytes if scope["path"] in _PICTURES else limits.body_bytes

    async def _in_turn(self, scope: Scope, receive: Receive, seen: _Seen) -> None:
        """Wait for a place, read the body with its limits, answer."""
        if scope["path"] in _OPEN_TO_ALL or scope["path"].endswith("/events"):
            await self._app(scope, receive, seen.send)
            return
        body = await self._body(scope, receive)
        if self._waiting >= self._settings.limits.waiting:
            self._metrics.refused.inc()
            raise ProblemError(503, "Too many requests at once.", "try again in a moment", {"Retry-After": "1"})
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            await self._app(scope, _Once(body, receive), seen.send)
        finally:
            self._turn.release()

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, or a problem: too long, or too slow. Slow senders hold no place meanwhile."""
        if scope["method"] not in _METHODS_WITH_BODY:
            return b""
        most, parts, length = self._most(scope), [], 0
        try:
            async with asyncio.timeout(self._settings.limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ProblemError(400, "The request was broken off.")
                    part = message.get("body", b"")
                    length += len(part)
                    if length > most:
                        raise ProblemError(413, f"The body is longer than {most:,} bytes.", "send less")
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            raise ProblemError(408, "The body did not arrive in time.", "send it faster") from error


class _Once:
    """A body that was read already, and then what comes after it (the end of the connection)."""

    def __init__(self, body: bytes, rest: Receive) -> None:
        self._body: bytes | None = body
        self._rest = rest

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._rest()


class _Seen:
    """One answer on its way out: headers are added, and it is counted and logged."""

    def __init__(self, scope: Scope, send: Send, policy: bytes, metrics: Metrics) -> None:
        self._scope = scope
        self._send = send
        self._policy = policy
        self._metrics = metrics
        self._status = 0
        self._started = time.perf_counter()
        self.identifier = uuid.uuid4().hex[:12]

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
            there = {name.lower() for name, _ in message.get("headers", ())}
            added = [(name, value) for name, value in SECURITY_HEADERS if name not in there]
            if b"content-security-policy" not in there:
                added.append((b"content-security-policy", self._policy))
            if b"cache-control" not in there:
                added.append((b"cache-control", b"no-store"))
            message["headers"] = [*message.get("headers", ()), *added, (b"x-request-id", self.identifier.encode())]
        await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        """Answer with a problem, unless an answer has begun."""
        if self._status:
            return
        body = problem.body()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
        ]
        if problem.status in (400, 408, 413):
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def done(self) -> None:
        seconds = time.perf_counter() - self._started
        route = self._scope.get("route")
        name = getattr(route, "path", None) or "other"
        self._metrics.request(self._scope["method"], name, self._status, seconds)
        LOG.info(
            "request",
            extra={
                "request": self.identifier,
                "method": self._scope["method"],
                "route": name,
                "status": self._status,
                "milliseconds": round(1000 * seconds, 1),
            },
        )


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: time, level, what, and its own facts. Queries and tokens are never logged.

    The one exception: the complaint of a job that broke off, which may quote what was asked.
    """

    _FACTS = ("request", "method", "route", "status", "milliseconds", "job", "kind", "state", "address", "complaint")

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "what": record.getMessage(),
        }
        told |= {name: getattr(record, name) for name in self._FACTS if hasattr(record, name)}
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=True, default=str)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _cookie(headers: dict[str, str]) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == SESSION_COOKIE:
            return value
    return ""
