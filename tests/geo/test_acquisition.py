"""When an image was taken: which source counts, and what is no date."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.errors import UsageError
from geoglot.geo.acquisition import acquisition_time, exif_time, parse_time, stac_time, tag_time, time_from_name
from geoglot.geo.source import ReadOptions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-08-31", "2020-08-31T00:00:00+00:00"),
        ("2020-08-31T10:20:30Z", "2020-08-31T10:20:30+00:00"),
        ("2020-08-31T10:20:30.123456Z", "2020-08-31T10:20:30.123456+00:00"),
        ("2020-08-31 10:20:30+03:00", "2020-08-31T07:20:30+00:00"),
        ("2020:08:31 10:20:30", "2020-08-31T10:20:30+00:00"),
        ("2020:08:31", "2020-08-31T00:00:00+00:00"),
        ("20200831T102030", "2020-08-31T10:20:30+00:00"),
        ("20200831", "2020-08-31T00:00:00+00:00"),
        ("2020_08_31", "2020-08-31T00:00:00+00:00"),
        ("202008", "2020-08-01T00:00:00+00:00"),
        ("2020", "2020-01-01T00:00:00+00:00"),
        ("2020366", "2020-12-31T00:00:00+00:00"),
        ("2020:08:31 10:20:30\0", "2020-08-31T10:20:30+00:00"),
    ],
)
def test_notations(text, expected):
    assert parse_time(text).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "0000:00:00 00:00:00", "2020-13-01", "20201301", "12", "x" * 70, "٢٠٢٠", "    :  :     :  :  "]
)
def test_no_dates(text):
    assert parse_time(text) is None


@given(st.text(max_size=80))
def test_any_text_is_a_utc_date_or_none(text):
    moment = parse_time(text)
    assert moment is None or moment.utcoffset().total_seconds() == 0


def test_exif_offsets():
    base = {0x9003: "2021:06:01 00:30:00"}
    assert exif_time(base).isoformat() == "2021-06-01T00:30:00+00:00"
    assert exif_time({**base, 0x9011: "-05:30"}).isoformat() == "2021-06-01T06:00:00+00:00"
    assert exif_time({0x9004: b"2021:06:01 00:30:00", 0x9012: b"+01:00"}).isoformat() == "2021-05-31T23:30:00+00:00"
    assert exif_time({0x9003: "    :  :     :  :  "}) is None


def test_an_acquisition_tag_comes_before_the_time_of_writing():
    tags = {"TIFFTAG_DATETIME": "2024:01:01 00:00:00", "ACQUISITIONDATETIME": "2019-05-01 10:00:00"}
    assert tag_time(tags).year == 2019
    assert tag_time({"TIFFTAG_DATETIME": "not yet", "DATE_ACQUIRED": "2018-02-03"}).year == 2018
    assert tag_time({}) is None


def item(when: object, **more: object) -> str:
    return json.dumps({"type": "Feature", "stac_version": "1.0.0", "properties": {"datetime": when, **more}})


def test_a_stac_item_beside_the_file(tmp_path):
    image = tmp_path / "scene.tif"
    (tmp_path / "scene.json").write_text(item("2020-12-11T22:38:32.125Z"))
    assert stac_time(image).isoformat() == "2020-12-11T22:38:32.125000+00:00"
    (tmp_path / "scene.json").write_text(
        item(None, start_datetime="2020-01-02T00:00:00Z", end_datetime="2021-01-01T00:00:00Z")
    )
    assert stac_time(image).isoformat() == "2020-01-02T00:00:00+00:00"


def test_an_item_json_counts_only_for_the_files_it_names(tmp_path):
    record = json.loads(item("2020-05-06T00:00:00Z"))
    record["assets"] = {"visual": {"href": "./scene.tif"}, "thumbnail": {"href": "https://example.org/b/thumb.png"}}
    (tmp_path / "item.json").write_text(json.dumps(record))
    assert stac_time(tmp_path / "scene.tif").day == 6
    assert stac_time(tmp_path / "thumb.png").day == 6
    assert stac_time(tmp_path / "other.tif") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type": "Feature"}',
        '{"type":"Feature","stac_version":"1.0.0","properties":[]}',
        "[" * 100_000,
        item(5),
        item("soon"),
    ],
)
def test_other_json_files_are_left_alone(tmp_path, text):
    (tmp_path / "scene.json").write_text(text)
    assert stac_time(tmp_path / "scene.tif") is None


def test_an_item_that_leads_out_of_the_root_is_not_read(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.json").write_text(item("2020-05-06T00:00:00Z"))
    (root / "scene.json").symlink_to(tmp_path / "secret.json")
    assert stac_time(root / "scene.tif", root=root) is None
    assert stac_time(root / "scene.tif") is None
    assert stac_time(root / "scene.tif", root=tmp_path).day == 6


def test_the_order(tmp_path):
    image = tmp_path / "scene_20170102.tif"
    inside = lambda: datetime(2019, 1, 1, tzinfo=UTC)  # noqa: E731
    ask = lambda expression: acquisition_time(image, root=None, expression=expression, embedded=inside)  # noqa: E731
    assert ask(None).year == 2019
    (tmp_path / "scene_20170102.json").write_text(item("2018-05-06T00:00:00Z"))
    assert ask(None).year == 2018
    assert ask(r"_(\d{8})").year == 2017
    assert ask(r"_(\d{9})").year == 2018


def test_names():
    assert time_from_name("S2A_20200102T030405_x.tif", r"_(\d{8}T\d{6})_").isoformat() == "2020-01-02T03:04:05+00:00"
    assert time_from_name("2020-01-02.tif", r"(\d{4})-(\d\d)-(\d\d)").isoformat() == "2020-01-02T00:00:00+00:00"
    assert time_from_name("a_31-12-2020.tif", r"(?P<day>\d+)-(?P<month>\d+)-(?P<year>\d+)").month == 12
    assert time_from_name("nothing.tif", r"(\d{8})") is None
    assert time_from_name("99999999.tif", r"(\d{8})") is None


@pytest.mark.parametrize("expression", ["(", r"\d{8}", "["])
def test_bad_expressions_are_usage_errors(expression):
    with pytest.raises(UsageError):
        ReadOptions(time_from=expression)


@pytest.mark.realdata
def test_real_stac_items(data_root):
    found = 0
    for path in sorted(Path(data_root, "stac_samples").rglob("*.json")):
        record = json.loads(path.read_text())
        if record.get("type") == "Feature" and "stac_version" in record:
            found += 1
            properties = record["properties"]
            moment = stac_time(path.with_suffix(".tif"))
            if properties.get("datetime") or properties.get("start_datetime"):
                assert moment is not None, path
                assert moment.year == int((properties.get("datetime") or properties["start_datetime"])[:4])
    assert found > 5
