"""``geoglot serve``: the page and the HTTP interface of an archive."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Open the page of an archive, and its HTTP interface."
EXAMPLES = """
  geoglot serve --archive town.archive
  geoglot serve --archive town.archive --port 9000 --imagery /data/flights
  geoglot serve --archive town.archive --host 0.0.0.0 --token token --allow-host imagery.example.org
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("--archive", "-a", required=True, metavar="DIR", type=Path, help="archive to show")
    parser.add_argument("--port", type=int, default=8321, metavar="N", help="port (default: 8321; 0 takes a free one)")
    parser.add_argument(
        "--imagery",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="folder from which the page may index more; may be repeated",
    )
    parser.add_argument(
        "--basemap",
        metavar="URL",
        help="map tiles to lay below, with {z}, {x} and {y}; without it the page needs no network",
    )
    parser.add_argument("--readers", type=int, default=2, metavar="N", help="threads that search (default: 2)")
    others = parser.add_argument_group("other machines (by default only this one is let in)")
    others.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; needs --token")
    others.add_argument("--token", type=Path, metavar="FILE", help="file with the token that every request must show")
    others.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name by which it may be asked"
    )


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from geoglot.cli._command import DONE, warn
    from geoglot.core.errors import GeoglotError

    try:
        from geoglot.serve.running import run as serve
        from geoglot.serve.settings import Settings
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "geoglot":
            raise
        cause = "is not installed; the page and the HTTP interface need it"
        raise GeoglotError(package, cause=cause, remedy='pip install "geoglot[serve]"') from error
    settings = Settings(
        archive=options.archive,
        host=options.host,
        port=options.port,
        token=None if options.token is None else read_token(options.token),
        hosts=tuple(options.allow_host),
        imagery=tuple(options.imagery),
        basemap=options.basemap,
        readers=options.readers,
    )
    serve(settings, lambda address: warn(f"open {address} (end with Ctrl-C)"))
    return DONE


def read_token(path: Path) -> str:
    """The token in a file: its first line.

    Raises:
        UsageError: It cannot be read.
    """
    from geoglot.core.errors import UsageError

    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            path, cause="cannot be read as a token", remedy="make one with: openssl rand -hex 32"
        ) from error
