"""Find the images that a user points at: recursive, deterministic, by file name and status only.

- Inside folders only image suffixes count; a file that is named itself is taken whatever its suffix.
- Names that begin with a dot are skipped, folders and files alike.
- A link to a file is followed when it ends inside the root; one that leads out of it, or nowhere, is an error.
- A link to a folder inside the root is not entered: what it shows is found at its real place. So no loops.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoglot.core.errors import SourceError
from geoglot.geo.opening import is_within, refuse_hostile_text

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gtiff", ".jp2", ".j2k"})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file that may be an image: its bytes have not been looked at.

    Attributes:
        path: The file, under the name it was found by.
        root: The folder outside which no link may lead.
        size: Bytes.
        modified_ns: Time of last modification, nanoseconds since 1970.
    """

    path: Path
    root: Path
    size: int
    modified_ns: int


def discover(paths: Sequence[Path]) -> Iterator[Candidate | SourceError]:
    """List the image files under folders and files, in a stable order, each once.

    Args:
        paths: Folders (searched recursively) and files.

    Yields:
        A candidate for each file; a :class:`SourceError` for each path that cannot be used. Nothing is raised.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.TIF", "a.jpg", "notes.txt", ".hidden.png"):
        ...     _ = (folder / name).write_bytes(b"x")
        >>> [found.path.name for found in discover([folder])]
        ['a.jpg', 'b.TIF']
    """
    seen: set[str] = set()
    for path in paths:
        for found in _discover_one(Path(path)):
            if isinstance(found, Candidate):
                name = os.path.abspath(found.path)  # noqa: PTH100 - pathlib's is ten times slower
                if name in seen:
                    continue
                seen.add(name)
            yield found


def _discover_one(path: Path) -> Iterator[Candidate | SourceError]:
    try:
        refuse_hostile_text(str(path))
        status = path.stat()
    except SourceError as error:
        yield error
        return
    except (OSError, ValueError) as error:
        yield _unusable(path, error)
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _walk(str(path), root=path, real_root=os.path.realpath(path))
    elif stat.S_ISREG(status.st_mode):
        # The user named this very file, so a link to it is meant: its own folder is the root.
        root = Path(os.path.realpath(path)).parent
        yield Candidate(path=path, root=root, size=status.st_size, modified_ns=status.st_mtime_ns)
    else:
        yield _not_regular(path)


def _walk(folder: str, *, root: Path, real_root: str) -> Iterator[Candidate | SourceError]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: os.fsencode(e.name))
    except OSError as error:
        yield _unusable(folder, error)
        return
    for entry in entries:
        try:
            yield from _judge(entry, root, real_root)
        except OSError as error:
            yield _unusable(entry.path, error)


def _judge(entry: os.DirEntry[str], root: Path, real_root: str) -> Iterator[Candidate | SourceError]:
    if entry.is_dir(follow_symlinks=False):
        yield from _walk(entry.path, root=root, real_root=real_root)
        return
    is_image = os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - pathlib's is slower
    if entry.is_symlink():
        if not is_within(os.path.realpath(entry.path), real_root):
            if is_image or entry.is_dir():
                yield leads_out(entry.path, real_root)
            return
        if is_image and not os.path.exists(entry.path):  # noqa: PTH110 - on a DirEntry's string
            remedy = "mend or delete the link"
            yield SourceError(entry.path, cause="is a link that leads nowhere", remedy=remedy, stage="discover")
            return
    if not is_image or entry.is_dir():
        return
    if not entry.is_file():
        yield _not_regular(entry.path)
        return
    status = entry.stat()
    yield Candidate(path=Path(entry.path), root=root, size=status.st_size, modified_ns=status.st_mtime_ns)


def leads_out(path: object, root: object) -> SourceError:
    """The error for a link that leads out of the folder that is indexed."""
    remedy = "copy the file into the folder, or name its real folder as well"
    return SourceError(path, cause=f"is a link that leads out of {root}", remedy=remedy, stage="discover")


def _not_regular(path: object) -> SourceError:
    remedy = "leave out pipes, devices and sockets"
    return SourceError(path, cause="is not a regular file", remedy=remedy, stage="discover")


def _unusable(path: object, error: Exception) -> SourceError:
    cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
    remedy = "check the name and the permissions"
    return SourceError(path, cause=f"cannot be looked at ({cause})", remedy=remedy, stage="discover")
