"""Paths that users name, with every STAC catalogue among them replaced by the files that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.stac_reading import Listed, ListedReader, is_stac, read_stac
from geoglot.core.errors import SourceError

if TYPE_CHECKING:
    from geoglot.archive.reading import DecoderFactory


def listed_files(paths: Sequence[Path]) -> tuple[list[Path], list[SourceError], DecoderFactory | None]:
    """Files and folders to read.

    Args:
        paths: Files, folders and catalogues.

    Returns:
        Files and folders; errors of what catalogues name but is not here; and what makes a decoder that knows what the
        catalogues say, ``None`` where there are none.

    Raises:
        SourceError: A catalogue cannot be read.

    Example:
        >>> listed_files([Path("imagery")])
        ([PosixPath('imagery')], [], None)
    """
    files: list[Path] = []
    elsewhere: list[SourceError] = []
    listed: dict[str, Listed] = {}
    found_any = False
    for path in paths:
        if not is_stac(path):
            files.append(path)
            continue
        found_any = True
        listing = read_stac(path)
        files += [one.path for one in listing.files]
        listed |= {str(one.path.absolute()): one for one in listing.files}
        elsewhere += listing.elsewhere
    if not found_any:
        return files, elsewhere, None

    def decoder(options: Any) -> ListedReader:
        from geoglot.geo.decoder import Decoder

        return ListedReader(Decoder(options), listed)

    return files, elsewhere, decoder
