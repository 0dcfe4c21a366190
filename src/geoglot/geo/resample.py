"""The one way a picture becomes the square that a model sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(image)
