"""Hit files as other programs read them."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.core.records import Band, Hit, Tile, Window
from geoglot.geo.footprint import Locator, locate
from geoglot.geo.writing import hits_to_geojson, write_hits

SUFFIX = {"geojson": ".geojson", "gpkg": ".gpkg", "geoparquet": ".parquet"}
WHEN = datetime(2020, 8, 31, 10, 20, 30, 125_000, tzinfo=UTC)


@pytest.fixture
def hits():
    """One on land, one across 180 degrees, one unlocated."""
    placed = locate(Locator("EPSG:4326", (0.01, 0, 179.5, 0, -0.01, -16)), np.array([[0, 0, 20, 20], [0, 0, 100, 100]]))
    places = [*zip(placed.footprints, placed.bounds, [1.5, 1.25], strict=True), (None, None, None)]
    return [
        Hit(
            rank=rank,
            score=0.5 / rank,
            band=Band.LIKELY,
            id=f"{rank:032x}",
            source="dossier/été \u062d\u0642\u0644 'x'.tif",
            tile=Tile(
                window=Window(rank, 0, 256, 128),
                level=1,
                footprint=f,
                bounds=b,
                gsd_m=g,
                time=WHEN if rank < 3 else None,
            ),
            merged=rank,
        )
        for rank, (f, b, g) in enumerate(places, 1)
    ]


def read_back(path, kind):
    if kind == "geoparquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path, **({"layer": "hits"} if kind == "gpkg" else {}))  # beside its style for QGIS


@pytest.mark.parametrize("kind", SUFFIX)
def test_geopandas_reads_what_was_written(tmp_path, hits, kind):
    path = tmp_path / f"hits{SUFFIX[kind]}"
    path.write_text("an older file")
    write_hits(hits, path, format=kind)
    frame = read_back(path, kind)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert frame.crs.to_epsg() == 4326 or frame.crs.to_string() == "OGC:CRS84"
    assert list(frame["rank"]) == [1, 2, 3]
    assert list(frame["score"]) == pytest.approx([0.5, 0.25, 0.5 / 3], abs=1e-6)
    assert list(frame["source"]) == [hits[0].source] * 3
    assert list(frame["id"]) == [hit.id for hit in hits]
    assert frame["gsd_m"].iloc[0] == 1.5
    assert np.isnan(frame["gsd_m"].iloc[2])
    assert frame["time"].iloc[0] == WHEN
    assert frame["time"].isna().iloc[2]
    assert frame.geometry.iloc[2] is None
    for row in (0, 1):
        assert frame.geometry.iloc[row].equals(shapely.from_wkb(hits[row].tile.footprint))


@pytest.mark.parametrize("kind", SUFFIX)
def test_no_hits_are_a_sound_file_too(tmp_path, kind):
    write_hits([], tmp_path / f"hits{SUFFIX[kind]}", format=kind)
    assert len(read_back(tmp_path / f"hits{SUFFIX[kind]}", kind)) == 0


def test_geojson_follows_rfc_7946(tmp_path, hits):
    collection = hits_to_geojson(hits)
    write_hits(hits, tmp_path / "hits.geojson", format="geojson")
    assert json.loads((tmp_path / "hits.geojson").read_text()) == collection
    land, crossing, unlocated = collection["features"]
    assert land["bbox"] == list(hits[0].tile.bounds)
    assert crossing["bbox"][0] > crossing["bbox"][2]
    assert crossing["geometry"]["type"] == "MultiPolygon"
    assert unlocated["geometry"] is None
    assert "bbox" not in unlocated
    assert land["properties"]["window"] == [1, 0, 256, 128]
    assert shapely.geometry.shape(land["geometry"]).exterior.is_ccw


def test_the_geopackage_has_one_layer_in_wgs84_and_its_style(tmp_path, hits):
    write_hits(hits, tmp_path / "a.gpkg", format="gpkg")
    with sqlite3.connect(tmp_path / "a.gpkg") as database:
        assert database.execute("select table_name, srs_id from gpkg_geometry_columns").fetchall() == [("hits", 4326)]
        assert database.execute("select f_table_name, useAsDefault from layer_styles").fetchall() == [("hits", 1)]
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    database.close()


def test_geoparquet_metadata(tmp_path, hits):
    write_hits(hits, tmp_path / "a.parquet", format="geoparquet")
    table = pq.read_table(tmp_path / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"], column["encoding"]) == ("1.1.0", "geometry", "WKB")
    assert column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert table["bbox"].to_pylist()[0] == dict(zip(("xmin", "ymin", "xmax", "ymax"), hits[0].tile.bounds, strict=True))
    assert table["bbox"].to_pylist()[2] is None
    assert table["geometry"].to_pylist()[0] == hits[0].tile.footprint


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, hits):
    with pytest.raises(GeoglotError, match="cannot be written"):
        write_hits(hits, tmp_path / "absent" / "a.gpkg", format="gpkg")
    with pytest.raises(UsageError, match="is no format"):
        write_hits(hits, tmp_path / "a.shp", format="shp")
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_can_be_written(tmp_path, hits):
    odd = [Hit(rank=1, score=0.1, band=Band.UNCERTAIN, id="0" * 32, source="a\udcff.tif", tile=hits[0].tile)]
    for kind, suffix in SUFFIX.items():
        write_hits(odd, tmp_path / f"a{suffix}", format=kind)
        assert read_back(tmp_path / f"a{suffix}", kind)["source"].iloc[0].startswith("a")
