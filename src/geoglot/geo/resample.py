"""The one way a picture becomes the square that a model sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image


def to_square(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize a picture to a square: box reduction by whole factors, then bilinear.

    Args:
        pixels: (H, W, 3) uint8, any strides.
        side: Side of the square, pixels.

    Returns:
        (side, side, 3) uint8; the picture's aspect is not kept.

    Example:
        >>> to_square(np.full((256, 300, 3), 7, np.uint8), 128).shape
        (128, 128, 3)
    """
    from PIL import Image

    return image_to_square(Image.fromarray(np.ascontiguousarray(pixels)), side)


def image_to_square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """The same for an RGB picture that Pillow holds already, without a copy of all its pixels.

    Example:
        >>> from PIL import Image
        >>> image_to_square(Image.new("RGB", (1000, 500)), 64).shape
        (64, 64, 3)
    """
    from PIL.Image import Resampling

    if image.size != (side, side):
        image = image.resize((side, side), Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(image)


def whole_factor(width: int, height: int, side: int) -> int | None:
    """By how much a square picture is reduced where that is a whole number from 2 on; ``None`` elsewhere.

    Example:
        >>> whole_factor(256, 256, 128), whole_factor(256, 256, 144), whole_factor(256, 200, 128)
        (2, None, None)
    """
    return width // side if width == height and width % side == 0 and width >= 2 * side else None


def reduced(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Every ``factor`` x ``factor`` box of pixels as its mean, as :func:`to_square` has it for whole factors.

    Args:
        pixels: (H, W, 1 or 3) uint8, any strides; H is a multiple of the factor.
        factor: From 2 on.

    Returns:
        (H / factor, W // factor, 1 or 3) uint8.

    Example:
        >>> reduced(np.array([[[1], [2]], [[3], [5]]], np.uint8), 2).tolist()  # 11 / 4 = 2.75
        [[[3]]]
    """
    from PIL import Image

    height, width = pixels.shape[0], pixels.shape[1] // factor * factor
    planes = pixels[:, :width, 0] if pixels.shape[2] == 1 else pixels[:, :width]
    means = np.asarray(Image.fromarray(np.ascontiguousarray(planes)).reduce(factor))
    return means.reshape(height // factor, width // factor, pixels.shape[2])
