"""Read users' files in a child process, so that one which crashes a decoder costs that file alone.

This side never imports GDAL. Requests go to the child many at a time and answers are read ahead by a thread, so the
child decodes while this process encodes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from geoglot.core.errors import GeoglotError, SourceError
from geoglot.core.records import Window
from geoglot.geo.discover import Candidate
from geoglot.geo.opening import GDAL_SETTINGS
from geoglot.geo.source import TILES_PER_BATCH, Cut, ReadOptions, SourceInfo, TileBatch, WindowBatch
from geoglot.geo.sweep import Sweep
from geoglot.geo.wire import (
    BrokenFrameError,
    Header,
    batch_from_frame,
    info_from_record,
    read_frame,
    windows_from_frame,
    write_frame,
)

__all__ = ["Cut", "Decoder", "ReadOptions", "SourceInfo", "Sweep", "TileBatch", "WindowBatch"]

_REQUESTS_AHEAD = 64
_BATCHES_AHEAD = 4
_SECONDS_TO_START = 60.0
_PIPE_BYTES = 1 << 20
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LANG", "LC_ALL")


@dataclass(frozen=True, kw_only=True)
class _Request:
    number: int
    path: Path
    root: Path | None
    windows: tuple[Window, ...] | None = None
    sweep: Header | None = None


_Item = SourceInfo | TileBatch | WindowBatch | SourceError


class Decoder:
    """One child process that reads files, started at once and again after a crash. A context manager.

    Args:
        options: How sources become tiles.
        memory_bytes: Address space that the child may use.
        seconds_without_progress: After so long without an answer the child is taken for stuck and killed.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> photo = Path(tempfile.mkdtemp()) / "photo.png"
        >>> Image.new("RGB", (300, 200), (10, 200, 30)).save(photo)
        >>> with Decoder(ReadOptions(side=64)) as decoder:
        ...     info, batch = decoder.read(photo)
        >>> info.kind, info.width, batch.pixels.shape, batch.tiles[0].window
        ('photo', 300, (1, 64, 64, 3), Window(column=0, row=0, width=300, height=200))
    """

    _module = "geoglot.geo.decoder_child"

    def __init__(
        self, options: ReadOptions, *, memory_bytes: int = 3 << 30, seconds_without_progress: float = 60.0
    ) -> None:
        self._options = options
        self._memory_bytes = memory_bytes
        self._seconds = seconds_without_progress
        self._number = 0
        self._reading = False
        self._child: _Child | None = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def read(self, path: Path, *, root: Path | None = None) -> Iterator[SourceInfo | TileBatch]:
        """Read one file: what it is, then its tiles in batches of up to 64.

        Args:
            path: The file.
            root: Folder outside which it may not lead; ``None`` takes it as named.

        Raises:
            SourceError: The file is refused or damaged, or it crashed, blocked or exhausted the decoder.
        """
        for _, item in self.read_many([path], root=root):
            if isinstance(item, SourceError):
                raise item
            yield item

    def read_many(
        self, paths: Iterable[Path | Candidate | Cut], *, root: Path | None = None
    ) -> Iterator[tuple[Path, SourceInfo | TileBatch | SourceError]]:
        """Read many files in order, the next ones asked for before the first is done.

        A file is complete when the next file's first item, or the end, comes without a :class:`SourceError` of its
        own; an error may come after some of its tiles, which are then worth nothing.

        Args:
            paths: Files, candidates with their own roots, or cuts; taken lazily, up to 64 ahead.
            root: Folder outside which plain paths may not lead.

        Yields:
            For each file its path with, in turn, a :class:`SourceInfo` and its batches; or a :class:`SourceError`.

        Raises:
            GeoglotError: The decoder itself cannot be started, or is already reading.
        """
        found = self._read(self._requests(paths, root))
        yield from cast("Iterator[tuple[Path, SourceInfo | TileBatch | SourceError]]", found)

    def sweep(self, asked: Sweep) -> Iterator[SourceInfo | WindowBatch]:
        """Read one file as overlapping windows at one working resolution: what it is, then its windows in rows.

        Windows without any data are left out.

        Args:
            asked: The file, and which windows.

        Raises:
            SourceError: The file is refused or damaged, or it crashed, blocked or exhausted the decoder.
        """
        self._number += 1
        request = _Request(number=self._number, path=asked.path, root=asked.root, sweep=asked.as_record())
        for _, item in self._read(iter([request])):
            if isinstance(item, SourceError):
                raise item
            yield cast("SourceInfo | WindowBatch", item)

    def _read(self, requests: Iterator[_Request]) -> Iterator[tuple[Path, _Item]]:
        if self._reading:
            raise GeoglotError("decoder", cause="is already reading", remedy="finish or close the other iteration")
        self._reading = True
        waiting: deque[_Request] = deque()
        try:
            yield from self._answers(requests, waiting)
        finally:
            self._reading = False
            if waiting:  # given up half-way: the child still works on what nobody wants
                self.close()

    def _requests(self, paths: Iterable[Path | Candidate | Cut], root: Path | None) -> Iterator[_Request]:
        for given in paths:
            self._number += 1
            if isinstance(given, Candidate):
                yield _Request(number=self._number, path=given.path, root=given.root)
            elif isinstance(given, Cut):
                yield _Request(number=self._number, path=given.path, root=given.root, windows=given.windows)
            else:
                yield _Request(number=self._number, path=Path(given), root=root)

    def _answers(self, requests: Iterator[_Request], waiting: deque[_Request]) -> Iterator[tuple[Path, _Item]]:
        sent = 0  # of those waiting, how many this child knows of
        failed_starts = 0
        more = True
        while True:
            while more and len(waiting) < _REQUESTS_AHEAD:
                request = next(requests, None)
                more = request is not None
                if request is not None:
                    waiting.append(request)
            if not waiting:
                return
            if self._child is None:
                self._child, sent = self._start(), 0
            try:
                while sent < len(waiting):
                    self._child.ask(waiting[sent])
                    sent += 1
                header, body = self._child.answer(self._seconds)
                number, kind = header.get("number"), header.get("kind")
                if kind == "broken":
                    raise GeoglotError("decoder", cause=f"cannot start ({header.get('cause')})", remedy="reinstall")
                if number != waiting[0].number or kind == "start":
                    continue
                item = _item(waiting[0].path, header, body)
            except _ChildLostError as lost:
                self.close()
                failed_starts = 0 if lost.working_on == waiting[0].number else failed_starts + 1
                if failed_starts == 1:
                    continue
                if failed_starts:
                    remedy = "run 'geoglot doctor'; give the decoder more memory"
                    raise GeoglotError("decoder", cause=f"{lost.cause} at its start", remedy=remedy) from lost
                item = SourceError(waiting[0].path, cause=lost.cause, remedy=lost.remedy, stage="decode")
            path = waiting[0].path
            if item is None or isinstance(item, SourceError):
                waiting.popleft()
                sent -= 1
            if item is not None:
                yield path, item

    def _start(self) -> _Child:
        config = {
            "options": self._options.as_record(),
            "memory_bytes": self._memory_bytes,
            "seconds": self._seconds,
        }
        pixels = self._options.side**2 * 3
        return _Child(
            self._command(),
            config,
            bytes_ahead=_BATCHES_AHEAD * TILES_PER_BATCH * pixels,
            memory_bytes=self._memory_bytes,
        )

    def _command(self) -> list[str]:
        return [sys.executable, "-P", "-m", self._module]


def _item(path: Path, header: Header, body: bytearray) -> _Item | None:
    """What a frame says of the file in turn; ``None`` at its end."""
    try:
        match header["kind"]:
            case "info":
                return info_from_record(header["info"])
            case "batch":
                return batch_from_frame(header, body)
            case "windows":
                return windows_from_frame(header, body)
            case "error":
                error = {name: str(value) for name, value in header["error"].items()}
                return SourceError(path, cause=error["cause"], remedy=error["remedy"], stage=error["stage"])
            case "end":
                return None
    except (KeyError, TypeError, AttributeError, ValueError, BrokenFrameError) as error:
        raise _ChildLostError("made the decoder talk nonsense", working_on=header.get("number")) from error
    raise _ChildLostError("made the decoder talk nonsense", working_on=header.get("number"))


class _ChildLostError(Exception):
    """The child is dead or must be taken for dead."""

    def __init__(self, cause: str, *, working_on: int | None, remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.working_on = working_on
        self.remedy = remedy or "leave the file out, or convert it to a GeoTIFF with another program"


class _Child:
    """The running process, and the thread that reads its answers ahead."""

    def __init__(self, command: list[str], config: Header, *, bytes_ahead: int, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=reading_environment(),
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        _widen(cast(BinaryIO, self._process.stdout))
        self._started: int | None = None
        self._is_ready = False
        self._inbox = _Inbox(bytes_ahead)
        self._listener = threading.Thread(
            target=_listen, args=(cast(BinaryIO, self._process.stdout), self._inbox), daemon=True
        )
        self._listener.start()
        self._say(config)

    def _say(self, header: Header) -> None:
        # A dead child is noticed by its answers, in their order: those it gave before its end still count.
        with contextlib.suppress(OSError):
            write_frame(self._requests, header)
            self._requests.flush()

    def ask(self, request: _Request) -> None:
        """Send one request."""
        root = None if request.root is None else str(request.root)
        asked = {"number": request.number, "path": str(request.path), "root": root, "windows": request.windows}
        self._say(asked if request.sweep is None else {**asked, "sweep": request.sweep})

    def answer(self, seconds: float) -> tuple[Header, bytearray]:
        """The next frame.

        Raises:
            _ChildLostError: The child has ended, or nothing has come for so many seconds.
        """
        if not self._is_ready:  # loading its libraries on a busy machine is no sign of being stuck
            seconds = max(seconds, _SECONDS_TO_START)
        try:
            frame = self._inbox.get(seconds)
        except queue.Empty:
            self.kill()
            cause = f"made no progress for {seconds:g} seconds"
            raise _ChildLostError(cause, working_on=self._started) from None
        if frame is None:
            raise self._lost()
        kind = frame[0].get("kind")
        self._is_ready |= kind == "ready"
        if kind == "start":
            self._started = frame[0].get("number")
        return frame

    def _lost(self) -> _ChildLostError:
        """Say how the child ended."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
            return _ChildLostError("made the decoder talk nonsense", working_on=self._started)
        names = {-4: "illegal instruction", -6: "abort", -7: "bus error", -9: "killed", -11: "segmentation fault"}
        if code == -24:
            cause = "kept the decoder busy without end"
        elif code == -9:
            cause = "had its decoder killed (by the system, perhaps for want of memory)"
        else:
            cause = f"crashed the decoder ({names.get(code, f'exit code {code}')})"
        return _ChildLostError(cause, working_on=self._started)

    def kill(self) -> None:
        """End the process and wait for its thread."""
        self._inbox.stop()
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # what was still to be said no longer matters
            self._requests.close()
        self._listener.join()
        cast(BinaryIO, self._process.stdout).close()


def _widen(pipe: BinaryIO) -> None:
    """Let a pipe hold many tiles, so that the two processes take fewer turns; only where the system can."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl  # Linux
    except ImportError:
        return
    with contextlib.suppress(OSError):  # above what this user may have: the pipe stays as it is
        fcntl(pipe.fileno(), F_SETPIPE_SZ, _PIPE_BYTES)


def _listen(stream: BinaryIO, inbox: _Inbox) -> None:
    try:
        while (frame := read_frame(stream)) is not None and inbox.put(frame):
            pass
    except (BrokenFrameError, OSError, ValueError, MemoryError):
        pass
    inbox.put(None)


class _Inbox:
    """A queue of frames, bounded by the bytes of their bodies."""

    def __init__(self, bytes_ahead: int) -> None:
        self._limit, self._held = bytes_ahead, 0
        self._frames: deque[tuple[Header, bytearray] | None] = deque()
        self._change = threading.Condition()
        self._stopped = False

    def put(self, frame: tuple[Header, bytearray] | None) -> bool:
        """Add a frame (``None``: there are no more), waiting for room; false once nobody reads."""
        with self._change:
            self._change.wait_for(lambda: self._stopped or self._held < self._limit)
            self._frames.append(frame)
            self._held += len(frame[1]) if frame else 0
            self._change.notify_all()
            return not self._stopped

    def get(self, seconds: float) -> tuple[Header, bytearray] | None:
        """The next frame, or ``None`` where there are no more.

        Raises:
            queue.Empty: None came in time.
        """
        deadline = time.monotonic() + seconds
        with self._change:
            while not self._frames:
                left = deadline - time.monotonic()
                if (left <= 0 or not self._change.wait(left)) and not self._frames:
                    raise queue.Empty
            frame = self._frames.popleft()
            self._held -= len(frame[1]) if frame else 0
            self._change.notify_all()
            return frame

    def stop(self) -> None:
        """Let a waiting :meth:`put` go."""
        with self._change:
            self._stopped = True
            self._change.notify_all()


def child_environment() -> dict[str, str]:
    """A small environment: no user setting of GDAL, PROJ or Python reaches the child."""
    package_root = str(Path(__file__).resolve().parents[2])
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(
            [package_root, *(entry for entry in sys.path if entry and entry != package_root)]
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GDAL_CONFIG_FILE": os.devnull,
    }


def reading_environment() -> dict[str, str]:
    """The environment of a child that opens users' files: GDAL has the drivers of images and no others."""
    return {**child_environment(), **{name: str(value) for name, value in GDAL_SETTINGS.items()}}
