"""A running service over painted pictures: everything but the network is real."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import geoglot as gg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the test client says of its own libraries
    from starlette.testclient import TestClient

from raw_requests import raw

from geoglot.serve.app import create_app
from geoglot.serve.settings import Limits, Settings

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://127.0.0.1:8321"
LIMITS = Limits(body_bytes=200_000, picture_bytes=3_000_000, picture_pixels=4_000_000, body_seconds=1.0)


@pytest.fixture(scope="session")
def painted_archive(colour_bundle: Path, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of six photos and one scene of 16 tiles."""
    path = tmp_path_factory.mktemp("served") / "painted.archive"
    with gg.Archive.create(path, model=colour_bundle) as made:
        assert made.index(painted, tile=64, overlap=0).rows_added == 6 + 16
    return path


@pytest.fixture(scope="session")
def client(painted_archive: Path) -> Iterator[TestClient]:
    """A client of a service without a token."""
    app = create_app(Settings(archive=painted_archive, limits=LIMITS))
    with TestClient(app, base_url=ADDRESS) as opened:
        yield opened


@pytest.fixture(scope="session")
def running(painted_archive: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command itself, with a real socket."""
    command = [sys.executable, "-m", "geoglot.cli.main", "serve", "--archive", str(painted_archive), "--port", "0"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    assert line.startswith("geoglot: open http://127.0.0.1:"), line
    port = int(line.split(":")[3].split("/")[0])
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    for _ in range(900):
        try:
            if raw(port, b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").startswith(
                b"HTTP/1.1 200"
            ):
                break
        except OSError:
            pass
        time.sleep(0.1)
    yield process, port
    process.terminate()
    process.wait(20)
    drain.join()
    process.stderr.close()
