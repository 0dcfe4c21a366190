"""Shards: GeoParquet that others read, exact round trips, nothing damaged goes in or comes out."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import shapely
from samples import grid, located, sample_rows

from geoglot.archive.filesystem import FileSystem, checksum
from geoglot.archive.rows import NO_TIME, Rows, as_datetime, as_microseconds, joined, row_ids
from geoglot.archive.shards import read_shard, write_shard
from geoglot.core.errors import ArchiveError
from geoglot.core.records import Tile, Window


def same(a: Rows, b: Rows) -> None:
    for field in fields(Rows):
        first, second = getattr(a, field.name), getattr(b, field.name)
        if field.name == "sources":
            continue
        if field.name == "source":
            assert [a.sources[n] for n in first] == [b.sources[n] for n in second]
        else:
            np.testing.assert_array_equal(first, second, err_msg=field.name)
            assert first.dtype == second.dtype, field.name


def varied() -> Rows:
    across = [located(179.5, -17, 1.0, window=Window(0, 0, 100, 50), level=3, time=datetime(1899, 1, 1, tzinfo=UTC))]
    return joined([sample_rows("b", 40), sample_rows("a", 7), sample_rows("across", 1, tiles=across)])


def test_a_round_trip_is_exact(tmp_path: Path) -> None:
    rows = varied()
    written = write_shard(tmp_path / "s.parquet", rows, FileSystem())
    assert (checksum(tmp_path / "s.parquet").sha256, (tmp_path / "s.parquet").stat().st_size) == (
        written.sha256,
        written.size,
    )
    same(read_shard(tmp_path / "s.parquet"), rows)
    assert list(tmp_path.iterdir()) == [tmp_path / "s.parquet"]


@pytest.mark.parametrize("located_rows", [True, False])
def test_all_located_or_none(tmp_path: Path, located_rows: bool) -> None:
    tiles = [tile for tile in grid(30) if (tile.bounds is not None) == located_rows]
    rows = sample_rows("a", len(tiles), tiles=tiles)
    write_shard(tmp_path / "s.parquet", rows, FileSystem())
    same(read_shard(tmp_path / "s.parquet"), rows)


def test_duckdb_reads_it(tmp_path: Path) -> None:
    import duckdb

    rows = varied()
    write_shard(tmp_path / "s.parquet", rows, FileSystem())
    connection = duckdb.connect()
    query = (
        "SELECT id, path, level, epoch_us(datetime), embedding, bbox.xmin, bbox.xmax, bounds.west, bounds.east "
        f"FROM read_parquet('{tmp_path / 's.parquet'}')"
    )
    answer = connection.execute(query).fetchall()
    connection.close()
    assert len(answer) == len(rows)
    for number, (key, path, level, microseconds, embedding, xmin, xmax, west, east) in enumerate(answer):
        assert bytes(key) == rows.ids[number].tobytes()
        assert path == rows.sources[rows.source[number]][1]
        assert level == rows.levels[number]
        assert (NO_TIME if microseconds is None else microseconds) == rows.times[number]
        np.testing.assert_array_equal(np.array(embedding, np.float16), rows.vectors[number])
        if np.isnan(rows.bounds[0, number]):
            assert (xmin, xmax, west, east) == (None,) * 4
        else:
            assert (west, east) == (rows.bounds[0, number], rows.bounds[2, number])
            assert xmin <= xmax
    assert answer[-1][5:] == (-180.0, 180.0, 179.5, -179.5)


def test_geopandas_reads_it(tmp_path: Path) -> None:
    import geopandas

    rows = varied()
    write_shard(tmp_path / "s.parquet", rows, FileSystem())
    frame = geopandas.read_parquet(tmp_path / "s.parquet")
    assert len(frame) == len(rows)
    assert frame.crs.equals("OGC:CRS84")
    for number, geometry in enumerate(frame.geometry):
        data = rows.footprint(number)
        assert (geometry is None) == (data is None)
        if data is not None:
            assert geometry.equals(shapely.from_wkb(data))
    inside = geopandas.read_parquet(tmp_path / "s.parquet", bbox=(-170, 9, -169, 11))
    assert set(inside["path"]) == {"/images/a", "/images/b"}
    # the covering of a tile across 180 degrees is a superset: no reader that compares numbers misses it
    assert set(geopandas.read_parquet(tmp_path / "s.parquet", bbox=(179, -17, 180, -16))["path"]) == {"/images/across"}


def test_the_geo_metadata_say_what_is_inside(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_shard(tmp_path / "s.parquet", varied(), FileSystem())
    geo = json.loads(pq.read_schema(tmp_path / "s.parquet").metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    column = geo["columns"]["geometry"]
    assert column["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert column["bbox"][0::2] == [-180.0, 180.0]
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, 1.5])
def test_a_bad_vector_is_never_written(tmp_path: Path, bad: float) -> None:
    rows = sample_rows("a", 5)
    vectors = rows.vectors.copy()
    vectors[3] *= np.float16(bad)
    with pytest.raises(ArchiveError, match=r"not of unit length \(row 3\)"):
        write_shard(tmp_path / "s.parquet", replace(rows, vectors=vectors), FileSystem())
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_page_is_noticed_on_reading(tmp_path: Path) -> None:
    rows = varied()
    path = tmp_path / "s.parquet"
    write_shard(path, rows, FileSystem())
    data = path.read_bytes()
    # the embeddings are not compressed, so a row's vector lies in the file as it is
    position = data.index(rows.vectors[20].tobytes())
    path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    with pytest.raises(ArchiveError, match=r"s.parquet: is damaged \(.*checksum"):
        read_shard(path)


@pytest.mark.parametrize("harm", ["missing", "empty", "half", "other"])
def test_what_is_no_shard_is_said_so(tmp_path: Path, harm: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "s.parquet"
    write_shard(path, varied(), FileSystem())
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "other":
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "half" else b"")
    with pytest.raises(ArchiveError, match="is missing" if harm == "missing" else "is damaged"):
        read_shard(path)


def test_row_ids_depend_on_everything_and_on_nothing_else() -> None:
    windows = np.array([[0, 0, 256, 256], [0, 192, 256, 256]], np.int32)
    levels = np.array([0, 0], np.uint8)

    def ids(content: str = "aa", bundle: str = "bb", preprocessing: int = 1, **change: np.ndarray) -> set[bytes]:
        values = {"windows": windows, "levels": levels, **change}
        return {key.tobytes() for key in row_ids(content, values["windows"], values["levels"], bundle, preprocessing)}

    assert ids() == ids()
    # one by one or all at once
    assert ids() == ids(windows=windows[:1], levels=levels[:1]) | ids(windows=windows[1:], levels=levels[1:])
    changes = [
        ids(content="ab"),
        ids(bundle="ba"),
        ids(preprocessing=2),
        ids(levels=np.array([1, 1], np.uint8)),
        ids(windows=windows + 1),
    ]
    every = [ids(), *changes]
    assert len(set().union(*every)) == 12
    # this value may never change: archives hold it
    assert sorted(ids())[0].hex() == "c310a1fa62b7255f2a8aefc165089aa1"


def test_times_are_kept_to_the_microsecond() -> None:
    for time in (datetime(1850, 2, 3, 4, 5, 6, 7, tzinfo=UTC), datetime(2262, 4, 12, tzinfo=UTC), None):
        assert as_datetime(as_microseconds(time)) == time


def test_taking_rows_takes_their_footprints() -> None:
    rows = varied()
    chosen = np.array([47, 0, 2, 2, 13])
    taken = rows.take(chosen)
    assert [taken.tile(n) for n in range(5)] == [rows.tile(int(n)) for n in chosen]
    assert taken.tile(2) == Tile(window=Window(512, 0, 256, 256), time=rows.tile(2).time)
