"""Start and stop: one process, one loop, an orderly end."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from geoglot.core.errors import GeoglotError
from geoglot.serve.app import create_app
from geoglot.serve.guard import LOG, Guard, JsonLines
from geoglot.serve.patience import patient_for
from geoglot.serve.settings import Settings

_SECONDS_TO_FINISH = 10
_MOST_WAITING = 256


def run(settings: Settings, say: Callable[[str], None] = lambda address: None) -> None:
    """Serve until told to stop (Ctrl-C or SIGTERM); requests under way are answered first.

    Args:
        settings: What to serve, and to whom.
        say: Called with the address once the port is ours.

    Raises:
        GeoglotError: The port is taken, or there is no archive.
    """
    log_as_json()
    app = create_app(settings)
    listening = _listen(settings.host, settings.port)
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        app,
        http=patient_for(settings.limits.body_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        h11_max_incomplete_event_size=32 << 10,
        limit_concurrency=1000,
        backlog=_MOST_WAITING,
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    say(f"http://{host}:{port}/")
    LOG.info("listening", extra={"address": f"{host}:{port}"})
    app.service.start_children()
    _Server(config, app).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Tells streams of events to end as soon as it is told to stop itself."""

    def __init__(self, config: uvicorn.Config, app: Guard) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: first the streams, which would never end by themselves."""
        self._app.service.jobs.closing.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT  # a second Ctrl-C does not wait
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: only then does asyncio send small answers at once instead of waiting for the other side.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(
            _MOST_WAITING
        )  # who comes while the archive is being opened waits a moment, and is not refused
    except OSError as error:
        listening.close()
        remedy = "choose another with --port, or 0 for a free one"
        raise GeoglotError(
            f"{host}:{port}", cause=f"cannot be listened on ({error.strerror})", remedy=remedy
        ) from error
    return listening


def log_as_json() -> None:
    """One JSON object a line, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("geoglot.serve", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.propagate = False
        log.setLevel(logging.INFO if name == "geoglot.serve" else logging.WARNING)
