"""An index segment: the columns of some shards' rows as arrays to be memory-mapped, and their codes in FAISS.

Codes are of 8 bits per value, or binary (see :mod:`geoglot.archive.codes`); of a hasher they are all that is kept.

Segments never change. They are derived from shards, and every file's size and CRC-32 stands in the manifest; a column
is checked when it is first touched (about 4 GB/s). Vectors and footprints are too large for that: each row has a
CRC-32 of its own, checked when the row becomes a hit.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.codes import Coding, SignVectors
from geoglot.archive.filesystem import FileSystem, crc32_of, reporting
from geoglot.archive.rows import Rows
from geoglot.core.errors import ArchiveError

CODES = "codes.faiss"
_ARRAYS = tuple(column.name for column in fields(Rows) if column.name != "sources")
_CHECKED_BY_ROW = ("vectors", "footprints")
_UNPACKED = ("vectors", "signs")
_ERROR_DEVIATIONS = 6.0


@dataclass(frozen=True, kw_only=True)
class SegmentRecord:
    """One segment in the manifest.

    Attributes:
        name: Its folder.
        shards: Number, rows and SHA-256 of the shards it was made from, in the order of its rows.
        rows: N.
        dimension: D.
        step: Step between two 8-bit codes; 0 for binary codes.
        files: Size and CRC-32 of every file.
        coding: How the vectors are coded.
    """

    name: str
    shards: tuple[tuple[int, int, str], ...]
    rows: int
    dimension: int
    step: float
    files: Mapping[str, tuple[int, int]]
    coding: Coding = field(default_factory=Coding)

    def as_json(self) -> dict[str, Any]:
        """The record as it stands in the manifest; the usual coding is not said."""
        record = {**asdict(self), "coding": str(self.coding)}
        return record if self.coding.binary else {name: value for name, value in record.items() if name != "coding"}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> SegmentRecord:
        """The inverse of :meth:`as_json`."""
        shards = tuple((int(n), int(rows), str(digest)) for n, rows, digest in record["shards"])
        files = {str(name): (int(size), int(crc)) for name, (size, crc) in record["files"].items()}
        coding = Coding.parse(str(record.get("coding", "float16")))
        return cls(**{**record, "shards": shards, "files": files, "coding": coding})


class Segment:
    """Rows of some shards, ready to be searched; on disk or in memory."""

    def __init__(self, record: SegmentRecord, load: Callable[[str], Any]) -> None:
        self.record = record
        self._load = load
        self._loaded: dict[str, Any] = {}

    def __len__(self) -> int:
        return self.record.rows

    def __getattr__(self, name: str) -> Any:
        if name not in (*_ARRAYS, "sources", "checks", "codes"):
            raise AttributeError(name)
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def as_rows(self) -> Rows:
        """All columns as rows (memory-mapped where the segment is on disk)."""
        return Rows(**{name: getattr(self, name) for name in (*_ARRAYS, "sources")})

    def check_rows(self, rows: NDArray[np.int64]) -> None:
        """Make sure that rows are, bit for bit, what was indexed.

        Raises:
            ArchiveError: One is not.
        """
        wrong = rows[_row_checks(self, rows) != self.checks[rows]]
        if len(wrong):
            raise _damaged(self.record.name, f"row {int(wrong[0])} does not fit its checksum")

    def extents(self) -> Iterator[tuple[int, int, int]]:
        """Number, first row and rows of each shard within the segment."""
        first = 0
        for number, rows, _ in self.record.shards:
            yield number, first, rows
            first += rows

    def nearest(
        self, query: NDArray[np.float32], count: int, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float]:
        """Rows whose codes are nearest to a query.

        Args:
            query: (D,) float32.
            count: How many.
            mask: (N,) bool, rows that may be returned; ``None`` means all.

        Returns:
            Rows, and an upper bound of the exact score of every row that was not returned (minus infinity if none).
        """
        parameters = _selecting(mask)
        scores, found = self.codes.search(query[None], min(count, len(self)), params=parameters)
        rows = found[0][found[0] >= 0]
        complete = len(rows) < count or len(rows) == len(self)
        if complete:
            return rows, -math.inf
        # a code is off by at most half a step, evenly spread: a standard deviation of step / sqrt(12) per value
        slack = _ERROR_DEVIATIONS * self.record.step / math.sqrt(12) * float(np.linalg.norm(query))
        return rows, float(scores[0][len(rows) - 1]) + slack

    def nearest_codes(
        self, query: NDArray[np.float32], count: int, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows whose binary codes differ least from a query's; of equal ones the first rows.

        Args:
            query: (D,) float32.
            count: How many.
            mask: (N,) bool, rows that may be returned; ``None`` means all.

        Returns:
            Rows and their Hamming distances, in order of distance, then row.
        """
        code = self.record.coding.encode(query[None])
        distances, found = self.codes.search(code, max(1, min(count, len(self))), params=_selecting(mask))
        rows, distances = found[0][found[0] >= 0], distances[0][found[0] >= 0].astype(np.int64)
        order = np.lexsort((rows, distances))[:count]
        return rows[order], distances[order]


def _selecting(mask: NDArray[np.bool_] | None) -> Any:
    """A bitmap that FAISS applies during the search."""
    import faiss

    if mask is None:
        return None
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little")))


def build(
    rows: Rows, shards: Sequence[tuple[int, int, str]], name: str = "memory", coding: Coding | None = None
) -> Segment:
    """A segment in memory."""
    starts = range(0, len(rows), 16_384)
    checks = [_row_checks(rows, np.arange(start, min(start + 16_384, len(rows)))) for start in starts]
    return assembled(rows, np.concatenate([*checks, np.zeros(0, np.uint32)]), shards, name, coding)


def assembled(
    rows: Rows,
    checks: NDArray[np.uint32],
    shards: Sequence[tuple[int, int, str]],
    name: str,
    coding: Coding | None = None,
) -> Segment:
    """A segment in memory from rows whose checksums are known."""
    coding = coding or Coding()
    codes, step = _binary(rows.vectors, coding) if coding.binary else _encoded(rows.vectors)
    record = SegmentRecord(
        name=name, shards=tuple(shards), rows=len(rows), dimension=rows.dimension, step=step, files={}, coding=coding
    )
    extra = {"checks": checks, "codes": codes}
    return Segment(record, lambda column: extra[column] if column in extra else getattr(rows, column))


def _encoded(vectors: NDArray[np.float16]) -> tuple[Any, float]:
    """8-bit codes of all values between the least and the greatest one, and the step between two codes."""
    import faiss

    low, high = np.inf, -np.inf
    for piece in _pieces(vectors):
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    if not math.isfinite(low):
        low, high = -1.0, 1.0
    high = max(high, low + 1e-3)
    corners = np.full((2, vectors.shape[1]), low, np.float32)
    corners[1] = high
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
    )
    index.train(corners)
    for piece in _pieces(vectors):
        index.add(piece)
    return index, (high - low) / 255


def _binary(vectors: NDArray[np.float16], coding: Coding) -> tuple[Any, float]:
    """Binary codes in FAISS; a step means nothing for them."""
    import faiss

    index = faiss.IndexBinaryFlat(coding.bits)
    for start in range(0, len(vectors), 16_384):
        index.add(coding.encode(vectors[start : start + 16_384]))
    return index, 0.0


def _pieces(vectors: NDArray[np.float16]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(vectors), 16_384):
        yield vectors[start : start + 16_384].astype(np.float32)


def _row_checks(rows: Any, chosen: NDArray[np.int64]) -> NDArray[np.uint32]:
    """CRC-32 of everything some rows say: content id, fixed columns, vector, footprint."""
    fixed = [
        rows.ids[chosen],
        rows.windows[chosen],
        rows.vectors[chosen],
        rows.levels[chosen, None],
        rows.times[chosen, None],
        rows.gsd[chosen, None],
        rows.bounds[:, chosen].T,
    ]
    matrix = np.concatenate([np.ascontiguousarray(column).view(np.uint8) for column in fixed], axis=1)
    data, width = matrix.reshape(-1).data, matrix.shape[1]
    shapes = rows.footprints.data
    starts, ends = rows.footprint_ends[chosen].tolist(), rows.footprint_ends[chosen + 1].tolist()
    contents = {
        number: zlib.crc32(rows.sources[number][0].encode()) for number in np.unique(rows.source[chosen]).tolist()
    }
    checks = np.empty(len(matrix), np.uint32)
    for row, source in enumerate(rows.source[chosen].tolist()):
        check = zlib.crc32(data[row * width : (row + 1) * width], contents[source])
        checks[row] = zlib.crc32(shapes[starts[row] : ends[row]], check)
    return checks


def write_segment(folder: Path, segment: Segment, filesystem: FileSystem) -> SegmentRecord:
    """Write a segment's folder; it appears whole or not at all.

    Returns:
        Its record for the manifest.

    Raises:
        ArchiveError: The disk is full or fails.
    """
    import faiss

    unnamed = folder.with_name(folder.name + ".partial")
    files: dict[str, tuple[int, int]] = {}
    with reporting(folder):
        filesystem.make_directory(unnamed)
    text = "".join(f"{content}\0{path}\0" for content, path in segment.sources).encode()
    coding = segment.record.coding
    columns = {name: getattr(segment, name) for name in (*_ARRAYS, "checks") if (name, coding.kind) != _UNPACKED}
    columns["sources"] = np.frombuffer(text, np.uint8)
    for name, array in columns.items():
        path = unnamed / f"{name}.npy"
        written = filesystem.write_file(path, partial(_write_array, array))
        files[path.name] = (written.size, written.crc32)
    codes = (faiss.serialize_index_binary if coding.binary else faiss.serialize_index)(segment.codes)
    written = filesystem.write_file(unnamed / CODES, lambda file: _write_bytes(codes, file))
    files[CODES] = (written.size, written.crc32)
    with reporting(folder):
        filesystem.flush_directory(unnamed)
        filesystem.rename(unnamed, folder)
        filesystem.flush_directory(folder.parent)
    return replace(segment.record, name=folder.name, files=files)


def _write_array(array: NDArray[Any], file: BinaryIO) -> None:
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _write_bytes(array: NDArray[np.uint8], file: BinaryIO) -> None:
    file.write(array.data)


def open_segment(folder: Path, record: SegmentRecord) -> Segment:
    """A segment on disk, mapped at once (so that it stays whole when its folder is merged away), checked when touched.

    Raises:
        ArchiveError: A file is missing or not of its size.
    """
    for name, (size, _) in record.files.items():
        path = folder / name
        try:
            found = path.stat().st_size
        except OSError as error:
            raise _damaged(path, f"cannot be read ({error.strerror})") from error
        if found != size:
            raise _damaged(path, f"is of {found:,} bytes, not {size:,}")
    mapped = {name: _mapped(folder / name) for name in record.files if name != CODES}

    def load(column: str) -> Any:
        if column == "codes":
            return _open_codes(folder / CODES, record)
        if (column, record.coding.kind) == _UNPACKED:
            return SignVectors(_packed(_open_codes(folder / CODES, record)), record.coding.bits)
        name = f"{column}.npy"
        data = mapped[name]
        if column not in _CHECKED_BY_ROW and zlib.crc32(data.data) != record.files[name][1]:
            raise _damaged(folder / name, "does not fit its checksum")
        array = _array_of(data, folder / name)
        expected = {"vectors": (record.rows, record.dimension), "footprints": (array.size,)}.get(column, array.shape)
        kind = {"vectors": np.float16, "footprints": np.uint8}.get(column, array.dtype)
        if array.shape != expected or array.dtype != kind:
            raise _damaged(folder / name, "has another shape or type than the manifest says")
        if column != "sources":
            return array
        words = array.tobytes().decode().split("\0")
        return tuple(zip(words[0:-1:2], words[1::2], strict=True))

    return Segment(record, load)


def _mapped(path: Path) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, np.uint8, "r")
    except (ValueError, OSError) as error:
        raise _damaged(path, f"cannot be mapped ({error})") from error


def _array_of(data: NDArray[np.uint8], path: Path) -> NDArray[Any]:
    """The array in a mapped ``.npy`` file, without a copy."""
    head = BytesIO(data[:4096].tobytes())
    try:
        np.lib.format.read_magic(head)
        shape, fortran, kind = np.lib.format.read_array_header_1_0(head)
        if kind.hasobject or fortran:
            raise ValueError("is of a kind that is not written here")
        return np.frombuffer(data, kind, int(np.prod(shape)), head.tell()).reshape(shape)
    except (ValueError, TypeError, EOFError, SyntaxError, OSError) as error:
        raise _damaged(path, f"has a damaged header ({error})") from error


def _open_codes(path: Path, record: SegmentRecord) -> Any:
    """The FAISS file, memory-mapped, after its size and checksum have been found right."""
    import faiss

    size, crc32 = record.files[CODES]
    try:
        intact = crc32_of(path) == crc32
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error.strerror})") from error
    if not intact:
        raise _damaged(path, "does not fit its checksum")
    faiss.set_deserialization_vector_byte_limit(size)
    faiss.set_deserialization_loop_limit(1 << 16)
    try:
        read = faiss.read_index_binary if record.coding.binary else faiss.read_index
        index = read(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise _damaged(path, f"cannot be read by FAISS ({error})") from error
    if index.ntotal != record.rows or index.d != (record.coding.bits or record.dimension):
        raise _damaged(path, "is another index than the manifest says")
    return index


def _packed(index: Any) -> NDArray[np.uint8]:
    """A copy of the codes that a binary index of FAISS holds. -> (N, bits / 8)."""
    import faiss

    codes: NDArray[np.uint8] = np.zeros((index.ntotal, index.d // 8), np.uint8)
    if index.ntotal:
        codes[:] = faiss.rev_swig_ptr(index.xb.data(), codes.size).reshape(codes.shape)
    return codes


def _damaged(name: object, cause: str) -> ArchiveError:
    return ArchiveError(name, cause=cause, remedy="run index again to repair it", stage="read")
