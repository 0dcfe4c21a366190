"""Masks as COCO writes them: runs down the columns, as numbers or packed into text; and polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode_mask(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The mask of a COCO ``segmentation``: run lengths, a list of them, or polygons, whose union is taken.

    Args:
        segmentation: ``{"size": [height, width], "counts": text or numbers}``, a list of such, or a list of polygons
            ``[x1, y1, x2, y2, ...]`` in pixels.
        height: Pixels.
        width: Pixels.

    Raises:
        ValueError: It is none of these, or of another size.

    Example:
        >>> decode_mask({"size": [2, 3], "counts": [1, 2, 3]}, 2, 3).astype(int).tolist()  # down, then right
        [[0, 1, 0], [1, 0, 0]]
    """
    parts = [segmentation] if isinstance(segmentation, Mapping) else list(segmentation)
    mask = np.zeros((height, width), dtype=bool)
    for part in parts:
        if isinstance(part, Mapping):
            if list(part["size"]) != [height, width]:
                raise ValueError(f"a mask of size {part['size']} in an image of {height} x {width}")
            counts = part["counts"]
            runs = unpack_counts(counts) if isinstance(counts, (str, bytes)) else np.array(counts, dtype=np.int64)
            mask |= _from_runs(runs, height, width)
        else:
            mask |= _from_polygon(part, height, width)
    return mask


def _from_runs(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"runs over {runs.sum()} pixels in an image of {height} x {width}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def _from_polygon(corners: Sequence[float], height: int, width: int) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"a polygon of {len(corners)} numbers")
    image = Image.new("1", (width, height))
    ImageDraw.Draw(image).polygon([float(number) for number in corners], fill=1)
    return np.asarray(image).astype(bool)


def unpack_counts(text: str | bytes) -> NDArray[np.int64]:
    """Run lengths packed into text: five bits a character, least first, from the third on as differences.

    Every character is 48 plus six bits: the sixth says that more follow, the fifth of the last one is the sign. A
    number from the fourth on is the difference to the one two before it.

    Example:
        >>> unpack_counts("123").tolist(), unpack_counts("X1").tolist()  # 88 - 48 = 40 = 8 and more; then 1: 8 + 32
        ([1, 2, 3], [40])
    """
    codes = text.encode("ascii") if isinstance(text, str) else text
    numbers: list[int] = []
    value = shift = 0
    for code in codes:
        bits = code - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{chr(code)!r} is no character of packed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        numbers.append(value + numbers[-2] if len(numbers) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("packed run lengths end in the middle of a number")
    return np.array(numbers, dtype=np.int64)
