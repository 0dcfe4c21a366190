"""From flat colours to an aerial photograph: grain, patches, forest canopy, crop rows, waves, foam and haze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.data.scenery.hashing import noise_grid
from geoglot.data.scenery.materials import CODE, GRAIN, MOTTLE, PATCH, TINT
from geoglot.data.scenery.texture import TILE, canopy, noise_tile, tiled

FloatImage = NDArray[np.float32]

_ROW_PERIOD = {"crop_u": 2.2, "crop_v": 2.2, "wide_u": 4.6, "wide_v": 4.6}


@dataclass(frozen=True)
class Place:
    """Where a block lies: first pixel of the scene, side in pixels, ground sample distance and the scene's seed."""

    column: int
    row: int
    side: int
    gsd_m: float
    seed: int

    def metres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ground coordinates (side,) of the pixel centres, right and down."""
        steps: NDArray[np.float64] = np.arange(self.side, dtype=np.float64) + 0.5
        return (steps + self.column) * self.gsd_m, (steps + self.row) * self.gsd_m


@dataclass(frozen=True)
class Fields:
    """Smooth fields (side, side) over a block at pixel centres; absent where no surface of the block needs them.

    Attributes:
        shore: Metres inside (+) or outside (-) the sea.
        bank: Metres inside (+) or outside (-) river and lakes.
        plan: Plan coordinates u and v, metres.
    """

    shore: FloatImage | None
    bank: FloatImage | None
    plan: tuple[FloatImage, FloatImage] | None


def shade(flat: NDArray[np.uint8], surface: NDArray[np.uint8], place: Place, fields: Fields) -> NDArray[np.uint8]:
    """Give a block its texture.

    Args:
        flat: (S, S, 3) flat colours with smooth edges.
        surface: (S, S) surface codes.
        place: Where the block lies.
        fields: Smooth fields of the block.

    Returns:
        (S, S, 3) uint8.
    """
    x, y = place.metres()
    fine = tiled(noise_tile(11, 0.15, 2.0, 16.0), place.column, place.row, place.side)
    middle = tiled(noise_tile(12, 0.9, 2.5, 90.0), place.column + 313, place.row + 171, place.side)
    patch = noise_grid(place.seed + 1, x, y, 97.0) + np.float32(0.5) * noise_grid(place.seed + 2, x, y, 31.0)
    present = np.bincount(surface.ravel(), minlength=len(CODE)) > 0
    gain = GRAIN[surface]
    gain *= fine
    gain += MOTTLE[surface] * middle
    gain += PATCH[surface] * patch
    gain += 1
    drift = noise_grid(place.seed + 3, x, y, 61.0)
    drift += np.float32(0.35) * middle
    # One plane per colour: NumPy is several times faster on planes than on interleaved pixels.
    levels = np.empty((3, place.side, place.side), dtype=np.float32)
    for channel in range(3):
        np.multiply(flat[..., channel], gain, out=levels[channel])
        levels[channel] += TINT[channel][surface] * drift
    if present[CODE["forest"]]:
        _forest(levels, flat, surface == CODE["forest"], place, patch)
    if fields.plan is not None:
        _crop_rows(levels, surface, present, fields.plan, middle)
    if fields.shore is not None:
        if present[CODE["sea"]]:
            _sea(levels, surface == CODE["sea"], place, fields.shore, middle)
        if present[CODE["beach"]]:
            wet = (surface == CODE["beach"]) * np.clip(1 + (fields.shore + 2 * middle) / 9.0, 0, 1)
            levels *= (1 - 0.26 * wet).astype(np.float32)
    if fields.bank is not None:
        for name in ("river", "lake"):
            if present[CODE[name]]:
                _fresh_water(levels, surface == CODE[name], place, fields.bank)
    grain = tiled(noise_tile(11, 0.15, 2.0, 16.0), place.column + 457, place.row + 91, place.side)
    return _photograph(levels, grain)


def _forest(
    levels: FloatImage, flat: NDArray[np.uint8], inside: NDArray[np.bool_], place: Place, patch: FloatImage
) -> None:
    columns = np.arange(place.column, place.column + place.side) % TILE
    rows = np.arange(place.row, place.row + place.side) % TILE
    leaves = canopy(place.gsd_m)[:, rows[:, None], columns[None, :]]
    light = (1 + 0.12 * patch[inside]) / np.float32(128)
    for channel in range(3):
        levels[channel, inside] = leaves[channel][inside] * flat[..., channel][inside] * light


def _crop_rows(
    levels: FloatImage,
    surface: NDArray[np.uint8],
    present: NDArray[np.bool_],
    plan: tuple[FloatImage, FloatImage],
    middle: FloatImage,
) -> None:
    for name, period in _ROW_PERIOD.items():
        if not present[CODE[name]]:
            continue
        inside = surface == CODE[name]
        across = plan[0 if name.endswith("u") else 1][inside]
        depth = 0.10 if period < 3 else 0.16
        wave = np.sin(across * np.float32(2 * np.pi / period) + 0.5 * middle[inside])
        # Every sixth row or so a wheel track.
        track = np.cos(across * np.float32(2 * np.pi / 24.0)) > 0.985
        levels[:, inside] *= (1 + depth * wave - 0.12 * track).astype(np.float32)


def _sea(levels: FloatImage, inside: NDArray[np.bool_], place: Place, shore: FloatImage, middle: FloatImage) -> None:
    depth = np.maximum(shore[inside], np.float32(0))
    deep = 1 - np.exp(depth / np.float32(-55.0))
    swell = tiled(noise_tile(21, 0.8, 3.0, 40.0), place.column, place.row, place.side)[inside]
    ragged = 3.2 * middle[inside]
    foam = np.exp(-(((depth - 2.5 - ragged) / 2.2) ** 2)) + 0.6 * np.exp(-(((depth - 15 - 1.6 * ragged) / 1.7) ** 2))
    foam = np.clip(foam * (0.65 + 0.5 * swell), 0, 1).astype(np.float32) * np.float32(0.85)
    light = 1 + np.float32(0.045) * swell
    for channel, (shallow, far, white) in enumerate(((112, 42, 226), (142, 74, 228), (134, 90, 222))):
        levels[channel, inside] = _blend((shallow + (far - shallow) * deep) * light, white, foam)


def _blend(colour: NDArray[Any], other: float, share: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(colour + (other - colour) * share)


def _fresh_water(levels: FloatImage, inside: NDArray[np.bool_], place: Place, bank: FloatImage) -> None:
    depth = np.clip(bank[inside], 0, 30)
    ripple = tiled(noise_tile(22, 0.5, 3.0, 24.0), place.column, place.row, place.side)[inside]
    levels[:, inside] *= (1.16 - 0.2 * (1 - np.exp(-depth / 9.0)) + 0.02 * ripple).astype(np.float32)


def _photograph(levels: FloatImage, grain: FloatImage) -> NDArray[np.uint8]:
    """Haze lifts and greys the dark parts a little; the sensor adds its own grain."""
    picture = np.empty((*grain.shape, 3), dtype=np.uint8)
    for channel, (keep, lift) in enumerate(((0.955, 8.5), (0.945, 10.5), (0.915, 15.0))):
        plane = levels[channel]
        plane *= np.float32(keep)
        plane += np.float32(lift)
        plane += np.float32(1.3) * grain
        picture[..., channel] = np.clip(plane, 0, 255, out=plane)
    return picture
