"""How the service runs: what it shows, to whom, and how much of the machine a stranger may take."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from geoglot.core.errors import UsageError

PAGE: Final = Path(__file__).parent / "page"
_LEAST_TOKEN = 16
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request, and all of them together, may take.

    Attributes:
        body_bytes: Longest body of a request, but for pictures.
        picture_bytes: Longest body that is a picture.
        picture_pixels: Pixels that a picture may declare.
        hits: Most hits of one answer.
        deepest: Most hits in all pages of one answer.
        vertices: Most corners of a polygon.
        marks: Most tiles marked right or wrong.
        search_seconds: Longest time for an answer.
        body_seconds: Longest time for a body to arrive.
        at_once: Requests being worked on.
        waiting: Requests waiting for their turn; more are answered 503.
        uploads: Pictures kept for searches.
        jobs: Jobs kept, those that are done among them.
    """

    body_bytes: int = 1 << 20
    picture_bytes: int = 32 << 20
    picture_pixels: int = 100_000_000
    hits: int = 500
    deepest: int = 5000
    vertices: int = 10_000
    marks: int = 500
    search_seconds: float = 10.0
    body_seconds: float = 10.0
    at_once: int = 64
    waiting: int = 64
    uploads: int = 64
    jobs: int = 100


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One running service.

    Attributes:
        archive: The archive's folder.
        host: Address to listen on.
        port: 0 takes a free one.
        token: What strangers must show; needed on any address that others can reach.
        hosts: More names by which the service may be asked (``Host`` header), without port.
        imagery: Folders from which the page may index more; none by default.
        basemap: Address of a tile server for the page's map, ``{z}/{x}/{y}`` in it; none by default: the page works
            without a network.
        readers: Threads that answer searches.
        page: Folder of the built page.
        limits: What may be taken.

    Raises:
        UsageError: Others could reach it without a token, or the token is short.

    Example:
        >>> Settings(archive=Path("town.archive"), host="0.0.0.0")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: --host 0.0.0.0: would let anybody on the network in. Remedy: add --token FILE, \
or leave --host out.
    """

    archive: Path
    host: str = "127.0.0.1"
    port: int = 8321
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    imagery: tuple[Path, ...] = ()
    basemap: str | None = None
    readers: int = 2
    page: Path = PAGE
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and self.token is None:
            cause, remedy = "would let anybody on the network in", "add --token FILE, or leave --host out"
            raise UsageError(f"--host {self.host}", cause=cause, remedy=remedy)
        if self.token is not None and (len(self.token) < _LEAST_TOKEN or not self.token.isascii()):
            cause = f"has fewer than {_LEAST_TOKEN} characters, or others than ASCII"
            raise UsageError("token", cause=cause, remedy="make one with: openssl rand -hex 32")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port {self.port}", cause="is no port", remedy="give a number from 0 to 65535")
        if self.readers < 1:
            raise UsageError(f"readers={self.readers}", cause="answers nothing", remedy="give a number from 1 on")

    @property
    def exposed(self) -> bool:
        """Whether other machines can reach it."""
        return not is_loopback(self.host)

    def allowed_hosts(self) -> frozenset[str]:
        """Names that a ``Host`` header may say, lower case, without port."""
        own = () if self.host in ("0.0.0.0", "::") else (self.host.lower(), f"[{self.host.lower()}]")  # noqa: S104
        return frozenset((*_LOCAL_NAMES, *own, *(name.lower() for name in self.hosts)))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("::1")
        (True, True, False, True)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
