"""Pictures that show nothing of a place: blank, without data, under cloud, or noise. A caption of them is invented.

The bounds were set on the 10,414 training pictures of RSICD and UC Merced. They refuse two of these, a desert and bare
ground that are as white as a cloud; the extremes of all others are in the table.

====================== ============================================ ============ ================
reason                 measured on the picture as a model sees it   bound        extreme, pictures
====================== ============================================ ============ ================
``blank``              standard deviation of brightness (of 255)    below 2      2.6
``blank``              entropy of brightness in 128 steps, bits     below 1.5    1.69
``no data``            share of the most frequent colour            above 0.4    0.27
``cloud or snow``      share of bright, grey, smooth blocks         above 0.9    0.88
``noise``              correlation of neighbouring pixels           below 0.3    0.31
====================== ============================================ ============ ================

Cloud and snow fields look alike in three colours; so does a picture that is overexposed. The bounds are checked in
this order.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BLANK: Final = "blank"
NO_DATA: Final = "no data"
CLOUD: Final = "cloud or snow"
NOISE: Final = "noise"
LEAST_DEVIATION: Final = 2.0
LEAST_ENTROPY: Final = 1.5
MOST_OF_ONE_COLOUR: Final = 0.4
MOST_CLOUD: Final = 0.9
LEAST_CORRELATION: Final = 0.3
_BLOCKS: Final = 20
_BRIGHT, _GREY, _SMOOTH = 180.0, 25.0, 12.0
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


def illegible(pixels: NDArray[np.uint8]) -> list[str | None]:
    """Why each picture shows nothing; ``None`` of one that may show a place.

    Args:
        pixels: (N, S, S, 3) uint8 RGB, S at least 8.

    Example:
        >>> plain = np.full((1, 32, 32, 3), 90, np.uint8)
        >>> noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
        >>> illegible(np.concatenate([plain, noise]))
        ['blank', 'noise']
    """
    return [_reason(picture) for picture in pixels]


def _reason(picture: NDArray[np.uint8]) -> str | None:
    wide = picture.astype(np.float32)
    luma = wide @ _LUMA
    if float(luma.std()) < LEAST_DEVIATION:
        return BLANK
    if one_colour_share(picture) > MOST_OF_ONE_COLOUR:
        return NO_DATA
    if entropy(luma) < LEAST_ENTROPY:
        return BLANK
    if cloud_share(wide, luma) > MOST_CLOUD:
        return CLOUD
    if correlation(luma) < LEAST_CORRELATION:
        return NOISE
    return None


def entropy(luma: NDArray[np.float32]) -> float:
    """Entropy of brightness in 128 steps, bits in [0, 7].

    Example:
        >>> entropy(np.array([[0, 0], [255, 255]], np.float32))
        1.0
    """
    counts = np.bincount(np.clip(luma, 0, 255).astype(np.int64).reshape(-1) // 2, minlength=128)
    shares = counts[counts > 0] / luma.size
    return float(-(shares * np.log2(shares)).sum())


def one_colour_share(picture: NDArray[np.uint8]) -> float:
    """Share of the most frequent colour: what a decoder fills in, and the collar of a scene, is of one colour exactly.

    Example:
        >>> one_colour_share(np.array([[[1, 2, 3], [1, 2, 3]], [[1, 2, 3], [9, 9, 9]]], np.uint8))
        0.75
    """
    codes = picture.reshape(-1, 3).astype(np.int64) @ np.array([65_536, 256, 1])
    codes.sort()
    ends = np.flatnonzero(np.concatenate([codes[1:] != codes[:-1], [True]]))
    return float(np.diff(ends, prepend=-1).max() / len(codes))


def cloud_share(wide: NDArray[np.float32], luma: NDArray[np.float32]) -> float:
    """Share of blocks that are bright, grey and smooth. (S, S, 3), (S, S) -> [0, 1]."""
    size = max(2, len(luma) // _BLOCKS)
    count = len(luma) // size
    colour = wide.max(2) - wide.min(2)
    blocks = [plane[: count * size, : count * size].reshape(count, size, count, size) for plane in (luma, colour)]
    bright = blocks[0].mean(axis=(1, 3)) > _BRIGHT
    grey = blocks[1].mean(axis=(1, 3)) < _GREY
    return float((bright & grey & (blocks[0].std(axis=(1, 3)) < _SMOOTH)).mean())


def correlation(luma: NDArray[np.float32]) -> float:
    """Correlation of neighbouring pixels, across or down, whichever is higher.

    Example:
        >>> round(correlation(np.tile(np.float32([0, 255, 0, 255]), (4, 1))), 6)  # stripes: opposite across, equal down
        1.0
    """
    across, down = (luma[:, :-1], luma[:, 1:]), (luma[:-1], luma[1:])
    return max(_correlation(*across), _correlation(*down))


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size > 0 else 1.0
