"""The bend between the plan (a square grid, metres) and the ground (metres right and down of the scene's corner)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.data.scenery.hashing import generator

FloatArray = NDArray[np.float64]

# (wavelength range, amplitude) in metres: long waves turn whole districts, short ones bend a street.
_WAVES = (((6000.0, 9000.0), 150.0), ((5500.0, 8000.0), 120.0), ((2200.0, 3200.0), 22.0), ((1500.0, 2000.0), 9.0))


class Warp:
    """A turn plus a few long waves: smooth, defined everywhere, and cheap to invert.

    Args:
        seed: Chooses turn and waves.
        turn: Rotation in radians; ``None`` draws one.
        pivot: Plan point that stays in place, metres.

    Example:
        >>> warp = Warp(3)
        >>> x, y = warp.to_ground(np.array([1000.0]), np.array([2000.0]))
        >>> u, v = warp.to_plan(x, y)
        >>> bool(abs(u[0] - 1000) < 0.05 and abs(v[0] - 2000) < 0.05)
        True
    """

    def __init__(self, seed: int, *, turn: float | None = None, pivot: tuple[float, float] = (0.0, 0.0)) -> None:
        rng = generator(seed, 0x3A59)
        drawn = rng.choice((-1, 1)) * rng.uniform(0.1, 0.6)
        self.turn = drawn if turn is None else turn
        self._pivot = pivot
        self._waves: list[tuple[float, float, float, float, float]] = []
        for (shortest, longest), amplitude in _WAVES:
            heading = rng.uniform(0, 2 * math.pi)
            # Displacement across the travel direction bends lines without squeezing the lots between them.
            along = heading + math.pi / 2 + rng.uniform(-0.4, 0.4)
            number = 2 * math.pi / rng.uniform(shortest, longest)
            self._waves.append(
                (
                    number * math.cos(heading),
                    number * math.sin(heading),
                    rng.uniform(0, 2 * math.pi),
                    amplitude * math.cos(along),
                    amplitude * math.sin(along),
                )
            )
        self._rest = (0.0, 0.0)
        self._rest = self._displacement(*pivot)

    def _displacement(self, u: Any, v: Any) -> tuple[Any, Any]:
        dx, dy = -self._rest[0], -self._rest[1]
        for ku, kv, phase, ax, ay in self._waves:
            wave = np.sin(ku * u + kv * v + phase)
            dx, dy = dx + ax * wave, dy + ay * wave
        return dx, dy

    def to_ground(self, u: Any, v: Any) -> tuple[FloatArray, FloatArray]:
        """Plan points (...) to ground points (...), metres."""
        c, s = math.cos(self.turn), math.sin(self.turn)
        pu, pv = self._pivot
        dx, dy = self._displacement(u, v)
        return pu + c * (u - pu) - s * (v - pv) + dx, pv + s * (u - pu) + c * (v - pv) + dy

    def to_plan(self, x: Any, y: Any) -> tuple[FloatArray, FloatArray]:
        """Ground points (...) to plan points (...), metres; right to a few centimetres."""
        c, s = math.cos(self.turn), math.sin(self.turn)
        pu, pv = self._pivot
        u, v = x, y
        # Each round shrinks the error by the steepest wave's slope, about 0.3 at worst.
        for _ in range(8):
            dx, dy = self._displacement(u, v)
            rx, ry = x - dx - pu, y - dy - pv
            u, v = pu + c * rx + s * ry, pv - s * rx + c * ry
        return u, v

    def angle(self, u: Any, v: Any) -> Any:
        """Rotation (...) in radians that the bend gives to a small thing at plan points (...)."""
        turn_sin, turn_cos = 2 * math.sin(self.turn), 2 * math.cos(self.turn)
        for ku, kv, phase, ax, ay in self._waves:
            slope = np.cos(ku * u + kv * v + phase)
            turn_sin = turn_sin + slope * (ay * ku - ax * kv)
            turn_cos = turn_cos + slope * (ax * ku + ay * kv)
        return np.arctan2(turn_sin, turn_cos)
