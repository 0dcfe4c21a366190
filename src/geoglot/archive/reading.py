"""What a reading worker does with one file: digest its bytes, then, if they are new, decode its tiles."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from geoglot.core.errors import SourceError


class TileReader(Protocol):
    """What ingest needs of a decoder (:class:`geoglot.geo.decoder.Decoder`)."""

    def read(self, path: Path, *, root: Path | None = None) -> Iterator[Any]:
        """A description of the file, then batches of tiles."""
        ...

    def close(self) -> None:
        """Stop its process."""
        ...


DecoderFactory = Callable[[Any], TileReader]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The first part of every file: SHA-256 of its bytes, and its size and time of modification as it was read."""

    content: str
    size: int
    modified_ns: int


def reader(
    options: Any, decoder_factory: DecoderFactory | None, is_known: Callable[[str], bool]
) -> Callable[[], AbstractContextManager[Callable[[Any], Iterator[Any]]]]:
    """A maker of workers, each with a decoder of its own.

    Args:
        options: How to read.
        decoder_factory: Makes a decoder; ``None`` means :class:`geoglot.geo.decoder.Decoder`.
        is_known: Whether a content need not be decoded; called from workers.
    """

    @contextmanager
    def worker() -> Iterator[Callable[[Any], Iterator[Any]]]:
        decoder = (decoder_factory or _default_decoder)(options)
        try:
            yield lambda candidate: _read(decoder, candidate, is_known)
        finally:
            decoder.close()

    return worker


def _default_decoder(options: Any) -> TileReader:
    from geoglot.geo.decoder import Decoder

    decoder: TileReader = Decoder(options)
    return decoder


def _read(decoder: TileReader, candidate: Any, is_known: Callable[[str], bool]) -> Iterator[Any]:
    known = content_of(candidate.path)
    yield known
    if is_known(known.content):
        return
    yield from decoder.read(candidate.path, root=candidate.root)
    after = candidate.path.stat()
    if (after.st_size, after.st_mtime_ns) != (known.size, known.modified_ns):
        raise SourceError(
            candidate.path, cause="was changed while it was being read", remedy="run index again", stage="decode"
        )


def content_of(path: Path) -> Known:
    """Digest a file's bytes.

    Raises:
        SourceError: It cannot be read, is no regular file, or is empty.
    """
    try:
        # never wait for the other end of a pipe that was put in the place of a file
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise SourceError(path, cause="is no regular file", remedy="leave it out", stage="open")
            digest = sha256()
            while piece := file.read(4 << 20):
                digest.update(piece)
    except OSError as error:
        cause = f"cannot be read ({error.strerror or error})"
        raise SourceError(
            path, cause=cause, remedy="check that it is there and its permissions", stage="open"
        ) from error
    return Known(content=digest.hexdigest(), size=before.st_size, modified_ns=before.st_mtime_ns)
