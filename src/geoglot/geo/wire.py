"""Frames between an indexing process and its decoder child: a length, a JSON header, raw bytes.

The child has read hostile files, so its words are checked like a stranger's: lengths are bounded before anything is
allocated, and nothing is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np

from geoglot.core.records import Bounds, Tile, Window
from geoglot.geo.source import TILES_PER_BATCH, SourceInfo, TileBatch, WindowBatch

_LENGTHS = struct.Struct("<II")
_LONGEST_HEADER = 16 << 20
_LONGEST_BODY = 1 << 30

Header = dict[str, Any]


class BrokenFrameError(Exception):
    """The other side stopped in mid-sentence, or talks nonsense."""


def write_frame(stream: BinaryIO, header: Mapping[str, Any], *bodies: bytes | memoryview) -> None:
    """Write one frame; the caller flushes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    stream.write(_LENGTHS.pack(len(text), sum(len(body) for body in bodies)))
    stream.write(text)
    for body in bodies:
        stream.write(body)


def read_frame(stream: BinaryIO) -> tuple[Header, bytearray] | None:
    """Read one frame, or ``None`` at the end of the stream.

    Raises:
        BrokenFrameError: The stream ends inside a frame, a length is absurd, or the header is no JSON object.

    Example:
        >>> import io
        >>> stream = io.BytesIO()
        >>> write_frame(stream, {"kind": "hello"}, b"abc")
        >>> _ = stream.seek(0)
        >>> read_frame(stream)
        ({'kind': 'hello'}, bytearray(b'abc'))
    """
    lengths = stream.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise BrokenFrameError("cut off")
    header_length, body_length = _LENGTHS.unpack(lengths)
    if header_length > _LONGEST_HEADER or body_length > _LONGEST_BODY:
        raise BrokenFrameError("absurd length")
    text = _read_exactly(stream, header_length)
    body = _read_exactly(stream, body_length)
    try:
        header = json.loads(bytes(text))
    except (ValueError, RecursionError) as error:
        raise BrokenFrameError("no JSON") from error
    if not isinstance(header, dict):
        raise BrokenFrameError("no JSON object")
    return header, body


def _read_exactly(stream: BinaryIO, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    done = 0
    while done < length:
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise BrokenFrameError("cut off")
        done += count
    return data


def info_record(info: SourceInfo) -> Header:
    """A source as JSON-ready values."""
    return {**asdict(info), "time": info.time.isoformat() if info.time else None}


def info_from_record(record: Mapping[str, Any]) -> SourceInfo:
    """The inverse of :func:`info_record`."""
    transform = record["transform"]
    numbers = None if transform is None else tuple(float(number) for number in transform)
    return SourceInfo(**{**record, "time": _time(record["time"]), "transform": numbers})


def batch_frame(batch: TileBatch) -> tuple[Header, bytes, bytes | memoryview]:
    """A batch as a header and two bodies: footprints one after the other, then pixels."""
    tiles = batch.tiles
    header = {
        "side": batch.pixels.shape[1],
        "windows": [tile.window for tile in tiles],
        "levels": [tile.level for tile in tiles],
        "footprints": [-1 if tile.footprint is None else len(tile.footprint) for tile in tiles],
        "bounds": [tile.bounds for tile in tiles],
        "gsd_m": [tile.gsd_m for tile in tiles],
        "time": tiles[0].time.isoformat() if tiles and tiles[0].time else None,
    }
    footprints = b"".join(tile.footprint for tile in tiles if tile.footprint is not None)
    return header, footprints, np.ascontiguousarray(batch.pixels).data.cast("B")


def batch_from_frame(header: Mapping[str, Any], body: bytearray) -> TileBatch:
    """The inverse of :func:`batch_frame`.

    Raises:
        BrokenFrameError: Counts and lengths do not agree.
    """
    try:
        count, side, lengths = len(header["windows"]), int(header["side"]), [int(n) for n in header["footprints"]]
        start = sum(max(0, length) for length in lengths)
        if count > TILES_PER_BATCH or len(body) != start + count * side * side * 3:
            raise BrokenFrameError("lengths do not agree")
        pixels = np.frombuffer(body, np.uint8, offset=start).reshape(count, side, side, 3)
        time, tiles, position = _time(header["time"]), [], 0
        columns = zip(header["windows"], header["levels"], lengths, header["bounds"], header["gsd_m"], strict=True)
        for window, level, length, bounds, gsd_m in columns:
            footprint = None if length < 0 else bytes(body[position : position + length])
            position += max(0, length)
            tiles.append(
                Tile(
                    window=Window(*window),
                    level=level,
                    footprint=footprint,
                    bounds=None if bounds is None else Bounds(*bounds),
                    gsd_m=gsd_m,
                    time=time,
                )
            )
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFrameError("no batch") from error
    return TileBatch(pixels=pixels, tiles=tiles)


def windows_frame(batch: WindowBatch) -> tuple[Header, bytes | memoryview]:
    """Windows of a sweep as a header and a body."""
    header = {"side": batch.pixels.shape[1], "row": batch.row, "columns": batch.columns}
    return header, np.ascontiguousarray(batch.pixels).data.cast("B")


def windows_from_frame(header: Mapping[str, Any], body: bytearray) -> WindowBatch:
    """The inverse of :func:`windows_frame`.

    Raises:
        BrokenFrameError: Counts and lengths do not agree.
    """
    try:
        side, columns = int(header["side"]), tuple(int(column) for column in header["columns"])
        if len(columns) > TILES_PER_BATCH or len(body) != len(columns) * side * side * 4:
            raise BrokenFrameError("lengths do not agree")
        pixels = np.frombuffer(body, np.uint8).reshape(len(columns), side, side, 4)
        return WindowBatch(pixels=pixels, row=int(header["row"]), columns=columns)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFrameError("no windows") from error


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
