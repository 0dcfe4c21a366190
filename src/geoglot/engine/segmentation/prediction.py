"""Masks of phrases, and the two files of a run that hold them.

``predictions.jsonl`` has one line per sample and language: ``dataset``, ``id``, ``scene``, ``split``, ``language``,
``phrase``, ``categories``, ``template``, ``score`` (mean probability inside the mask, 0 where it is empty) and
``truth``, the row of the true mask. ``masks.npz`` has ``side``, ``predicted`` (one row per line) and ``truth`` (one row
per sample), each row the bits of a mask of side x side pixels, row by row, eight to a byte, the first the highest. The
true masks are the dataset's at the run's size, so that measuring needs the two files and nothing else.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file
from geoglot.data.referring import read_pair
from geoglot.engine.segmentation.data import BYTES_KEPT, Mask, Pixels, SegmentationSplit, as_batch
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.metrics.mask import mask_counts, measures_of_counts
from geoglot.nn.segmenter import Segmenter

FILE: Final = "predictions.jsonl"
MASKS: Final = "masks.npz"
TOGETHER: Final = 8
_REMEDY: Final = "finish the run with --resume, or train again"

Bits = NDArray[np.uint8]
Pair = tuple[Pixels, Mask]
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


@torch.no_grad()
def masks_of(
    model: Segmenter,
    split: SegmentationSplit,
    asked: Sequence[tuple[int, str]],
    recipe: SegmentationRecipe,
    tokenizer: AnyTokenizer,
    *,
    pairs: MutableMapping[int, Pair] | None = None,
    device: str = "cpu",
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_], float]]:
    """Predicted mask, true mask and score of phrases, in their order.

    Args:
        model: Any segmenter, in evaluation mode.
        split: Samples.
        asked: Row of the sample and language of each phrase.
        recipe: Says the side.
        tokenizer: The run's.
        pairs: Where pictures and masks by row are kept and looked up; ``None`` reads them each time.
        device: Where the model is.
    """
    kept = pairs if pairs is not None else {}
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        for row, _ in some:
            if row not in kept:
                kept[row] = read_pair(split.records[row], recipe.side)
        shown = [kept[row] for row, _ in some]
        if pairs is None:
            kept.clear()
        phrases = [split.records[row].phrases[language] for row, language in some]
        batch = as_batch([pair[0] for pair in shown], [pair[1] for pair in shown], phrases, tokenizer)
        logits = model.logits(batch.images.to(device), batch.tokens.to(device)).float().cpu()
        for one, (_, truth) in zip(logits, shown, strict=True):
            found = one > 0
            score = float(one[found].sigmoid().mean()) if bool(found.any()) else 0.0
            yield found.numpy(), truth, score


@dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """Measures of a split's masks, language by language.

    Attributes:
        recipe: Languages and side.
        split: Samples.
        tokenizer: The run's.
        rows: (K,) which samples are predicted.
        device: Where the model is.

    Pictures are kept from call to call where they fit into memory.
    """

    recipe: SegmentationRecipe
    split: SegmentationSplit
    tokenizer: AnyTokenizer
    rows: NDArray[np.int64]
    device: str = "cpu"
    _pairs: dict[int, Pair] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, model: Segmenter) -> dict[str, dict[str, float]]:
        """``pr@0.5`` ..., ``oiou`` and ``miou`` by language; a language without a phrase is left out."""
        chosen = set(self.rows.tolist())
        asked = [(row, language) for row, language in self.split.asked(self.recipe.languages) if row in chosen]
        counts: dict[str, list[tuple[int, int]]] = {}
        size = 4 * self.recipe.side**2 * len(chosen)
        pairs = self._pairs if size <= BYTES_KEPT else None
        found = masks_of(model, self.split, asked, self.recipe, self.tokenizer, pairs=pairs, device=self.device)
        for (_, language), (mine, truth, _) in zip(asked, found, strict=True):
            counts.setdefault(language, []).append(mask_counts(mine, truth))
        return {
            language: measures_of_counts([both for both, _ in some], [either for _, either in some]).figures()
            for language, some in counts.items()
        }


def evenly_spaced(split: SegmentationSplit, count: int) -> NDArray[np.int64]:
    """Rows of at most ``count`` samples of each dataset, evenly spaced; 0 takes all."""
    parts = []
    for dataset in dict.fromkeys(split.datasets):
        own = np.flatnonzero(np.array(split.datasets) == dataset)
        if 0 < count < len(own):
            own = own[np.linspace(0, len(own) - 1, count).round().astype(np.int64)]
        parts.append(own)
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def predict_splits(
    model: Segmenter,
    splits: Sequence[SegmentationSplit],
    recipe: SegmentationRecipe,
    tokenizer: AnyTokenizer,
    *,
    device: str = "cpu",
) -> SavedMasks:
    """Masks of all samples of some splits in every language of the recipe."""
    lines: list[Prediction] = []
    predicted: list[Bits] = []
    truths: dict[tuple[str, int], int] = {}
    true_bits: list[Bits] = []
    for split in splits:
        asked = split.asked(recipe.languages)
        found = masks_of(model, split, asked, recipe, tokenizer, device=device)
        for (row, language), (mine, truth, score) in zip(asked, found, strict=True):
            place = truths.setdefault((split.split, row), len(true_bits))
            if place == len(true_bits):
                true_bits.append(as_bits(truth))
            record = split.records[row]
            predicted.append(as_bits(mine))
            lines.append(
                Prediction(
                    dataset=split.datasets[row],
                    id=record.id,
                    scene=record.scene,
                    split=split.split,
                    language=language,
                    phrase=record.phrases[language],
                    categories=tuple(record.categories),
                    template=record.template,
                    score=round(score, 4),
                    truth=place,
                )
            )
    width = (recipe.side**2 + 7) // 8
    tables = [np.stack(some) if some else np.empty((0, width), dtype=np.uint8) for some in (predicted, true_bits)]
    return SavedMasks(lines=tuple(lines), side=recipe.side, predicted=tables[0], truth=tables[1])


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
