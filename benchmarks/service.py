"""The service under load: 30 searches a second from 50 clients on 100,000 tiles, and the first answer after Enter.

    python -m benchmarks.service --rows 100000 --seconds 120 --output results/bench/service.json

The tiles' vectors are made up, as in ``benchmarks/search.py``; the questions are real words in four languages, read by
the shipped model. Clients send at fixed times, whether or not the service keeps up, and a latency counts from the time
at which its request was due. The clients run on the same machine, and their work is in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.search import build_archive, make_rows
from geoglot.core.runs import write_json
from geoglot.models.bundle import load_bundle

WORDS = (
    "many planes beside the terminal",
    "a harbour with boats",
    "dense forest",
    "طائرات كثيرة متوقفة",
    "ملاعب تنس",
    "ميناء فيه قوارب",
    "une plage au bord de la mer",
    "des courts de tennis",
    "réservoirs blancs",
    "un fiume che attraversa una città",
    "campo da baseball",
    "edifici lungo una strada",
)


class Client:
    """One kept connection that asks by HTTP."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One search: status and answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=4 << 20)
        reader, writer = self._streams
        data = json.dumps(body).encode()
        head = "POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        status = int((await reader.readline()).split()[1])
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, json.loads(await reader.readexactly(length))


def question(number: int) -> dict[str, Any]:
    """The n-th question: every third with a box, every fifth with a second term."""
    body: dict[str, Any] = {"terms": [{"text": WORDS[number % len(WORDS)]}], "k": 20}
    if number % 3 == 0:
        west = -170 + number * 7 % 300
        body["within"] = [west, -1, west + 36, 1]
    if number % 5 == 0:
        body["terms"].append({"text": WORDS[(number + 5) % len(WORDS)], "weight": -0.5})
    return body


async def first_answers(port: int, count: int) -> list[float]:
    """Milliseconds of searches one after the other."""
    client = Client(port)
    found = []
    for number in range(count):
        started = time.perf_counter()
        status, told = await client.ask(question(number))
        found.append(1000 * (time.perf_counter() - started))
        assert status == 200, told
    return found


async def load(port: int, pid: int, *, clients: int, rate: float, seconds: float) -> dict[str, Any]:
    """Steady load: latencies from the time that each request was due, errors, memory, open files."""
    latencies: list[tuple[float, float]] = []
    errors: list[str] = []
    memory: list[tuple[float, float, float, int]] = []
    begun = time.perf_counter()

    async def one(number: int) -> None:
        client = Client(port)
        due = begun + number / rate
        while due < begun + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            try:
                status, _ = await client.ask(question(int((due - begun) * rate)))
                if status != 200:
                    errors.append(str(status))
            except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
                errors.append(type(error).__name__)
                client = Client(port)
            latencies.append((due - begun, 1000 * (time.perf_counter() - due)))
            due += clients / rate

    async def watch() -> None:
        while time.perf_counter() < begun + seconds:
            now, files = time.perf_counter() - begun, len(list(Path(f"/proc/{pid}/fd").iterdir()))
            memory.append((now, memory_mb(pid, "VmRSS"), memory_mb(pid, "RssAnon"), files))
            await asyncio.sleep(2)

    await asyncio.gather(watch(), *(one(number) for number in range(clients)))
    times = np.array([latency for _, latency in latencies])
    at, rss, own, files = (np.array(column) for column in zip(*memory, strict=True))
    settled = at > min(30.0, seconds / 3)
    slope = float(np.polyfit(at[settled] / 60, own[settled], 1)[0]) if settled.sum() > 2 else 0.0
    return {
        "clients": clients,
        "rate_per_s": rate,
        "seconds": seconds,
        "requests": len(times),
        "errors": len(errors),
        "error_kinds": sorted(set(errors)),
        "p50_ms": round(float(np.median(times)), 1),
        "p95_ms": round(float(np.quantile(times, 0.95)), 1),
        "p99_ms": round(float(np.quantile(times, 0.99)), 1),
        "worst_ms": round(float(times.max()), 1),
        "rss_mb_first": round(float(rss[0]), 1),
        "rss_mb_last": round(float(rss[-1]), 1),
        "own_memory_mb_first": round(float(own[0]), 1),
        "own_memory_mb_after_30_s": round(float(own[settled][0]), 1) if settled.any() else None,
        "own_memory_mb_last": round(float(own[-1]), 1),
        "own_memory_mb_per_minute_after_30_s": round(slope, 2),
        "open_files_first": int(files[0]),
        "open_files_last": int(files[-1]),
    }


def memory_mb(pid: int, kind: str) -> float:
    """Resident memory of a process: all of it (VmRSS), or without the pages of mapped files (RssAnon)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def read_text(path: str) -> str:
    """A small file of the system, where there is one."""
    return Path(path).read_text().strip() if Path(path).exists() else ""


def served(archive: Path, readers: int) -> tuple[subprocess.Popen[bytes], int]:
    """The command itself, on a free port."""
    command = [sys.executable, "-m", "geoglot.cli.main", "serve", "--archive", str(archive), "--port", "0"]
    log = tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115 (it outlives this function)
    process = subprocess.Popen([*command, "--readers", str(readers)], stderr=log)
    for _ in range(600):
        time.sleep(0.1)
        line = Path(log.name).read_text().partition("\n")[0]
        if line.startswith("geoglot: open "):
            return process, int(line.split(":")[3].split("/")[0])
    raise SystemExit("the service did not start")


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the archive here, or take the one that is here")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="geoglot-service-"))
    if not (folder / "archive").exists():
        folder.mkdir(parents=True, exist_ok=True)
        bundle = load_bundle("compact")
        make_rows(folder, options.rows)
        build_archive(folder, bundle_id=bundle.id, bundle_sha256=bundle.sha256)
    before = os.getloadavg()
    process, port = served(folder / "archive", options.readers)
    try:
        time.sleep(3)
        asyncio.run(first_answers(port, 30))
        alone = asyncio.run(first_answers(port, 60))
        steady = asyncio.run(
            load(port, process.pid, clients=options.clients, rate=options.rate, seconds=options.seconds)
        )
        after = os.getloadavg()
    finally:
        process.terminate()
        process.wait(20)
        if options.folder is None:
            shutil.rmtree(folder)
    told = {
        "rows": options.rows,
        "readers": options.readers,
        "first_answer": {
            "p50_ms": round(float(np.median(alone)), 1),
            "p95_ms": round(float(np.quantile(alone, 0.95)), 1),
            "searches": len(alone),
        },
        "load": steady,
        "machine": {
            "cores": os.cpu_count(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "load_average_before": [round(value, 2) for value in before],
            "load_average_after": [round(value, 2) for value in after],
            "python": platform.python_version(),
            "scheduling_group": read_text("/proc/self/autogroup"),
            "note": "the clients run on the same machine, and so does other work",
        },
    }
    print(json.dumps(told, indent=1))
    if options.output:
        write_json(options.output, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
