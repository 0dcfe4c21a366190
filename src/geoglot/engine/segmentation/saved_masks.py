"""The two files of a run that hold its masks; no torch.

``predictions.jsonl`` has one line per sample and language: ``dataset``, ``id``, ``scene``, ``split``, ``language``,
``phrase``, ``categories``, ``template``, ``score`` (mean probability inside the mask, 0 where it is empty) and
``truth``, the row of the true mask. ``masks.npz`` has ``side``, ``predicted`` (one row per line) and ``truth`` (one row
per sample), each row the bits of a mask of side x side pixels, row by row, eight to a byte, the first the highest. The
true masks are the dataset's at the run's size, so that measuring needs the two files and nothing else.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file

FILE: Final = "predictions.jsonl"
MASKS: Final = "masks.npz"
_REMEDY: Final = "finish the run with --resume, or train again"

Bits = NDArray[np.uint8]
_ONES: Final = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.uint8)
"""Ones of every byte."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One line of ``predictions.jsonl``; see there."""

    dataset: str
    id: str
    scene: str
    split: str
    language: str
    phrase: str
    categories: tuple[str, ...]
    template: str
    score: float
    truth: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedMasks:
    """The predictions of a run.

    Attributes:
        lines: What was asked.
        side: Pixels per side of every mask.
        predicted: (len(lines), ceil(side * side / 8)) uint8, bits of the masks.
        truth: (M, the same) uint8, bits of the true masks that the lines name.
    """

    lines: tuple[Prediction, ...]
    side: int
    predicted: Bits
    truth: Bits

    def mask(self, line: int) -> NDArray[np.bool_]:
        """The predicted mask of a line, (side, side)."""
        return as_mask(self.predicted[line], self.side)

    def true_mask(self, line: int) -> NDArray[np.bool_]:
        """The true mask of a line, (side, side)."""
        return as_mask(self.truth[self.lines[line].truth], self.side)

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Shared pixels and pixels of either of every line, (N,) each."""
        truth = self.truth[[line.truth for line in self.lines]] if self.lines else self.truth[:0]
        return _ones(self.predicted & truth), _ones(self.predicted | truth)

    def foreground(self) -> NDArray[np.float64]:
        """Share of true pixels of every line, (N,)."""
        truth = self.truth[[line.truth for line in self.lines]] if self.lines else self.truth[:0]
        return _ones(truth) / self.side**2


def _ones(bits: Bits) -> NDArray[np.int64]:
    found: NDArray[np.int64] = _ONES[bits].sum(1, dtype=np.int64)
    return found


def as_bits(mask: NDArray[np.bool_]) -> Bits:
    """A mask as a row of bits; the last byte is filled with zeros.

    Example:
        >>> as_bits(np.array([[True, False, True], [False, False, False], [False, False, True]])).tolist()
        [160, 128]
    """
    return np.packbits(mask.reshape(-1))


def as_mask(bits: Bits, side: int) -> NDArray[np.bool_]:
    """The reverse of :func:`as_bits`."""
    return np.unpackbits(bits, count=side * side).reshape(side, side).astype(np.bool_)


def save_predictions(saved: SavedMasks, folder: Path) -> None:
    """Write both files, each whole or not at all; the lines come last."""
    with whole_file(folder / MASKS) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, side=np.array(saved.side), predicted=saved.predicted, truth=saved.truth)
    text = "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in saved.lines)
    with whole_file(folder / FILE) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_predictions(folder: Path) -> SavedMasks:
    """Read what :func:`save_predictions` wrote.

    Raises:
        DataError: A file is absent or damaged, or they do not fit each other.
    """
    lines = _read_lines(folder / FILE)
    path = folder / MASKS
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            side, predicted, truth = int(stored["side"]), stored["predicted"], stored["truth"]
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__})", remedy=_REMEDY) from error
    fault = _fault(lines, side, predicted, truth)
    if fault:
        raise DataError(path, cause=fault, remedy=_REMEDY)
    return SavedMasks(lines=lines, side=side, predicted=predicted, truth=truth)


def _fault(lines: Sequence[Prediction], side: int, predicted: NDArray[Any], truth: NDArray[Any]) -> str:
    """What does not fit, empty when all does."""
    width = (side * side + 7) // 8
    if side < 1 or any(t.dtype != np.uint8 or t.ndim != 2 or t.shape[1] != width for t in (predicted, truth)):
        return f"holds no masks of {side} x {side} pixels"
    if len(predicted) != len(lines):
        return f"holds {len(predicted)} masks for {len(lines)} lines"
    rest = 8 * width - side * side
    if rest and any((table[:, -1] & (2**rest - 1)).any() for table in (predicted, truth)):
        return "holds pixels beyond the last"
    if any(not 0 <= line.truth < len(truth) for line in lines):
        return "has no true mask for a line"
    return ""


def _read_lines(path: Path) -> tuple[Prediction, ...]:
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy=_REMEDY) from error
    found = []
    for number, text in enumerate(texts, start=1):
        try:
            fields: Mapping[str, Any] = json.loads(text)
            found.append(Prediction(**{**fields, "categories": tuple(fields["categories"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}, line {number}", cause="is no prediction", remedy=_REMEDY) from error
    return tuple(found)
