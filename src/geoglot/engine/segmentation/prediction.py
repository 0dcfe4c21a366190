"""Masks of phrases, as a method gives them, and what is measured of them after an epoch."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.data.referring import read_pair
from geoglot.engine.segmentation.data import BYTES_KEPT, Mask, Pixels, SegmentationSplit, as_batch
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.engine.segmentation.saved_masks import Bits, Prediction, SavedMasks, as_bits
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.metrics.mask import mask_counts, measures_of_counts
from geoglot.nn.segmenter import Segmenter

TOGETHER: Final = 8

Pair = tuple[Pixels, Mask]


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
