from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import geoglot as gg


@pytest.fixture(scope="module")
def answer(colour_bundle: Path, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> gg.Answer:
    with gg.Archive.create(tmp_path_factory.mktemp("notebook") / "a", model=colour_bundle) as made:
        made.index(painted, tile=64, overlap=0)
        return made.search("red <b>", k=22)


def test_an_answer_is_still_a_list_of_hits(answer: gg.Answer) -> None:
    assert len(answer) == 22
    assert [hit.rank for hit in answer][:3] == [1, 2, 3]
    assert isinstance(answer[0], gg.Hit)


def test_it_shows_itself_as_pictures(answer: gg.Answer) -> None:
    shown = answer._repr_html_()
    assert shown.count("data:image/jpeg;base64,") == 22
    assert "<b>" not in shown.split("</b>")[1]  # what was asked is escaped
    assert "red &lt;b&gt;" in shown
    assert "<script" not in shown
    assert "http" not in shown


def test_it_is_a_table_with_places(answer: gg.Answer) -> None:
    table = answer.to_geodataframe()
    assert len(table) == 22
    assert table.crs.to_epsg() == 4326
    assert table.geometry.isna().sum() == 6  # the photos
    assert table["rank"].tolist() == list(range(1, 23))
    assert set(table["band"]) <= {"likely", "uncertain", "background"}


def test_a_map_says_what_it_needs(answer: gg.Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "folium", None)  # as if it were not installed
    with pytest.raises(gg.GeoglotError, match="pip install folium"):
        answer.explore()


def test_a_map_shows_every_hit_that_has_a_place(answer: gg.Answer, tmp_path: Path) -> None:
    located = [hit for hit in answer if hit.tile.footprint is not None]
    named = replace(located[0], source="/a/<img src=x onerror=alert(1)>.tif", caption="<b>fields</b>")
    hits = tuple(named if hit is located[0] else hit for hit in answer)
    shown = gg.Answer(query=answer.query, hits=hits)
    drawn = shown.explore(tiles=None)
    drawn.save(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    [layer] = [one for one in drawn._children.values() if type(one).__name__ == "GeoJson"]
    features = layer.data["features"]
    assert [one["properties"]["rank"] for one in features] == [hit.rank for hit in reversed(located)]
    assert len(located) == 16  # of 22: six are photos
    # the map opens where the footprints are: south, west, north, east of all
    edges = [hit.tile.bounds for hit in located]
    [[south, west], [north, east]] = layer.get_bounds()
    assert (west, north) == pytest.approx((min(edge[0] for edge in edges), max(edge[3] for edge in edges)))
    assert (south, east) == pytest.approx((min(edge[1] for edge in edges), max(edge[2] for edge in edges)))
    # what others wrote is words, never markup; no base map was asked for
    assert features[-1]["properties"]["source"] == "&lt;img src=x onerror=alert(1)&gt;.tif"
    assert "onerror=alert(1)" in page
    assert "<img src=x" not in page
    assert "<b>fields" not in page
    assert "L.tileLayer" not in page
    assert "L.tileLayer" in answer.explore().get_root().render()


def test_no_place_is_no_map(answer: gg.Answer) -> None:
    photos = gg.Answer(query=answer.query, hits=tuple(hit for hit in answer if hit.tile.footprint is None))
    with pytest.raises(gg.UsageError, match="no hit with a place"):
        photos.explore()
