"""``errors.jsonl``: one line for each file that could not be indexed, each with its own checksum."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from pathlib import Path

from geoglot.archive.filesystem import FileSystem, reporting
from geoglot.core.errors import GeoglotError


def append_error(path: Path, error: GeoglotError, filesystem: FileSystem) -> None:
    """Write one line: file, stage, cause, remedy, time, checksum."""
    record = {**error.as_record(), "time": datetime.now(UTC).isoformat(timespec="seconds")}
    line = _line(record)
    with reporting(path, len(line)):
        filesystem.append_line(path, line)


def _line(record: dict[str, str]) -> bytes:
    body = json.dumps(record, ensure_ascii=False).encode("utf-8", errors="backslashreplace")
    return body[:-1] + f', "crc32": "{zlib.crc32(body):08x}"}}\n'.encode()


def _is_whole(line: bytes) -> bool:
    head, mark, tail = line.rpartition(b', "crc32": "')
    expected = f"{zlib.crc32(head + b'}'):08x}".encode() + b'"}'
    return bool(mark) and tail == expected


def damaged_lines(path: Path) -> list[int]:
    """Numbers (from 1) of the lines that are not as they were written."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    last = lines.pop()
    return [number for number, line in enumerate(lines, 1) if not _is_whole(line)] + ([len(lines) + 1] if last else [])


def drop_damaged_lines(path: Path, filesystem: FileSystem) -> None:
    """Keep the lines that are whole."""
    whole = [line + b"\n" for line in path.read_bytes().split(b"\n") if _is_whole(line)]
    filesystem.write_atomic(path, b"".join(whole))
