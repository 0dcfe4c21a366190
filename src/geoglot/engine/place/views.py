"""Views to learn from: two of one picture, with the spot of the picture that every position of a view shows.

They are drawn otherwise than the views of :mod:`geoglot.data.second_views`, on which is measured: frames are sheared
and stretched as well, colours are mixed and bent at random instead of by season, exposure and haze, and pieces of other
pictures stand for what was built or has moved. Shared are shift, scale, rotation and JPEG.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LearningView:
    """A view and where it comes from.

    Attributes:
        pixels: (side, side, 3) uint8.
        matrix: (2, 3) float64; a position of the view in [-1, 1] (x, y) to one of the picture, in the same units.
        changed: (grid, grid) bool; where a piece of another picture was put.
    """

    pixels: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    changed: NDArray[np.bool_]


def learning_view(
    picture: NDArray[np.uint8], other: NDArray[np.uint8], *, side: int, grid: int, generator: np.random.Generator
) -> LearningView:
    """Draw a view.

    Args:
        picture: (H, H, 3) uint8.
        other: As `picture`; pieces of it are put over the view.
        side: Of the view, pixels.
        grid: Positions along a side.
        generator: What draws.
    """
    matrix = _frame(generator)
    pixels = _cut(picture, matrix, side)
    changed = np.zeros((grid, grid), np.bool_)
    for _ in range(int(generator.integers(0, 4))):
        high, wide = generator.integers(1, max(2, grid // 3), 2)
        top, left = generator.integers(0, grid - high + 1), generator.integers(0, grid - wide + 1)
        changed[top : top + high, left : left + wide] = True
    if changed.any():
        over = np.kron(changed, np.ones((side // grid, side // grid), np.bool_))
        pixels = np.where(over[..., None], _cut(other, _frame(generator), side), pixels)
    return LearningView(_compressed(_recoloured(pixels, generator), generator), matrix, changed)


def _frame(generator: np.random.Generator) -> NDArray[np.float64]:
    turn = math.radians(generator.uniform(-20, 20))
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    stretch = np.exp(generator.uniform(-0.42, 0.42)) * np.diag(np.exp(generator.uniform(-0.08, 0.08, 2)))
    shear = np.array([[1, generator.uniform(-0.08, 0.08)], [0, 1]])
    return np.column_stack([rotation @ stretch @ shear, generator.uniform(-0.45, 0.45, 2)])


def _cut(picture: NDArray[np.uint8], matrix: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    height, width = picture.shape[:2]
    margin = height // 2
    around = Image.fromarray(np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="reflect"))
    # Pillow counts in pixels from the corner: position = (2 x pixel / side - 1), and back for the picture.
    scale = np.array([width / 2, height / 2])
    linear = matrix[:, :2] * scale[:, None] * 2 / side
    offset = (matrix[:, 2] - matrix[:, :2].sum(axis=1) + 1) * scale + margin
    rows = (*linear[0], offset[0], *linear[1], offset[1])
    return np.asarray(around.transform((side, side), Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC))


def _recoloured(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Colours mixed, tones bent, light uneven, then blur and noise."""
    from PIL import Image, ImageFilter

    light = pixels.astype(np.float32) / 255
    mixing = np.eye(3) + generator.normal(0, generator.uniform(0, 0.35), (3, 3))
    if generator.random() < 0.1:
        mixing = np.full((3, 3), 1 / 3)
    light = light @ (mixing / np.abs(mixing).sum(axis=1, keepdims=True)).T.astype(np.float32)
    low, high = np.quantile(light, [0.02, 0.98])
    light = np.clip((light - low) / max(float(high - low), 0.05), 0, 1)
    knots = np.linspace(0, 1, 5)
    strength = generator.uniform(0, 1)
    for channel in range(3):
        bent = np.sort(generator.uniform(0, 1, 5))
        if generator.random() < 0.1:  # what was bright is dark now: water gone, crops harvested
            bent = generator.uniform(0, 1, 5)
        curve = (1 - strength) * knots + strength * bent
        light[..., channel] = np.interp(light[..., channel], knots, curve)
    rough = generator.normal(0, generator.uniform(0, 0.35), (3, 3, 3)).astype(np.float32)
    height, width = light.shape[:2]
    for channel in range(3):
        soft = Image.fromarray(rough[channel]).resize((width, height), Image.Resampling.BICUBIC)
        light[..., channel] *= np.exp(np.asarray(soft))
    span = generator.uniform(0.25, 1.0)
    light = generator.uniform(0, 1 - span) + span * np.clip(light, 0, 1)
    image = Image.fromarray(np.rint(255 * light).astype(np.uint8))
    if generator.random() < 0.5:
        image = image.filter(ImageFilter.BoxBlur(generator.uniform(0, 1.2)))
    noisy = np.asarray(image) + generator.normal(0, generator.uniform(0, 10), light.shape)
    recoloured: NDArray[np.uint8] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return recoloured


def _compressed(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=int(generator.integers(30, 96)))
    file.seek(0)
    with Image.open(file) as image:
        return np.asarray(image)
