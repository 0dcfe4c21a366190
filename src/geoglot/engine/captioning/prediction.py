"""Captions of images from their grids, and the file of a run that holds them.

``predictions.jsonl`` has one line per image and language: ``dataset``, ``id``, ``split``, ``language``, ``caption``,
``log_probability``, and for methods with attributes ``attributes`` (word to probability, those of at least
:data:`LEAST_SHOWN`, most probable first) and ``sampled`` (the words that guided the sentence). References are not
copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file
from geoglot.engine.captioning.data import CaptionedSplit
from geoglot.engine.captioning.recipe import CaptioningRecipe
from geoglot.engine.images import CachedPyramids
from geoglot.metrics.caption import CaptionMeasures, caption_measures
from geoglot.nn.captioner import Captioner
from geoglot.nn.decoding import write_captions
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.caption_decoding import Writing
from geoglot.text.captions import CaptionVocabulary
from geoglot.text.ptb import caption_words

FILE: Final = "predictions.jsonl"
TOGETHER: Final = 256
LEAST_SHOWN: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a captioner says about one image in one language.

    Attributes:
        caption: Words joined by spaces.
        log_probability: Of the caption, END included.
        attributes: (A,) float32 probabilities; ``None`` where the method has none.
        sampled: (A,) float32, what of them guided the sentence, in [0, 1]; ``None`` where the method does not tell.
    """

    caption: str
    log_probability: float
    attributes: NDArray[np.float32] | None = None
    sampled: NDArray[np.float32] | None = None


def writing_of(recipe: CaptioningRecipe, beam: int = 1) -> Writing:
    """How a recipe's captions are written: greedily, or by a beam of some width.

    Example:
        >>> writing_of(CaptioningRecipe(method="jtts", max_length=20), beam=3).beam
        3
    """
    return Writing(way="greedy" if beam == 1 else "beam", beam=beam, max_length=recipe.max_length + 1)


def say(
    model: Captioner,
    grids: CachedPyramids,
    rows: NDArray[np.int64],
    language: int,
    vocabulary: CaptionVocabulary,
    writing: Writing,
    *,
    device: str = "cpu",
) -> list[Said]:
    """Captions of some images in one language.

    Args:
        model: Any captioner.
        grids: Of all images of a split.
        rows: (K,) which of them.
        language: Position of the language in the recipe.
        vocabulary: The run's.
        writing: How captions are written.
        device: Where the model is.
    """
    found: list[Said] = []
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        maps = grids.take(some)[-1].to(device)
        languages = torch.full((len(some),), language, dtype=torch.int64, device=device)
        written, context = write_captions(model, maps, languages, writing, items=some.tolist())
        attributes, sampled = (_array(context.get(name)) for name in ("attributes", "sampled"))
        for place in range(len(some)):
            said = Said(
                caption=vocabulary.decode(written.tokens[place]),
                log_probability=float(written.log_probabilities[place]),
                attributes=None if attributes is None else attributes[place],
                sampled=None if sampled is None else sampled[place],
            )
            found.append(said)
    return found


def _array(tensor: Tensor | None) -> NDArray[np.float32] | None:
    return None if tensor is None else tensor.detach().float().cpu().numpy()


@dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """CIDEr-D of a split's captions, language by language.

    Attributes:
        recipe: Languages, and how long a caption may be.
        split: Images with their captions.
        grids: Of these images.
        vocabulary: The run's.
        rows: (K,) which images are captioned.
        device: Where the model is.
    """

    recipe: CaptioningRecipe
    split: CaptionedSplit
    grids: CachedPyramids
    vocabulary: CaptionVocabulary
    rows: NDArray[np.int64]
    device: str = "cpu"

    def __call__(self, model: Captioner, beam: int = 1) -> dict[str, float]:
        """CIDEr-D by language; a language in which no image has a caption is left out.

        Raises:
            DataError: No image has a caption in any language.
        """
        found = {}
        for number, language in enumerate(self.recipe.languages):
            rows = captioned_rows(self.split, language, self.rows)
            if len(rows):
                said = say(
                    model,
                    self.grids,
                    rows,
                    number,
                    self.vocabulary,
                    writing_of(self.recipe, beam),
                    device=self.device,
                )
                captions = {int(row): one.caption for row, one in zip(rows, said, strict=True)}
                found[language] = measure(captions, self.split.captions[language]).cider
        if not found:
            raise DataError("the validation split", cause="has no captions", remedy="name other datasets or languages")
        return found


def evenly_spaced(split: CaptionedSplit, count: int) -> NDArray[np.int64]:
    """Rows of at most ``count`` images of each dataset, evenly spaced; 0 takes all."""
    parts = []
    for dataset in dict.fromkeys(split.datasets):
        own = np.flatnonzero(np.array(split.datasets) == dataset)
        if 0 < count < len(own):
            own = own[np.linspace(0, len(own) - 1, count).round().astype(np.int64)]
        parts.append(own)
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def captioned_rows(split: CaptionedSplit, language: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the rows whose image has a caption with a word in a language."""
    captions = split.captions[language]
    kept = [row for row in rows.tolist() if any(caption_words(text) for text in captions[row])]
    return np.array(kept, dtype=np.int64)


def measure(captions: Mapping[int, str], references: Sequence[Sequence[str]]) -> CaptionMeasures:
    """Measures of captions by row of a split."""
    return caption_measures(
        dict(captions.items()),
        {row: list(references[row]) for row in captions},
        tokenise=caption_words,
    )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One line of ``predictions.jsonl``.

    Attributes:
        dataset: Name of the image's dataset.
        id: Of the image.
        split: ``val`` or ``test``.
        language: Two-letter code.
        caption: The sentence.
        log_probability: Of it.
        attributes: Probabilities by word, ``None`` where the method has none.
        sampled: Words that guided the sentence, ``None`` where the method does not tell.
    """

    dataset: str
    id: str
    split: str
    language: str
    caption: str
    log_probability: float = 0.0
    attributes: Mapping[str, float] | None = field(default=None)
    sampled: tuple[str, ...] | None = None

    def line(self) -> str:
        """As JSON, without what the method does not have."""
        own: dict[str, Any] = {
            "dataset": self.dataset,
            "id": self.id,
            "split": self.split,
            "language": self.language,
            "caption": self.caption,
            "log_probability": round(self.log_probability, 4),
        }
        if self.attributes is not None:
            own["attributes"] = dict(self.attributes)
        if self.sampled is not None:
            own["sampled"] = list(self.sampled)
        return json.dumps(own, ensure_ascii=False)


def predict_split(
    model: Captioner,
    recipe: CaptioningRecipe,
    split: CaptionedSplit,
    grids: CachedPyramids,
    vocabulary: CaptionVocabulary,
    attributes: AttributeDictionary,
    *,
    beam: int = 1,
    device: str = "cpu",
) -> list[Prediction]:
    """Captions of every image of a split in every language of the recipe."""
    found = []
    rows = np.arange(len(split))
    for number, language in enumerate(recipe.languages):
        said = say(model, grids, rows, number, vocabulary, writing_of(recipe, beam), device=device)
        for dataset, record, one in zip(split.datasets, split.records, said, strict=True):
            found.append(
                Prediction(
                    dataset=dataset,
                    id=record.id,
                    split=split.split,
                    language=language,
                    caption=one.caption,
                    log_probability=one.log_probability,
                    attributes=shown_attributes(one.attributes, attributes),
                    sampled=_sampled_words(one.sampled, attributes),
                )
            )
    return found


def shown_attributes(
    probabilities: NDArray[np.float32] | None, attributes: AttributeDictionary
) -> dict[str, float] | None:
    """Words with their probabilities, those of at least :data:`LEAST_SHOWN`, most probable first.

    Example:
        >>> shown_attributes(np.array([0.01, 0.25, 0.5], np.float32), AttributeDictionary(["sand", "green", "trees"]))
        {'trees': 0.5, 'green': 0.25}
    """
    if probabilities is None:
        return None
    order = np.argsort(-probabilities, kind="stable")
    return {
        attributes.words[column]: round(float(probabilities[column]), 4)
        for column in order
        if probabilities[column] >= LEAST_SHOWN
    }


def _sampled_words(sampled: NDArray[np.float32] | None, attributes: AttributeDictionary) -> tuple[str, ...] | None:
    if sampled is None:
        return None
    return tuple(attributes.words[column] for column in np.flatnonzero(sampled >= 0.5))


def save_predictions(predictions: Iterable[Prediction], path: Path) -> None:
    """Write one line per prediction, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text("".join(one.line() + "\n" for one in predictions), encoding="utf-8")


def load_predictions(path: Path) -> list[Prediction]:
    """Read what :func:`save_predictions` wrote.

    Raises:
        DataError: The file is absent or damaged; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="finish the run with --resume") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            fields = json.loads(line)
            if "sampled" in fields:
                fields["sampled"] = tuple(fields["sampled"])
            found.append(Prediction(**fields))
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}, line {number}", cause="is no prediction", remedy="train again") from error
    return found
