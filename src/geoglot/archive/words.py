"""The word index of the captions: SQLite's full-text search, one file for each caption part, all of it derived.

A file holds the captions of its part by position, and the forms of their words (:mod:`geoglot.text.search_words`).
Files are written whole and never changed; their checksums are in a manifest. A reader that finds one missing, damaged
or behind makes it in memory from the part.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.captions import CaptionPart, read_part
from geoglot.archive.filesystem import FileSystem, crc32_of, reporting
from geoglot.archive.layout import FORMAT, Layout, sealed_json, unsealed_json
from geoglot.core.errors import ArchiveError, GeoglotError
from geoglot.text.search_words import WordQuery, search_keys

if TYPE_CHECKING:
    import pyarrow as pa

_SCHEMA = """
PRAGMA page_size = 4096;
CREATE TABLE captions (position INTEGER PRIMARY KEY, id BLOB NOT NULL, language TEXT NOT NULL, caption TEXT,
  reason TEXT, confidence REAL NOT NULL);
CREATE INDEX captions_by_id ON captions (id);
CREATE VIRTUAL TABLE words USING fts5(keys, content='', tokenize="unicode61 remove_diacritics 0");
"""
Record = tuple[str, int, int]
"""SHA-256 of the part, size and CRC-32 of the file."""


@dataclass(frozen=True, kw_only=True)
class StoredCaption:
    """A caption as a hit shows it; ``caption`` is ``None`` where it would be invented, then ``reason`` says why."""

    language: str
    caption: str | None
    reason: str | None
    confidence: float


def build(table: pa.Table) -> sqlite3.Connection:
    """The index of a part in memory.

    Raises:
        GeoglotError: This Python's SQLite has no full-text search.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_SCHEMA)
    except sqlite3.OperationalError as error:
        connection.close()
        cause = f"cannot search in texts ({error})"
        raise GeoglotError("SQLite", cause=cause, remedy="use a Python whose SQLite has FTS5") from error
    names = ("id", "language", "caption", "reason", "confidence")
    columns = [table[name].to_pylist() for name in names]
    connection.execute("BEGIN")
    rows = ((position, *values) for position, values in enumerate(zip(*columns, strict=True)))
    connection.executemany("INSERT INTO captions VALUES (?, ?, ?, ?, ?, ?)", rows)
    keys = ((position, " ".join(search_keys(text))) for position, text in enumerate(columns[2]) if text is not None)
    connection.executemany("INSERT INTO words (rowid, keys) VALUES (?, ?)", keys)
    connection.execute("COMMIT")
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    return connection


def manifest_path(layout: Layout) -> Path:
    """What the folder holds, with checksums."""
    return layout.words / "manifest.json"


def read_manifest(layout: Layout) -> dict[str, Record]:
    """Files by name of their part; none where there is no manifest.

    Raises:
        ArchiveError: It is damaged.
    """
    path = manifest_path(layout)
    try:
        record = unsealed_json(path.read_bytes(), path)
    except FileNotFoundError:
        return {}
    return {str(name): (str(sha256), int(size), int(crc)) for name, (sha256, size, crc) in record["files"].items()}


def update(layout: Layout, parts: Sequence[CaptionPart], filesystem: FileSystem) -> None:
    """Make the folder follow the catalogue.

    Raises:
        ArchiveError: The disk is full or fails, or a part is damaged.
    """
    if not parts and not layout.words.is_dir():
        return
    if not layout.words.is_dir():
        with reporting(layout.words):
            if not layout.index.is_dir():
                filesystem.make_directory(layout.index)
            filesystem.make_directory(layout.words)
    try:
        before = read_manifest(layout)
    except ArchiveError:
        before = {}
    records: dict[str, Record] = {}
    for part in parts:
        known = before.get(part.name)
        if known is not None and known[0] == part.sha256 and _is_whole(layout.word_part(part.name), known):
            records[part.name] = known
            continue
        with closing(build(read_part(layout, part.name))) as connection:
            written = filesystem.write_atomic(layout.word_part(part.name), connection.serialize())
        records[part.name] = (part.sha256, written.size, written.crc32)
    if records != before:
        filesystem.write_atomic(manifest_path(layout), sealed_json({"format": FORMAT, "files": records}))
    keep = {manifest_path(layout).name, *(layout.word_part(name).name for name in records)}
    for entry in sorted(layout.words.iterdir()):
        if entry.is_file() and entry.name not in keep:
            with reporting(entry):
                filesystem.remove(entry)


def _is_whole(path: Path, record: Record) -> bool:
    return path.is_file() and path.stat().st_size == record[1] and crc32_of(path) == record[2]


def damages(layout: Layout, parts: Sequence[CaptionPart]) -> Iterator[tuple[Path, str]]:
    """Files of the folder that are not as they were written, with what is wrong."""
    try:
        records = read_manifest(layout)
    except ArchiveError as error:
        yield manifest_path(layout), error.cause
        return
    known = {part.name: part for part in parts}
    for name, record in records.items():
        path = layout.word_part(name)
        if name in known and not _is_whole(path, record):
            yield path, "does not fit its checksum" if path.exists() else "is missing"


def is_behind(layout: Layout, parts: Sequence[CaptionPart]) -> bool:
    """Whether a part has no index yet."""
    try:
        records = read_manifest(layout)
    except ArchiveError:
        return False  # that is damage
    return any(records.get(part.name, ("",))[0] != part.sha256 for part in parts)


class WordIndex:
    """The words of all captions of one commit.

    Args:
        layout: The archive.
        parts: Of the commit.

    Raises:
        ArchiveError: A part is missing or damaged, and so is its index.
    """

    def __init__(self, layout: Layout, parts: Sequence[CaptionPart]) -> None:
        try:
            records = read_manifest(layout)
        except ArchiveError:
            records = {}
        self.parts = tuple(parts)
        self._open: list[sqlite3.Connection] = []
        try:
            for part in parts:
                self._open.append(_opened(layout, part, records.get(part.name)))
        except BaseException:
            self.close()
            raise

    def matching(self, query: WordQuery, languages: Sequence[str] = ()) -> NDArray[np.uint8]:
        """Identifiers of tiles with a caption that says what is asked for.

        Args:
            query: What it must say.
            languages: In one of these languages; any, where none is given.

        Returns:
            (M, 16) uint8.
        """
        chosen = f"AND language IN ({', '.join('?' * len(languages))})" if languages else ""
        statement = (
            "SELECT DISTINCT id FROM words JOIN captions ON position = words.rowid "  # noqa: S608 (question marks only)
            f"WHERE words MATCH ? {chosen}"
        )
        found = {key for (key,) in self._every(statement, (query.as_fts(), *languages))}
        return np.frombuffer(b"".join(sorted(found)), np.uint8).reshape(-1, 16)

    def says(self, phrase: Sequence[str]) -> bool:
        """Whether any caption holds a phrase, given as forms of words."""
        statement = "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1"
        return next(self._every(statement, (f'"{" ".join(phrase)}"',)), None) is not None

    def captions(self, ids: Sequence[bytes]) -> dict[bytes, dict[str, StoredCaption]]:
        """The captions of some tiles by language."""
        found: dict[bytes, dict[str, StoredCaption]] = {}
        for start in range(0, len(ids), 500):
            some = list(ids[start : start + 500])
            statement = (
                "SELECT id, language, caption, reason, confidence FROM captions "  # noqa: S608 (question marks only)
                f"WHERE id IN ({', '.join('?' * len(some))})"
            )
            for key, language, caption, reason, confidence in self._every(statement, some):
                told = StoredCaption(language=language, caption=caption, reason=reason, confidence=confidence)
                found.setdefault(key, {})[language] = told
        return found

    def languages(self) -> Mapping[str, int]:
        """Rows by language, the most frequent language first."""
        counts: dict[str, int] = {}
        for part in self.parts:
            for language, count in part.languages.items():
                counts[language] = counts.get(language, 0) + count
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def _every(self, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        for connection in self._open:
            yield from connection.execute(statement, values)

    def close(self) -> None:
        """Close the files."""
        for connection in self._open:
            connection.close()
        self._open = []


def _opened(layout: Layout, part: CaptionPart, record: Record | None) -> sqlite3.Connection:
    """The index of a part from its file, where that is right; else made from the part."""
    path = layout.word_part(part.name)
    if record is not None and record[0] == part.sha256 and _is_whole(path, record):
        try:
            address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("SELECT count(*) FROM words WHERE words MATCH 'x'").fetchone()
        except sqlite3.DatabaseError:
            pass  # of another SQLite: what follows needs no file
        else:
            return connection
    return build(read_part(layout, part.name))
