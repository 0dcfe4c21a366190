"""Captions beside the vectors: Parquet files whose rows belong to tiles by their identifiers.

Columns of a part: ``id`` (16 bytes, of a tile in the shards), ``source`` (SHA-256 of the file's bytes), ``language``,
``caption`` (null where it would be invented), ``reason`` (why), ``confidence``, ``attributes`` (name and probability of
what was seen), ``captioner`` and ``captioner_sha256``. There is one row for each tile and language.

Parts are data like shards: written whole, then named in the catalogue by one transaction. They are named in its table
of key and value, one line each, so that archives of every age have a place for them and older programs pass over them.
A caption lives as long as its tile: where the tile is deleted the caption is out of sight at once, and
:func:`prune` takes it off the disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.filesystem import FileSystem, reporting
from geoglot.archive.filter import ids_among
from geoglot.archive.layout import Layout
from geoglot.core.errors import ArchiveError

if TYPE_CHECKING:
    import pyarrow as pa

    from geoglot.archive.store import ArchiveStore

KEY: Final = "captions/"
LARGEST_PART: Final = 65_536
_MERGE: Final = 8
_SMALLEST_TIER: Final = 1024


@dataclass(frozen=True, kw_only=True)
class CaptionRow:
    """What a captioner said of a tile in one language.

    Attributes:
        id: 16 bytes, of the tile.
        content: SHA-256 of the file's bytes.
        language: Code.
        caption: ``None`` where it would be invented.
        reason: Why there is none.
        confidence: In [0, 1].
        attributes: What was seen, with probabilities.
    """

    id: bytes
    content: str
    language: str
    caption: str | None
    reason: str | None
    confidence: float
    attributes: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaptionPart:
    """A committed file of captions.

    Attributes:
        name: Without suffix.
        rows: How many.
        bytes: Size of the file.
        sha256: Of the file.
        languages: Rows by language.
        captioners: Digests of the captioners that wrote it.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    languages: Mapping[str, int]
    captioners: tuple[str, ...]

    def as_json(self) -> str:
        """The line in the catalogue, without the name."""
        record = {
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "languages": dict(self.languages),
            "captioners": list(self.captioners),
        }
        return json.dumps(record, sort_keys=True)


def parts_of(meta: Mapping[str, str]) -> list[CaptionPart]:
    """The parts that the catalogue names, oldest first.

    Raises:
        ArchiveError: A line makes no sense.

    Example:
        >>> parts_of({"format": "1"})
        []
    """
    found = []
    for key, value in sorted(meta.items()):
        if not key.startswith(KEY):
            continue
        try:
            record = json.loads(value)
            part = CaptionPart(
                name=key.removeprefix(KEY),
                rows=int(record["rows"]),
                bytes=int(record["bytes"]),
                sha256=str(record["sha256"]),
                languages={str(name): int(count) for name, count in record["languages"].items()},
                captioners=tuple(map(str, record["captioners"])),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = "run index again to repair it"
            raise ArchiveError(key, cause=f"is damaged in the catalogue ({error!r})", remedy=remedy) from error
        if "/" in part.name or part.name.startswith("."):
            raise ArchiveError(key, cause="names a file outside of the archive", remedy="run index again to repair it")
        found.append(part)
    return found


def schema() -> pa.Schema:
    """Columns of a part."""
    import pyarrow as pa

    attributes = pa.list_(pa.struct([("name", pa.string()), ("probability", pa.float32())]))
    fields = {
        "id": pa.binary(16),
        "source": pa.string(),
        "language": pa.string(),
        "caption": pa.string(),
        "reason": pa.string(),
        "confidence": pa.float32(),
        "attributes": attributes,
        "captioner": pa.string(),
        "captioner_sha256": pa.string(),
    }
    return pa.schema(list(fields.items()))


def as_table(rows: Sequence[CaptionRow], *, captioner: str, captioner_sha256: str) -> pa.Table:
    """Rows of one captioner as an Arrow table."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "id": [row.id for row in rows],
        "source": [row.content for row in rows],
        "language": [row.language for row in rows],
        "caption": [row.caption for row in rows],
        "reason": [row.reason for row in rows],
        "confidence": [row.confidence for row in rows],
        "attributes": [[{"name": name, "probability": p} for name, p in row.attributes] for row in rows],
        "captioner": [captioner] * len(rows),
        "captioner_sha256": [captioner_sha256] * len(rows),
    }
    return pa.Table.from_pydict(columns, schema=schema())


def read_part(layout: Layout, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A part, every page checked.

    Raises:
        ArchiveError: It is missing, or a page is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = layout.caption_part(name)
    try:
        table = pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            page_checksum_verification=True,
            use_threads=False,
        )
        return table.combine_chunks()
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        cause = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise ArchiveError(path, cause=cause, remedy="run index again to repair it", stage="read") from error


def ids_of(table: pa.Table) -> NDArray[np.uint8]:
    """The identifiers of a table's rows. -> (N, 16) uint8."""
    joined = b"".join(table["id"].to_pylist())
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def put_captions(store: ArchiveStore, table: pa.Table, *, replacing: bool = False) -> None:
    """Add captions in one transaction.

    Args:
        store: Open for writing.
        table: New rows, see :func:`as_table`; a tile has one row per language.
        replacing: Whether some of these tiles may have captions in these languages, by another captioner; their rows
            are taken out in the same transaction. Otherwise there must be none.

    Raises:
        ArchiveError: The disk is full or fails; then nothing has changed.
    """
    if not table.num_rows:
        return
    known = parts_of(store.snapshot().meta)
    gone, tables = [], []
    own = set(table["captioner_sha256"].unique().to_pylist())
    for part in known if replacing else ():
        if set(part.captioners) <= own:
            continue
        before = read_part(store.layout, part.name)
        after = before.filter(_not_in(before, table))
        if after.num_rows < before.num_rows:
            gone.append(part)
            tables.append(after)
    left = [part for part in known if part not in gone]
    tail = _mergeable([*(part.rows for part in left), table.num_rows])
    merged = left[len(left) - tail :] if tail else []
    tables.append(_together([*(read_part(store.layout, part.name) for part in merged), table]))
    _commit_parts(store, [*gone, *merged], tables)


def _not_in(before: pa.Table, new: pa.Table) -> pa.Array:
    """Which rows have no counterpart, tile and language, among new ones. -> (N,) bool."""
    import pyarrow as pa

    keys = set(zip(new["id"].to_pylist(), new["language"].to_pylist(), strict=True))
    pairs = zip(before["id"].to_pylist(), before["language"].to_pylist(), strict=True)
    return pa.array([pair not in keys for pair in pairs], pa.bool_())


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([table.cast(schema()) for table in tables]).combine_chunks()


def _mergeable(rows: Sequence[int]) -> int:
    """How many of the parts before the last one are to be merged with it: seven of its size or smaller.

    Example:
        >>> _mergeable([65_000, *[500] * 7, 500]), _mergeable([500] * 7)
        (7, 0)
    """
    count = _MERGE - 1
    if len(rows) <= count:
        return 0
    tail = rows[-_MERGE:]
    small = max(map(_tier, tail)) == _tier(tail[-1]) or max(tail) < _SMALLEST_TIER
    return count if small and sum(tail) <= LARGEST_PART else 0


def _tier(rows: int) -> int:
    tier, most = 0, _SMALLEST_TIER * _MERGE
    while rows >= most:
        tier, most = tier + 1, most * _MERGE
    return tier


def _commit_parts(store: ArchiveStore, gone: Sequence[CaptionPart], tables: Iterable[pa.Table]) -> None:
    """Replace some parts by others in one transaction, then make the derived files follow."""
    from geoglot.archive import words

    catalogue, layout = store.catalogue, store.layout
    if not layout.captions.is_dir():
        with reporting(layout.captions):
            store.filesystem.make_directory(layout.captions)
            store.filesystem.flush_directory(layout.root)
    number = catalogue.last_seal()[0] + 1
    written = []
    for place, table in enumerate(tables):
        if table.num_rows:
            name = f"{number:08d}-{place:02d}-{table['id'][0].as_py().hex()[:8]}"
            written.append(_write_part(layout, name, table, store.filesystem))
    with store.transaction():
        for part in gone:
            catalogue.delete_meta(KEY + part.name)
        for part in written:
            catalogue.set_meta(KEY + part.name, part.as_json())
    sweep(store)
    words.update(layout, parts_of(store.snapshot().meta), store.filesystem)


def _write_part(layout: Layout, name: str, table: pa.Table, filesystem: FileSystem) -> CaptionPart:
    import pyarrow.parquet as pq

    def write(file: BinaryIO) -> None:
        pq.write_table(
            table,
            file,
            compression="zstd",
            use_dictionary=["source", "language", "caption", "reason", "captioner", "captioner_sha256"],
            write_page_checksum=True,
            store_schema=True,
        )

    written = filesystem.write_atomic(layout.caption_part(name), write)
    return CaptionPart(
        name=name,
        rows=table.num_rows,
        bytes=written.size,
        sha256=written.sha256,
        languages=dict(sorted(Counter(table["language"].to_pylist()).items())),
        captioners=tuple(sorted(table["captioner_sha256"].unique().to_pylist())),
    )


def sweep(store: ArchiveStore) -> None:
    """Remove caption files that the catalogue does not name: left by a kill before a commit, or replaced."""
    if not store.layout.captions.is_dir():
        return
    names = {store.layout.caption_part(part.name).name for part in parts_of(store.snapshot().meta)}
    for entry in sorted(store.layout.captions.iterdir()):
        if entry.is_file() and entry.name not in names:
            with reporting(entry):
                store.filesystem.remove(entry)


def drop_parts(store: ArchiveStore, names: Iterable[str]) -> None:
    """Forget parts, damaged ones: their captions are written again by the next captioning."""
    lost = set(names)
    gone = [part for part in parts_of(store.snapshot().meta) if part.name in lost]
    if gone:
        _commit_parts(store, gone, [])


def prune(store: ArchiveStore) -> int:
    """Take captions off the disk whose tiles are no more. Returns how many.

    A file that waits to be read again after damage keeps its captions: its tiles will have the same identifiers.

    Raises:
        ArchiveError: The disk is full or fails, or a part is damaged.
    """
    parts = parts_of(store.snapshot().meta)
    if not parts:
        return 0
    import pyarrow as pa

    states: dict[str, set[str]] = {}
    for source in store.catalogue.sources():
        if source.content is not None:
            states.setdefault(source.content, set()).add(source.state)
    waiting = {content for content, some in states.items() if some != {"done"}}
    live = live_ids(store)
    gone, tables, dropped = [], [], 0
    for part in parts:
        keys = read_part(store.layout, part.name, ["id", "source"])
        keep = ids_among(ids_of(keys), live) | np.array([one in waiting for one in keys["source"].to_pylist()], bool)
        if keep.all():
            continue
        dropped += int((~keep).sum())
        gone.append(part)
        tables.append(read_part(store.layout, part.name).filter(pa.array(keep)))
    if gone:
        _commit_parts(store, gone, tables)
    return dropped


def live_ids(store: ArchiveStore) -> NDArray[np.uint8]:
    """Identifiers of all live rows. -> (N, 16) uint8."""
    searcher = store.searcher
    found = [np.zeros((0, 16), np.uint8)]
    for segment, mask in zip(searcher.segments, searcher.live, strict=True):
        found.append(np.asarray(segment.ids) if mask is None else np.asarray(segment.ids)[mask])
    return np.concatenate(found)
