"""What each kind of stage does in an epoch: its batches, its losses, and its loss on validation.

Everything drawn is a function of (seed, stage, epoch), so a resumed run sees what an uninterrupted one would have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from geoglot.core.errors import UsageError
from geoglot.engine.matching.features import VIEWS, FeatureStore, as_images, random_views
from geoglot.engine.matching.images import LabelledPictures, Pool
from geoglot.engine.matching.pairs import Pairs, all_pairs, balance, balanced_pairs, class_batches
from geoglot.engine.matching.recipe import Stage
from geoglot.nn.matcher import Autoencoding, Matcher

VALIDATION_PAIRS: Final = 40_000
"""Up to so many pairs all of the validation images are compared; of more a balanced half is drawn, once."""

IMAGES_TOGETHER: Final = 64
Losses = dict[str, Tensor]


class Lesson(ABC):
    """What a stage learns from.

    Args:
        model: The method; its mode is set by who calls.
        stage: The stage.
        seed: (seed, number of the stage).
        device: Where the method works.
    """

    def __init__(self, model: Matcher, stage: Stage, seed: tuple[int, int], device: str = "cpu") -> None:
        self.model, self.stage, self.seed, self.device = model, stage, seed, device

    @property
    @abstractmethod
    def steps(self) -> int:
        """Steps of an epoch, exactly."""

    @abstractmethod
    def epoch(self, epoch: int) -> Iterator[Losses]:
        """The losses of every step, ``total`` among them, computed when asked for."""

    @abstractmethod
    def validation_loss(self) -> float:
        """The loss on validation images, always of the same ones."""

    def pictures(self, pixels: NDArray[np.uint8], generator: np.random.Generator) -> Tensor:
        """Pictures as the method takes them, each in a view of its own where the stage says so."""
        return as_images(random_views(pixels, generator) if self.stage.mirrored else pixels, self.device)


class Reconstruction(Lesson):
    """Restore pictures without labels."""

    def __init__(
        self, model: Matcher, stage: Stage, seed: tuple[int, int], training: Pool, validation: Pool, device: str
    ) -> None:
        super().__init__(model, stage, seed, device)
        if not isinstance(model, Autoencoding):
            cause = "is no autoencoder: it has nothing to restore a picture with"
            raise UsageError("the method", cause=cause, remedy="leave out the stage reconstruction")
        self.autoencoder, self.training, self.validation = model, training, validation

    @property
    def count(self) -> int:
        """Pictures of an epoch."""
        return min(self.stage.images or len(self.training), len(self.training))

    @property
    def steps(self) -> int:
        """A last batch of one picture is left out."""
        return _whole_steps(self.count, self.stage.batch)

    def epoch(self, epoch: int) -> Iterator[Losses]:
        """Reconstruction losses of the epoch's draw of pictures."""
        generator = np.random.default_rng((*self.seed, epoch))
        order = generator.permutation(len(self.training))[: self.count]
        for step in range(self.steps):
            rows = order[step * self.stage.batch : (step + 1) * self.stage.batch]
            yield self.autoencoder.reconstruction_losses(self.pictures(self.training.take(rows), generator))

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean squared error of the validation pictures."""
        rows = np.arange(len(self.validation))
        sums = 0.0
        for start in range(0, len(rows), IMAGES_TOGETHER):
            images = as_images(self.validation.take(rows[start : start + IMAGES_TOGETHER]), self.device)
            sums += float(self.autoencoder.reconstruction_losses(images)["reconstruction"].double().sum())
        return sums / len(rows)


class _Compared(Lesson):
    """What stages that compare images share: who is drawn, and the pairs of validation."""

    def __init__(
        self, model: Matcher, stage: Stage, seed: tuple[int, int], data: LabelledPictures, device: str
    ) -> None:
        super().__init__(model, stage, seed, device)
        self.data = data
        self.train_rows, self.validation_rows = data.rows("train"), data.rows("val")
        self.categories = data.categories[self.train_rows]
        self._validation_pairs = _validation_pairs(data.categories[self.validation_rows])
        self._steps: int | None = None

    @property
    def steps(self) -> int:
        """Of balanced pairs or of batches by class."""
        if self.stage.sampling == "pairs":
            return _whole_steps(self.stage.pairs or len(self.train_rows), self.stage.batch)
        if self._steps is None:
            drawn = class_batches(self.categories, self.stage.batch, self.stage.classes, seed=(*self.seed, 0))
            self._steps = sum(1 for _ in drawn)
        return self._steps

    def epoch(self, epoch: int) -> Iterator[Losses]:
        """Losses of balanced pairs, or of the pairs within batches."""
        generator = np.random.default_rng((*self.seed, epoch, 1))
        if self.stage.sampling == "batch":
            drawn = class_batches(self.categories, self.stage.batch, self.stage.classes, seed=(*self.seed, epoch))
            for rows in drawn:
                yield self.batch_losses(rows, generator)
            return
        count = self.stage.pairs or len(self.train_rows)
        pairs = balanced_pairs(self.categories, count, seed=(*self.seed, epoch))
        for step in range(self.steps):
            yield self.pair_losses(pairs[step * self.stage.batch : (step + 1) * self.stage.batch], generator)

    @abstractmethod
    def features(self, rows: NDArray[np.int64], generator: np.random.Generator) -> tuple[Tensor, Losses]:
        """Features of training images, by their position among them, and losses that come with them."""

    @abstractmethod
    def validation_features(self) -> Tensor:
        """Features of all validation images."""

    def pair_losses(self, pairs: Pairs, generator: np.random.Generator) -> Losses:
        """The method's own losses; an image that occurs twice is encoded once."""
        rows, places = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
        features, others = self.features(rows, generator)
        first, second = (torch.from_numpy(part).to(self.device) for part in np.split(places, 2))
        same = torch.from_numpy(pairs.same).to(self.device)
        return _with(self.model.pair_losses(features[first], features[second], same), others)

    def batch_losses(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Losses:
        """Weighted losses of the pairs within a batch."""
        pairs = all_pairs(self.categories[rows], both_orders=self.model.symmetric)
        if self.stage.pairs is not None:
            pairs = _thinned(pairs, self.stage.pairs, generator)
        features, others = self.features(rows, generator)
        return _with(compared_losses(self.model, features, pairs), others)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss over pairs of validation images, both kinds weighted alike."""
        pairs = self._validation_pairs
        weights = balance(pairs.same)
        features = self.validation_features()
        left, right = self.model.left(features), self.model.right(features)
        total = 0.0
        for start in range(0, len(pairs), 2048):
            some = pairs[start : start + 2048]
            losses = losses_of_pairs(self.model, left, right, some)
            total += float((losses.double().cpu() * torch.from_numpy(weights[start : start + 2048])).sum())
        return total


class CachedPairs(_Compared):
    """Compare features that were computed before."""

    def __init__(
        self,
        model: Matcher,
        stage: Stage,
        seed: tuple[int, int],
        data: LabelledPictures,
        store: FeatureStore,
        device: str,
    ) -> None:
        super().__init__(model, stage, seed, data, device)
        self.views = [store.features(view) for view in range(VIEWS if stage.mirrored else 1)]

    def features(self, rows: NDArray[np.int64], generator: np.random.Generator) -> tuple[Tensor, Losses]:
        """From the cache, each in a view of its own where the stage says so."""
        views = generator.integers(0, len(self.views), len(rows))
        found = [self.views[view][row] for view, row in zip(views, self.train_rows[rows], strict=True)]
        return torch.from_numpy(np.stack(found).astype(np.float32)).to(self.device), {}

    def validation_features(self) -> Tensor:
        """From the cache."""
        return torch.from_numpy(self.views[0][self.validation_rows].astype(np.float32)).to(self.device)


class Joint(_Compared):
    """Encode and compare together, from pixels; the reconstruction may count as well."""

    def features(self, rows: NDArray[np.int64], generator: np.random.Generator) -> tuple[Tensor, Losses]:
        """Encoded, with the reconstruction loss where it has a weight."""
        images = self.pictures(self.data.pictures[self.train_rows[rows]], generator)
        features = self.model.encode(images)
        if not self.stage.reconstruction:
            return features, {}
        if not isinstance(self.model, Autoencoding):
            remedy = "set reconstruction to 0"
            raise UsageError("the method", cause="is no autoencoder, and reconstruction has a weight", remedy=remedy)
        errors = (self.model.decode(features) - images).square().flatten(1).mean(1)
        return features, {"total": self.stage.reconstruction * errors.mean(), "reconstruction": errors}

    def validation_features(self) -> Tensor:
        """Encoded as the encoder is now."""
        parts = np.array_split(self.validation_rows, max(1, len(self.validation_rows) // IMAGES_TOGETHER))
        return torch.cat([self.model.encode(as_images(self.data.pictures[rows], self.device)) for rows in parts])


class Classes(Lesson):
    """The method's own loss on images and their classes, ``class_losses(images, labels)``."""

    def __init__(
        self, model: Matcher, stage: Stage, seed: tuple[int, int], data: LabelledPictures, device: str
    ) -> None:
        super().__init__(model, stage, seed, device)
        own = getattr(model, "class_losses", None)
        if not callable(own):
            cause = "has no loss on classes"
            raise UsageError("the method", cause=cause, remedy="use the stages pairs or joint")
        self.class_losses, self.data = own, data
        self.train_rows, self.validation_rows = data.rows("train"), data.rows("val")

    @property
    def steps(self) -> int:
        """A last batch of one image is left out."""
        if self.stage.sampling == "batch":
            drawn = class_batches(
                self.data.categories[self.train_rows], self.stage.batch, self.stage.classes, seed=(*self.seed, 0)
            )
            return sum(1 for _ in drawn)
        return _whole_steps(len(self.train_rows), self.stage.batch)

    def epoch(self, epoch: int) -> Iterator[Losses]:
        """The method's losses over all training images, or over batches by class."""
        generator = np.random.default_rng((*self.seed, epoch, 1))
        if self.stage.sampling == "batch":
            categories = self.data.categories[self.train_rows]
            drawn = class_batches(categories, self.stage.batch, self.stage.classes, seed=(*self.seed, epoch))
            batches = [self.train_rows[rows] for rows in drawn]
        else:
            order = generator.permutation(self.train_rows)
            batches = [order[i * self.stage.batch : (i + 1) * self.stage.batch] for i in range(self.steps)]
        for rows in batches:
            yield self._losses(rows, self.pictures(self.data.pictures[rows], generator))

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean of the method's loss over the validation images."""
        total = 0.0
        for start in range(0, len(self.validation_rows), IMAGES_TOGETHER):
            rows = self.validation_rows[start : start + IMAGES_TOGETHER]
            total += float(self._losses(rows, as_images(self.data.pictures[rows], self.device))["total"]) * len(rows)
        return total / len(self.validation_rows)

    def _losses(self, rows: NDArray[np.int64], images: Tensor) -> Losses:
        labels = torch.from_numpy(self.data.categories[rows]).to(self.device)
        losses: Losses = self.class_losses(images, labels)
        return losses


def compared_losses(model: Matcher, features: Tensor, pairs: Pairs) -> Losses:
    """Losses of pairs within a batch whose images pass :meth:`left` and :meth:`right` once each.

    Args:
        model: The method.
        features: (B, C, H, W).
        pairs: Pairs of positions in the batch; both kinds get half of the weight.

    Returns:
        ``total`` and ``match``, (P,).
    """
    losses = losses_of_pairs(model, model.left(features), model.right(features), pairs)
    weights = torch.from_numpy(balance(pairs.same)).to(losses.device)
    return {"total": (weights * losses).sum(), "match": losses}


def losses_of_pairs(model: Matcher, left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:
    """Loss of every pair: the method's ``comparison_losses(left, right, same)``, else the cross-entropy. -> (P,)."""
    first, second = (torch.from_numpy(rows).to(left.device) for rows in (pairs.first, pairs.second))
    same = torch.from_numpy(pairs.same).to(left.device)
    own: Any = getattr(model, "comparison_losses", None)
    if callable(own):
        losses: Tensor = own(left[first], right[second], same)
        return losses
    logits = model.compare(left[first], right[second])
    return functional.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")


def _with(losses: Losses, others: Mapping[str, Tensor]) -> Losses:
    if not others:
        return losses
    return {**losses, **others, "total": losses["total"] + others["total"]}


def _whole_steps(count: int, batch: int) -> int:
    """Steps of so many items; a last batch of one is left out, for batch normalisation takes two."""
    steps, rest = divmod(count, batch)
    return steps + (rest > 1)


def _validation_pairs(categories: NDArray[np.int64]) -> Pairs:
    if len(categories) * (len(categories) - 1) <= VALIDATION_PAIRS:
        return all_pairs(categories, both_orders=True)
    return balanced_pairs(categories, VALIDATION_PAIRS // 2, seed=(0,))


def _thinned(pairs: Pairs, count: int, generator: np.random.Generator) -> Pairs:
    """At most so many of the pairs, half of each kind where there are enough."""
    matching, others = np.flatnonzero(pairs.same), np.flatnonzero(~pairs.same)
    first = generator.permutation(matching)[: max(count // 2, count - len(others))]
    second = generator.permutation(others)[: count - len(first)]
    return pairs[np.concatenate([first, second])]
