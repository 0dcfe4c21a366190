"""Long work: one job at a time, each in a process of its own, with what it says kept for whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from geoglot.geo.decoder import child_environment
from geoglot.serve.metrics import Metrics
from geoglot.serve.problems import ProblemError

State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = ("waiting", "running", "done", "failed", "cancelled")
FINAL: Final = frozenset({"done", "failed", "cancelled"})
LOG: Final = logging.getLogger("geoglot.serve")
_MOST_WAITING = 20
_LONGEST_LINE = 4 << 20
_LONGEST_COMPLAINT = 4000
_SECONDS_BETWEEN_BEATS = 15.0


@dataclass(kw_only=True)
class Job:
    """One piece of long work.

    Attributes:
        id: 32 hexadecimal digits.
        kind: ``index``, ``caption``, ``locate`` or ``segment``.
        title: What it does, for people.
        asked: What the child is told. Not for strangers: it holds paths.
        folder: Where it leaves its files.
        state: Where it stands.
        events: What it said, the last progress only.
    """

    id: str
    kind: str
    title: str
    asked: Mapping[str, Any] = field(repr=False)
    folder: Path
    created: str
    state: State = "waiting"
    progress: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    finished: str | None = None
    number: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    def record(self) -> dict[str, Any]:
        """The job as JSON-ready values, without paths."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "created": self.created,
            "finished": self.finished,
            "progress": self.progress,
            "result": self.result,
            "problem": self.problem,
        }

    def tell(self) -> None:
        """Something has changed: wake whoever listens."""
        self.number += 1
        self.changed.set()
        self.changed = asyncio.Event()


class Jobs:
    """All jobs of a service.

    Args:
        most: So many are kept, with their files; the oldest that are done leave.
        metrics: Where states are counted.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._folder = tempfile.TemporaryDirectory(prefix="geoglot-jobs-")
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._runner: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    def start(self) -> None:
        """Begin to work. Inside the loop."""
        self._runner = asyncio.create_task(self._run())

    def add(self, kind: str, title: str, asked: Mapping[str, Any]) -> Job:
        """Queue a job.

        Raises:
            ProblemError: Too many wait already.
        """
        if sum(job.state == "waiting" for job in self._jobs.values()) >= _MOST_WAITING:
            raise ProblemError(503, "Too many jobs are waiting.", "try again later", {"Retry-After": "30"})
        identifier = secrets.token_hex(16)
        folder = Path(self._folder.name) / identifier
        folder.mkdir()
        created = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(id=identifier, kind=kind, title=title, asked=asked, folder=folder, created=created)
        self._jobs[identifier] = job
        self._forget_oldest()
        self._queue.put_nowait(job)
        self._count()
        return job

    def get(self, identifier: str) -> Job:
        """One job.

        Raises:
            ProblemError: There is none.
        """
        if identifier not in self._jobs:
            raise ProblemError(404, "There is no such job (any more).", "see GET /v1/jobs")
        return self._jobs[identifier]

    def every(self) -> list[Job]:
        """All jobs, the latest first."""
        return list(reversed(self._jobs.values()))

    async def cancel(self, identifier: str) -> None:
        """End a job, or forget one that is done."""
        job = self.get(identifier)
        if job.state in FINAL:
            del self._jobs[identifier]
            await asyncio.to_thread(_remove, job.folder)
        else:
            self._finish(job, "cancelled")
            if job.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    job.process.kill()
        self._count()

    async def events(self, job: Job) -> AsyncIterator[bytes]:
        """What a job says, as server-sent events, until it is done or the service ends."""
        seen = -1
        closing = asyncio.create_task(self.closing.wait())
        try:
            while True:
                if job.number != seen:
                    seen = job.number
                    kind = job.state if job.state in FINAL else "progress"
                    told = json.dumps(job.record(), ensure_ascii=False)
                    yield f"id: {seen}\nevent: {kind}\ndata: {told}\n\n".encode()
                    if job.state in FINAL:
                        return
                    continue
                changed = asyncio.create_task(job.changed.wait())
                done, _ = await asyncio.wait(
                    (changed, closing), timeout=_SECONDS_BETWEEN_BEATS, return_when=asyncio.FIRST_COMPLETED
                )
                changed.cancel()
                if closing in done:
                    return
                if not done:
                    yield b": still here\n\n"
        finally:
            closing.cancel()

    async def close(self) -> None:
        """End what runs; remove all files. What an archive has committed stays."""
        self.closing.set()
        for job in self._jobs.values():
            if job.process is not None and job.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    job.process.kill()
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        self._folder.cleanup()

    async def _run(self) -> None:
        while True:
            job = await self._queue.get()
            if job.state == "waiting":
                await self._do(job)

    async def _do(self, job: Job) -> None:
        job.state = "running"
        job.tell()
        self._count()
        LOG.info("job", extra={"job": job.id, "kind": job.kind, "state": job.state})
        started = time.monotonic()
        complaint = ""
        try:
            process = job.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "geoglot.serve.job_child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=child_environment(),
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
            if process.stdin is not None:
                asked = {**job.asked, "kind": job.kind, "folder": str(job.folder)}
                process.stdin.write(json.dumps(asked).encode() + b"\n")
            complaint, _ = await asyncio.gather(_last_words(process), self._listen(job, process))
        except (OSError, ValueError) as error:
            job.problem = ProblemError(500, f"The job could not be done ({type(error).__name__}).").record()
        if job.state == "running":
            if job.problem is None and job.result is None:
                LOG.error("job", extra={"job": job.id, "kind": job.kind, "complaint": complaint})
                job.problem = ProblemError(500, "The job broke off.", "see the log of the service").record()
            self._finish(job, "failed" if job.problem is not None else "done")
        seconds = round(1000 * (time.monotonic() - started))
        LOG.info("job", extra={"job": job.id, "kind": job.kind, "state": job.state, "milliseconds": seconds})
        self._count()

    async def _listen(self, job: Job, process: asyncio.subprocess.Process) -> None:
        stream = process.stdout
        while stream is not None and (line := await stream.readline()):
            told = json.loads(line)
            kind = told.pop("event")
            if job.state != "running":
                break
            if kind == "progress":
                job.progress = told
                job.tell()
            elif kind == "done":
                job.result = told["result"]
            else:
                job.problem = told["problem"]
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    def _finish(self, job: Job, state: State) -> None:
        job.state = state
        job.finished = datetime.now(UTC).isoformat(timespec="seconds")
        job.tell()

    def _forget_oldest(self) -> None:
        for identifier, job in list(self._jobs.items()):
            if len(self._jobs) <= self._most:
                return
            if job.state in FINAL:
                del self._jobs[identifier]
                _remove(job.folder)

    def _count(self) -> None:
        for state in STATES:
            self._metrics.jobs.labels(state).set(sum(job.state == state for job in self._jobs.values()))


async def _last_words(process: asyncio.subprocess.Process) -> str:
    """The end of what a child writes to stderr; all of it is read, or the child would stand still."""
    kept = b""
    while process.stderr is not None and (piece := await process.stderr.read(1 << 16)):
        kept = (kept + piece)[-_LONGEST_COMPLAINT:]
    return kept.decode(errors="replace")


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
