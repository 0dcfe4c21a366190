"""Find every byte of an archive that is not as it was written, say what to redo, and make it right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.archive import index, words
from geoglot.archive.captions import drop_parts, parts_of
from geoglot.archive.captions import sweep as sweep_captions
from geoglot.archive.catalogue import Catalogue, read_catalogue
from geoglot.archive.codes import Coding
from geoglot.archive.entries import Shard
from geoglot.archive.errors_log import damaged_lines, drop_damaged_lines
from geoglot.archive.filesystem import checksum
from geoglot.archive.healing import catalogue_damage, copy_damage, healthy_identity
from geoglot.archive.layout import Layout, read_identity
from geoglot.archive.places import read_places
from geoglot.archive.remove import sweep_shards
from geoglot.archive.seal import read_seal
from geoglot.core.errors import ArchiveError, GeoglotError

if TYPE_CHECKING:
    from geoglot.archive.store import ArchiveStore


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file that is not as it was written.

    Attributes:
        file: Its path.
        cause: What is wrong, in a phrase.
        redo: What the next ``index`` will do about it.
        sources: Files that have to be read again.
        shard: Number of the shard, if it is one.
        captions: Name of the caption part, if it is one.
    """

    file: str
    cause: str
    redo: str
    sources: tuple[str, ...] = ()
    shard: int | None = None
    captions: str | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What a check of every byte found.

    Attributes:
        files: How many files were checked.
        bytes: How many bytes.
        damages: What is damaged.
        notes: What is in order, yet not finished: it was left by a kill and goes away by itself.
    """

    files: int
    bytes: int
    damages: tuple[Damage, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every byte is as it was written."""
        return not self.damages

    def as_record(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {"ok": self.ok, **asdict(self)}


def verify(path: Path) -> VerifyReport:
    """Check every byte of an archive; nothing is written, and no damage keeps it from looking further.

    Raises:
        ArchiveError: There is no archive, or it is of a newer format.
    """
    layout = Layout(Path(path))
    if not layout.root.is_dir() or not (layout.identity.exists() or layout.catalogue.exists()):
        raise ArchiveError(path, cause="is not an archive", remedy="check the folder, or run 'geoglot index' first")
    damages = [*_identity(layout), *_catalogue(layout)]
    catalogue = _trustworthy(layout, {damage.file for damage in damages})
    shards: list[Shard] = [] if catalogue is None else read_catalogue(catalogue, Catalogue.shards)
    notes: list[str] = []
    for shard in shards:
        damages += _shard(layout, shard, catalogue)
    damages += _index(layout, catalogue, notes)
    damages += _captions(layout, catalogue, notes)
    damages += _places(layout)
    if lines := damaged_lines(layout.errors):
        cause = f"has damaged lines: {', '.join(map(str, lines[:5]))}"
        damages.append(Damage(file=str(layout.errors), cause=cause, redo="the lines are dropped"))
    known = {layout.shard(shard.name).name for shard in shards}
    orphans = [file.name for file in sorted(layout.shards.glob("*")) if file.name not in known]
    notes += [f"shards/{name} belongs to no commit; the next index removes it" for name in orphans]
    files = [file for file in layout.root.rglob("*") if file.is_file()]
    return VerifyReport(
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        damages=tuple(damages),
        notes=tuple(notes),
    )


def _identity(layout: Layout) -> Iterator[Damage]:
    try:
        read_identity(layout)
    except ArchiveError as error:
        if error.stage == "open" and error.cause.startswith("is of format"):
            raise
        yield Damage(file=str(layout.identity), cause=error.cause, redo="it is written anew from the catalogue")


def _catalogue(layout: Layout) -> Iterator[Damage]:
    try:
        read_seal(layout)
    except (ArchiveError, FileNotFoundError):
        file = str(layout.catalogue_seal)
        yield Damage(file=file, cause="is missing or damaged", redo="it is written anew from the catalogue")
    if (cause := catalogue_damage(layout)) is not None:
        redo = "it is restored from its copy; commits that the copy does not have are read again"
        yield Damage(file=str(layout.catalogue), cause=cause, redo=redo)
    if (cause := copy_damage(layout)) is not None:
        yield Damage(file=str(layout.catalogue_copy), cause=cause, redo="the catalogue is copied again")


def _trustworthy(layout: Layout, damaged: set[str]) -> Path | None:
    """The catalogue, else its copy, else nothing: what a damaged one says of shards is not to be believed."""
    for path in (layout.catalogue, layout.catalogue_copy):
        if str(path) not in damaged and path.exists():
            return path
    return None


def _shard(layout: Layout, shard: Shard, catalogue: Path | None) -> Iterator[Damage]:
    path = layout.shard(shard.name)
    if path.is_file() and path.stat().st_size == shard.bytes and checksum(path).sha256 == shard.sha256:
        return
    cause = "does not fit its checksum" if path.exists() else "is missing"
    sources = () if catalogue is None else tuple(read_catalogue(catalogue, lambda c: c.paths_of_shard(shard.number)))
    redo = f"{len(sources)} source file(s) are read again"
    yield Damage(file=str(path), cause=cause, redo=redo, sources=sources, shard=shard.number)


def _index(layout: Layout, catalogue: Path | None, notes: list[str]) -> Iterator[Damage]:
    redo = "it is made again from the shards"
    try:
        records = index.read_manifest(layout)
    except ArchiveError as error:
        yield Damage(file=str(layout.manifest), cause=error.cause, redo=redo)
        return
    for path, _ in index.damaged_files(layout, records):
        yield Damage(file=str(path), cause="does not fit its checksum", redo=redo)
    if catalogue is not None:
        snapshot = Catalogue.read_snapshot(catalogue)
        if not layout.manifest.exists() and snapshot.shards:
            yield Damage(file=str(layout.manifest), cause="is missing", redo=redo)
        elif index.missing(index.usable(records, snapshot, _coding(layout)), snapshot):
            notes.append("the index is behind the catalogue; the next index brings it up to date")


def _captions(layout: Layout, catalogue: Path | None, notes: list[str]) -> Iterator[Damage]:
    """Caption parts and the word index; without a catalogue to be believed nothing can be said of them."""
    if catalogue is None:
        return
    try:
        parts = parts_of(Catalogue.read_snapshot(catalogue).meta)
    except ArchiveError as error:
        yield Damage(file=str(catalogue), cause=f"{error.subject} {error.cause}", redo="captions are written again")
        return
    for part in parts:
        path = layout.caption_part(part.name)
        if path.is_file() and path.stat().st_size == part.bytes and checksum(path).sha256 == part.sha256:
            continue
        cause = "does not fit its checksum" if path.exists() else "is missing"
        redo = f"{part.rows:,} captions are written again by 'geoglot caption --archive'"
        yield Damage(file=str(path), cause=cause, redo=redo, captions=part.name)
    for path, cause in words.damages(layout, parts):
        yield Damage(file=str(path), cause=cause, redo="it is made again from the captions")
    if words.is_behind(layout, parts):
        notes.append("the word index is behind the captions; the next index brings it up to date")
    known = {layout.caption_part(part.name).name for part in parts}
    orphans = [file.name for file in sorted(layout.captions.glob("*")) if file.name not in known]
    notes += [f"captions/{name} belongs to no commit; the next index removes it" for name in orphans]


def _places(layout: Layout) -> Iterator[Damage]:
    """The vectors of places; reading them compares the checksums of the file."""
    try:
        read_places(layout)
    except ArchiveError as error:
        yield Damage(file=str(layout.places), cause=error.cause, redo="'geoglot index --places' makes it again")


def _coding(layout: Layout) -> Coding:
    """How the index should hold vectors; as usual where the identity card cannot be read."""
    try:
        return Coding.parse(healthy_identity(layout).codes)
    except GeoglotError:
        return Coding()


def repair(store: ArchiveStore) -> tuple[VerifyReport, list[str]]:
    """Make an archive right as far as it can be without the sources; the catalogue was healed when it was opened.

    Damaged shards are dropped and their sources marked as ``damaged``; damaged captions are dropped; derived files are
    made again.

    Returns:
        What was found, and the paths that have to be read again.

    Raises:
        ArchiveError: The disk is full or fails.
    """
    report = verify(store.layout.root)
    broken = {damage.shard: damage.sources for damage in report.damages if damage.shard is not None}
    if broken:
        drop_shards(store, broken)
    if any(damage.file == str(store.layout.errors) for damage in report.damages):
        drop_damaged_lines(store.layout.errors, store.filesystem)
    try:
        records = index.read_manifest(store.layout)
        bad = {record.name for _, record in index.damaged_files(store.layout, records)}
        if bad:
            sound = [record for record in records if record.name not in bad]
            index.write_manifest(store.layout, sound, store.filesystem)
    except ArchiveError:
        index.write_manifest(store.layout, [], store.filesystem)
    store.update_index()
    sweep_shards(store)
    drop_parts(store, [damage.captions for damage in report.damages if damage.captions is not None])
    words.update(store.layout, parts_of(store.snapshot().meta), store.filesystem)
    sweep_captions(store)
    store.drop_searcher()
    again = [source.path for source in store.catalogue.sources("WHERE state = 'damaged' ORDER BY path")]
    return report, again


def drop_shards(store: ArchiveStore, broken: dict[int, Sequence[str]] | dict[int, tuple[str, ...]]) -> None:
    """Take damaged shards out of the catalogue and mark their sources to be read again, in one transaction."""
    from dataclasses import replace

    catalogue = store.catalogue
    with store.transaction():
        for number in broken:
            paths = catalogue.paths_of_shard(number)
            catalogue.drop_shard(number)
            for path in paths:
                source = catalogue.source(path)
                if source is not None:
                    catalogue.put_source(replace(source, state="damaged"))
    store.forget_ids()
