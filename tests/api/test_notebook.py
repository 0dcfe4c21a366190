from __future__ import annotations

import importlib.util
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


@pytest.mark.skipif(importlib.util.find_spec("folium") is not None, reason="folium is installed")
def test_a_map_says_what_it_needs(answer: gg.Answer) -> None:
    with pytest.raises(gg.GeoglotError, match="folium"):
        answer.explore()


def test_no_place_is_no_map(answer: gg.Answer) -> None:
    photos = gg.Answer(query=answer.query, hits=tuple(hit for hit in answer if hit.tile.footprint is None))
    with pytest.raises(gg.UsageError, match="no hit with a place"):
        photos.explore()
