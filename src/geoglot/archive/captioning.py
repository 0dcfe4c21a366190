"""Caption the tiles of an archive that have no caption yet; safe to repeat after any interruption.

Tiles are read again from their files, at the side that the captioner wants, and described in batches. What is ready is
committed now and then, so that a kill costs little; a tile that has a caption of this captioner is passed over.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.captions import CaptionRow, as_table, ids_of, parts_of, prune, put_captions, read_part
from geoglot.archive.entries import Source
from geoglot.archive.errors_log import append_error
from geoglot.archive.filter import ids_among, path_test
from geoglot.archive.reading import content_of
from geoglot.core.errors import GeoglotError, SourceError
from geoglot.core.records import Window

if TYPE_CHECKING:
    from geoglot.archive.store import ArchiveStore

FLUSH_ROWS = 4096
FLUSH_SECONDS = 30.0
PICTURES_TOGETHER = 32
NOT_READ = "no data"
_WINDOWS_TOGETHER = 20_000  # what fits well into one request to the decoder


class Describer(Protocol):
    """What captioning needs of a model bundle (:class:`geoglot.models.captioner.CaptionerBundle`)."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def side(self) -> int: ...  # noqa: D102
    def describe(self, pixels: NDArray[np.uint8], languages: Sequence[str]) -> Sequence[Any]: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class CaptioningProgress:
    """Where a captioning stands: tiles described in this run, tiles to be described, the file being read."""

    tiles_done: int
    tiles_total: int
    path: str


@dataclass(kw_only=True)
class CaptioningReport:
    """What a captioning did.

    Attributes:
        tiles: Tiles that were described.
        captions: Captions that were written, over all languages.
        without: Tiles and languages without a caption, by reason.
        unchanged: Tiles that had their captions already.
        pruned: Captions that were taken off the disk because their tiles are no more.
        failed: One error for each file that could not be read again.
        seconds: Wall time.
    """

    tiles: int = 0
    captions: int = 0
    without: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    pruned: int = 0
    failed: list[GeoglotError] = field(default_factory=list)
    seconds: float = 0.0

    def as_record(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {**self.__dict__, "failed": [error.as_record() for error in self.failed]}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Tiles of one file that lack a caption in some language.

    Attributes:
        content: SHA-256 of its bytes.
        ids: (N, 16) uint8.
        windows: (N, 4) int32.
        lacks: (N, L) bool, in which of the languages.
    """

    content: str
    ids: NDArray[np.uint8]
    windows: NDArray[np.int32]
    lacks: NDArray[np.bool_]


def caption_archive(
    store: ArchiveStore,
    captioner: Describer,
    languages: Sequence[str],
    *,
    bands: Sequence[int] | None = None,
    sources: Sequence[str] = (),
    items: Sequence[str] = (),
    progress: Callable[[CaptioningProgress], None] | None = None,
    flush_rows: int = FLUSH_ROWS,
    flush_seconds: float = FLUSH_SECONDS,
) -> CaptioningReport:
    """Write the captions that are missing.

    Captions of another captioner count as missing and are replaced, tile by tile.

    Args:
        store: Open for writing.
        captioner: Describes pictures.
        languages: Codes.
        bands: Red, green and blue as band numbers; ``None`` chooses.
        sources: Only files whose paths match one of these globs or begin with one of these prefixes.
        items: Only tiles with these identifiers (32 hexadecimal digits); others are passed over in silence.
        progress: Called after each batch.
        flush_rows: Commit at least after so many captions ...
        flush_seconds: ... or so many seconds: what a kill costs at most.

    Raises:
        ArchiveError: The disk is full or fails (what was committed stays), or the archive is damaged.
        UsageError: The archive is open for reading only, or the captioner does not write one of the languages.
    """
    started = time.monotonic()
    _ = store.catalogue  # a store that is open for reading is told at once
    report = CaptioningReport(pruned=prune(store))
    only = np.frombuffer(bytes.fromhex("".join(items)), np.uint8).reshape(-1, 16) if items else None
    test = path_test(sources) if sources else None
    work, report.unchanged = wanted(store, captioner.sha256, languages, test, only)
    writer = _Writer(store, captioner, tuple(languages), report, flush_rows, flush_seconds)
    writer.total = sum(len(some.ids) for some in work)
    writer.progress = progress
    try:
        read_again(store, work, captioner.side, bands, writer)
    finally:
        report.seconds = time.monotonic() - started
    return report


def wanted(
    store: ArchiveStore,
    captioner_sha256: str,
    languages: Sequence[str],
    test: Callable[[str], bool] | None = None,
    only: NDArray[np.uint8] | None = None,
) -> tuple[list[Wanted], int]:
    """The tiles that lack a caption of a captioner, by file, and how many do not.

    Args:
        store: Whose tiles.
        captioner_sha256: Captions of others do not count.
        languages: Codes.
        test: Which paths are looked at.
        only: (M, 16) identifiers of the tiles that are looked at.
    """
    parts = parts_of(store.snapshot().meta)
    done: dict[str, list[NDArray[np.uint8]]] = {language: [] for language in languages}
    for part in parts:
        if captioner_sha256 not in part.captioners or not set(part.languages) & set(languages):
            continue
        keys = read_part(store.layout, part.name, ["id", "language", "captioner_sha256"])
        spoken = np.array(keys["language"].to_pylist())
        ours = np.array(keys["captioner_sha256"].to_pylist()) == captioner_sha256
        ids = ids_of(keys)
        for language in languages:
            done[language].append(ids[ours & (spoken == language)])
    has = [np.concatenate([np.zeros((0, 16), np.uint8), *done[language]]) for language in languages]
    return lacking(store, has, test, only)


def lacking(
    store: ArchiveStore,
    has: Sequence[NDArray[np.uint8]],
    test: Callable[[str], bool] | None = None,
    only: NDArray[np.uint8] | None = None,
) -> tuple[list[Wanted], int]:
    """The live tiles that lack something, by file, and how many lack nothing.

    Args:
        store: The archive.
        has: For each of L things the (N, 16) identifiers of the tiles that have it.
        test: Which paths count.
        only: (M, 16) identifiers of the tiles that count.
    """
    found: dict[str, list[Wanted]] = {}
    unchanged = 0
    searcher = store.searcher
    for segment, live in zip(searcher.segments, searcher.live, strict=True):
        rows = np.arange(len(segment)) if live is None else np.flatnonzero(live)
        if test is not None:
            rows = rows[searcher.names(segment).matching(test)[segment.source[rows]]]
        ids = np.asarray(segment.ids)[rows]
        if only is not None:
            among = ids_among(ids, only)
            rows, ids = rows[among], ids[among]
        lacks = np.stack([~ids_among(ids, some) for some in has], axis=1)
        unchanged += int((~lacks.any(1)).sum())
        chosen = lacks.any(1)
        rows, ids, lacks = rows[chosen], ids[chosen], lacks[chosen]
        owner = np.asarray(segment.source)[rows]
        for number in np.unique(owner).tolist():
            mine = owner == number
            content = str(segment.sources[number][0])
            part_of = Wanted(
                content=content, ids=ids[mine], windows=np.asarray(segment.windows)[rows[mine]], lacks=lacks[mine]
            )
            found.setdefault(content, []).append(part_of)
    return [_joined(several) for several in found.values()], unchanged


def _joined(several: Sequence[Wanted]) -> Wanted:
    return Wanted(
        content=several[0].content,
        ids=np.concatenate([one.ids for one in several]),
        windows=np.concatenate([one.windows for one in several]),
        lacks=np.concatenate([one.lacks for one in several]),
    )


class _Writer:
    """Gathers tiles, describes them in batches, commits what is ready."""

    def __init__(
        self,
        store: ArchiveStore,
        captioner: Describer,
        languages: tuple[str, ...],
        report: CaptioningReport,
        flush_rows: int,
        flush_seconds: float,
    ) -> None:
        self._store, self._captioner, self._languages, self._report = store, captioner, languages, report
        self._flush_rows, self._flush_seconds = flush_rows, flush_seconds
        self._waiting: list[tuple[Wanted, NDArray[np.int64], NDArray[np.uint8]]] = []
        self._rows: list[CaptionRow] = []
        self._oldest = time.monotonic()
        self._without: Counter[str] = Counter()
        self._others = any(set(part.captioners) - {captioner.sha256} for part in parts_of(store.snapshot().meta))
        self.total = 0
        self.progress: Callable[[CaptioningProgress], None] | None = None
        self.path = ""

    def add(self, some: Wanted, rows: NDArray[np.int64], picture: NDArray[np.uint8]) -> None:
        """Take one picture, which stands for some tiles of a file."""
        self._waiting.append((some, rows, picture))
        if len(self._waiting) >= PICTURES_TOGETHER:
            self._describe()

    def nothing(self, some: Wanted, rows: NDArray[np.int64]) -> None:
        """Take tiles that hold no data any more."""
        for row in rows.tolist():
            self._report.tiles += 1
            for place in np.flatnonzero(some.lacks[row]).tolist():
                self._keep(some, row, self._languages[place], None, NOT_READ, 0.0, ())

    def _describe(self) -> None:
        taken, self._waiting = self._waiting, []
        if taken:
            told = self._captioner.describe(np.stack([picture for _, _, picture in taken]), self._languages)
            for (some, rows, _), description in zip(taken, told, strict=True):
                for row in rows.tolist():
                    self._report.tiles += 1
                    self._take(some, row, description)
        if self.progress is not None:
            self.progress(CaptioningProgress(tiles_done=self._report.tiles, tiles_total=self.total, path=self.path))
        due = time.monotonic() - self._oldest >= self._flush_seconds
        if len(self._rows) >= self._flush_rows or (self._rows and due):
            self.flush()

    def _take(self, some: Wanted, row: int, description: Any) -> None:
        for place, told in enumerate(description.told):
            if not some.lacks[row, place]:
                continue
            sentence = told.sentence
            text, sure = (None, 0.0) if sentence is None else (sentence.text, sentence.confidence)
            self._keep(some, row, told.language, text, told.reason, sure, description.attributes)

    def _keep(
        self,
        some: Wanted,
        row: int,
        language: str,
        text: str | None,
        reason: str | None,
        sure: float,
        attributes: tuple[tuple[str, float], ...],
    ) -> None:
        if not self._rows:
            self._oldest = time.monotonic()
        self._rows.append(
            CaptionRow(
                id=some.ids[row].tobytes(),
                content=some.content,
                language=language,
                caption=text,
                reason=reason,
                confidence=sure,
                attributes=attributes,
            )
        )

    def flush(self) -> None:
        """Commit all captions that are ready."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        table = as_table(rows, captioner=self._captioner.id, captioner_sha256=self._captioner.sha256)
        put_captions(self._store, table, replacing=self._others)
        self._report.captions += sum(row.caption is not None for row in rows)
        self._without.update(row.reason or "" for row in rows if row.caption is None)
        self._report.without = dict(sorted(self._without.items()))
        self._oldest = time.monotonic()

    def finish(self) -> None:
        """Describe and commit what is left."""
        self._describe()
        self.flush()

    def fail(self, error: GeoglotError) -> None:
        """A file cannot be read: it costs itself alone."""
        self._report.failed.append(error)
        append_error(self._store.layout.errors, error, self._store.filesystem)


class TileTaker(Protocol):
    """What tiles that are read again are handed to."""

    path: str

    def add(self, some: Wanted, rows: NDArray[np.int64], picture: NDArray[np.uint8]) -> None: ...  # noqa: D102
    def nothing(self, some: Wanted, rows: NDArray[np.int64]) -> None: ...  # noqa: D102
    def fail(self, error: GeoglotError) -> None: ...  # noqa: D102
    def finish(self) -> None: ...  # noqa: D102


def read_again(
    store: ArchiveStore, work: Sequence[Wanted], side: int, bands: Sequence[int] | None, writer: TileTaker
) -> None:
    """Read the wanted tiles of all files and hand them to the writer."""
    from geoglot.geo.decoder import Cut, Decoder, ReadOptions, TileBatch

    files: dict[str, _Tiles] = {}

    def cuts() -> Iterator[Cut]:
        for some in work:
            try:
                path = _present_path(store, some.content)
            except SourceError as error:
                writer.fail(error)
                continue
            files[str(path)] = _Tiles(some)
            windows = files[str(path)].windows
            for start in range(0, len(windows), _WINDOWS_TOGETHER):
                yield Cut(path=path, windows=tuple(windows[start : start + _WINDOWS_TOGETHER]))

    if not work:
        return
    current: tuple[str, bool] | None = None
    options = ReadOptions(side=side, bands=None if bands is None else tuple(bands))
    with Decoder(options) as decoder:
        for path, part in decoder.read_many(cuts()):
            if current is not None and current[0] != str(path):
                files.pop(current[0]).close(writer, failed=current[1])
                current = None
            current = (str(path), isinstance(part, SourceError) or (current is not None and current[1]))
            writer.path = str(path)
            if isinstance(part, SourceError):
                writer.fail(part)
            elif isinstance(part, TileBatch):
                for tile, pixels in zip(part.tiles, part.pixels, strict=True):
                    files[str(path)].give(tile.window, pixels, writer)
        if current is not None:
            files.pop(current[0]).close(writer, failed=current[1])
    writer.finish()


class _Tiles:
    """The wanted tiles of one file by window; several levels of a small scene may show one window."""

    def __init__(self, some: Wanted) -> None:
        self.some = some
        self.rows: dict[Window, list[int]] = {}
        for row, numbers in enumerate(some.windows.tolist()):
            self.rows.setdefault(Window(*numbers), []).append(row)
        self.windows = list(self.rows)
        self._corners = np.array(self.windows, np.int64).reshape(-1, 4)

    def give(self, window: Window, pixels: NDArray[np.uint8], writer: TileTaker) -> None:
        """A picture has come: at a coarse level its window may have shifted by a pixel or two."""
        if window not in self.rows and self.windows:
            apart = np.abs(self._corners - np.array(window)).sum(1)
            window = self.windows[int(apart.argmin())]
        rows = self.rows.pop(window, None)
        if rows:
            writer.add(self.some, np.array(rows), pixels)

    def close(self, writer: TileTaker, *, failed: bool) -> None:
        """The file is done; tiles that did not come hold no data, unless the file went wrong."""
        left = [row for rows in self.rows.values() for row in rows]
        if left and not failed:
            writer.nothing(self.some, np.array(left))


def _present_path(store: ArchiveStore, content: str) -> Path:
    """A path where the very bytes of a content lie.

    Raises:
        SourceError: There is none any more.
    """
    known = list(store.catalogue.sources("WHERE content = ? ORDER BY path", (content,)))
    for source in known:
        if _is_unchanged(source):
            return Path(source.path)
    subject = known[0].path if known else content
    cause = "is gone or has changed since it was indexed"
    raise SourceError(subject, cause=cause, remedy="put it back, or run index again", stage="open")


def _is_unchanged(source: Source) -> bool:
    path = Path(source.path)
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (source.size, source.modified_ns):
            return True
        return status.st_size == source.size and content_of(path).content == source.content
    except (OSError, SourceError):
        return False
