"""The process that opens users' files: limited, and expendable.

Run as ``python -m geoglot.geo.decoder_child``. It reads frames from stdin (first the options, then one request for
each file) and answers on stdout; what libraries print goes nowhere. It never writes a file and ends with its parent.
"""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from geoglot.core.errors import GeoglotError
from geoglot.core.records import Window
from geoglot.geo.source import ReadOptions, SourceInfo, TileBatch, WindowBatch
from geoglot.geo.sweep import Sweep
from geoglot.geo.wire import (
    BrokenFrameError,
    Header,
    batch_frame,
    info_record,
    read_frame,
    windows_frame,
    write_frame,
)

ReadSource = Callable[..., Iterator[SourceInfo | TileBatch | WindowBatch]]

_SECONDS_BETWEEN_WORDS = 0.25
_DAMAGED = "copy the file again, or convert it to a GeoTIFF"


def limit_resources(memory_bytes: int) -> None:
    """Bound this process's memory; no core dumps, no writing to files. Does nothing where the system cannot."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0), ("RLIMIT_AS", memory_bytes)):
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (bound, bound))
        except (OSError, ValueError):
            continue  # macOS refuses some of these limits; the parent's watch on progress still holds


def _extend_processor_time(seconds: float) -> None:
    """Let this process compute for some more seconds: an endless loop ends even when the parent is gone."""
    try:
        import resource
    except ImportError:
        return
    used = time.process_time()
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used + seconds) + 2
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


class _Outbox:
    """Answers to the parent. Small ones wait for the next file's start, so that photos share a system call."""

    def __init__(self, stream: BinaryIO, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds
        self._next_word = 0.0

    def send(self, kind: str, number: int = -1, header: Header | None = None, *bodies: bytes | memoryview) -> None:
        write_frame(self._stream, {"kind": kind, "number": number, **(header or {})}, *bodies)

    def flush(self) -> None:
        self._stream.flush()

    def progress(self) -> None:
        """Say that something moves, a few times a second at most."""
        now = time.monotonic()
        if now >= self._next_word:
            self._next_word = now + min(_SECONDS_BETWEEN_WORDS, self._seconds / 4)
            _extend_processor_time(self._seconds)
            self.send("progress")
            self.flush()


def describe_failure(path: str, error: Exception, memory_bytes: int) -> dict[str, str]:
    """Any failure on a user's file as an error record: cause and remedy.

    Example:
        >>> describe_failure("a.jpg", OSError("image file is truncated"), 1 << 30)["cause"]
        'cannot be decoded (image file is truncated)'
    """
    if isinstance(error, GeoglotError):
        return error.as_record()
    deepest: BaseException = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    out_of_memory = isinstance(error, MemoryError) or "OutOfMemory" in type(deepest).__name__
    if out_of_memory or re.search(r"memory error|(cannot|failed to|unable to) allocate", str(deepest), re.IGNORECASE):
        cause = f"needs more memory than a decoder may use ({memory_bytes / 2**30:.1f} GiB)"
        remedy = "convert it to a tiled GeoTIFF, for example with gdal_translate -co TILED=YES"
    else:
        words = " ".join(str(deepest).split()) or type(deepest).__name__
        cause, remedy = f"cannot be decoded ({words[:300]})", _DAMAGED
    return {"file": path, "stage": "decode", "cause": cause, "remedy": remedy}


def serve(read_source: ReadSource, requests: Iterator[Header], outbox: _Outbox, config: Header) -> None:
    """Answer requests until there are no more."""
    options = ReadOptions.from_record(config["options"])
    for request in requests:
        number, path, root = int(request["number"]), str(request["path"]), request["root"]
        windows = None if request["windows"] is None else [Window(*window) for window in request["windows"]]
        outbox.send("start", number)
        outbox.flush()  # should the file be fatal, the parent knows which one it was
        outbox.progress()
        try:
            place: dict[str, Any] = {"root": None if root is None else Path(root), "progress": outbox.progress}
            if request.get("sweep") is None:
                items = read_source(Path(path), options=options, windows=windows, **place)
            else:
                items = _swept(Sweep.from_record(Path(path), request["sweep"]), options, place)
            for item in items:
                if isinstance(item, SourceInfo):
                    outbox.send("info", number, {"info": info_record(item)})
                elif isinstance(item, WindowBatch):
                    told, squares = windows_frame(item)
                    outbox.send("windows", number, told, squares)
                else:
                    header, footprints, pixels = batch_frame(item)
                    outbox.send("batch", number, header, footprints, pixels)
        except Exception as error:  # noqa: BLE001 - whatever a user's file provokes is that file's recorded error
            outbox.send("error", number, {"error": describe_failure(path, error, int(config["memory_bytes"]))})
        else:
            outbox.send("end", number)


def _swept(sweep: Sweep, options: ReadOptions, place: dict[str, Any]) -> Iterator[SourceInfo | WindowBatch]:
    from geoglot.geo.sweep_reading import read_sweep

    return read_sweep(sweep, options=options, **place)


def _incoming(stream: BinaryIO, outbox: _Outbox) -> Iterator[Header]:
    """Requests as they come, read ahead by a thread; the answers so far are flushed before waiting for more.

    The end of the stream means that the parent is gone: the process ends at once, whatever it is doing.
    """
    inbox: queue.SimpleQueue[Header] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while (frame := read_frame(stream)) is not None:
                inbox.put(frame[0])
        except (BrokenFrameError, OSError):
            pass
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            yield inbox.get_nowait()
        except queue.Empty:
            outbox.flush()
            yield inbox.get()


def main(read_source: ReadSource | None = None) -> None:
    """Read the options, set the limits, serve.

    Args:
        read_source: What reads a file; tests give one that fails in their way.
    """
    incoming = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=1 << 18)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    frame = read_frame(incoming)
    if frame is None:
        return
    config: dict[str, Any] = frame[0]
    limit_resources(int(config["memory_bytes"]))
    outbox = _Outbox(outgoing, float(config["seconds"]))
    try:
        import warnings

        import rasterio  # noqa: F401 - loaded now, once, so that the first file does not wait for it
        from rasterio.errors import NotGeoreferencedWarning

        from geoglot.geo.pixels import read_source as read_for_real

        warnings.simplefilter("ignore", NotGeoreferencedWarning)
    except Exception as error:  # noqa: BLE001 - said to the parent, which cannot know otherwise
        outbox.send("broken", -1, {"cause": f"{type(error).__name__}: {error}"})
        outbox.flush()
        return
    outbox.send("ready")
    serve(read_source or read_for_real, _incoming(incoming, outbox), outbox, config)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
