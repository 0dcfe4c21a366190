"""Data of the hashing methods: frozen features of a dataset, the published split, views, and wrong captions."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import whole_file

CAPTIONS_PER_IMAGE = 5
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

SplitRule = Literal["published", "held-out", "choosing"]
TextView = Literal["caption", "translation", "none"]
Scale = Literal["all", "train", "none"]


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """The frozen features of a dataset's N images and their five captions each.

    Attributes:
        dataset: Its name.
        source: Where the features come from, for the record beside a number.
        splits: (N,) the benchmark's own split of every image.
        categories: (N,) int64 scene class.
        category_names: Names of the classes.
        images: (N, D_image) float32.
        image_views: (N, D_image) float32, of blurred, turned and cropped images.
        sentences: By language (S, D_text) float32, one row per distinct caption; ``en`` is always there.
        sentence_of_caption: (N, 5) int64, rows of ``sentences``.
    """

    dataset: str
    source: Mapping[str, Any] = field(default_factory=dict)
    splits: NDArray[np.str_]
    categories: Rows
    category_names: tuple[str, ...]
    images: Floats
    image_views: Floats
    sentences: Mapping[str, Floats]
    sentence_of_caption: Rows

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, and features that are not numbers."""
        count = len(self.images)
        for name in ("splits", "categories", "image_views", "sentence_of_caption"):
            if len(getattr(self, name)) != count:
                cause = f"has {len(getattr(self, name))} rows for {count} images"
                raise DataError(name, cause=cause, remedy="give one row per image, in the dataset's order")
        if "en" not in self.sentences:
            raise DataError("sentences", cause="lack English", remedy="give the features of the captions themselves")
        most = int(self.sentence_of_caption.max(initial=-1))
        arrays = {"images": self.images, "image_views": self.image_views, **self.sentences}
        for name, array in arrays.items():
            if array.ndim != 2 or not np.isfinite(array).all():
                cause = f"has shape {array.shape}" if array.ndim != 2 else "holds NaN or infinity"
                raise DataError(f"features {name!r}", cause=cause, remedy="give finite features of shape (rows, width)")
        for name, array in self.sentences.items():
            if len(array) <= most:
                cause = f"has {len(array)} rows, but captions ask for row {most}"
                raise DataError(f"features {name!r}", cause=cause, remedy="give one row per distinct caption")

    def __len__(self) -> int:
        return len(self.images)

    def save(self, path: Path) -> None:
        """Write one ``.npz``, whole or not at all; features as float16."""
        arrays: dict[str, Any] = {
            f"sentences_{language}": array.astype(np.float16) for language, array in self.sentences.items()
        }
        source = np.array([[str(key), str(value)] for key, value in self.source.items()]).reshape(-1, 2)
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.savez(
                stream,
                dataset=np.array(self.dataset),
                source=source,
                splits=self.splits,
                categories=self.categories,
                category_names=np.array(self.category_names),
                images=self.images.astype(np.float16),
                image_views=self.image_views.astype(np.float16),
                sentence_of_caption=self.sentence_of_caption,
                **arrays,
            )


def load_features(path: Path) -> FeatureSet:
    """Read what :meth:`FeatureSet.save` wrote.

    Raises:
        DataError: The file is absent, damaged or something else.
    """
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            languages = [name.removeprefix("sentences_") for name in arrays if name.startswith("sentences_")]
            return FeatureSet(
                dataset=str(arrays["dataset"]),
                source={str(key): str(value) for key, value in arrays["source"]},
                splits=arrays["splits"],
                categories=arrays["categories"],
                category_names=tuple(str(name) for name in arrays["category_names"]),
                images=arrays["images"].astype(np.float32),
                image_views=arrays["image_views"].astype(np.float32),
                sentences={name: arrays[f"sentences_{name}"].astype(np.float32) for name in languages},
                sentence_of_caption=arrays["sentence_of_caption"],
            )
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        cause = f"holds no features ({type(error).__name__}: {error})"
        raise DataError(path, cause=cause, remedy="make them again") from error


@dataclass(frozen=True, kw_only=True)
class HashingSplit:
    """Which images train, which ask and which are searched: disjoint, sorted rows."""

    train: Rows
    query: Rows
    database: Rows


def published_split(count: int, *, seed: int = 42) -> HashingSplit:
    """Half of the images train; of the rest a fifth asks and four fifths are searched.

    Both draws are Python's ``random.sample`` from one generator, first the training images, then the queries among
    the rest in ascending order. Sizes are rounded down.

    Args:
        count: Number of images.
        seed: Of the generator.

    Example:
        >>> split = published_split(10921)
        >>> len(split.train), len(split.query), len(split.database)
        (5460, 1092, 4369)
    """
    generator = random.Random(seed)  # noqa: S311 (the published draw)
    train = generator.sample(range(count), count // 2)
    chosen = set(train)
    return _query_and_database(train, [row for row in range(count) if row not in chosen], generator)


def held_out_split(splits: NDArray[np.str_], *, seed: int = 42) -> HashingSplit:
    """The benchmark's train split trains; a fifth of its test split asks, the rest of it is searched.

    For features of a network that was itself trained on the benchmark's train split: nothing that is asked or
    searched was seen.

    Raises:
        DataError: One of the two splits is empty.
    """
    train, test = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "test")
    if len(train) < 2 or len(test) < 5:
        cause = f"has {len(train)} training and {len(test)} test images"
        raise DataError("the dataset", cause=cause, remedy="use the published split")
    return _query_and_database(train.tolist(), test.tolist(), random.Random(seed))  # noqa: S311


def choosing_split(count: int, *, seed: int = 42) -> HashingSplit:
    """The published rule once more, on the training half of :func:`published_split` alone.

    For choosing settings, such as a learning rate, without a look at what the published split reports.

    Args:
        count: Number of images.
        seed: Of both draws.

    Example:
        >>> inner, outer = choosing_split(2100), published_split(2100)
        >>> len(inner.train), len(inner.query), len(inner.database)
        (525, 105, 420)
        >>> set(inner.query.tolist()) <= set(outer.train.tolist())
        True
    """
    half = published_split(count, seed=seed).train
    inner = published_split(len(half), seed=seed)
    return HashingSplit(train=half[inner.train], query=half[inner.query], database=half[inner.database])


def _query_and_database(train: list[int], rest: list[int], generator: random.Random) -> HashingSplit:
    query = generator.sample(rest, len(rest) // 5)
    asked = set(query)
    database = [row for row in rest if row not in asked]
    rows = (np.array(sorted(part), dtype=np.int64) for part in (train, query, database))
    return HashingSplit(**dict(zip(("train", "query", "database"), rows, strict=True)))


def split_rows(features: FeatureSet, rule: SplitRule, *, seed: int = 42) -> HashingSplit:
    """The split of a dataset by a rule.

    Raises:
        UsageError: There is no such rule.
    """
    if rule == "published":
        return published_split(len(features), seed=seed)
    if rule == "held-out":
        return held_out_split(features.splits, seed=seed)
    if rule == "choosing":
        return choosing_split(len(features), seed=seed)
    raise UsageError(rule, cause="is no split rule", remedy=f"choose one of {', '.join(get_args(SplitRule))}")


@dataclass(frozen=True, kw_only=True)
class TrainingPairs:
    """M image-caption pairs as standardised features, some of them with a wrong caption.

    Attributes:
        images: (M, D_image).
        image_views: (M, D_image).
        texts: (M, D_text).
        text_views: (M, D_text).
        categories: (M,) class of the image.
        wrong: (M,) bool, whose caption was replaced by another class's.
        clean: (M,) bool, which pairs are known to be right; never wrong ones.
    """

    images: Floats
    image_views: Floats
    texts: Floats
    text_views: Floats
    categories: Rows
    wrong: NDArray[np.bool_]
    clean: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Standardisation:
    """One mean and one deviation per side, over all entries of its matrix."""

    image_mean: float
    image_deviation: float
    text_mean: float
    text_deviation: float

    def images(self, features: Floats) -> Floats:
        """(x - mean) / deviation."""
        return ((features - self.image_mean) / self.image_deviation).astype(np.float32)

    def texts(self, features: Floats) -> Floats:
        """(x - mean) / deviation."""
        return ((features - self.text_mean) / self.text_deviation).astype(np.float32)


def standardisation(features: FeatureSet, split: HashingSplit, scale: Scale = "all") -> Standardisation:
    """Mean and deviation over all images and captions, or over the training images and their captions alone.

    The published figures take all, queries and database included.

    Raises:
        UsageError: There is no such scale.
        DataError: All features are equal.
    """
    if scale not in get_args(Scale):
        raise UsageError(scale, cause="is no scale", remedy=f"choose one of {', '.join(get_args(Scale))}")
    if scale == "none":
        return Standardisation(image_mean=0.0, image_deviation=1.0, text_mean=0.0, text_deviation=1.0)
    rows = np.arange(len(features)) if scale == "all" else split.train
    images = features.images[rows].astype(np.float64)
    # Mean and square mean per sentence first: captions repeat, and their features need not be gathered.
    sentences = features.sentences["en"].astype(np.float64)
    weights = np.bincount(features.sentence_of_caption[rows].ravel(), minlength=len(sentences))
    text_mean = float(weights @ sentences.mean(1) / weights.sum())
    text_square = float(weights @ np.square(sentences - text_mean).mean(1) / weights.sum())
    deviations = float(images.std()), text_square**0.5
    if min(deviations) == 0:
        raise DataError("the features", cause="are all equal", remedy="give features that tell images apart")
    return Standardisation(
        image_mean=float(images.mean()),
        image_deviation=deviations[0],
        text_mean=text_mean,
        text_deviation=deviations[1],
    )


def replace_captions(
    sentences: Rows, categories: Rows, share: float, *, keep: NDArray[np.bool_], seed: int
) -> tuple[Rows, NDArray[np.bool_]]:
    """Give a pair, with a probability, the caption of a random pair of another class.

    Args:
        sentences: (M,) which sentence each pair has.
        categories: (M,) class of each image.
        share: Probability, in [0, 1].
        keep: (M,) bool, pairs that stay as they are.
        seed: Of the draw. With one seed a larger share replaces all that a smaller one does, and more.

    Returns:
        (M,) sentences and (M,) bool, which were replaced.

    Raises:
        UsageError: The share is outside [0, 1].

    Example:
        >>> found, wrong = replace_captions(np.array([10, 11, 12]), np.array([0, 0, 1]), 1.0,
        ...     keep=np.array([False, True, False]), seed=0)
        >>> int(found[0]), int(found[1]), int(found[2]) in (10, 11), wrong.tolist()
        (12, 11, True, [True, False, True])
    """
    if not 0 <= share <= 1:
        raise UsageError(f"noise {share}", cause="is no probability", remedy="choose one from 0 to 1")
    generator = np.random.default_rng(seed)
    wrong = (generator.random(len(sentences)) < share) & ~keep
    donors = generator.permutation(len(sentences))
    replaced = sentences.copy()
    for start, row in zip(generator.integers(0, len(sentences), len(sentences)), range(len(sentences)), strict=True):
        if not wrong[row]:
            continue
        turned = np.roll(donors, -start)
        others = categories[turned] != categories[row]
        if not others.any():
            wrong[row] = False
            continue
        replaced[row] = sentences[turned[others.argmax()]]
    return replaced, wrong


def training_pairs(
    features: FeatureSet,
    split: HashingSplit,
    scaled: Standardisation,
    *,
    noise: float = 0.0,
    clean_share: float = 0.0,
    text_view: TextView = "caption",
    seed: int = 42,
) -> TrainingPairs:
    """The training pairs: one of the five captions per image, drawn once; its augmented view; wrong captions.

    The published augmentation replaces words by neighbours in GloVe that BERT finds alike, or translates there and
    back. Its stand-ins here need neither: ``caption`` takes another of the image's captions, ``translation`` the same
    sentence in another language through a multilingual encoder, ``none`` the sentence itself. A wrong pair's view is
    the view of its wrong caption: nobody who adds captions wrongly adds the right one beside it.

    Args:
        features: Features of the dataset.
        split: Whose training rows.
        scaled: Mean and deviation of both sides.
        noise: Probability that a pair's caption is replaced by one of another class.
        clean_share: Share of the pairs that are known to be right; noise spares them.
        text_view: Where the augmented caption comes from.
        seed: Of every draw.

    Raises:
        UsageError: A share is outside [0, 1], or the text view is unknown.
        DataError: Translations were asked for and the features hold English alone.
    """
    if not 0 <= clean_share <= 1:
        raise UsageError(f"clean share {clean_share}", cause="is no share", remedy="choose one from 0 to 1")
    rows, count = split.train, len(split.train)
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, CAPTIONS_PER_IMAGE, count)
    step = generator.integers(1, CAPTIONS_PER_IMAGE, count)
    clean = np.zeros(count, dtype=bool)
    clean[generator.permutation(count)[: round(clean_share * count)]] = True
    images, places = np.arange(count), (chosen, (chosen + step) % CAPTIONS_PER_IMAGE)
    own, wrong = replace_captions(images, features.categories[rows], noise, keep=clean, seed=seed)
    texts, views = (features.sentence_of_caption[rows[own], place[own]] for place in places)
    english = features.sentences["en"]
    if text_view == "caption":
        text_views = english[views]
    elif text_view == "none":
        text_views = english[texts]
    elif text_view == "translation":
        text_views = _translated(features, texts, generator)
    else:
        cause, remedy = "is no text view", f"choose one of {', '.join(get_args(TextView))}"
        raise UsageError(text_view, cause=cause, remedy=remedy)
    return TrainingPairs(
        images=scaled.images(features.images[rows]),
        image_views=scaled.images(features.image_views[rows]),
        texts=scaled.texts(english[texts]),
        text_views=scaled.texts(text_views),
        categories=features.categories[rows],
        wrong=wrong,
        clean=clean,
    )


def _translated(features: FeatureSet, sentences: Rows, generator: np.random.Generator) -> Floats:
    others = sorted(set(features.sentences) - {"en"})
    if not others:
        cause = "hold English captions alone"
        raise DataError("the features", cause=cause, remedy="make them in several languages, or use another text view")
    language = generator.integers(0, len(others), len(sentences))
    stacked = np.stack([features.sentences[name][sentences] for name in others])
    return stacked[language, np.arange(len(sentences))]
