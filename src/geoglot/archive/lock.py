"""One writer at a time: an advisory lock that the system frees when its holder dies."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from geoglot.core.errors import ArchiveError


class WriterLock:
    """Held from opening for writing to closing; its file names the holder's process id.

    Raises:
        ArchiveError: Another process holds it; the message says which.
    """

    def __init__(self, path: Path) -> None:
        import fcntl

        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            self._descriptor = None
            raise ArchiveError(
                path.parent,
                cause=f"is being written by process {holder}",
                remedy="wait until it has finished, or stop it",
                stage="open",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Give the lock back. The file stays, empty: removing it would let two writers lock two files."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
