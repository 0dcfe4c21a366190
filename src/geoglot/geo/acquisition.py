"""When an image was taken: from its name, a STAC item beside it, EXIF, or TIFF tags; in UTC.

The order: the user's own expression on the file name, then a STAC item, then what the file says of itself, an
acquisition time before a plain ``DateTime`` (often only when the file was written). EXIF times without an offset,
and all others without one, are taken as UTC. What cannot be read as a date is no date: it never costs the file.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from geoglot.geo.opening import is_within

_ORIGINAL, _DIGITIZED, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9003, 0x9004, 0x9011, 0x9012
_ACQUISITION_TAGS = (
    "ACQUISITIONDATETIME",
    "ACQUISITION_DATETIME",
    "ACQUISITION_DATE_TIME",
    "ACQUISITIONDATE",
    "ACQUISITION_DATE",
    "DATE_ACQUIRED",
    "PRODUCT_START_TIME",
    "SENSING_TIME",
    "DATATAKE_SENSING_START",
    "EXIF_DATETIMEORIGINAL",
    "DATETIMEORIGINAL",
)
_PLAIN_TAGS = ("TIFFTAG_DATETIME", "EXIF_DATETIME")
_LARGEST_ITEM_BYTES = 4 << 20
_BY_DIGITS = {4: "%Y", 6: "%Y%m", 7: "%Y%j", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def acquisition_time(
    path: Path,
    *,
    root: Path | None,
    expression: str | None,
    embedded: Callable[[], datetime | None],
) -> datetime | None:
    """The first of: the expression on the name, a STAC item beside the file, what the file says of itself.

    Args:
        path: The image file.
        root: Folder outside which no item is read.
        expression: Regular expression with a group that holds a date.
        embedded: Gives the file's own time; asked last.
    """
    named = time_from_name(path.name, expression) if expression else None
    return named or stac_time(path, root=root) or embedded()


def parse_time(text: str) -> datetime | None:
    """A date or time in ISO 8601, in EXIF's notation, or as bare digits; UTC.

    Example:
        >>> parse_time("2020:08:31 10:00:00").isoformat()
        '2020-08-31T10:00:00+00:00'
        >>> parse_time("20200831T120000+0200").isoformat()
        '2020-08-31T10:00:00+00:00'
        >>> parse_time("2020_244").isoformat()  # year and day of the year
        '2020-08-31T00:00:00+00:00'
        >>> parse_time("no date") is None
        True
    """
    text = text.strip().strip("\0").strip()
    if not 4 <= len(text) <= 64:
        return None
    exif = re.fullmatch(r"(\d{4}):(\d\d):(\d\d)(?:[ T](.+))?", text)
    if exif:
        year, month, day, clock = exif.groups()
        text = f"{year}-{month}-{day}" + (f"T{clock}" if clock else "")
    digits = re.sub(r"[-_:.T ]", "", text)
    try:
        if digits.isascii() and digits.isdigit() and len(digits) in _BY_DIGITS and not re.search(r"\.\d", text):
            return datetime.strptime(digits, _BY_DIGITS[len(digits)]).replace(tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_from_name(name: str, expression: str) -> datetime | None:
    r"""The date that a regular expression finds in a file name.

    The group called ``time`` or ``date`` counts, else all groups joined, so that year, month and day may be apart.

    Example:
        >>> time_from_name("m_4709963_se_14_1_20200831.tif", r"_(\d{8})\.").date().isoformat()
        '2020-08-31'
        >>> time_from_name("31.08.2020.tif", r"(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{4})").date().isoformat()
        '2020-08-31'
    """
    found = re.search(expression, name)
    if not found:
        return None
    named = found.groupdict()
    for group in ("time", "date"):
        if named.get(group):
            return parse_time(named[group])
    if {"year", "month", "day"} <= named.keys():
        return parse_time("-".join(named[part] or "" for part in ("year", "month", "day")))
    return parse_time("".join(group for group in found.groups() if group))


def exif_time(exif: Mapping[int, Any]) -> datetime | None:
    """``DateTimeOriginal`` (else ``DateTimeDigitized``) with its offset from UTC, from a photo's EXIF directory.

    Example:
        >>> exif_time({0x9003: "2021:06:01 12:30:00", 0x9011: "+02:00"}).isoformat()
        '2021-06-01T10:30:00+00:00'
    """
    for moment_tag, offset_tag in ((_ORIGINAL, _OFFSET_ORIGINAL), (_DIGITIZED, _OFFSET_DIGITIZED)):
        moment = parse_time(_text(exif.get(moment_tag)))
        if moment:
            offset = re.fullmatch(r"([+-])(\d\d):?(\d\d)", _text(exif.get(offset_tag)).strip("\0 "))
            if not offset:
                return moment
            sign, hours, minutes = offset.groups()
            shift = timedelta(hours=int(hours), minutes=int(minutes))
            return moment - shift if sign == "+" else moment + shift
    return None


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")


def tag_time(tags: Mapping[str, str]) -> datetime | None:
    """The time in a TIFF's tags: an acquisition time, else ``TIFFTAG_DATETIME``.

    Example:
        >>> tag_time({"TIFFTAG_DATETIME": "2020:01:01 00:00:00", "AcquisitionDateTime": "2019-05-01T10:00:00Z"}).year
        2019
    """
    by_name = {name.upper(): value for name, value in tags.items()}
    for name in (*_ACQUISITION_TAGS, *_PLAIN_TAGS):
        moment = parse_time(by_name.get(name, ""))
        if moment:
            return moment
    return None


def stac_time(path: Path, *, root: Path | None = None) -> datetime | None:
    """The time of the STAC item that describes a file: ``STEM.json`` beside it, or an ``item.json`` that names it.

    ``datetime`` counts, else ``start_datetime``. A file that is no STAC item is left alone.
    """
    beside = _item(path.with_suffix(".json"), root)
    if beside is not None:
        moment = _item_time(beside)
        if moment:
            return moment
    shared = _item(path.with_name("item.json"), root)
    if shared is not None and path.name in _asset_names(shared):
        return _item_time(shared)
    return None


def _item(path: Path, root: Path | None) -> Mapping[str, Any] | None:
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(path)
            if root is None or not is_within(real, os.path.realpath(root)):
                return None
            path = Path(real)
            status = path.lstat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_ITEM_BYTES:
        return None
    return _load_item(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _load_item(path: str, modified_ns: int, size: int) -> Mapping[str, Any] | None:
    try:
        item = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    is_item = isinstance(item, dict) and item.get("type") == "Feature" and "stac_version" in item
    return item if is_item else None


def _item_time(item: Mapping[str, Any]) -> datetime | None:
    properties = item.get("properties")
    if not isinstance(properties, dict):
        return None
    return parse_time(_text(properties.get("datetime"))) or parse_time(_text(properties.get("start_datetime")))


def _asset_names(item: Mapping[str, Any]) -> set[str]:
    assets = item.get("assets")
    if not isinstance(assets, dict):
        return set()
    return {_text(asset.get("href")).rsplit("/", 1)[-1] for asset in assets.values() if isinstance(asset, dict)}
