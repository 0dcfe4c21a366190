"""The seal of a commit: a digest of all that the catalogue says, kept beside it.

SQLite does not notice a flipped bit inside a value, nor a write-ahead log whose end was damaged (it drops the tail in
silence). The digest is a sum over rows, so a commit costs only the rows it changes, and it can be computed anew from
the whole content at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from geoglot.archive.filesystem import FileSystem
from geoglot.archive.layout import Layout, sealed_json, unsealed_json


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What the catalogue held after a commit.

    Attributes:
        commit: Number of the commit.
        digest: Digest of the content, 32 hexadecimal digits.
        file_sha256: Digest of the file's bytes, when the last writer left in order; then every single bit counts.
        copy_sha256: The same of the copy.
        copy_commit: Last commit in the copy.
    """

    commit: int
    digest: str
    file_sha256: str | None = None
    copy_sha256: str | None = None
    copy_commit: int | None = None


def row_digest(table: str, values: Iterable[Any]) -> int:
    """128-bit digest of one row as a number.

    Example:
        >>> row_digest("meta", ("a", "1")) == row_digest("meta", ("a", 1))
        False
    """
    text = "\x1f".join([table, *(f"{type(value).__name__}:{value}" for value in values)])
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest())


def digest_of_rows(rows: Iterable[tuple[str, tuple[Any, ...]]]) -> str:
    """Digest of a set of (table, row): the sum of theirs, whatever the order."""
    total = 0
    for table, values in rows:
        total += row_digest(table, values)
    return f"{total % (1 << 128):032x}"


def write_seal(layout: Layout, seal: Seal, filesystem: FileSystem) -> None:
    """Write the seal beside the catalogue."""
    filesystem.write_atomic(layout.catalogue_seal, sealed_json(asdict(seal)))


def read_seal(layout: Layout) -> Seal:
    """Read the seal.

    Raises:
        ArchiveError: Damaged.
        FileNotFoundError: Absent.
    """
    return Seal(**unsealed_json(layout.catalogue_seal.read_bytes(), layout.catalogue_seal))
