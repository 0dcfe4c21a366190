"""A shard: rows as one GeoParquet 1.1 file that DuckDB, GeoPandas and QGIS read as it is.

Columns: ``id`` (16 bytes), ``source`` (SHA-256 of the file's bytes), ``path``, ``window`` (column, row, width,
height), ``level``, ``geometry`` (footprint, WKB, WGS84; null where unlocated), ``bbox`` (GeoParquet covering),
``bounds`` (west, south, east, north), ``datetime`` (microseconds, UTC), ``gsd_m``, ``embedding`` (float16).

For a footprint across 180 degrees ``bbox`` is the full band from -180 to 180, so that a reader which compares numbers
drops no row; ``bounds`` keeps the exact box with west > east, as RFC 7946 has it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.codes import is_signs
from geoglot.archive.filesystem import FileSystem, Written
from geoglot.archive.rows import NO_TIME, Rows, check_vectors
from geoglot.core.errors import ArchiveError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 8192
_BBOX = ("xmin", "ymin", "xmax", "ymax")
_BOUNDS = ("west", "south", "east", "north")
_WINDOW = ("column", "row", "width", "height")


def write_shard(path: Path, rows: Rows, filesystem: FileSystem) -> Written:
    """Write a shard: it appears whole or not at all.

    Raises:
        ArchiveError: A vector is not finite or not of unit length; the disk is full or fails.
    """
    import pyarrow.parquet as pq

    check_vectors(rows.vectors, path)
    table = as_table(rows)
    flat = [name for name in table.schema.names if name != "embedding"]

    def write(file: BinaryIO) -> None:
        pq.write_table(
            table,
            file,
            row_group_size=ROWS_PER_GROUP,
            compression={**dict.fromkeys(_leaves(flat), "zstd"), "embedding.list.element": "none"},
            # the codes of a hasher have two values: in a dictionary each takes one bit instead of sixteen
            use_dictionary=["source", "path", "level", *(["embedding.list.element"] if is_signs(rows.vectors) else [])],
            write_statistics=[*_leaves([name for name in flat if name not in ("geometry", "id")])],
            write_page_checksum=True,
            store_schema=True,
        )

    return filesystem.write_atomic(path, write)


def _leaves(names: list[str]) -> list[str]:
    fields = {"bbox": _BBOX, "bounds": _BOUNDS, "window": _WINDOW}
    return [f"{name}.{leaf}" if leaf else name for name in names for leaf in fields.get(name, ("",))]


def as_table(rows: Rows) -> pa.Table:
    """Rows as an Arrow table with GeoParquet metadata."""
    import pyarrow as pa

    located = ~np.isnan(rows.bounds[0])
    west, south, east, north = rows.bounds
    crossing = west > east
    box = [np.where(crossing, -180.0, west), south, np.where(crossing, 180.0, east), north]
    contents = pa.array([content for content, _ in rows.sources], pa.string())
    paths = pa.array([path for _, path in rows.sources], pa.string())
    columns = {
        "id": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows.ids))]
        ),
        "source": contents.take(pa.array(rows.source)),
        "path": paths.take(pa.array(rows.source)),
        "window": _struct(rows.windows.T, _WINDOW, None),
        "level": pa.array(rows.levels),
        "geometry": _binary(rows),
        "bbox": _struct(box, _BBOX, located),
        "bounds": _struct(list(rows.bounds), _BOUNDS, located),
        "datetime": pa.array(rows.times, mask=rows.times == NO_TIME).cast(pa.timestamp("us", "UTC")),
        "gsd_m": pa.array(rows.gsd, mask=np.isnan(rows.gsd)),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.vectors.reshape(-1)), rows.dimension),
    }
    table = pa.table(columns)
    return table.replace_schema_metadata({b"geo": json.dumps(_geo_metadata(rows, located)).encode()})


def _struct(columns: Any, names: tuple[str, ...], valid: NDArray[np.bool_] | None) -> pa.StructArray:
    import pyarrow as pa

    mask = None if valid is None or valid.all() else pa.array(~valid)
    arrays = [pa.array(np.ascontiguousarray(column)) for column in columns]
    return pa.StructArray.from_arrays(arrays, names=list(names), mask=mask)


def _binary(rows: Rows) -> pa.Array:
    import pyarrow as pa

    if len(rows.footprints) > np.iinfo(np.int32).max:
        raise ArchiveError("shard", cause="has more than 2 GiB of footprints", remedy="write fewer rows at once")
    empty = np.diff(rows.footprint_ends) == 0
    valid = None if not empty.any() else pa.py_buffer(np.packbits(~empty, bitorder="little"))
    ends = pa.py_buffer(rows.footprint_ends.astype(np.int32))
    data = pa.py_buffer(np.ascontiguousarray(rows.footprints))
    return pa.Array.from_buffers(pa.binary(), len(rows), [valid, ends, data])


def _geo_metadata(rows: Rows, located: NDArray[np.bool_]) -> dict[str, Any]:
    import shapely

    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [],
        "edges": "planar",
        "covering": {"bbox": {leaf: ["bbox", leaf] for leaf in _BBOX}},
    }
    if located.any():
        kinds = shapely.get_type_id(shapely.from_wkb([rows.footprint(int(row)) for row in np.flatnonzero(located)]))
        names = {3: "Polygon", 6: "MultiPolygon"}
        column["geometry_types"] = sorted({names[int(kind)] for kind in np.unique(kinds) if int(kind) in names})
        west, south, east, north = rows.bounds[:, located]
        crossing = bool((west > east).any())
        column["bbox"] = [
            -180.0 if crossing else float(west.min()),
            float(south.min()),
            180.0 if crossing else float(east.max()),
            float(north.max()),
        ]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def read_shard(path: Path, *, name: object = None) -> Rows:
    """Read a shard, checking every page.

    Raises:
        ArchiveError: It is missing, or a page is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, page_checksum_verification=True, use_threads=False)
        return _as_rows(table.combine_chunks())
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        cause = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise ArchiveError(name or path, cause=cause, remedy="run index again to repair it", stage="read") from error


def _as_rows(table: pa.Table) -> Rows:
    import pyarrow as pa

    def column(name: str) -> Any:
        chunked = table[name]
        return chunked.chunk(0) if chunked.num_chunks else pa.array([], chunked.type)

    def numbers(array: Any, null: Any) -> NDArray[Any]:
        return np.asarray(array.fill_null(null).to_numpy(zero_copy_only=False))

    content = column("source").dictionary_encode()
    path = column("path").dictionary_encode()
    pairs = np.stack([np.asarray(content.indices), np.asarray(path.indices)], axis=1)
    unique, source = np.unique(pairs, axis=0, return_inverse=True)
    contents, paths = content.dictionary.to_pylist(), path.dictionary.to_pylist()
    geometry = column("geometry").cast(pa.large_binary())
    ends, data = _binary_parts(geometry)
    bounds, window, ids, embedding = column("bounds"), column("window"), column("id"), column("embedding")
    located = np.asarray(bounds.is_valid())
    box = np.stack([np.where(located, numbers(bounds.field(leaf), np.nan), np.nan) for leaf in _BOUNDS])
    dimension = embedding.type.list_size
    return Rows(
        ids=np.frombuffer(ids.buffers()[1], np.uint8)[ids.offset * 16 :][: len(ids) * 16].reshape(-1, 16),
        sources=tuple((contents[c], paths[p]) for c, p in unique),
        source=source.reshape(-1).astype(np.int32),
        windows=np.stack([numbers(window.field(leaf), 0) for leaf in _WINDOW], axis=1).astype(np.int32),
        levels=numbers(column("level"), 0),
        bounds=box,
        footprints=data,
        footprint_ends=ends,
        times=numbers(column("datetime").cast(pa.int64()), int(NO_TIME)),
        gsd=numbers(column("gsd_m"), np.nan),
        vectors=embedding.flatten().to_numpy(zero_copy_only=False).reshape(-1, dimension),
    )


def _binary_parts(array: Any) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    if not len(array):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, ends, data = array.buffers()
    offsets = np.frombuffer(ends, np.int64)[array.offset : array.offset + len(array) + 1]
    body = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return offsets - offsets[0], body[offsets[0] : offsets[-1]]
