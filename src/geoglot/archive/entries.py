"""What the catalogue holds, as records: sources, shards, runs of rows, and one commit of all that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file the archive knows.

    Attributes:
        path: Absolute path.
        size: Bytes.
        modified_ns: Time of last modification, nanoseconds.
        content: SHA-256 of its bytes; ``None`` where it could not be read.
        state: ``done``, ``partial`` (its rows are being committed), ``failed`` or ``damaged`` (to be read again).
        kind: ``scene`` or ``photo``.
        time: Acquisition time, ISO 8601, where the whole file has one.
        options: Digest of the reading options its rows were made with.
        tiles: How many rows it has or had when it was committed last.
        error: Why it failed.
    """

    path: str
    size: int
    modified_ns: int
    content: str | None
    state: str
    kind: str | None = None
    time: str | None = None
    options: str | None = None
    tiles: int | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A committed shard: its number, file name (without suffix), rows, bytes, SHA-256 and commit."""

    number: int
    name: str
    rows: int
    bytes: int
    sha256: str
    committed: int


@dataclass(frozen=True, kw_only=True)
class Extent:
    """`count` rows of one content from row `first` on in one shard; `deleted` is the commit that deleted them."""

    shard: int
    first: int
    count: int
    content: str
    deleted: int | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a reader needs of one commit: the shards, the deleted runs of rows, and contents that have moved.

    Attributes:
        commit: Number of the last commit.
        shards: By number.
        deleted: Shard number, first row, count.
        paths: For a content whose path is no longer the one in its shard: all its present paths.
    """

    commit: int
    meta: dict[str, str]
    shards: dict[int, Shard]
    deleted: list[tuple[int, int, int]]
    paths: dict[str, list[str]]

    @property
    def rows(self) -> int:
        """Live rows."""
        return sum(shard.rows for shard in self.shards.values()) - sum(count for _, _, count in self.deleted)


class Commit:
    """A commit in the making: its number, and how many rows it adds and deletes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.added = 0
        self.deleted = 0
