from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.api.area import parse_bbox, parse_time, read_polygon
from geoglot.core.errors import UsageError


def test_boxes_west_of_greenwich_and_with_spaces() -> None:
    assert parse_bbox("-1.5, 50,0 ,51") == (-1.5, 50, 0, 51)


@pytest.mark.parametrize("written", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1;2;3;4"])
def test_what_is_no_box_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="is not a box"):
        parse_bbox(written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2021", "2021-01-01T00:00:00+00:00"),
        ("2021-06", "2021-06-01T00:00:00+00:00"),
        ("2021-06-30", "2021-06-30T00:00:00+00:00"),
        ("2021-06-30T12:00", "2021-06-30T12:00:00+00:00"),
        ("2021-06-30T12:00Z", "2021-06-30T12:00:00+00:00"),
        ("2021-06-30T12:00+02:00", "2021-06-30T10:00:00+00:00"),
        (date(2021, 6, 30), "2021-06-30T00:00:00+00:00"),
        (datetime(2021, 6, 30, 1, tzinfo=UTC), "2021-06-30T01:00:00+00:00"),
    ],
)
def test_dates_as_people_write_them(written: object, expected: str) -> None:
    found = parse_time(written)
    assert found is not None
    assert found.isoformat() == expected


@given(st.text())
def test_any_string_is_a_date_or_a_usage_error(written: str) -> None:
    try:
        found = parse_time(written)
    except UsageError:
        return
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("content", ["", "[]", "12", "{", "[" * 100_000, b"\xff\xfe"])
def test_polygon_files_that_are_no_geojson(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "area.geojson"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match="is not GeoJSON"):
        read_polygon(file)


def test_an_absent_polygon_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.geojson: cannot be read"):
        read_polygon(tmp_path / "none.geojson")
