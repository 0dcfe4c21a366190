"""Keeping the catalogue and the identity card whole: what to open, what to restore from the copy, how to leave."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from geoglot.archive.catalogue import Catalogue, read_catalogue
from geoglot.archive.filesystem import FileSystem, checksum
from geoglot.archive.layout import Identity, Layout, identity_of, read_identity, write_identity
from geoglot.archive.seal import Seal, read_seal, write_seal
from geoglot.core.errors import ArchiveError


def healthy_identity(layout: Layout, filesystem: FileSystem | None = None) -> Identity:
    """The identity card; where it is damaged, what the catalogue or its copy says of it.

    Args:
        layout: The archive.
        filesystem: Given by a writer: the damaged card is written anew.

    Raises:
        ArchiveError: Neither can be read, or the format is newer.
    """
    try:
        return read_identity(layout)
    except ArchiveError as error:
        if error.stage == "open" and "format" in error.cause:
            raise
        failure = error
    for path in (layout.catalogue, layout.catalogue_copy):
        try:
            meta = Catalogue.read_snapshot(path).meta
            record = {**meta, "format": int(meta["format"]), "dimension": int(meta["dimension"])}
            identity = identity_of({**record, "preprocessing": int(meta["preprocessing"])}, path)
        except (ArchiveError, KeyError, ValueError):
            continue
        if filesystem is not None:
            write_identity(layout, identity, filesystem)
        return identity
    raise failure


def seal_or_none(layout: Layout) -> Seal | None:
    """The seal, or ``None`` where it is absent or damaged."""
    try:
        return read_seal(layout)
    except (ArchiveError, FileNotFoundError):
        return None


def damage_of(path: Path, seal: Seal | None, file_sha256: str | None) -> str | None:
    """What is wrong with a catalogue file, in a phrase; ``None`` if nothing."""
    try:
        cause, commit = read_catalogue(path, lambda catalogue: (catalogue.damage(seal), catalogue.last_seal()[0]))
    except ArchiveError as error:
        return error.cause
    except (TypeError, ValueError) as error:
        return f"it cannot be read ({error})"
    if cause is not None:
        return cause
    untouched = seal is not None and commit == seal.commit
    if untouched and file_sha256 is not None and checksum(path).sha256 != file_sha256:
        return "its bytes do not fit its checksum"
    return None


def catalogue_damage(layout: Layout) -> str | None:
    """What is wrong with the catalogue."""
    seal = seal_or_none(layout)
    log = layout.catalogue.with_name(layout.catalogue.name + "-wal")
    in_order = seal is not None and not (log.exists() and log.stat().st_size)
    return damage_of(layout.catalogue, seal, seal.file_sha256 if seal and in_order else None)


def copy_damage(layout: Layout) -> str | None:
    """What is wrong with the copy of the catalogue; a missing copy of an archive that never had one is right."""
    seal = seal_or_none(layout)
    if not layout.catalogue_copy.exists():
        return "is missing" if seal is not None and seal.copy_sha256 else None
    cause = damage_of(layout.catalogue_copy, None, None)
    if cause is None and seal is not None and seal.copy_sha256:
        commit = read_catalogue(layout.catalogue_copy, lambda catalogue: catalogue.last_seal()[0])
        if commit == seal.copy_commit and checksum(layout.catalogue_copy).sha256 != seal.copy_sha256:
            return "its bytes do not fit its checksum"
    return cause


def readable_catalogue(layout: Layout) -> Path:
    """The file to read: the catalogue, or its copy where SQLite cannot read the catalogue and the copy is as new."""
    try:
        Catalogue.read_snapshot(layout.catalogue)
    except ArchiveError:
        seal = seal_or_none(layout)
        fits = seal is not None and seal.copy_commit == seal.commit
        if not fits or copy_damage(layout) is not None:
            raise
        return layout.catalogue_copy
    return layout.catalogue


def healthy_catalogue(layout: Layout, identity: Identity, filesystem: FileSystem) -> Catalogue:
    """The catalogue open for writing; a damaged one is replaced by its copy, or, without one, begun anew.

    What the copy does not know is read again by the next ingest. (An archive of a newer format says so in its identity
    card, which has been read before; a catalogue that disagrees with the card is damaged.)

    Raises:
        ArchiveError: The disk is full or fails.
    """
    meta = {name: str(value) for name, value in asdict(identity).items()}
    if layout.catalogue.exists():
        cause = catalogue_damage(layout)
        if cause is None:
            return Catalogue.open(layout.catalogue)
    for suffix in ("-wal", "-shm"):
        filesystem.remove(layout.catalogue.with_name(layout.catalogue.name + suffix))
    filesystem.remove(layout.catalogue)
    if layout.catalogue_copy.exists() and copy_damage(layout) is None:
        filesystem.write_atomic(layout.catalogue, layout.catalogue_copy.read_bytes())
        catalogue = Catalogue.open(layout.catalogue)
    else:
        catalogue = Catalogue.create(layout.catalogue, meta)
    number, digest = catalogue.last_seal()
    write_seal(layout, Seal(commit=number, digest=digest), filesystem)
    return catalogue


def leave_in_order(layout: Layout, catalogue: Catalogue, filesystem: FileSystem) -> None:
    """Bring the log home, copy the catalogue and seal both, byte by byte.

    Raises:
        ArchiveError: The disk is full or fails.
    """
    if not catalogue.checkpoint():
        return
    number, digest = catalogue.last_seal()
    last = seal_or_none(layout)
    sha256 = checksum(layout.catalogue).sha256
    up_to_date = last is not None and last.commit == number and last.file_sha256 == sha256
    if up_to_date and copy_damage(layout) is None and layout.catalogue_copy.exists():
        return
    if catalogue.content_digest() != digest:
        return
    copied = filesystem.write_atomic(layout.catalogue_copy, layout.catalogue.read_bytes())
    seal = Seal(commit=number, digest=digest, file_sha256=sha256, copy_sha256=copied.sha256, copy_commit=number)
    write_seal(layout, seal, filesystem)
