"""From flat colours to an aerial photograph: grain, patches, forest canopy, crop rows, waves, foam and haze."""

from __future__ import annotations

from dataclasses import dataclass

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
        steps = np.arange(self.side) + 0.5
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
    gain = GRAIN[surface] * fine
    gain += MOTTLE[surface] * middle
    gain += PATCH[surface] * patch
    gain += 1
    levels = flat.astype(np.float32)
    levels *= gain[..., None]
    drift = noise_grid(place.seed + 3, x, y, 61.0) + np.float32(0.35) * middle
    levels += TINT[surface] * drift[..., None]
    if present[CODE["forest"]]:
        _forest(levels, flat, surface == CODE["forest"], place, patch)
    if fields.plan is not None:
        _crop_rows(levels, surface, present, fields.plan, middle)
    if fields.shore is not None:
        if present[CODE["sea"]]:
            _sea(levels, surface == CODE["sea"], place, fields.shore, middle)
        if present[CODE["beach"]]:
            wet = (surface == CODE["beach"]) * np.clip(1 + (fields.shore + 2 * middle) / 9.0, 0, 1)
            levels *= (1 - 0.26 * wet)[..., None]
    if fields.bank is not None:
        for name in ("river", "lake"):
            if present[CODE[name]]:
                _fresh_water(levels, surface == CODE[name], place, fields.bank)
    return _photograph(levels, fine)


def _forest(levels: FloatImage, flat: NDArray[np.uint8], inside: NDArray[np.bool_], place: Place, patch: FloatImage) -> None:
    columns = np.arange(place.column, place.column + place.side) % TILE
    rows = np.arange(place.row, place.row + place.side) % TILE
    leaves = canopy(place.gsd_m)[rows[:, None], columns[None, :]]
    tone = flat[inside].astype(np.float32) * np.float32(1 / 128)
    levels[inside] = leaves[inside] * tone * (1 + 0.12 * patch[inside])[:, None]


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
        levels[inside] *= (1 + depth * wave - 0.12 * track)[:, None].astype(np.float32)


def _sea(levels: FloatImage, inside: NDArray[np.bool_], place: Place, shore: FloatImage, middle: FloatImage) -> None:
    depth = np.clip(shore[inside], 0, None)
    deep = (1 - np.exp(-depth / 55.0))[:, None]
    shallow, far = np.array((112, 142, 134), np.float32), np.array((42, 74, 90), np.float32)
    swell = tiled(noise_tile(21, 0.8, 3.0, 40.0), place.column // 2, place.row, place.side)[inside]
    colour = shallow + (far - shallow) * deep
    colour *= (1 + 0.045 * swell)[:, None]
    ragged = 3.2 * middle[inside]
    foam = np.exp(-(((depth - 2.5 - ragged) / 2.2) ** 2)) + 0.6 * np.exp(-(((depth - 15 - 1.6 * ragged) / 1.7) ** 2))
    foam = np.clip(foam * (0.65 + 0.5 * swell), 0, 1)[:, None].astype(np.float32)
    levels[inside] = colour + (np.array((226, 228, 222), np.float32) - colour) * foam * 0.85


def _fresh_water(levels: FloatImage, inside: NDArray[np.bool_], place: Place, bank: FloatImage) -> None:
    depth = np.clip(bank[inside], 0, 30)
    ripple = tiled(noise_tile(22, 0.5, 3.0, 24.0), place.column, place.row // 2, place.side)[inside]
    levels[inside] *= (1.16 - 0.2 * (1 - np.exp(-depth / 9.0)) + 0.02 * ripple)[:, None].astype(np.float32)


def _photograph(levels: FloatImage, fine: FloatImage) -> NDArray[np.uint8]:
    """Haze lifts and greys the dark parts a little; the sensor adds its own grain."""
    levels *= np.array((0.955, 0.945, 0.915), dtype=np.float32)
    levels += np.array((8.5, 10.5, 15.0), dtype=np.float32)
    levels += (1.3 * np.roll(fine, 57, axis=1))[..., None]
    np.clip(levels, 0, 255, out=levels)
    return levels.astype(np.uint8)
