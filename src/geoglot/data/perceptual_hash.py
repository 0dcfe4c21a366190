"""Perceptual hashes: 64 bits of an image that stay when it is re-encoded, resized or slightly retouched.

The hash of a 32 x 32 grey thumbnail G with the 32-point type-2 discrete cosine transform

    C[k, l] = 4 sum_y sum_x G[y, x] cos(pi k (2y + 1) / 64) cos(pi l (2x + 1) / 64)

has the bit of (k, l), k and l < 8, set where C[k, l] exceeds the median of these 64 values; row by row, first bit
first. Without ties half of the bits are set, so the distance of two hashes is even, and "below 2" means "equal".

An image that is turned or mirrored has the same coefficients up to sign and transposition: mirrored left to right,
C[k, l] becomes (-1)^l C[k, l]. So all eight symmetries cost one transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32
_LOW = 8
BITS = _LOW * _LOW

# Names of the eight symmetries of a square, in the order of every array with 8 columns below: what is done to the
# image, first the turn (counter-clockwise), then the mirror (left to right).
SYMMETRIES = (
    "as it is",
    "turned 90",
    "turned 180",
    "turned 270",
    "mirrored",
    "turned 90, mirrored",
    "turned 180, mirrored",
    "turned 270, mirrored",
)


class NearPairs(NamedTuple):
    """Pairs of hashes that differ in few bits.

    Attributes:
        left: int64, (P,), row in the left array.
        right: int64, (P,), row in the right array.
        distances: uint8, (P,), number of differing bits.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    distances: NDArray[np.uint8]


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """An image as uint8 (32, 32) grey: ITU-R 601 luma, then Lanczos; the aspect is not kept."""
    from PIL.Image import Resampling

    return np.asarray(image.convert("L").resize((SIDE, SIDE), Resampling.LANCZOS))


def turned(image: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """A square array under one of the eight ``SYMMETRIES``, by its index; the last two axes are rows and columns.

    Example:
        >>> turned(np.array([[1, 2], [3, 4]]), SYMMETRIES.index("turned 90")).tolist()
        [[2, 4], [1, 3]]
        >>> turned(np.array([[1, 2], [3, 4]]), SYMMETRIES.index("turned 90, mirrored")).tolist()
        [[4, 2], [3, 1]]
    """
    image = np.rot90(image, symmetry % 4, axes=(-2, -1))
    return image[..., ::-1] if symmetry >= 4 else image


def coefficients(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The lowest 8 x 8 cosine coefficients of thumbnails (N, 32, 32); float64, (N, 8, 8)."""
    order = np.arange(_LOW)[:, None]
    place = np.arange(SIDE)[None, :]
    basis = 2 * np.cos(np.pi * order * (2 * place + 1) / (2 * SIDE))
    # The cosine of a right angle is not exactly zero in floating point, nor are equal sums equal: an image that is
    # symmetric would get bits from the rounding. Grey values are whole, so nothing real is below this.
    transformed: NDArray[np.float64] = basis @ thumbnails.astype(np.float64) @ basis.T
    transformed[np.abs(transformed) < 1e-8] = 0
    return transformed


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hash of each thumbnail.

    Args:
        thumbnails: uint8, (N, 32, 32).

    Returns:
        uint64, (N,); the highest bit is the one of (0, 0).

    Example:
        >>> rows = np.repeat(np.arange(32, dtype=np.uint8)[:, None], 32, axis=1)
        >>> f"{perceptual_hashes(rows[None])[0]:016x}"
        '8000000000000000'
    """
    return _pack(coefficients(thumbnails))


def symmetric_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hashes of each thumbnail under all eight symmetries.

    Args:
        thumbnails: uint8, (N, 32, 32).

    Returns:
        uint64, (N, 8), columns as ``SYMMETRIES``.
    """
    plain = coefficients(thumbnails)
    odd = np.where(np.arange(_LOW) % 2, -1.0, 1.0)
    across, down = plain * odd, plain * odd[:, None]  # mirrored left to right, and top to bottom
    swapped = np.swapaxes(plain, 1, 2)
    # Turned by 90 degrees counter-clockwise is transposed, then mirrored top to bottom; by 270 then left to right.
    forms = [plain, swapped * odd[:, None], across * odd[:, None], swapped * odd]
    forms += [across, forms[1] * odd, down, swapped]
    return np.stack([_pack(form) for form in forms], axis=1)


def near_pairs(left: NDArray[np.uint64], right: NDArray[np.uint64], *, below: int, block: int = 256) -> NearPairs:
    """All pairs with a Hamming distance below a bound, by comparing everything with everything in blocks.

    Args:
        left: uint64, (N,).
        right: uint64, (M,).
        below: Pairs at this distance or more are left out; in [1, 65].
        block: Left rows compared together; memory is 9 x block x M bytes.

    Returns:
        Pairs in the order of left, then right.

    Example:
        >>> pairs = near_pairs(np.array([0b1111], np.uint64), np.array([0b1110, 0], np.uint64), below=2)
        >>> pairs.left.tolist(), pairs.right.tolist(), pairs.distances.tolist()
        ([0], [0], [1])
    """
    parts = list(_near_blocks(left, right, below, block))
    if not parts:
        return NearPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    rows, columns, distances = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return NearPairs(rows, columns, distances)


def _near_blocks(
    left: NDArray[np.uint64], right: NDArray[np.uint64], below: int, block: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]]:
    for start in range(0, len(left), block):
        distances = bit_counts(left[start : start + block, None] ^ right[None, :])
        rows, columns = np.nonzero(distances < below)
        if len(rows):
            yield rows + start, columns, distances[rows, columns]


def bit_counts(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Number of set bits of each word.

    Example:
        >>> bit_counts(np.array([0, 5, 2**64 - 1], np.uint64)).tolist()
        [0, 2, 64]
    """
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(words)
    return _bit_counts_by_bytes(words)


def _bit_counts_by_bytes(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """For NumPy before 2.0."""
    table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
    octets = np.ascontiguousarray(words)[..., None].view(np.uint8)
    return np.asarray(table[octets].sum(axis=-1, dtype=np.uint8))


def correlations(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Normalised correlation of thumbnails, pair by pair.

        r = sum (a - mean a)(b - mean b) / sqrt(sum (a - mean a)^2 sum (b - mean b)^2)

    A thumbnail of one grey alone has nothing to compare: r is 0.

    Args:
        left: Any numbers, (P, 32, 32).
        right: Any numbers, (P, 32, 32).

    Returns:
        float64 in [-1, 1], (P,).

    Example:
        >>> ramp = np.arange(1024, dtype=np.float64).reshape(1, 32, 32) // 8
        >>> dark, bright = ramp.astype(np.uint8), (ramp + 60).astype(np.uint8)
        >>> float(correlations(dark, bright)[0].round(6)), float(correlations(dark, dark * 0)[0])
        (1.0, 0.0)
    """
    first = left.reshape(len(left), -1).astype(np.float64)
    second = right.reshape(len(right), -1).astype(np.float64)
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    length = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    product = (first * second).sum(axis=1)
    return np.asarray(np.clip(np.divide(product, length, out=np.zeros_like(product), where=length > 0), -1, 1))


def details(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Thumbnails (N, H, W) less the mean of the 3 x 3 pixels around, the border repeated; float64, (N, H, W).

    Example:
        >>> details(np.array([[[0, 0, 0], [0, 9, 0], [0, 0, 0]]], np.uint8))[0].tolist()
        [[-1.0, -1.0, -1.0], [-1.0, 8.0, -1.0], [-1.0, -1.0, -1.0]]
    """
    values = thumbnails.astype(np.float64)
    _, height, width = values.shape
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(padded[:, dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3))
    return np.asarray(values - around / 9)


def _pack(transformed: NDArray[np.float64]) -> NDArray[np.uint64]:
    values = transformed.reshape(len(transformed), BITS)
    bits = values > np.median(values, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)
