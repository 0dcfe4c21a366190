"""Textures that are made once and reused everywhere: periodic noise, tree crowns, and a forest seen from above."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geoglot.data.scenery.hashing import generator
from geoglot.data.scenery.materials import CODE
from geoglot.data.scenery.sketch import SUBPIXELS, TOWARDS_SUN

TILE = 1024
"""Side of the periodic tiles, pixels."""

_CROWNS = (
    (66, 84, 52),
    (74, 92, 56),
    (60, 78, 52),
    (82, 98, 60),
    (88, 100, 62),
    (70, 84, 60),
    (94, 104, 70),
    (58, 72, 54),
    (52, 70, 54),
    (104, 106, 72),
    (112, 100, 70),
    (92, 94, 66),
)
LOOKS = len(_CROWNS)
"""Number of tree looks; 7 and 8 are conifers, 9 to 11 are dry."""

CONIFERS = (7, 8)


@lru_cache(maxsize=8)
def noise_tile(salt: int, slope: float, shortest: float, longest: float) -> NDArray[np.float32]:
    """A periodic tile of noise with unit spread.

    Args:
        salt: Different salts give unrelated tiles.
        slope: Amplitude falls as frequency to this power; 0 is white, 1 is cloudy.
        shortest: Shortest wavelength kept, pixels.
        longest: Longest wavelength kept, pixels.

    Returns:
        (TILE, TILE) float32 with mean 0 and standard deviation 1, clipped to 3 deviations.

    Example:
        >>> tile = noise_tile(1, 1.0, 2.0, 64.0)
        >>> tile.shape, bool(abs(tile.mean()) < 0.05)
        ((1024, 1024), True)
    """
    white = np.random.Generator(np.random.PCG64(salt)).standard_normal((TILE, TILE))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :])
    frequency[0, 0] = 1.0
    weight = frequency**-slope * (frequency <= 1.0 / shortest) * (frequency >= 1.0 / longest)
    tile = np.fft.irfft2(np.fft.rfft2(white) * weight, s=(TILE, TILE))
    tile -= tile.mean()
    # Rounding hides the last bits in which Fourier transforms of different machines may differ.
    return np.asarray(np.clip(np.round(tile / tile.std(), 3), -3, 3), dtype=np.float32)


def tiled(tile: NDArray[np.float32], column: int, row: int, side: int) -> NDArray[np.float32]:
    """The square of an endlessly repeated tile whose corner is at a pixel of the scene."""
    columns = np.arange(column, column + side) % tile.shape[1]
    rows = np.arange(row, row + side) % tile.shape[0]
    return np.asarray(tile[rows[:, None], columns[None, :]])


@lru_cache(maxsize=512)
def crown(radius: int, look: int, variant: int) -> tuple[Image.Image, Image.Image]:
    """A tree from above: a CMYK image (red, green, blue, surface code) and its 1-bit mask.

    Args:
        radius: Of the crown, subpixels.
        look: Index of the colour, 0 to ``LOOKS - 1``.
        variant: Any integer; different outlines and bumps.
    """
    rng = generator(0xC0DE, radius, look, variant)
    side = 2 * radius + 1
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1] / max(radius, 1)
    angle, distance = np.arctan2(y, x), np.hypot(x, y)
    spiky = look in CONIFERS
    outline = np.full_like(angle, 0.88 if spiky else 0.84)
    for order in (7, 9, 11) if spiky else (2, 3, 5, 7):
        outline += (0.055 if spiky else 0.05) * np.sin(order * angle + rng.uniform(0, 6.28))
    dome = np.sqrt(np.clip(1 - (distance / outline) ** 2, 0, 1)) if not spiky else np.clip(1 - distance / outline, 0, 1)
    dome = dome * (1.2 if spiky else 0.9)
    bumps = np.zeros_like(dome)
    for _ in range(7 if radius > 6 else 3):
        bx, by, size = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), rng.uniform(0.18, 0.36)
        bumps += rng.uniform(0.12, 0.3) * np.exp(-((x - bx) ** 2 + (y - by) ** 2) / size**2)
    down, across = np.gradient(dome + bumps, 1.0 / max(radius, 1)) if side > 4 else (dome * 0, dome * 0)
    sun = np.array([TOWARDS_SUN[0] * 0.75, TOWARDS_SUN[1] * 0.75, 0.66])
    light = (-across * sun[0] - down * sun[1] + sun[2]) / np.sqrt(across**2 + down**2 + 1)
    speckle = noise_tile(91, 0.3, 2.0, 12.0)[:side, variant * 40 % 512 : variant * 40 % 512 + side]
    shade = np.clip(0.66 + 0.60 * light + 0.10 * speckle, 0.3, 1.5)
    tone = 1.0 + rng.uniform(-0.1, 0.1)
    pixels = np.empty((side, side, 4), dtype=np.uint8)
    pixels[..., :3] = np.clip(shade[..., None] * np.array(_CROWNS[look]) * tone * 1.2, 0, 255)
    pixels[..., 3] = CODE["tree"]
    ragged = distance < outline * (1 + 0.06 * speckle)
    return _pair(pixels, ragged)


def _pair(pixels: NDArray[np.uint8], inside: NDArray[np.bool_]) -> tuple[Image.Image, Image.Image]:
    height, width = inside.shape
    image = Image.frombytes("CMYK", (width, height), pixels.tobytes())
    return image, Image.fromarray(inside.astype(np.uint8) * 255).convert("1")


@lru_cache(maxsize=4)
def canopy(gsd_m: float) -> NDArray[np.float32]:
    """A periodic closed forest at one ground sample distance: (3, TILE, TILE) levels."""
    rng = generator(0xF0)
    side = TILE * SUBPIXELS
    canvas = Image.new("CMYK", (side, side), (52, 62, 48, CODE["forest"]))
    scale = SUBPIXELS / gsd_m
    spacing = 3.7 * scale
    count = int((side / spacing) ** 2)
    dark = (42, 51, 42, CODE["forest"])
    for _ in range(count):
        x, y = rng.randrange(side), rng.randrange(side)
        radius = max(2, round(rng.triangular(1.8, 6.2, 3.6) * scale))
        look = rng.choice((0, 0, 1, 2, 2, 3, 5, 7, 8, 4, 6))
        image, mask = crown(_step(radius), look, rng.randrange(6))
        half = image.width // 2
        offset = max(1, half // 3)
        for dx in (0, -side, side):
            for dy in (0, -side, side):
                left, top = x + dx - half, y + dy - half
                if -image.width < left < side and -image.width < top < side:
                    canvas.paste(dark, (left - offset, top - offset), mask)
                    canvas.paste(image, (left, top), mask)
    return np.ascontiguousarray(np.moveaxis(np.asarray(canvas.reduce(SUBPIXELS))[..., :3], -1, 0)).astype(np.float32)


def _step(radius: int) -> int:
    """Radii are rounded to few sizes, so that crowns come from a small store."""
    if radius <= 8:
        return radius
    return round(8 * 1.15 ** round(math.log(radius / 8) / math.log(1.15)))


def tree_crown(radius: int, look: int) -> tuple[Image.Image, Image.Image]:
    """The stored crown for a tree of a sketch; ``look`` holds colour and variant."""
    return crown(_step(radius), look % LOOKS, look // LOOKS % 4)
