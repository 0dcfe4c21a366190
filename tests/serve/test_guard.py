"""Who is let in, and how much one may take: hostile cases."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_requests import raw
from starlette.testclient import TestClient

from geoglot.core.errors import UsageError
from geoglot.serve.app import create_app
from geoglot.serve.guard import JsonLines
from geoglot.serve.problems import without_folders
from geoglot.serve.settings import Limits, Settings

TOKEN = "0123456789abcdef0123456789abcdef"
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def served(archive: Path, **more: object) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(archive=archive, **more)), base_url="http://127.0.0.1:8321") as opened:
        yield opened


@pytest.fixture(scope="module")
def closed(painted_archive: Path) -> Iterator[TestClient]:
    """A service with a token."""
    with served(painted_archive, token=TOKEN, host="0.0.0.0", hosts=("imagery.example.org",)) as opened:
        yield opened


# D4: exposure


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "imagery.example.org"])
def test_no_other_address_without_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would let anybody on the network in"):
        Settings(archive=tmp_path, host=host)
    assert Settings(archive=tmp_path, host=host, token=TOKEN).exposed


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fewer than 16"):
        Settings(archive=tmp_path, token="secret")
    assert TOKEN not in repr(Settings(archive=tmp_path, token=TOKEN))


def test_by_default_only_this_machine_is_listened_to(running: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = running
    found = set()
    for table in ("tcp", "tcp6"):
        inodes = {
            path.resolve().name for path in Path(f"/proc/{process.pid}/fd").iterdir() if "socket" in str(path.resolve())
        }
        for line in Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = line.split()[1], line.split()[3], line.split()[9]
            if state == "0A" and f"socket:[{inode}]" in inodes:
                found.add(local)
    assert found == {f"0100007F:{port:04X}"}  # 127.0.0.1, byte by byte from the right


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8321", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8321", 200),
        ("evil.example.org", 421),
        ("127.0.0.1.evil.example.org", 421),
        ("localhost@evil.example.org", 421),
        ("", 421),
        ("127.0.0.1, evil.example.org", 421),
        ("2130706433", 421),
    ],
)
def test_the_name_is_checked(client: TestClient, host: str, status: int) -> None:
    assert client.get("/v1/health", headers={"Host": host}).status_code == status


def test_a_token_opens_and_nothing_else_does(closed: TestClient) -> None:
    assert closed.get("/v1/health").status_code == 200
    for address in ("/v1/archive", "/v1/openapi.json", "/metrics", "/stac", "/v1/items/x", "/v1/nowhere"):
        refused = closed.get(address)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in refused.text
    for wrong in (
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer",
        "Bearer \udcff".encode("utf-8", "replace").decode(),
    ):
        assert closed.get("/v1/archive", headers={"Authorization": wrong}).status_code == 401
    assert closed.get("/v1/archive", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    named = {"Authorization": f"Bearer {TOKEN}", "Host": "imagery.example.org"}
    assert closed.get("/v1/archive", headers=named).status_code == 200
    assert closed.get("/", headers={"Host": "127.0.0.1"}).status_code == 200  # the page itself holds nothing


def test_a_session_is_a_cookie_that_scripts_cannot_read(closed: TestClient) -> None:
    answer = closed.post("/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert closed.get("/v1/archive").status_code == 200
    closed.cookies.clear()
    assert closed.get("/v1/archive").status_code == 401


def test_other_sites_are_not_let_in(client: TestClient) -> None:
    body = {"terms": [{"text": "red"}]}
    for headers in (
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = client.post("/v1/search", json=body, headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert client.post("/v1/search", json=body, headers={"Origin": "http://127.0.0.1:8321"}).status_code == 200
    asked = client.options(
        "/v1/search", headers={"Origin": "https://evil.example.org", "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize("address", ["/", "/v1/archive", "/v1/nowhere", "/v1/search", "/docs", "/redoc"])
def test_every_answer_has_the_headers(client: TestClient, address: str) -> None:
    headers = client.get(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "'unsafe-inline'" not in headers["content-security-policy"].split("style-src")[0]
    assert "server" not in headers


def test_no_pages_about_the_interface_that_load_from_elsewhere(client: TestClient) -> None:
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404


# D5: traversal


def traversals() -> list[str]:
    """Ways to say ../../etc/passwd."""
    dots = ["..", "%2e%2e", "%2E.", "..%00", "....//", "..%5c", "%252e%252e", "..;", "%c0%ae%c0%ae", "．．"]
    slashes = ["/", "%2f", "%5c", "//", "/./", "%252f"]
    ends = ["etc/passwd", "etc%2fpasswd", "etc/passwd%00.png", "proc/self/environ"]
    return [f"{slash.join([dot] * 4)}{slash}{end}" for dot in dots for slash in slashes for end in ends]


@pytest.mark.parametrize("before", ["/", "/assets/", "/v1/items/", "/v1/sources/", "/v1/images/", "/v1/jobs/"])
def test_nothing_outside_is_ever_served(running: tuple[subprocess.Popen[bytes], int], before: str) -> None:
    _, port = running
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        file = connection.makefile("rb")
        for address in traversals():
            target = quote(f"{before}{address}", safe="/%.;\\")
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            status = int(file.readline().split()[1])
            length = 0
            while (line := file.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = file.read(length)
            assert status in (200, 307, 400, 404, 405, 422), address
            assert b"root:" not in body
            assert b"PATH=" not in body
            assert status != 200 or b"<!doctype html>" in body.lower()


def test_the_page_folder_is_the_end_of_the_world(painted_archive: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html><title>page</title>")
    (tmp_path / "secret.txt").write_text("secret")
    (page / "link.txt").symlink_to(tmp_path / "secret.txt")
    with served(painted_archive, page=page) as opened:
        assert "page" in opened.get("/").text
        for address in ("/link.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"):
            answer = opened.get(address)
            assert answer.status_code in (404, 400)
            assert "secret" not in answer.text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folders=st.lists(st.text("abcXYZ._-0189", min_size=1, max_size=8), min_size=1, max_size=5))
def test_a_path_in_an_error_is_cut_down(folders: list[str]) -> None:
    path = "/" + "/".join(folders)
    told = without_folders(f"{path}: cannot be read")
    assert told == f"{folders[-1]}: cannot be read"


# D6: no address of another machine is ever asked for


def test_addresses_are_no_sources(painted_archive: Path, tmp_path: Path) -> None:
    with served(painted_archive, imagery=(tmp_path,)) as opened:
        for path in (
            "http://127.0.0.1:1/a.tif",
            "/vsicurl/http://127.0.0.1:1/a.tif",
            "file:///etc/passwd",
            "../../etc/passwd",
            "/etc",
            "a\0b",
            "<VRTDataset/>",
            str(tmp_path / ".." / ".."),
        ):
            answer = opened.post("/v1/index", json={"paths": [path]})
            assert answer.status_code in (403, 422), path
            assert str(tmp_path) not in answer.text
        link = tmp_path / "out"
        link.symlink_to("/etc")
        assert opened.post("/v1/index", json={"paths": ["out"]}).status_code == 403


def test_nothing_may_be_indexed_unless_a_folder_was_named(client: TestClient, painted: Path) -> None:
    answer = client.post("/v1/index", json={"paths": [str(painted)]})
    assert answer.status_code == 403
    assert answer.json()["remedy"] == "start 'geoglot serve' with --imagery DIR"


# D3: slow and greedy clients


def test_sizes_are_bounded(client: TestClient) -> None:
    term = {"terms": [{"text": "red"}]}
    ring = [[0.0, 0.0], *[[i * 1e-5, 1.0] for i in range(4000)], [0.0, 0.0]]
    greedy = [
        {**term, "k": 501},
        {**term, "k": 10**9},
        {**term, "k": 100, "offset": 4950},
        {**term, "k": 0},
        {**term, "offset": -1},
        {**term, "polygon": {"type": "Polygon", "coordinates": [ring, ring, ring]}},
        {**term, "right": [f"{i:032x}" for i in range(501)]},
        {"terms": [{"text": "x" * 2001}]},
        {"terms": [{"text": "red"}] * 21},
        {"terms": [{"text": "red", "weight": 1e9}]},
        {"terms": [{"text": "red", "weight": 0}]},
        {"terms": [{"text": "red", "item": "0" * 32}]},
        {**term, "within": [0, 0, 1]},
        {**term, "within": [0, 10, 1, 5]},
        {**term, "time_from": "yesterday"},
        {**term, "surprise": 1},
        {"terms": []},
    ]
    for body in greedy:
        started = time.monotonic()
        answer = client.post("/v1/search", json=body)
        assert answer.status_code in (413, 422), str(body)[:200]
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) >= {"title", "status", "detail"}
        assert time.monotonic() - started < 2
    for written in ('{"terms": ' + "[" * 50_000, '{"terms": [{"text": "red", "weight": NaN}]}', "{", "null", "\xff"):
        answer = client.post(
            "/v1/search", content=written.encode("latin-1"), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 413, 422), written[:40]
    announced = client.post("/v1/search", content=b" " * 200_001)
    assert announced.status_code == 413


def test_a_long_body_in_pieces_is_cut_off(running: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = running
    head = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head)
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            while sent < 64 << 20:
                connection.sendall(piece)
                sent += 0x10000
        except OSError:
            pass
        try:
            answer = connection.recv(200)
        except OSError:
            answer = b"HTTP/1.1 413"
    assert b" 413 " in answer or answer == b"HTTP/1.1 413"
    assert sent < 32 << 20


def test_slow_senders_are_let_go_and_others_served(painted_archive: Path, closed: TestClient) -> None:
    limits = Limits(body_seconds=0.3)
    app = create_app(Settings(archive=painted_archive, limits=limits))

    async def drip() -> tuple[int, float]:
        told: list[int] = []

        async def receive() -> dict[str, object]:
            await anyio.sleep(0.1)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                told.append(int(str(message["status"])))

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/search",
            "raw_path": b"/v1/search",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
        }
        started = time.monotonic()
        await app(scope, receive, send)
        return told[0], time.monotonic() - started

    async def whole() -> tuple[int, float]:
        told = await drip()
        await app.service.close()
        return told

    with ThreadPoolExecutor(1) as own_loop:  # the browser's tests leave a loop running in the main thread
        status, seconds = own_loop.submit(anyio.run, whole).result()
    assert status == 408
    assert seconds < 2


def test_slow_heads_and_ranges_harm_nobody(running: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = running
    slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(100)]
    for connection in slow:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    started = time.monotonic()
    answer = raw(port, b"GET /v1/search?q=red HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert time.monotonic() - started < 5
    for connection in slow:
        connection.close()
    ranges = ",".join(f"{i}-{i + 1}" for i in range(2000)).encode()
    answer = raw(
        port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nRange: bytes=" + ranges + b"\r\n\r\n"
    )
    assert answer.split()[1] in (b"200", b"206", b"416", b"400", b"431")
    long = raw(port, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert long.split()[1] in (b"400", b"404", b"414", b"431")


def test_hostile_pictures_cost_themselves_alone(client: TestClient, tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000))
        + chunk(b"IEND", b"")
    )
    for body in (
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<VRTDataset><VRTRasterBand/></VRTDataset>",
        b"<html><script>alert(1)</script></html>",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\xff\xd8\xff" + b"\0" * 100,
        b"II*\0" + b"\xff" * 100,
        bomb,
        b"GIF89a" + b"\0" * 50,
    ):
        answer = client.post("/v1/images", content=body)
        assert answer.status_code == 422, body[:20]
        assert answer.headers["content-type"] == "application/problem+json"
        assert "/tmp" not in answer.text
    assert client.post("/v1/images", content=b"\0" * 3_000_001).status_code == 413
    assert client.get("/v1/search", params={"q": "red"}).status_code == 200


def test_too_many_at_once_are_turned_away(painted_archive: Path) -> None:
    app = create_app(Settings(archive=painted_archive, limits=Limits(at_once=1, waiting=1)))
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        told: list[int] = []
        threads = [
            threading.Thread(target=lambda: told.append(opened.get("/v1/search", params={"q": "red"}).status_code))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(told) <= {200, 503}
        assert 200 in told
        assert opened.get("/v1/search", params={"q": "red"}).status_code == 200


def test_the_log_is_json_and_keeps_secrets(caplog: pytest.LogCaptureFixture, painted_archive: Path) -> None:
    log = logging.getLogger("geoglot.serve")
    before = log.propagate
    log.propagate = True
    with served(painted_archive, token=TOKEN) as opened, caplog.at_level(logging.INFO, "geoglot.serve"):
        opened.get("/v1/search", params={"q": "a very private question"}, headers={"Authorization": f"Bearer {TOKEN}"})
    log.propagate = before
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "geoglot.serve"]
    told = [json.loads(line) for line in lines]
    assert any(one.get("route") == "/v1/search" and one["status"] == 200 for one in told)
    assert "private" not in "".join(lines)
    assert TOKEN not in "".join(lines)


def test_it_ends_in_order(painted_archive: Path) -> None:
    command = [sys.executable, "-m", "geoglot.cli.main", "serve", "--archive", str(painted_archive), "--port", "0"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(3)
        process.terminate()
        assert process.wait(20) == 0


def test_half_a_head_is_not_waited_for() -> None:
    import asyncio

    import uvicorn

    from geoglot.serve.patience import patient_for

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        await asyncio.sleep(1.0)  # longer than a head may take: an answer has its own time
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, http=patient_for(0.5), log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    try:
        whole = raw(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert whole.endswith(b"ok")
        for beginning in (b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "):
            started = time.monotonic()
            answer = raw(port, beginning)
            assert answer.startswith(b"HTTP/1.1 408")
            assert 0.3 < time.monotonic() - started < 10
        with socket.create_connection(("127.0.0.1", port), timeout=15) as kept:
            kept.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in kept.recv(4096)
            kept.sendall(b"GET / HT")  # the second head on the same connection
            rest = b""
            while part := kept.recv(4096):
                rest += part
            assert b"408" in rest
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
