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
