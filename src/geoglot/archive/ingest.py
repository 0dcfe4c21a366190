"""Index files: discover, skip what is unchanged, decode, encode, write shards, commit, follow with the index.

It may be killed at any moment and run again: what was committed stays and is not encoded again, what was not is done
again, and nothing is there twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from geoglot.archive.batches import Batches, Work
from geoglot.archive.captions import prune
from geoglot.archive.errors_log import append_error
from geoglot.archive.executor import Executor, LocalExecutor
from geoglot.archive.reading import DecoderFactory, Known, reader
from geoglot.archive.remove import sweep_shards
from geoglot.archive.verify import repair
from geoglot.core.errors import ArchiveError, GeoglotError, SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.archive.store import ArchiveStore


class ImageEncoder(Protocol):
    """What ingest needs of a model bundle."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def dimension(self) -> int: ...  # noqa: D102
    @property
    def side(self) -> int: ...  # noqa: D102
    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]: ...  # noqa: D102


class FoundFile(Protocol):
    """What discovery says of a file (:class:`geoglot.geo.discover.Candidate`)."""

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def root(self) -> Path: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def modified_ns(self) -> int: ...  # noqa: D102


Discover = Callable[[Sequence[Path]], Iterable[Any]]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where an ingest stands.

    Attributes:
        files_done: Files finished or failed, of those that had to be read.
        files_total: Files that have to be read.
        rows: Tiles encoded in this run.
        path: The file being read.
        seconds: Since the start.
    """

    files_done: int
    files_total: int
    rows: int
    path: str
    seconds: float


@dataclass(kw_only=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        indexed: Files whose tiles were encoded and committed.
        unchanged: Files that were left alone.
        known_bytes: Files whose very bytes were in the archive already: moved, copied or touched, nothing was encoded.
        rows_added: Rows committed.
        failed: One error for each file that could not be used, wholly or in part.
        gone: Files of the archive that are no longer on the disk (they stay until ``remove``).
        repaired: Damaged files of the archive that were made right, with what was done.
        seconds: Wall time.
    """

    indexed: int = 0
    unchanged: int = 0
    known_bytes: int = 0
    rows_added: int = 0
    failed: list[GeoglotError] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_record(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {**asdict(self), "failed": [error.as_record() for error in self.failed]}


def ingest(
    store: ArchiveStore,
    encoder: ImageEncoder,
    paths: Sequence[Path],
    *,
    options: Any,
    jobs: int = 1,
    progress: Callable[[Progress], None] | None = None,
    decoder_factory: DecoderFactory | None = None,
    discover: Discover | None = None,
    executor: Executor | None = None,
    flush_rows: int = 8192,
    flush_seconds: float = 20.0,
    batch: int = 64,
    check: bool = True,
) -> IngestReport:
    """Index files and folders into an archive that is open for writing.

    Args:
        store: The archive.
        encoder: The model the archive was made with.
        paths: Files and folders.
        options: How to read (:class:`geoglot.geo.decoder.ReadOptions`); files read with other options are read again.
        jobs: Decoder processes.
        progress: Called after each batch.
        decoder_factory: Makes a decoder from the options; the default is :class:`geoglot.geo.decoder.Decoder`.
        discover: Finds files; the default is :func:`geoglot.geo.discover.discover`.
        executor: Runs the decoders; the default is threads of this process.
        flush_rows: Commit at least after so many rows ...
        flush_seconds: ... or so many seconds: what a kill costs at most.
        batch: Tiles the encoder gets at once.
        check: Check every byte of the archive first and repair it (about a second per gigabyte).

    Raises:
        ArchiveError: The model is another one; the disk is full or fails (what was committed stays).
        UsageError: The archive is open for reading only.
    """
    started = time.monotonic()
    _check_model(store, encoder)
    report = IngestReport()
    again: list[str] = []
    if check:
        found, again = repair(store)
        report.repaired = [f"{damage.file}: {damage.cause}; {damage.redo}" for damage in found.damages]
    else:
        sweep_shards(store)
        store.update_index()
    plan = _Plan(store, report, digest_of(options))
    plan.add(paths, discover or _default_discover(), again)
    work = Batches(store, encoder, digest_of(options), flush_rows, flush_seconds, batch)
    stream = (executor or LocalExecutor(jobs)).stream(plan.work, reader(options, decoder_factory, plan.is_known))
    done = 0
    try:
        for candidate, parts in stream:
            for _ in _take(work, candidate, parts, report):
                if progress is not None:
                    seconds = time.monotonic() - started
                    progress(
                        Progress(
                            files_done=done,
                            files_total=len(plan.work),
                            rows=work.encoded,
                            path=str(candidate.path),
                            seconds=seconds,
                        )
                    )
            done += 1
        work.flush()
        prune(store)
    finally:
        stream.close()  # type: ignore[attr-defined]  # a generator: stop its threads now, not when it is collected
        report.rows_added = work.committed
        report.failed += work.failed
        report.indexed = work.finished
        # a file that was found elsewhere has been forgotten under its old path
        report.gone = [path for path in report.gone if store.catalogue.source(path) is not None]
        report.seconds = time.monotonic() - started
    return report


def digest_of(options: Any) -> str:
    """Digest of reading options: rows made with other ones are other rows."""
    return sha256(json.dumps(asdict(options), sort_keys=True, default=str).encode()).hexdigest()[:16]


def _check_model(store: ArchiveStore, encoder: ImageEncoder) -> None:
    identity = store.identity
    if (encoder.sha256, encoder.dimension) != (identity.bundle_sha256, identity.dimension):
        raise ArchiveError(
            store.layout.root,
            cause=f"was made with model {identity.bundle_id} ({identity.bundle_sha256[:12]}), not with {encoder.id}",
            remedy="use that model, or make a new archive",
            stage="open",
        )


def _default_discover() -> Discover:
    from geoglot.geo.discover import discover

    found: Discover = discover
    return found


class _Plan:
    """The work list: files that are new, changed, failed before, or damaged in the archive."""

    def __init__(self, store: ArchiveStore, report: IngestReport, options: str) -> None:
        self._store = store
        self._report = report
        self._options = options
        self.work: list[FoundFile] = []

    def add(self, paths: Sequence[Path], discover: Discover, again: Sequence[str]) -> None:
        """Discover files and choose those that have to be read."""
        unchanged = self._store.catalogue.unchanged()
        seen: set[str] = set()
        for candidate in discover(paths):
            if isinstance(candidate, GeoglotError):
                self._fail(candidate)
                continue
            path = str(candidate.path.absolute())
            if path in seen:
                continue
            seen.add(path)
            if not _is_text(path):
                self._fail(
                    SourceError(ascii(path), cause="has a name that is not text", remedy="rename it", stage="discover")
                )
            elif unchanged.get(path) == (candidate.size, candidate.modified_ns, self._options):
                self._report.unchanged += 1
            else:
                self.work.append(candidate)
        roots = [str(Path(path).absolute()) for path in paths]
        inside = tuple(root.rstrip(os.sep) + os.sep for root in roots)
        for path in unchanged:
            if path not in seen and (path in roots or path.startswith(inside)) and not Path(path).exists():
                self._report.gone.append(path)
        extra = [Path(path) for path in again if path not in seen]
        missing = [path for path in extra if not path.exists()]
        for absent in missing:
            cause = "is needed to repair the archive, and is gone"
            self._fail(SourceError(absent, cause=cause, remedy="put it back and run index again", stage="repair"))
        self.work += [
            c for c in discover([path for path in extra if path not in missing]) if not isinstance(c, Exception)
        ]

    def is_known(self, content: str) -> bool:
        """Whether a file of these very bytes is in the archive, read with the same options."""
        where = "WHERE content = ? AND state = 'done' AND options = ? LIMIT 1"
        return next(self._store.catalogue.sources(where, (content, self._options)), None) is not None

    def _fail(self, error: GeoglotError) -> None:
        self._report.failed.append(error)
        append_error(self._store.layout.errors, error, self._store.filesystem)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _take(work: Batches, candidate: FoundFile, parts: Iterator[Any], report: IngestReport) -> Iterator[None]:
    """Take the parts of one file; whatever goes wrong with the file is recorded and costs that file alone.

    What goes wrong with the model or the archive is not the file's fault and is raised: tiles of other files may wait
    in the same batch, and must not be taken for done.
    """
    current = Work(path=str(candidate.path.absolute()), size=candidate.size, modified_ns=candidate.modified_ns)
    while True:
        try:
            part = next(parts, None)
        except GeoglotError as error:
            work.fail(current, error)
            break
        except Exception as error:  # noqa: BLE001 (the error of a user's file, raised again from its worker)
            remedy = "open the file with another program to see whether it is whole"
            cause = f"{type(error).__name__}: {error}"
            work.fail(current, SourceError(candidate.path, cause=cause, remedy=remedy, stage="decode"))
            break
        if part is None:
            work.finish(current)
            break
        if not isinstance(part, Known):
            work.add(current, part)
            yield
            continue
        current.size, current.modified_ns = part.size, part.modified_ns
        if not work.start(current, part.content):
            report.known_bytes += 1
            break
    yield
