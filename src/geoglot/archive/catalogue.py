"""The catalogue: a small SQLite file, the only thing that says what exists, and the only commit point.

Sources are paths; contents are their bytes (by SHA-256). Rows belong to a content, so a moved or copied file costs no
encoding. An *extent* is a run of rows of one content in one shard; deleting marks extents, never touches a shard.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from geoglot.archive.entries import Commit, Extent, Shard, Snapshot, Source
from geoglot.archive.filesystem import disk_error
from geoglot.archive.layout import FORMAT, refuse_newer
from geoglot.archive.seal import Seal, digest_of_rows, row_digest
from geoglot.core.errors import ArchiveError

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sources (path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, content TEXT,
  state TEXT NOT NULL, kind TEXT, time TEXT, options TEXT, tiles INTEGER, error TEXT);
CREATE INDEX sources_by_content ON sources (content);
CREATE TABLE shards (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, committed INTEGER NOT NULL);
CREATE TABLE extents (shard INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, content TEXT NOT NULL,
  deleted INTEGER, PRIMARY KEY (shard, first));
CREATE INDEX extents_by_content ON extents (content);
CREATE INDEX extents_deleted ON extents (shard, first, count) WHERE deleted IS NOT NULL;
CREATE TABLE moved (content TEXT PRIMARY KEY);
CREATE TABLE commits (number INTEGER PRIMARY KEY, time TEXT NOT NULL, added INTEGER NOT NULL, deleted INTEGER NOT NULL);
CREATE TABLE seals (number INTEGER PRIMARY KEY, digest TEXT NOT NULL);
"""
_SEALED = {
    "meta": ("key", "value"),
    "sources": ("path", "size", "modified_ns", "content", "state", "kind", "time", "options", "tiles", "error"),
    "shards": ("number", "name", "rows", "bytes", "sha256", "committed"),
    "extents": ("shard", "first", "count", "content", "deleted"),
    "moved": ("content",),
    "commits": ("number", "time", "added", "deleted"),
}
T = TypeVar("T")
_APPLICATION_ID = 0x47474C54
"""``GGLT``: tells this file from other SQLite files."""


class _OneAtATime(sqlite3.Connection):
    """A connection that threads share: one statement runs at a time.

    The triggers that seal a commit call back into Python. Without this lock, a thread that runs them holds SQLite's
    mutex and waits for the interpreter, while another that binds a query holds the interpreter and waits for the mutex.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._turn = threading.RLock()

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        with self._turn:
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        with self._turn:
            return super().executemany(*arguments)

    def rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Every row of a query; no cursor outlives the turn."""
        with self._turn:
            return super().execute(query, values).fetchall()


class Catalogue:
    """One connection to the catalogue. Changes are made inside :meth:`transaction` only."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._pending = 0

    @classmethod
    def create(cls, path: Path, meta: dict[str, str]) -> Catalogue:
        """A new, empty catalogue with one commit."""
        catalogue = cls._writable(path)
        with catalogue.reported():
            catalogue.connection.executescript(
                f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={FORMAT}; BEGIN;{_SCHEMA}COMMIT;"
            )
            catalogue._watch()
        with catalogue.transaction():
            for key, value in meta.items():
                catalogue.connection.execute("INSERT INTO meta VALUES (?, ?)", (key, value))
        return catalogue

    @classmethod
    def open(cls, path: Path) -> Catalogue:
        """Open for writing.

        Raises:
            ArchiveError: Missing, damaged or of a newer format.
        """
        _check_exists(path)
        catalogue = cls._writable(path)
        with catalogue.reported():
            catalogue.refuse_foreign()
            catalogue._watch()
        return catalogue

    @classmethod
    def read_snapshot(cls, path: Path) -> Snapshot:
        """Everything a reader needs, as of one commit, without writing a single byte.

        Raises:
            ArchiveError: See :func:`read_catalogue`.
        """
        try:
            return read_catalogue(path, Catalogue.snapshot)
        except (TypeError, ValueError, KeyError) as error:
            raise _damaged(path, f"is damaged ({error})") from error

    @classmethod
    def _writable(cls, path: Path) -> Catalogue:
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=30.0, check_same_thread=False, factory=_OneAtATime
        )
        catalogue = cls(path, connection)
        with catalogue.reported():
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
        return catalogue

    def refuse_foreign(self) -> None:
        """Refuse a file that is no catalogue, or one of a newer format."""
        (application,) = self.connection.execute("PRAGMA application_id").fetchone()
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            raise _damaged(self.path, "is not a geoglot catalogue")
        refuse_newer(version, self.path)

    def _watch(self) -> None:
        """Keep a running digest of the content by temporary triggers, so that each commit can be sealed."""
        self.connection.create_function("geoglot_add", -1, self._add, deterministic=False)
        self.connection.create_function("geoglot_subtract", -1, self._subtract, deterministic=False)
        for table, columns in _SEALED.items():
            new, old = ", ".join(f"NEW.{c}" for c in columns), ", ".join(f"OLD.{c}" for c in columns)
            for event, body in (
                ("INSERT", f"SELECT geoglot_add('{table}', {new});"),
                ("DELETE", f"SELECT geoglot_subtract('{table}', {old});"),
                ("UPDATE", f"SELECT geoglot_subtract('{table}', {old}); SELECT geoglot_add('{table}', {new});"),
            ):
                self.connection.execute(
                    f"CREATE TEMP TRIGGER watch_{table}_{event} AFTER {event} ON main.{table} BEGIN {body} END"
                )

    def _add(self, table: str, *values: Any) -> int:
        self._pending += row_digest(table, values)
        return 0

    def _subtract(self, table: str, *values: Any) -> int:
        self._pending -= row_digest(table, values)
        return 0

    @contextmanager
    def transaction(self) -> Iterator[Commit]:
        """One commit: everything inside happens, or nothing.

        Yields:
            The commit; count the rows added and deleted on it.

        Raises:
            ArchiveError: The disk is full or fails; nothing has happened.
        """
        with self.reported():
            self._pending = 0
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                last, digest = self.last_seal()
                commit = Commit(last + 1)
                yield commit
                now = datetime.now(UTC).isoformat()
                self.connection.execute(
                    "INSERT INTO commits VALUES (?, ?, ?, ?)", (commit.number, now, commit.added, commit.deleted)
                )
                seal = f"{(int(digest, 16) + self._pending) % (1 << 128):032x}"
                self.connection.execute("INSERT INTO seals VALUES (?, ?)", (commit.number, seal))
                self.connection.execute("DELETE FROM seals WHERE number <= ?", (last - 64,))
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def last_seal(self) -> tuple[int, str]:
        """Number and content digest of the last commit."""
        row = self.connection.execute("SELECT number, digest FROM seals ORDER BY number DESC LIMIT 1").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "0")

    def seal_of(self, commit: int) -> str | None:
        """Content digest of one of the last commits."""
        row = self.connection.execute("SELECT digest FROM seals WHERE number = ?", (commit,)).fetchone()
        return None if row is None else str(row[0])

    def content_digest(self) -> str:
        """The content digest, computed anew from every row."""
        with self.reported():
            return digest_of_rows(
                (table, row)
                for table, columns in _SEALED.items()
                for row in self.connection.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608
            )

    def damage(self, seal: Seal | None) -> str | None:
        """What is wrong with the catalogue, in a phrase; ``None`` when every value is as it was committed."""
        try:
            (answer,) = self.connection.execute("PRAGMA integrity_check(1)").fetchone()
            if answer != "ok":
                return f"SQLite finds it damaged: {answer}"
            if self._schema() != _expected_schema():
                return "its tables are not those of this format"
            commit, digest = self.last_seal()
            (last,) = self.connection.execute("SELECT max(number) FROM commits").fetchone()
            if last != commit or self.content_digest() != digest:
                return "its content does not fit its digest"
            if seal is not None and (seal.commit > commit or self.seal_of(seal.commit) not in (None, seal.digest)):
                return f"it ends at commit {commit}, but commit {seal.commit} was made"
        except (sqlite3.Error, OverflowError, UnicodeDecodeError, ValueError, TypeError, ArchiveError) as error:
            return f"it cannot be read ({error})"
        return None

    def _schema(self) -> list[tuple[str, str]]:
        return sorted(self.connection.execute("SELECT name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL"))

    def snapshot(self) -> Snapshot:
        """The last commit as a reader sees it."""
        with self.reported():
            began = not self.connection.in_transaction
            if began:
                self.connection.execute("BEGIN")
            try:
                return Snapshot(
                    commit=self.last_seal()[0],
                    meta=dict(self.connection.execute("SELECT key, value FROM meta")),
                    shards={shard.number: shard for shard in self.shards()},
                    deleted=list(
                        self.connection.execute(
                            "SELECT shard, first, count FROM extents WHERE deleted IS NOT NULL ORDER BY shard, first"
                        )
                    ),
                    paths=self._moved_paths(),
                )
            finally:
                if began:
                    self.connection.execute("COMMIT")

    def _moved_paths(self) -> dict[str, list[str]]:
        paths: dict[str, list[str]] = {}
        query = "SELECT content, path FROM moved JOIN sources USING (content) ORDER BY path"
        for content, path in self.connection.execute(query):
            paths.setdefault(content, []).append(path)
        return paths

    def shards(self) -> list[Shard]:
        """All shards by number."""
        names = "number, name, rows, bytes, sha256, committed"
        return [
            Shard(number=n, name=name, rows=rows, bytes=size, sha256=digest, committed=commit)
            for n, name, rows, size, digest, commit in self._select(f"SELECT {names} FROM shards ORDER BY number")  # noqa: S608
        ]

    def source(self, path: str) -> Source | None:
        """What is known of a path."""
        return next(self.sources("WHERE path = ?", (path,)), None)

    def sources(self, where: str = "ORDER BY path", values: tuple[Any, ...] = ()) -> Iterator[Source]:
        """Sources by an SQL condition of this program's own."""
        columns = _SEALED["sources"]
        for row in self._select(f"SELECT {', '.join(columns)} FROM sources {where}", values):  # noqa: S608
            yield Source(**dict(zip(columns, row, strict=True)))

    def unchanged(self) -> dict[str, tuple[int, int, str | None]]:
        """Size, time of modification and options of every source that is done, by path."""
        query = "SELECT path, size, modified_ns, options FROM sources WHERE state = 'done'"
        return {path: (size, modified, options) for path, size, modified, options in self._select(query)}

    def extents(self, content: str) -> list[Extent]:
        """Live runs of rows of a content, in the order they were committed."""
        query = "SELECT shard, first, count FROM extents WHERE content = ? AND deleted IS NULL ORDER BY shard, first"
        return [Extent(shard=s, first=f, count=c, content=content) for s, f, c in self._select(query, (content,))]

    def extents_of_shard(self, number: int) -> list[Extent]:
        """All runs of rows of a shard, deleted ones too."""
        query = "SELECT shard, first, count, content, deleted FROM extents WHERE shard = ? ORDER BY first"
        return [
            Extent(shard=s, first=f, count=c, content=content, deleted=deleted)
            for s, f, c, content, deleted in self._select(query, (number,))
        ]

    def paths_of_shard(self, number: int) -> list[str]:
        """All sources that have live rows in a shard."""
        query = (
            "SELECT DISTINCT path FROM extents JOIN sources USING (content) "
            "WHERE shard = ? AND deleted IS NULL ORDER BY path"
        )
        return [path for (path,) in self._select(query, (number,))]

    def put_source(self, source: Source) -> None:
        """Insert or replace a source."""
        columns = _SEALED["sources"]
        update = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        self.connection.execute(
            f"INSERT INTO sources ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608
            f"ON CONFLICT (path) DO UPDATE SET {update}",
            tuple(getattr(source, name) for name in columns),
        )

    def put_sources(self, sources: Iterable[Source], commit: int) -> int:
        """Insert or replace sources; delete the rows of contents that none has any more. Returns rows deleted."""
        left: set[str] = set()
        for source in sources:
            before = self.source(source.path)
            if before is not None and before.content is not None and before.content != source.content:
                left.add(before.content)
            if source.content is not None and set(self.paths_of(source.content)) - {source.path}:
                self.mark_moved(source.content)
            self.put_source(source)
        return sum(self._release(content, commit) for content in sorted(left))

    def _release(self, content: str, commit: int) -> int:
        """A path has left a content: delete its rows when it was the last, else say that its paths have changed."""
        if self.paths_of(content):
            self.mark_moved(content)
            return 0
        self.connection.execute("DELETE FROM moved WHERE content = ?", (content,))
        return self.delete_rows(content, commit)

    def mark_moved(self, content: str) -> None:
        """Say that the paths of a content are no longer the one in its shards."""
        self.connection.execute("INSERT INTO moved VALUES (?) ON CONFLICT DO NOTHING", (content,))

    def add_shard(self, shard: Shard, extents: Iterable[Extent]) -> None:
        """Insert a shard and its extents."""
        values = (shard.number, shard.name, shard.rows, shard.bytes, shard.sha256, shard.committed)
        self.connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?)", values)
        self.connection.executemany(
            "INSERT INTO extents VALUES (?, ?, ?, ?, ?)",
            [(e.shard, e.first, e.count, e.content, None) for e in extents],
        )

    def drop_shard(self, number: int) -> None:
        """Forget a shard and its extents."""
        self.connection.execute("DELETE FROM extents WHERE shard = ?", (number,))
        self.connection.execute("DELETE FROM shards WHERE number = ?", (number,))

    def delete_rows(self, content: str, commit: int) -> int:
        """Mark all rows of a content as deleted; returns how many there were."""
        live = sum(extent.count for extent in self.extents(content))
        self.connection.execute(
            "UPDATE extents SET deleted = ? WHERE content = ? AND deleted IS NULL", (commit, content)
        )
        return live

    def paths_of(self, content: str) -> list[str]:
        """All present paths of a content."""
        return [
            path for (path,) in self._select("SELECT path FROM sources WHERE content = ? ORDER BY path", (content,))
        ]

    def delete_source(self, path: str, commit: int) -> int:
        """Forget a path; its rows are deleted when no other path has the same content. Returns rows deleted."""
        source = self.source(path)
        if source is None:
            return 0
        self.connection.execute("DELETE FROM sources WHERE path = ?", (path,))
        return 0 if source.content is None else self._release(source.content, commit)

    def set_meta(self, key: str, value: str) -> None:
        """Insert or replace one line of the archive's identity."""
        query = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self.connection.execute(query, (key, value))

    def delete_meta(self, key: str) -> None:
        """Remove one line of the archive's identity."""
        self.connection.execute("DELETE FROM meta WHERE key = ?", (key,))

    def checkpoint(self) -> bool:
        """Bring the write-ahead log home; true when the catalogue file alone now holds everything."""
        with self.reported():
            busy, _, _ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _select(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self.reported():
            if isinstance(self.connection, _OneAtATime):
                return self.connection.rows(query, values)
            return self.connection.execute(query, values).fetchall()

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            full = "full" in str(error)
            wait = "locked" in str(error)
            cause = "the disk is full" if full else f"cannot be used ({error})"
            remedy = "free some space and run the same command again; nothing that was committed is lost"
            if not full:
                remedy = "wait for the other program that has it open" if wait else "check the disk and the permissions"
            raise ArchiveError(self.path, cause=cause, remedy=remedy, stage="commit") from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, f"is damaged ({error})") from error
        except OSError as error:
            raise disk_error(self.path, error) from error


def read_catalogue(path: Path, action: Callable[[Catalogue], T]) -> T:
    """Open the catalogue, do something that only reads, close it: not a byte is written and no file appears.

    Where no writer is about there is no write-ahead log, and the file is read as immutable: if a writer came in
    between, what was read is thrown away and read again. Where there is one, SQLite's own snapshots hold.

    Raises:
        ArchiveError: Missing, damaged, of a newer format, or a writer came in between too often.
    """
    _check_exists(path)
    failure: ArchiveError | None = None
    for _attempt in range(20):
        before = _state(path)
        mode = "mode=ro" if before[0] else "mode=ro&immutable=1"
        connection = sqlite3.connect(f"file:{_quoted(path)}?{mode}", uri=True, isolation_level=None, timeout=30.0)
        catalogue = Catalogue(path, connection)
        failure = None
        try:
            with catalogue.reported():
                catalogue.refuse_foreign()
                result = action(catalogue)
        except ArchiveError as error:
            failure = error
        finally:
            connection.close()
        if failure is None and (before[0] or _state(path) == before):
            return result
        if failure is not None and _state(path) == before:
            raise failure
        time.sleep(0.01)
    if failure is not None:
        raise failure
    raise ArchiveError(
        path, cause="changes all the time", remedy="try again when the writer has finished", stage="open"
    )


def _state(path: Path) -> tuple[bool, int, int]:
    log = path.with_name(path.name + "-wal")
    stat = path.stat()
    try:
        logged = log.stat().st_size > 0
    except FileNotFoundError:
        logged = False
    return logged, stat.st_mtime_ns, stat.st_size


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise ArchiveError(path, cause="is missing", remedy="run index again to repair it", stage="open")


def _damaged(path: Path, cause: str) -> ArchiveError:
    return ArchiveError(path, cause=cause, remedy="run index again to repair it", stage="open")


def _expected_schema() -> list[tuple[str, str]]:
    memory = sqlite3.connect(":memory:")
    memory.executescript(_SCHEMA)
    rows = sorted(memory.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))
    memory.close()
    return rows
