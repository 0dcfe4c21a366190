"""Binary codes: one bit per direction instead of two bytes per value, compared by counting the bits that differ.

An archive says in its identity card how its index holds vectors, as a :class:`Coding`:

- ``float16``: 8-bit codes as first stage, exact answers (the default);
- ``binary:BITS``: the signs of a fixed, seeded rotation of the vectors as first stage. For unit vectors at angle a
  two such codes differ in about a / pi of their bits (Charikar, STOC 2002). The shards keep the float16 vectors;
- ``signs:BITS``: the model is a hasher, its vectors are codes already: every value is plus or minus 1 / sqrt(BITS).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError

DEFAULT_BITS = 256
LARGEST_BITS = 8192
_SEED = 20_240_229
_REMEDY = "write float16, or binary:BITS with a multiple of 8 such as binary:128"


@dataclass(frozen=True)
class Coding:
    """How the index holds vectors.

    Attributes:
        kind: See the module.
        bits: Length of a code, a multiple of 8; 0 for ``float16``.

    Example:
        >>> Coding.parse("binary:128"), str(Coding("signs", 64)), Coding.parse("float16").binary
        (Coding(kind='binary', bits=128), 'signs:64', False)
    """

    kind: Literal["float16", "binary", "signs"] = "float16"
    bits: int = 0

    @classmethod
    def parse(cls, written: str) -> Coding:
        """Read what ``str`` writes; ``binary`` alone means :data:`DEFAULT_BITS` bits.

        Raises:
            UsageError: It is no coding, or the number of bits is no multiple of 8 in [8, 8192].

        Example:
            >>> Coding.parse("binary:100")
            Traceback (most recent call last):
            geoglot.core.errors.UsageError: codes binary:100: have a number of bits that is no multiple of 8 in [8, 8192]. Remedy: write float16, or binary:BITS with a multiple of 8 such as binary:128.
        """  # noqa: E501 (one message, one line)
        name, colon, number = written.partition(":")
        if name == "float16" and not colon:
            return cls()
        if name not in ("binary", "signs") or (name == "signs" and not colon):
            raise UsageError(f"codes {written}", cause="are not known", remedy=_REMEDY)
        kind: Literal["binary", "signs"] = "binary" if name == "binary" else "signs"
        digits = number if colon else str(DEFAULT_BITS)
        bits = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else 0
        if not 8 <= bits <= LARGEST_BITS or bits % 8:
            cause = f"have a number of bits that is no multiple of 8 in [8, {LARGEST_BITS}]"
            raise UsageError(f"codes {written}", cause=cause, remedy=_REMEDY)
        return cls(kind, bits)

    def __str__(self) -> str:
        return self.kind if self.kind == "float16" else f"{self.kind}:{self.bits}"

    @property
    def binary(self) -> bool:
        """Whether the first stage counts bits."""
        return self.kind != "float16"

    def encode(self, vectors: NDArray[Any]) -> NDArray[np.uint8]:
        """The codes of vectors, eight bits in a byte. (N, D) -> (N, bits / 8).

        Example:
            >>> Coding("signs", 8).encode(np.array([[1, -1, 1, 1, -1, -1, -1, -1]], np.float16)).tolist()  # 1 + 4 + 8
            [[13]]
        """
        values = vectors if self.kind == "signs" else vectors.astype(np.float32) @ rotation(vectors.shape[1], self.bits)
        return np.packbits(values >= 0, axis=1, bitorder="little")

    def similarity(self, distances: NDArray[Any]) -> NDArray[np.float32]:
        """What a Hamming distance says about the cosine: of a hasher exactly, of a rotation as an estimate.

        Example:
            >>> Coding("signs", 8).similarity(np.array([0, 2, 8])).tolist()
            [1.0, 0.5, -1.0]
            >>> [f"{value:.3f}" for value in Coding("binary", 8).similarity(np.array([0, 2, 8]))]  # cos 45 degrees
            ['1.000', '0.707', '-1.000']
        """
        share = np.asarray(distances, np.float64) / self.bits
        return np.asarray(1 - 2 * share if self.kind == "signs" else np.cos(np.pi * share), np.float32)


@lru_cache(maxsize=4)
def rotation(dimension: int, bits: int) -> NDArray[np.float32]:
    """Random directions, the same for ever: orthonormal in groups of `dimension`. -> (D, bits).

    Example:
        >>> directions = rotation(16, 24)
        >>> bool(np.allclose(directions[:, :16].T @ directions[:, :16], np.eye(16), atol=1e-6))
        True
    """
    random = np.random.Generator(np.random.PCG64(_SEED))
    parts: list[NDArray[np.float64]] = []
    for start in range(0, bits, dimension):
        square = random.standard_normal((dimension, dimension))
        directions, triangle = np.linalg.qr(square)
        directions = directions * np.sign(np.diag(triangle))  # the one QR factorisation with a positive diagonal
        parts.append(directions[:, : bits - start])
    return np.concatenate(parts, axis=1).astype(np.float32)


class SignVectors:
    """The vectors of a hasher's codes, unpacked where they are looked at: behaves as an (N, bits) float16 array.

    Example:
        >>> (SignVectors(np.array([[13]], np.uint8), 8)[np.array([0])] > 0).astype(int).tolist()
        [[1, 0, 1, 1, 0, 0, 0, 0]]
    """

    dtype = np.dtype(np.float16)

    def __init__(self, codes: NDArray[np.uint8], bits: int) -> None:
        self._codes = codes
        self.shape = (len(codes), bits)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, chosen: Any) -> NDArray[np.float16]:
        return unpacked(self._codes[chosen], self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(unpacked(self._codes, self.shape[1]), dtype)


def unpacked(codes: NDArray[np.uint8], bits: int) -> NDArray[np.float16]:
    """Codes as unit rows of plus and minus 1 / sqrt(bits). (..., bits / 8) -> (..., bits)."""
    length = np.float16(1 / np.sqrt(np.float32(bits)))
    set_bits = np.unpackbits(np.ascontiguousarray(codes), axis=-1, bitorder="little").astype(bool)
    return np.where(set_bits, length, -length)


def is_signs(vectors: NDArray[Any]) -> bool:
    """Whether rows are codes of a hasher: all values plus or minus the same number.

    Example:
        >>> is_signs(np.array([[0.5, -0.5, 0.5, 0.5]], np.float16)), is_signs(np.eye(2, dtype=np.float16))
        (True, False)
    """
    sizes = np.abs(vectors)
    return bool(sizes.size and (sizes == np.float16(1 / np.sqrt(np.float32(vectors.shape[1])))).all())
