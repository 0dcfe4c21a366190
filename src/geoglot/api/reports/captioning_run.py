"""A captioning run as its report reads it: recipe, curves, captions, and what was measured against the references."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.printable import printable
from geoglot.api.reports.runs import REMEDY, points, read_record, without_folders
from geoglot.core.errors import DataError, GeoglotError
from geoglot.data.captioned import CaptionedImage, load_dataset
from geoglot.data.translations import Translations, load_translations
from geoglot.metrics.attributes import SEEN_FROM, AttributeMeasures, attribute_measures
from geoglot.metrics.caption import CaptionMeasures, caption_measures, mean_score
from geoglot.metrics.caption_alignment import meteor_exact_stem
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.ptb import caption_words

SPLIT: Final = "test"
ENGLISH: Final = "en"

Curve = tuple[tuple[int, float], ...]
Key = tuple[str, str]
"""Dataset and language."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a run says about one image.

    Attributes:
        caption: The sentence.
        attributes: Probabilities by word, ``None`` where the method has none.
        sampled: Words that guided the sentence, ``None`` where the method does not tell.
    """

    caption: str
    attributes: Mapping[str, float] | None = None
    sampled: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptioningRun:
    """A run folder, read and checked.

    Attributes:
        folder: Where it lies.
        name: What it is called on the page.
        recipe: As it was asked for, without folders of the machine.
        sizes: Of ``config.json``; empty where the file is missing.
        summary: Of ``summary.json``.
        machine: Of ``env.json``; empty where the file is missing.
        losses: Training losses by name, ``total`` first.
        cider: Validation CIDEr-D by language, the mean under an empty name.
        attributes: Words that the method predicts; empty where the file is missing.
        said: By dataset and language, what is said about the test images, by their id.
    """

    folder: Path
    name: str
    recipe: Mapping[str, Any]
    sizes: Mapping[str, Any]
    summary: Mapping[str, Any]
    machine: Mapping[str, Any]
    losses: Mapping[str, Curve]
    cider: Mapping[str, Curve]
    attributes: AttributeDictionary
    said: Mapping[Key, Mapping[str, Said]]

    @property
    def languages(self) -> tuple[str, ...]:
        """In the order of the recipe."""
        return tuple(self.recipe.get("languages") or (ENGLISH,))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Whose test images were captioned."""
        return tuple(dict.fromkeys(dataset for dataset, _ in self.said))


@dataclass(frozen=True, kw_only=True)
class References:
    """The user's own data.

    Attributes:
        records: By dataset, the test images by their id; a dataset that is not at hand is left out.
        captions: By dataset and language, the captions that have a word, by image.
        missing: What is not at hand, one sentence each.
    """

    records: Mapping[str, Mapping[str, CaptionedImage]] = field(default_factory=dict)
    captions: Mapping[Key, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The measures of one run on the test images of a dataset in a language.

    Attributes:
        measures: BLEU, ROUGE-L and CIDEr-D.
        exact_stem: The alignment of exact and stemmed words; not METEOR.
        meteor: METEOR 1.5, ``None`` where its program did not run.
        left_out: Why it did not.
    """

    measures: CaptionMeasures
    exact_stem: float
    meteor: float | None = None
    left_out: str = ""

    @property
    def cider(self) -> dict[str, float]:
        """CIDEr-D by image."""
        return {str(item): float(v) for item, v in zip(self.measures.images, self.measures.image_cider, strict=True)}

    def figures(self) -> dict[str, float | None]:
        """All figures by name, in the order of the tables."""
        found = self.measures
        together = mean_score(bleu_4=found.bleu[3], meteor=self.meteor, rouge_l=found.rouge_l, cider=found.cider)
        return {**found.figures(), "meteor": self.meteor, "sm": together, "meteor_exact_stem": self.exact_stem}


def load_captioning_run(folder: str | Path, *, name: str | None = None) -> CaptioningRun:
    """Read a run folder.

    Args:
        folder: With ``recipe.json``, ``summary.json`` and ``predictions.jsonl``; other files may be missing.
        name: What to call it; the folder's name by default.

    Raises:
        DataError: The folder is no finished run of captioning, or one of its files is damaged.
    """
    folder = Path(folder)
    recipe = read_record(folder / "recipe.json", needed=True)
    if recipe.get("kind") != "captioner":
        raise DataError(folder, cause="is not a run of captioning", remedy="give a folder that training of one wrote")
    losses, cider = _curves(folder / "metrics.jsonl")
    words = folder / "attributes.json"
    return CaptioningRun(
        folder=folder,
        name=name or folder.resolve().name,
        recipe=without_folders(recipe),
        sizes=without_folders(read_record(folder / "config.json", needed=False)),
        summary=without_folders(read_record(folder / "summary.json", needed=True)),
        machine=read_record(folder / "env.json", needed=False),
        losses=losses,
        cider=cider,
        attributes=AttributeDictionary.load(words) if words.is_file() else AttributeDictionary([]),
        said=_said(folder / "predictions.jsonl"),
    )


def read_references(runs: Sequence[CaptioningRun], root: str | Path | None) -> References:
    """Captions of the test images of all datasets and languages of some runs, as far as they are at hand."""
    records: dict[str, dict[str, CaptionedImage]] = {}
    captions: dict[Key, dict[str, tuple[str, ...]]] = {}
    missing: list[str] = []
    table: Translations | None = None
    keys = list(dict.fromkeys(key for run in runs for key in run.said))
    if any(language != ENGLISH for _, language in keys):
        try:
            table = load_translations(root)
        except GeoglotError as error:
            missing.append(f"Captions in other languages have no references: the translations {_why(error)}.")
    for dataset in dict.fromkeys(dataset for dataset, _ in keys):
        try:
            records[dataset] = {record.id: record for record in load_dataset(dataset).records(SPLIT, root)}
        except GeoglotError as error:
            missing.append(f"Nothing of {dataset} is measured and no picture of it shown: the data {_why(error)}.")
    for dataset, language in keys:
        if dataset not in records or (language != ENGLISH and (table is None or language not in table.languages)):
            continue
        texts = (table or Translations({})).translate
        found = {
            item: tuple(text for caption in record.captions if (text := texts(caption, language)) is not None)
            for item, record in records[dataset].items()
        }
        captions[dataset, language] = {
            item: kept for item, some in found.items() if (kept := tuple(t for t in some if caption_words(t)))
        }
    return References(records=records, captions=captions, missing=tuple(missing))


def measure(run: CaptioningRun, key: Key, references: References, *, meteor: bool = True) -> Measured | None:
    """The measures of the images that have a caption and references; ``None`` where there are none."""
    said, known = run.said.get(key, {}), references.captions.get(key, {})
    items = [item for item in known if item in said]
    if not items:
        return None
    captions = {item: said[item].caption for item in items}
    texts = {item: known[item] for item in items}
    english = key[1] == ENGLISH
    exact_stem, _ = meteor_exact_stem(captions, texts, tokenise=caption_words, english=english)
    value, reason = None, "it was not asked for"
    if meteor:
        from geoglot.engine.captioning.java_measures import java_measures

        program = java_measures(captions, texts, language=key[1]).meteor
        value, reason = program.value, program.left_out
    measures = caption_measures(captions, texts, tokenise=caption_words)
    return Measured(measures=measures, exact_stem=exact_stem, meteor=value, left_out=reason)


def attribute_tables(
    run: CaptioningRun, dataset: str, references: References
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Predicted attributes of the test images of a dataset and those that their English captions name.

    Returns:
        ``probable`` and, where the method tells it, ``sampled``: (N, A) predictions and labels.
    """
    said = run.said.get((dataset, run.languages[0]), {})
    items = [item for item in references.records.get(dataset, {}) if item in said]
    words = run.attributes.words
    if not items or not words or any(said[item].attributes is None for item in items):
        return {}
    labels = run.attributes.labels([references.records[dataset][item].captions for item in items])
    table = np.array([[(said[item].attributes or {}).get(word, 0.0) for word in words] for item in items])
    found = {"probable": (table, labels)}
    if all(said[item].sampled is not None for item in items):
        guided = [set(said[item].sampled or ()) for item in items]
        found["sampled"] = (np.array([[float(word in some) for word in words] for some in guided]), labels)
    return found


def agreement(table: NDArray[np.float64], labels: NDArray[np.float32]) -> AttributeMeasures:
    """Precision and recall of predictions."""
    return attribute_measures(table, labels)


def marked_attributes(run: CaptioningRun, said: Said, captions: Sequence[str]) -> list[tuple[str, str, float | None]]:
    """Attributes of an image, the most probable first.

    Returns:
        Word, ``right``, ``wrong`` or ``missed``, and the probability; ``None`` where it is too small to be kept.
    """
    if said.attributes is None or not run.attributes.words:
        return []
    labels = run.attributes.labels([captions])[0]
    named = {word for word, label in zip(run.attributes.words, labels, strict=True) if label}
    found: list[tuple[str, str, float | None]] = []
    for word, probability in said.attributes.items():
        if probability >= SEEN_FROM or word in named:
            kind = "missed" if probability < SEEN_FROM else "right" if word in named else "wrong"
            found.append((word, kind, probability))
    order = {"right": 0, "wrong": 1, "missed": 2}
    found += [(word, "missed", None) for word in run.attributes.words if word in named - set(said.attributes)]
    return sorted(found, key=lambda one: (order[one[1]], -(one[2] or 0.0), one[0]))


def chosen_images(cider: Mapping[str, float], count: int) -> dict[str, list[str]]:
    """Images with the best, the middle and the worst captions; none is shown twice, of equal ones the first comes.

    Example:
        >>> chosen_images({"a": 1.0, "b": 3.0, "c": 2.0, "d": 0.0}, 1)
        {'best': ['b'], 'median': ['c'], 'worst': ['d']}
    """
    ranked = sorted(cider, key=lambda item: -cider[item])
    best = ranked[:count]
    worst = ranked[count:][::-1][:count]
    middle = ranked[count : len(ranked) - count] if len(ranked) > 2 * count else []
    start = max(0, (len(middle) - count) // 2)
    return {"best": best, "median": middle[start : start + count], "worst": worst}


def _why(error: GeoglotError) -> str:
    return printable(error.cause)


def _curves(path: Path) -> tuple[dict[str, Curve], dict[str, Curve]]:
    if not path.is_file():
        return {}, {}
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        names = sorted({name for line in lines for name in line})
        found = {name: points((int(line["epoch"]), line.get(name)) for line in lines) for name in _kept(names)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__})", remedy=REMEDY) from error
    losses = {name.removeprefix("loss_"): curve for name, curve in found.items() if name.startswith("loss_")}
    cider = {name.removeprefix("cider").lstrip("_"): curve for name, curve in found.items() if name.startswith("cider")}
    return dict(sorted(losses.items(), key=lambda one: one[0] != "total")), cider


def _kept(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(("loss_", "cider"))]


def _said(path: Path) -> dict[Key, dict[str, Said]]:
    if not path.is_file():
        cause = f"is not a finished run: it has no {path.name}"
        raise DataError(path.parent, cause=cause, remedy="add --resume to the command that began it")
    found: dict[Key, dict[str, Said]] = {}
    number = 0
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            number += 1
            one = json.loads(line)
            if one["split"] == SPLIT:
                sampled, probable = one.get("sampled"), one.get("attributes")
                found.setdefault((str(one["dataset"]), str(one["language"])), {})[str(one["id"])] = Said(
                    caption=str(one["caption"]),
                    attributes=None if probable is None else {str(w): float(p) for w, p in probable.items()},
                    sampled=None if sampled is None else tuple(map(str, sampled)),
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        cause = f"is no prediction ({type(error).__name__})"
        raise DataError(f"{path}, line {number}", cause=cause, remedy=REMEDY) from error
    return found
