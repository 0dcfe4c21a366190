"""The one place where the archive writes files, so that a test can break every single operation of it.

A file appears whole or not at all: it is written under a temporary name, flushed to the disk, renamed, and its
directory is flushed too. (SQLite does the same for the catalogue by itself.)
"""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from geoglot.core.errors import ArchiveError

TEMPORARY_SUFFIX = ".partial"


class FileSystem:
    """Durable file operations. Tests replace the small methods by ones that fail or forget."""

    def open(self, path: Path) -> BinaryIO:
        """A new, empty file to write."""
        return path.open("wb")

    def write(self, file: BinaryIO, data: bytes | memoryview) -> int:
        """Append bytes to an open file."""
        return file.write(data)

    def flush(self, file: BinaryIO) -> None:
        """Force the bytes of an open file onto the disk."""
        file.flush()
        os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Replace `target` by `source` in one step."""
        source.replace(target)

    def flush_directory(self, path: Path) -> None:
        """Force the names in a directory onto the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_directory(self, path: Path) -> None:
        """Create a directory; its parent must exist."""
        path.mkdir(exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file if it is there."""
        path.unlink(missing_ok=True)

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        path.rmdir()

    def append_line(self, path: Path, line: bytes) -> None:
        """Append one line and force it onto the disk."""
        with path.open("ab") as file:
            self.write(file, line)
            self.flush(file)

    def write_atomic(self, path: Path, write: Callable[[BinaryIO], None] | bytes) -> Written:
        """Write a file that appears whole or not at all.

        Args:
            path: Where it shall be.
            write: Its bytes, or a function that writes them to the (append-only) file it is given.

        Returns:
            Size and checksums of what was written.

        Raises:
            ArchiveError: The disk is full or fails; nothing is left under `path`'s temporary name.
        """
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        try:
            written = self.write_file(temporary, write)
            with reporting(path, written.size):
                self.rename(temporary, path)
                self.flush_directory(path.parent)
        except (ArchiveError, KeyboardInterrupt):
            temporary.unlink(missing_ok=True)
            raise
        return written

    def write_file(self, path: Path, write: Callable[[BinaryIO], None] | bytes) -> Written:
        """Write a file in place and flush it; for files whose folder is renamed as a whole.

        Raises:
            ArchiveError: The disk is full or fails.
        """
        sink: _Sink | None = None
        with reporting(path, lambda: sink.size if sink else 0), self.open(path) as file:
            sink = _Sink(self, file)
            if isinstance(write, bytes):
                sink.write(write)
            else:
                write(sink)  # type: ignore[arg-type]  # a sink has what writers use of a file
            self.flush(file)
        return Written(size=sink.size, sha256=sink.sha256.hexdigest(), crc32=sink.crc32)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory of plain files."""
        for entry in sorted(path.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                self.remove_tree(entry)
            else:
                self.remove(entry)
        self.remove_directory(path)


class Written:
    """What was written: size in bytes, SHA-256 (hexadecimal) and CRC-32."""

    __slots__ = ("crc32", "sha256", "size")

    def __init__(self, *, size: int, sha256: str, crc32: int) -> None:
        self.size = size
        self.sha256 = sha256
        self.crc32 = crc32


class _Sink:
    """A write-only file that counts and digests what passes; enough of a file for pyarrow and NumPy."""

    def __init__(self, filesystem: FileSystem, file: BinaryIO) -> None:
        self._filesystem = filesystem
        self._file = file
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.crc32 = 0
        self.closed = False
        self.mode = "wb"

    def write(self, data: bytes | memoryview) -> int:
        view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
        self._filesystem.write(self._file, view)
        self.sha256.update(view)
        self.crc32 = zlib.crc32(view, self.crc32)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing: the file is flushed to the disk once, at its end."""

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


class reporting:  # noqa: N801 (reads as a statement: with reporting(path, size))
    """Turn an ``OSError`` into an :class:`ArchiveError` that names path, bytes and remedy."""

    def __init__(self, path: Path, size: int | Callable[[], int] = 0) -> None:
        self._path = path
        self._size = size

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            size = self._size() if callable(self._size) else self._size
            raise disk_error(self._path, error, size) from error


def disk_error(path: Path, error: OSError, size: int = 0) -> ArchiveError:
    """The archive's error for a failing disk.

    Example:
        >>> import errno
        >>> str(disk_error(Path("a.parquet"), OSError(errno.ENOSPC, "No space left on device"), 512))
        'a.parquet: the disk is full (512 bytes were on their way). Remedy: free some space and run the same command again; nothing that was committed is lost.'
    """  # noqa: E501 (one message, one line)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        cause = f"the disk is full ({size:,} bytes were on their way)"
        remedy = "free some space and run the same command again; nothing that was committed is lost"
    else:
        cause = f"cannot be written: {error.strerror or error}"
        remedy = "check the disk and the permissions, then run the same command again"
    return ArchiveError(path, cause=cause, remedy=remedy, stage="write")


def checksum(path: Path) -> Written:
    """Size and checksums of a file on disk, read in pieces of 4 MiB."""
    sha256, crc32, size = hashlib.sha256(), 0, 0
    with path.open("rb") as file:
        while piece := file.read(4 << 20):
            sha256.update(piece)
            crc32 = zlib.crc32(piece, crc32)
            size += len(piece)
    return Written(size=size, sha256=sha256.hexdigest(), crc32=crc32)


def crc32_of(path: Path) -> int:
    """CRC-32 of a file on disk (about 4 GB/s, for checks at opening)."""
    crc32 = 0
    with path.open("rb") as file:
        while piece := file.read(4 << 20):
            crc32 = zlib.crc32(piece, crc32)
    return crc32
