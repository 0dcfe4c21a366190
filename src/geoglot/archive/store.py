"""An archive that is open: for reading by anybody, for writing by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoglot.archive import index
from geoglot.archive.captions import parts_of
from geoglot.archive.catalogue import Catalogue, read_catalogue
from geoglot.archive.codes import Coding
from geoglot.archive.entries import Commit, Extent, Shard, Snapshot, Source
from geoglot.archive.filesystem import FileSystem, reporting
from geoglot.archive.filter import Filter
from geoglot.archive.healing import healthy_catalogue, healthy_identity, leave_in_order, readable_catalogue
from geoglot.archive.layout import FORMAT, FORMAT_OF_CODES, Identity, Layout, write_identity
from geoglot.archive.lock import WriterLock
from geoglot.archive.rows import Rows
from geoglot.archive.seal import Seal, read_seal, write_seal
from geoglot.archive.search import CANDIDATES, RawHit, Searcher
from geoglot.archive.segment import build
from geoglot.archive.shards import read_shard, write_shard
from geoglot.core.errors import ArchiveError, UsageError

if TYPE_CHECKING:
    from geoglot.archive.words import WordIndex

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ArchiveInfo:
    """What an archive holds.

    Attributes:
        path: Its folder.
        identity: Format, bundle, dimension, preprocessing.
        commit: Number of the last commit.
        rows: Live rows.
        deleted_rows: Rows that are marked as deleted and not yet compacted away.
        sources: Number of sources by state.
        shards: Number of shards.
        bytes: Size on disk of shards, index, catalogue and captions.
        captions: Captions by language, those of tiles of which nothing is said among them.
    """

    path: str
    identity: Identity
    commit: int
    rows: int
    deleted_rows: int
    sources: dict[str, int]
    shards: int
    bytes: dict[str, int]
    captions: dict[str, int]

    def as_record(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)


class Store(Protocol):
    """What any store of vectors must do; ``tests/archive/contract_store.py`` says it in tests."""

    @property
    def dimension(self) -> int:
        """Length D of an embedding."""
        ...

    def commit(
        self,
        rows: Rows | None,
        sources: Sequence[Source],
        *,
        replaced: Sequence[str] = (),
        forgotten: Sequence[str] = (),
    ) -> int:
        """Add rows and sources, delete what they replace: all in one step. Returns rows added."""
        ...

    def remove(self, patterns: Sequence[str]) -> int:
        """Remove sources by glob or prefix. Returns how many."""
        ...

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        k: int,
        filter: Filter | None = None,
        collapse: bool = True,
        exact: bool = False,
        candidates: int = CANDIDATES,
    ) -> list[RawHit]:
        """The best rows; `exact` re-orders at least so many candidates where the first stage is not exact."""
        ...

    def background_sample(self) -> NDArray[np.float32]:
        """(M, D) float32: at most 4,096 rows, chosen by id."""
        ...

    def close(self) -> None:
        """Leave in order."""
        ...


class ArchiveStore:
    """The local store: GeoParquet shards, a SQLite catalogue, a derived FAISS index.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "archive"
        >>> with ArchiveStore.create(folder, bundle_id="compact-1", bundle_sha256="ab" * 32, dimension=4) as store:
        ...     store.search(np.ones(4, np.float32), k=3)
        []
    """

    def __init__(
        self,
        layout: Layout,
        identity: Identity,
        *,
        catalogue: Catalogue | None,
        lock: WriterLock | None,
        filesystem: FileSystem,
    ) -> None:
        self.layout = layout
        self.identity = identity
        self.coding = Coding.parse(identity.codes)
        self.filesystem = filesystem
        self.catalogue_file = layout.catalogue
        self.threads = 2
        self._catalogue = catalogue
        self._lock = lock
        self._searcher: Searcher | None = None
        self._words: WordIndex | None = None
        self._dirty = False
        self._known_ids: dict[str, set[bytes]] = {}

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        bundle_id: str,
        bundle_sha256: str,
        dimension: int,
        preprocessing: int = 1,
        codes: str = "float16",
        bundle_folder: str = "",
        filesystem: FileSystem | None = None,
    ) -> ArchiveStore:
        """A new archive, open for writing.

        Args:
            path: Its folder.
            bundle_id: Name of the model bundle.
            bundle_sha256: Digest of the model bundle.
            dimension: Length D of an embedding.
            preprocessing: Version of the preprocessing.
            codes: How the index holds vectors: ``float16``, ``binary:BITS``, or ``signs:D`` for a hasher.
            bundle_folder: Where the bundle lies, if it does not ship with the package.
            filesystem: Writes.

        Raises:
            UsageError: `codes` makes no sense.
            ArchiveError: The folder holds something already, or cannot be written.
        """
        files = filesystem or FileSystem()
        layout = Layout(Path(path))
        coding = Coding.parse(codes)
        if coding.kind == "signs" and coding.bits != dimension:
            cause = f"do not fit embeddings of length {dimension}"
            raise UsageError(f"codes {coding}", cause=cause, remedy="give a hasher one bit per value")
        if layout.catalogue.exists() or layout.identity.exists():
            raise ArchiveError(path, cause="holds an archive already", remedy="open it, or choose another folder")
        with reporting(layout.root):
            layout.root.mkdir(parents=True, exist_ok=True)
            strangers = sorted(entry.name for entry in layout.root.iterdir())
            unfinished = {"lock", "shards", "index", "archive.json.partial"}
            if not set(strangers) <= unfinished:
                raise ArchiveError(
                    path, cause=f"is not empty (it holds {strangers[0]})", remedy="choose another folder"
                )
            lock = WriterLock(layout.lock)
            for folder in (layout.shards, layout.index):
                files.make_directory(folder)
        identity = Identity(
            format=FORMAT_OF_CODES if coding.binary else FORMAT,
            bundle_id=bundle_id,
            bundle_sha256=bundle_sha256,
            dimension=dimension,
            preprocessing=preprocessing,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            codes=str(coding),
            bundle_folder=bundle_folder,
        )
        try:
            index.write_manifest(layout, [], files)
            write_identity(layout, identity, files)
            catalogue = healthy_catalogue(layout, identity, files)
        except BaseException:
            lock.close()
            raise
        return cls(layout, identity, catalogue=catalogue, lock=lock, filesystem=files)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = True, filesystem: FileSystem | None = None) -> ArchiveStore:
        """Open an archive. For reading nothing is written; for writing the catalogue is made whole first.

        Raises:
            ArchiveError: No archive, damaged beyond its copy, of a newer format, or being written by another process.
        """
        layout = Layout(Path(path))
        files = filesystem or FileSystem()
        if not layout.identity.exists() and not layout.catalogue.exists():
            raise ArchiveError(path, cause="is not an archive", remedy="check the folder, or run 'geoglot index' first")
        if read_only:
            identity = healthy_identity(layout)
            store = cls(layout, identity, catalogue=None, lock=None, filesystem=files)
            store.catalogue_file = readable_catalogue(layout)
            return store
        lock = WriterLock(layout.lock)
        try:
            identity = healthy_identity(layout, files)
            catalogue = healthy_catalogue(layout, identity, files)
        except BaseException:
            lock.close()
            raise
        store = cls(layout, identity, catalogue=catalogue, lock=lock, filesystem=files)
        store._dirty = True
        return store

    @property
    def dimension(self) -> int:
        """Length D of an embedding."""
        return self.identity.dimension

    @property
    def read_only(self) -> bool:
        """Whether this store may only be read."""
        return self._lock is None

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue, open for writing.

        Raises:
            UsageError: The archive is open for reading only.
        """
        if self._catalogue is None:
            raise UsageError(self.layout.root, cause="is open for reading only", remedy="open it with read_only=False")
        return self._catalogue

    def read(self, action: Callable[[Catalogue], T]) -> T:
        """Look something up in the catalogue."""
        return action(self._catalogue) if self._catalogue else read_catalogue(self.catalogue_file, action)

    def snapshot(self) -> Snapshot:
        """The last commit."""
        return self._catalogue.snapshot() if self._catalogue else Catalogue.read_snapshot(self.catalogue_file)

    def commit(
        self,
        rows: Rows | None,
        sources: Sequence[Source],
        *,
        replaced: Sequence[str] = (),
        forgotten: Sequence[str] = (),
    ) -> int:
        """Add rows and sources, delete what they replace: all in one transaction.

        Rows that the archive has already (by id) are left out. The rows of a content that no source has any more are
        deleted; so, where a path comes with new bytes, its old rows leave in the transaction that brings the new ones.

        Args:
            rows: New rows, those of one content side by side; ``None`` for none.
            sources: Sources as they are from now on.
            replaced: Contents whose committed rows are deleted in any case (they were read with other options).
            forgotten: Paths that the archive shall not know any more.

        Returns:
            Rows added.

        Raises:
            ArchiveError: The disk is full or fails; then nothing has changed.
        """
        catalogue = self.catalogue
        rows = self._without_known(rows, set(replaced)) if rows is not None else None
        number = catalogue.last_seal()[0] + 1
        shard = None
        if rows is not None and len(rows):
            name = f"{number:08d}-{rows.ids[0].tobytes().hex()[:8]}"
            written = write_shard(self.layout.shard(name), rows, self.filesystem)
            shard = Shard(
                number=number, name=name, rows=len(rows), bytes=written.size, sha256=written.sha256, committed=number
            )
        with self.transaction() as commit:
            for content in replaced:
                commit.deleted += catalogue.delete_rows(content, commit.number)
            if shard is not None and rows is not None:
                catalogue.add_shard(shard, _extents(rows, number))
                commit.added = len(rows)
            commit.deleted += catalogue.put_sources(sources, commit.number)
            commit.deleted += sum(catalogue.delete_source(path, commit.number) for path in forgotten)
        self._remember(rows, sources, replaced)
        fresh = []
        if shard is not None and rows is not None:
            fresh = [build(rows, [(number, len(rows), shard.sha256)], coding=self.coding)]
        self.update_index(fresh)
        return 0 if shard is None else shard.rows

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Commit]:
        """One commit, sealed afterwards. Yields a :class:`geoglot.archive.catalogue.Commit`."""
        with self.catalogue.transaction() as commit:
            yield commit
        self._dirty = True
        self.drop_searcher()
        number, digest = self.catalogue.last_seal()
        last = self._last_seal()
        write_seal(self.layout, replace(last, commit=number, digest=digest, file_sha256=None), self.filesystem)

    def _last_seal(self) -> Seal:
        try:
            return read_seal(self.layout)
        except (ArchiveError, FileNotFoundError):
            return Seal(commit=0, digest="")

    def update_index(self, fresh: Sequence[Any] = ()) -> None:
        """Make the index folder follow the catalogue."""
        index.update(self.layout, self.snapshot(), self.filesystem, self.coding, fresh)

    def _without_known(self, rows: Rows, replaced: set[str]) -> Rows:
        """Leave out rows that are committed already, and doubles."""
        keep = np.ones(len(rows), bool)
        for number, (content, _) in enumerate(rows.sources):
            known = self.ids_of(content) if content not in replaced else set()
            seen: set[bytes] = set()
            for row in np.flatnonzero(rows.source == number):
                key = rows.ids[row].tobytes()
                keep[row] = key not in known and key not in seen
                seen.add(key)
        return rows if keep.all() else rows.take(np.flatnonzero(keep))

    def ids_of(self, content: str) -> set[bytes]:
        """Ids of the committed rows of a content."""
        if content not in self._known_ids:
            known: set[bytes] = set()
            shards = (
                {shard.number: shard for shard in self.catalogue.shards()} if self.catalogue.extents(content) else {}
            )
            for extent in self.catalogue.extents(content):
                ids = read_shard(self.layout.shard(shards[extent.shard].name)).ids
                known |= {key.tobytes() for key in ids[extent.first : extent.first + extent.count]}
            self._known_ids[content] = known
        return self._known_ids[content]

    def forget_ids(self) -> None:
        """Forget what is remembered of committed rows, after shards were dropped."""
        self._known_ids.clear()

    def _remember(self, rows: Rows | None, sources: Sequence[Source], replaced: Sequence[str]) -> None:
        """Keep the ids of contents that are being committed bit by bit, and of no other."""
        partial = {source.content for source in sources if source.state == "partial"}
        for content in replaced:
            self._known_ids.pop(content, None)
        if rows is not None:
            for number, (content, _) in enumerate(rows.sources):
                if content in self._known_ids:
                    self._known_ids[content] |= {key.tobytes() for key in rows.ids[rows.source == number]}
        self._known_ids = {content: ids for content, ids in self._known_ids.items() if content in partial}

    def remove(self, patterns: Sequence[str]) -> int:
        """Remove sources by glob or prefix of their paths.

        Returns:
            How many sources were removed.
        """
        from geoglot.archive.remove import remove

        return len(remove(self, patterns))

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        k: int,
        filter: Filter | None = None,
        collapse: bool = True,
        exact: bool = False,
        candidates: int = CANDIDATES,
    ) -> list[RawHit]:
        """The `k` best rows or places, by score.

        The answer of an archive of float16 vectors is exact anyway, and equal scores are in order of id. With binary
        codes the order is that of the Hamming distance, equal ones in the order in which they were indexed, and the
        score is what the distance says about the cosine.

        Args:
            vector: (D,) float32, finite; of unit length if scores shall be cosines.
            k: How many.
            filter: What part of the archive to look at.
            collapse: Whether overlapping tiles of one place become one hit.
            exact: Order the candidates of binary codes by their float16 vectors.
            candidates: How many candidates that are at least.

        Returns:
            At most `k` hits; fewer when there are no more.

        Raises:
            UsageError: The vector does not fit, or a number is not positive.
            ArchiveError: A shard is damaged.
        """
        query = self.searcher.checked_query(vector)
        wanted = candidates if exact else None
        return self._trusting(
            lambda searcher: searcher.search(query, k=k, condition=filter, collapse=collapse, candidates=wanted)
        )

    def background_sample(self) -> NDArray[np.float32]:
        """(M, D) float32: at most 4,096 live rows, those with the smallest ids."""
        return self._trusting(lambda searcher: searcher.background_sample)

    def find(self, ids: Sequence[str]) -> dict[str, RawHit]:
        """Live rows by identifier; see :meth:`geoglot.archive.search.Searcher.find`."""
        return self._trusting(lambda searcher: searcher.find(ids))

    def sample_scores(self, vector: NDArray[np.float32], filter: Filter | None) -> tuple[NDArray[np.float32], int]:
        """How scores are spread; see :meth:`geoglot.archive.search.Searcher.sample_scores`."""
        query = self.searcher.checked_query(vector)
        return self._trusting(lambda searcher: searcher.sample_scores(query, filter))

    def _trusting(self, action: Callable[[Searcher], T]) -> T:
        """Do something with the index; if it has been merged away, with the new one; if damaged, with the shards."""
        for _attempt in range(2):
            try:
                return action(self.searcher)
            except ArchiveError:
                self.drop_searcher()
        snapshot = self.snapshot()
        groups = index.groups(list(snapshot.shards.values()))
        segments = [index.from_shards(self.layout, group, self.coding) for group in groups]
        self._searcher = Searcher(segments, snapshot, self.dimension, self.threads, coding=self.coding)
        return action(self._searcher)

    @property
    def searcher(self) -> Searcher:
        """The rows of the commit that was the last one when this store was opened or refreshed."""
        if self._searcher is None:
            for attempt in range(5):
                snapshot = self.snapshot()
                try:
                    segments = index.load(self.layout, snapshot, self.coding)
                    break
                except ArchiveError:
                    # a compaction may have taken a shard away after the snapshot was read
                    if attempt == 4 or self.snapshot().commit == snapshot.commit:
                        raise
            self._searcher = Searcher(segments, snapshot, self.dimension, self.threads, coding=self.coding)
        return self._searcher

    def refresh(self) -> None:
        """See commits that others have made since."""
        if self._searcher is not None and self.snapshot().commit != self._searcher.snapshot.commit:
            self.drop_searcher()

    @property
    def words(self) -> WordIndex | None:
        """The words of the captions of the commit that :attr:`searcher` shows; ``None`` where there are no captions.

        Raises:
            ArchiveError: Captions are damaged.
        """
        from geoglot.archive.words import WordIndex

        if self._words is None and (parts := parts_of(self.searcher.snapshot.meta)):
            self._words = WordIndex(self.layout, parts)
        return self._words

    def drop_searcher(self) -> None:
        """Forget the loaded index."""
        if self._words is not None:
            self._words.close()
        self._words = None
        if self._searcher is not None:
            self._searcher.close()
        self._searcher = None

    def info(self) -> ArchiveInfo:
        """What the archive holds."""
        snapshot = self.snapshot()
        states = dict(
            self.read(lambda c: c.connection.execute("SELECT state, count(*) FROM sources GROUP BY state").fetchall())
        )
        index_bytes = sum(path.stat().st_size for path in self.layout.index.rglob("*") if path.is_file())
        files = self.layout.root.glob("catalog*")
        parts = parts_of(snapshot.meta)
        languages = sorted({language for part in parts for language in part.languages})
        return ArchiveInfo(
            path=str(self.layout.root),
            identity=self.identity,
            commit=snapshot.commit,
            rows=snapshot.rows,
            deleted_rows=sum(count for _, _, count in snapshot.deleted),
            sources=states,
            shards=len(snapshot.shards),
            bytes={
                "shards": sum(shard.bytes for shard in snapshot.shards.values()),
                "index": index_bytes,
                "catalogue": sum(path.stat().st_size for path in files),
                "captions": sum(part.bytes for part in parts),
            },
            captions={one: sum(part.languages.get(one, 0) for part in parts) for one in languages},
        )

    def verify(self) -> Any:
        """Check every byte; see :func:`geoglot.archive.verify.verify`."""
        from geoglot.archive.verify import verify

        return verify(self.layout.root)

    def close(self) -> None:
        """Leave in order: a writer brings the log home, copies the catalogue and seals both."""
        self.drop_searcher()
        if self._catalogue is not None:
            try:
                if self._dirty:
                    # all commits are safe already; on a full disk only the spare copy is not made
                    with contextlib.suppress(ArchiveError):
                        leave_in_order(self.layout, self._catalogue, self.filesystem)
            finally:
                self._catalogue.close()
                self._catalogue = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> ArchiveStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _extents(rows: Rows, shard: int) -> list[Extent]:
    """Runs of rows of one content."""
    changes = np.flatnonzero(np.diff(rows.source)) + 1
    starts = [0, *changes.tolist()]
    ends = [*changes.tolist(), len(rows)]
    return [
        Extent(shard=shard, first=first, count=end - first, content=rows.sources[int(rows.source[first])][0])
        for first, end in zip(starts, ends, strict=True)
    ]
