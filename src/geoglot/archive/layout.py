"""What lies where in an archive's folder, and its identity card ``archive.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from geoglot.archive.filesystem import FileSystem
from geoglot.core.errors import ArchiveError

FORMAT = 1
"""Version of the format on disk of an archive whose index holds float16 vectors."""
FORMAT_OF_CODES = 2
"""Version of one whose index holds binary codes; the newest that is read, a reader refuses a newer one."""


@dataclass(frozen=True)
class Layout:
    """Paths inside an archive.

    Example:
        >>> Layout(Path("A")).shard("00000001").as_posix()
        'A/shards/00000001.parquet'
    """

    root: Path

    @property
    def identity(self) -> Path:
        """Format version, bundle and preprocessing version."""
        return self.root / "archive.json"

    @property
    def catalogue(self) -> Path:
        """The SQLite file: the only thing that says what exists."""
        return self.root / "catalog.sqlite"

    @property
    def catalogue_copy(self) -> Path:
        """A copy of the catalogue as it was when the last writer left."""
        return self.root / "catalog.copy.sqlite"

    @property
    def catalogue_seal(self) -> Path:
        """Digest of the catalogue's content after its last commit."""
        return self.root / "catalog.seal.json"

    @property
    def lock(self) -> Path:
        """Held by the one writer; holds its process id."""
        return self.root / "lock"

    @property
    def errors(self) -> Path:
        """One line for each file that could not be indexed."""
        return self.root / "errors.jsonl"

    @property
    def shards(self) -> Path:
        """Folder of the GeoParquet shards."""
        return self.root / "shards"

    @property
    def captions(self) -> Path:
        """Folder of the captions, as Parquet files beside the shards."""
        return self.root / "captions"

    @property
    def words(self) -> Path:
        """Folder of the word index of the captions, derived."""
        return self.index / "words"

    @property
    def places(self) -> Path:
        """The vectors of places, derived."""
        return self.index / "places.npz"

    @property
    def index(self) -> Path:
        """Folder of all that is derived."""
        return self.root / "index"

    @property
    def manifest(self) -> Path:
        """What the index folder holds, with checksums."""
        return self.index / "manifest.json"

    def shard(self, name: str) -> Path:
        """Path of a shard."""
        return self.shards / f"{name}.parquet"

    def caption_part(self, name: str) -> Path:
        """Path of a file of captions."""
        return self.captions / f"{name}.parquet"

    def word_part(self, name: str) -> Path:
        """Path of the word index of a file of captions."""
        return self.words / f"{name}.sqlite"

    def segment(self, name: str) -> Path:
        """Folder of an index segment."""
        return self.index / name


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The archive's identity card: which format, and which model made its vectors.

    Attributes:
        format: Version of the format on disk.
        bundle_id: Name of the model bundle, e.g. ``compact-1``.
        bundle_sha256: Digest of the bundle's manifest.
        dimension: Length D of an embedding.
        preprocessing: Version of the way a tile becomes the model's input.
        created: Time of creation, ISO 8601, UTC.
        codes: How the index holds vectors, see :mod:`geoglot.archive.codes`.
        bundle_folder: Where the bundle was when the archive was made, empty for one that ships with the package. Only
            a place to look: a bundle is used when its digest fits.
    """

    format: int = FORMAT
    bundle_id: str
    bundle_sha256: str
    dimension: int
    preprocessing: int
    created: str
    codes: str = "float16"
    bundle_folder: str = ""


def sealed_json(record: dict[str, Any]) -> bytes:
    """JSON that carries its own SHA-256, so that any flipped bit shows.

    Example:
        >>> unsealed_json(sealed_json({"a": 1}), "x.json")
        {'a': 1}
        >>> unsealed_json(sealed_json({"a": 1}).replace(b"1", b"3", 1), "x.json")
        Traceback (most recent call last):
        geoglot.core.errors.ArchiveError: x.json: is damaged (its checksum does not fit). Remedy: run index again to repair it.
    """  # noqa: E501 (one message, one line)
    body = json.dumps(record, ensure_ascii=False, sort_keys=True)
    digest = sha256(body.encode()).hexdigest()
    return json.dumps({"content": record, "sha256": digest}, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def unsealed_json(data: bytes, name: object) -> dict[str, Any]:
    """Read what :func:`sealed_json` wrote.

    Raises:
        ArchiveError: A single bit is not as it was written.
    """
    damaged = ArchiveError(
        name, cause="is damaged (its checksum does not fit)", remedy="run index again to repair it", stage="verify"
    )
    try:
        record = json.loads(data.decode())
        content = record["content"]
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    if not isinstance(content, dict) or sealed_json(content) != data:
        raise damaged
    return content


def write_identity(layout: Layout, identity: Identity, filesystem: FileSystem) -> None:
    """Write ``archive.json``."""
    filesystem.write_atomic(layout.identity, sealed_json(asdict(identity)))


def read_identity(layout: Layout) -> Identity:
    """Read ``archive.json``.

    Raises:
        ArchiveError: It is absent, damaged, or of a newer format.
    """
    try:
        record = unsealed_json(layout.identity.read_bytes(), layout.identity)
    except FileNotFoundError:
        raise ArchiveError(layout.identity, cause="is missing", remedy="run index again to repair it") from None
    return identity_of(record, layout.identity)


def identity_of(record: dict[str, Any], name: object) -> Identity:
    """An identity from its JSON record.

    Raises:
        ArchiveError: The format is newer than this program's.
    """
    refuse_newer(int(record["format"]), name)
    later = {"codes", "bundle_folder"}  # the first archives do not have them
    known = {field: record[field] for field in Identity.__dataclass_fields__ if field in record or field not in later}
    return Identity(**known)


def refuse_newer(version: int, name: object) -> None:
    """Refuse a format newer than this program knows.

    Example:
        >>> refuse_newer(99, "A")
        Traceback (most recent call last):
        geoglot.core.errors.ArchiveError: A: is of format 99, this geoglot reads up to 2. Remedy: install a newer geoglot.
    """  # noqa: E501 (one message, one line)
    if version > FORMAT_OF_CODES:
        cause = f"is of format {version}, this geoglot reads up to {FORMAT_OF_CODES}"
        raise ArchiveError(name, cause=cause, remedy="install a newer geoglot", stage="open")
