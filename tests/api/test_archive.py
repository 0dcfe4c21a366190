from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geoglot as gg
from geoglot.api.archive import verify_archive
from geoglot.api.coverage import extent_of


@pytest.fixture(scope="module")
def archive(colour_bundle: Path, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gg.Archive]:
    path = tmp_path_factory.mktemp("archives") / "painted"
    with gg.Archive.create(path, model=colour_bundle) as made:
        done = made.index(painted, tile=64, overlap=0)
    assert (done.indexed, done.rows_added, done.failed) == (7, 6 + 16, [])
    with gg.Archive.open(path, model=colour_bundle) as opened:
        yield opened


@pytest.mark.parametrize(
    ("words", "colour"), [("red", "red"), ("أزرق", "blue"), ("jaune", "yellow"), ("verde", "green")]
)
def test_words_find_their_colour_in_four_languages(archive: gg.Archive, words: str, colour: str) -> None:
    answer = archive.search(words, k=3)
    # Fields 0-5 and 10-15 of the scene run through all six colours, 6-9 through the first four: three of each of
    # red, green, blue, yellow, two of white and black, and one photo of each.
    everything = archive.search(words, k=30)
    assert len(everything) == 22
    assert len(answer) == 3
    assert [hit.rank for hit in answer] == [1, 2, 3]
    photos = [Path(hit.source).name for hit in everything if hit.source.endswith(".png")]
    assert photos[0] == f"{colour}.png"
    assert all(hit.score > 0.95 for hit in answer)
    scores = [hit.score for hit in everything]
    assert scores == sorted(scores, reverse=True)
    assert max(scores) <= 1


@pytest.mark.parametrize("options", [{"text": "red"}, {"text": "أحمر"}, {"like": "red.png"}])
def test_what_is_there_is_likely_and_what_is_not_is_no_likely_match(
    archive: gg.Archive, painted: Path, options: dict[str, str]
) -> None:
    if "like" in options:
        options = {"like": str(painted / "red.png"), "rerank": "none"}  # noise is no place that could be told
    answer = archive.search(**options, k=6)
    assert answer.likely
    assert [hit.band is gg.Band.LIKELY for hit in answer] == [True, True, True, True, False, False]
    absent = archive.search(**options, source="*/b*.png")
    assert len(absent) == 2
    assert not absent.likely


def test_an_example_picture_finds_itself_and_its_kind(archive: gg.Archive, painted: Path) -> None:
    answer = archive.search(like=painted / "green.png", k=4, rerank="none")
    assert any(hit.source == str(painted / "green.png") for hit in answer)
    assert all(hit.score > 0.99 for hit in answer)
    assert answer.query.language is None


def test_a_term_with_a_negative_weight_pushes_away(archive: gg.Archive) -> None:
    # In signs of (red, green, blue): yellow - 1.5 red = (1, 1, -1) - 1.5 (1, -1, -1) = (-0.5, 2.5, 0.5), so green
    # (-1, 1, -1) scores 2.5, yellow itself 1.5, red -2.5.
    def photos(**terms: float) -> list[str]:
        answer = archive.search("yellow", terms=terms, k=30, source="*.png")
        return [Path(hit.source).stem for hit in answer]

    assert photos()[0] == "yellow"
    assert photos(red=-1.5).index("green") < photos(red=-1.5).index("yellow")
    assert photos(red=-1.5)[-1] == "red"


def test_filters(archive: gg.Archive, painted: Path) -> None:
    extent = archive.info()["extent"]
    everywhere = archive.search("red", k=50, within=extent)
    assert len(everywhere) == 16
    assert {hit.source for hit in everywhere} == {str(painted / "scene.tif")}
    west, south, east, north = extent
    corner = (west, north - (north - south) / 8, west + (east - west) / 8, north)
    assert [hit.tile.window[:2] for hit in archive.search("red", within=corner)] == [(0, 0)]
    ring = [[corner[0], corner[1]], [corner[2], corner[1]], [corner[2], corner[3]], [corner[0], corner[1]]]
    assert [
        hit.tile.window[:2] for hit in archive.search("red", within={"type": "Polygon", "coordinates": [ring]})
    ] == [(0, 0)]
    assert {Path(hit.source).name for hit in archive.search("red", source="*/b*.png")} == {"blue.png", "black.png"}
    assert len(archive.search("red", after="1900")) == 0
    assert archive.search("red", after="1900").likely is False


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"text": " "}, "has no words"),
        ({"k": 0, "text": "a"}, "asks for no hits"),
        ({"text": "a", "within": (1, 2, 3)}, "1,2,3: is not a box"),
        ({"text": "a", "within": (10, 50, 11, 40)}, "south"),
        ({"text": "a", "within": {"type": "Point", "coordinates": [0, 0]}}, "holds no polygon"),
        ({"text": "a", "after": "yesterday"}, "is not a date"),
        ({"text": "a", "after": "2021", "before": "2020"}, "is empty"),
        ({}, "asks for nothing"),
    ],
)
def test_questions_that_make_no_sense_say_why(archive: gg.Archive, options: dict[str, object], told: str) -> None:
    with pytest.raises(gg.UsageError) as caught:
        archive.search(**options)
    assert told in str(caught.value)


def test_an_example_that_is_no_picture_is_refused(archive: gg.Archive, tmp_path: Path) -> None:
    hostile = tmp_path / "example.tif"
    hostile.write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")
    with pytest.raises(gg.SourceError, match=r"example\.tif"):
        archive.search(like=hostile)
    with pytest.raises(gg.SourceError, match=r"none\.png"):
        archive.search(like=tmp_path / "none.png")


def test_another_model_is_refused(archive: gg.Archive, colour_bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(colour_bundle, other)
    manifest = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**manifest, "id": "colours-2"}))
    with (
        gg.Archive.open(archive.path, model=other) as opened,
        pytest.raises(gg.BundleError, match="indexed with colours-1"),
    ):
        opened.search("red")


def test_info_is_json_and_tells_what_is_there(archive: gg.Archive) -> None:
    info = json.loads(json.dumps(archive.info()))
    assert (info["sources"], info["tiles"], info["model"]) == (7, 22, "colours-1")
    assert info["located_share"] == round(16 / 22, 4)
    # 256 pixels of 10 m from 500 km east in UTM 32: begins at 9 degrees east
    west, south, east, north = info["extent"]
    assert west == pytest.approx(9, abs=1e-6)
    assert (east - west) * np.cos(np.radians(south)) * 111_320 == pytest.approx(2560, rel=0.01)
    assert (north - south) * 111_132 == pytest.approx(2560, rel=0.01)
    assert info["bytes"] > 0


def test_removal_and_indexing_again(colour_bundle: Path, painted: Path, tmp_path: Path) -> None:
    with gg.Archive.create(tmp_path / "a", model=colour_bundle) as archive:
        archive.index([painted / "red.png", painted / "blue.png"])
        assert archive.remove("*/red.png") == 1
        assert [Path(hit.source).name for hit in archive.search("red")] == ["blue.png"]
        again = archive.index(painted / "blue.png")
        assert (again.indexed, again.unchanged, again.rows_added) == (0, 1, 0)
        assert archive.verify().ok
    with gg.Archive.open(tmp_path / "a") as reader, pytest.raises(gg.UsageError, match="reading only"):
        reader.remove("*")


def test_damage_is_found_even_where_the_archive_cannot_be_opened(
    colour_bundle: Path, painted: Path, tmp_path: Path
) -> None:
    with gg.Archive.create(tmp_path / "a", model=colour_bundle) as archive:
        archive.index(painted / "red.png")
    shard = next((tmp_path / "a/shards").glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    report = verify_archive(tmp_path / "a")
    assert not report.ok
    assert [damage.file for damage in report.damages] == [str(shard)]


def test_answers_can_be_saved_and_reported(archive: gg.Archive, painted: Path, tmp_path: Path) -> None:
    answer = archive.search("red", k=4, like=painted / "red.png")
    for name in ("hits.geojson", "hits.gpkg", "hits.parquet"):
        assert answer.save(tmp_path / name).stat().st_size > 100
    features = json.loads((tmp_path / "hits.geojson").read_text())["features"]
    assert len(features) == 4
    assert features == answer.to_geojson()["features"]
    page = archive.report(answer, tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") >= 5  # four hits and the example
    with pytest.raises(gg.UsageError, match="no known suffix"):
        answer.save(tmp_path / "hits.shp")


def test_pictures_in_the_report_show_the_window_of_the_hit(archive: gg.Archive) -> None:
    from io import BytesIO

    from PIL import Image

    from geoglot.api.pictures import cut_pictures, cut_whole

    hits = [hit for hit in archive.search("blue", k=30) if hit.source.endswith(".tif")]
    pictures = cut_pictures(hits, side=32)
    assert len(pictures) == 16
    for hit in hits:
        pixels = np.asarray(Image.open(BytesIO(pictures[hit.id])))
        assert pixels.shape == (32, 32, 3)
        is_blue = bool((pixels.reshape(-1, 3).mean(axis=0) > (60, 60, 150)).tolist() == [False, False, True])
        assert is_blue == (hit.score > 0.99)
    whole = cut_whole([hits[0].source], side=64)[hits[0].source]
    assert (whole.width, whole.height) == (256, 256)
    corner = np.asarray(Image.open(BytesIO(whole.jpeg)))[2:12, 2:12].reshape(-1, 3).mean(axis=0)
    assert corner[0] > 150  # the first field is red
    assert corner[1:].max() < 90


def test_a_source_that_has_gone_has_no_picture(archive: gg.Archive) -> None:
    from dataclasses import replace

    from geoglot.api.pictures import cut_pictures

    hit = archive.search("red", k=1)[0]
    assert cut_pictures([replace(hit, source="/nowhere/at/all.tif")]) == {}


def test_answer_behaves_as_a_tuple(archive: gg.Archive) -> None:
    answer = archive.search("red", k=3)
    assert list(answer) == list(answer.hits)
    assert answer[0] is answer.hits[0]
    assert answer[1:] == answer.hits[1:]
    assert answer[-1].rank == 3
    assert answer[0] in answer


def test_times_narrow_a_search(colour_bundle: Path, painted: Path, tmp_path: Path) -> None:
    for day in ("20210630", "20220101"):
        shutil.copy(painted / ("red.png" if day == "20210630" else "blue.png"), tmp_path / f"flight_{day}.png")
    with gg.Archive.create(tmp_path / "a", model=colour_bundle) as archive:
        archive.index(tmp_path / "flight_20210630.png", time_from=r"_(\d{8})")
        archive.index(tmp_path / "flight_20220101.png", time_from=r"_(\d{8})")
        names = [Path(hit.source).name for hit in archive.search("red", after="2021-06-30", before="2022")]
        assert names == ["flight_20210630.png"]
        assert [hit.tile.time for hit in archive.search("red", after="2022")] == [datetime(2022, 1, 1, tzinfo=UTC)]
        assert archive.info()["time_range"] == ["2021-06-30T00:00:00+00:00", "2022-01-01T00:00:00+00:00"]


DEGREES = st.floats(-180, 179.99).map(lambda value: round(value, 6))


def contains(extent: gg.Bounds, west: float, east: float) -> bool:
    width = 360.0 if extent.east - extent.west == 360 else (extent.east - extent.west) % 360
    return (west - extent.west) % 360 + (east - west) % 360 <= width + 1e-6 or width == 360.0


@given(st.lists(st.tuples(DEGREES, st.floats(0.001, 100)), min_size=1, max_size=8))
def test_the_extent_holds_every_box_and_is_narrow(boxes: list[tuple[float, float]]) -> None:
    west = np.array([start for start, _ in boxes])
    east = west + [width for _, width in boxes]
    east = np.where(east > 180, east - 360, east)
    extent = extent_of(np.array([west, np.zeros(len(west)), east, np.ones(len(west))]))
    assert extent is not None
    for one, other in zip(west, east, strict=True):
        assert contains(extent, one, other)
    # by hand: the best start among all western edges leaves the widest empty stretch behind it
    spans = [max((w - start) % 360 + (e - w) % 360 for w, e in zip(west, east, strict=True)) for start in west]
    width = (extent.east - extent.west) % 360
    if min(spans) < 359:
        assert width <= min(spans) + 0.3
