"""Normalised softmax: an image network learns classes by their directions, and cosines compare what it has learned.

Paper        A. Zhai, H.-Y. Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019,
             arXiv:1811.12649
Input        images (B, 3, side, side) in [0, 1]; or, where Config.features is set, any features (B, C, H, W) of them
Output       the probability that two images are of one class, which rises with the cosine of their embeddings
Equations    x        W (LN(mean over the last map)), LN without scale and shift
                                                                        -> Model.embed
             loss     -log(e^(cos(x, p_y)/s) / sum over classes z of e^(cos(x, p_z)/s))
                                                                        -> nn.proxies.normalised_softmax
             odds     a cos(x, x') + b                                   -> nn.proxies.CosineOdds
             overlap  sum over classes z of sqrt(P(z | x) P(z | x'))     -> class_directions
Deviations   1. The paper starts from an ImageNet-trained ResNet-50; any backbone of nn.backbone serves here, and
                our own is the default, which two processor cores can train.
             2. The paper's best embedding has 2,048 numbers; 256 is the default.
             3. Retrieval needs no probability, so the paper has none. Scale a and offset b are fitted to the validation
                images' pairs by :meth:`Model.calibrate`, both kinds of pairs weighing alike.
             4. The first ``frozen`` stages of the backbone keep their weights, and all of it keeps its running
                statistics unless ``batch_statistics`` is set: classes with 72 images each are few.
             5. Views are drawn as elsewhere in this package: crop, stretch, any quarter turn, mirror, colours. From
                above there is no preferred up.
             6. ``test_views`` and ``test_sides`` average the pooled map over turned, mirrored and resized pictures.
             7. With ``compared="classes"`` two images are compared by their class probabilities in place of their
                embeddings: the roots of the probabilities are a unit vector, and the cosine of two of them is the
                overlap of the distributions (Bhattacharyya 1943). It ranks better while all pictures are of the
                classes that were trained on, as protocols with a split of each class have it, and tells nothing about
                pictures of other classes.
             8. Binary embeddings, the paper's second subject, are left out.
Reproduces   results/matching/normalised_softmax-*.json
Provenance   Written from the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from geoglot.core.errors import UsageError
from geoglot.core.method import MethodCard
from geoglot.nn.augmentation import random_colours, random_views
from geoglot.nn.backbone import Backbone, build_backbone
from geoglot.nn.matcher import Matcher
from geoglot.nn.proxies import CosineOdds, normalised_softmax, proxy_logits

METHOD = MethodCard(
    title="Normalised softmax",
    paper="Zhai, Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019",
    kind="matcher",
    fidelity="partial",
    counted="ResNet-50 and an embedding of 2,048, without the proxies used in training only",
)

Compared = Literal["embedding", "classes"]

VIEWS: Final = 8
"""A picture, its three quarter turns, and the mirror images of all four."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and training of the method, those of our runs on two processor cores.

    Attributes:
        backbone: Name of a backbone, see :func:`geoglot.nn.backbone.build_backbone`.
        channels: Widths of the ``compact`` backbone.
        side: Side of the pictures.
        train_side: Side of the random views in training; ``None`` is ``side``.
        classes: Number of proxies.
        dimension: Numbers in an embedding.
        temperature: What cosines are divided by.
        frozen: Stages of the backbone, counted from the finest, that keep their weights.
        backbone_factor: The backbone's share of the learning rate.
        batch_statistics: Whether learning stages normalise by their batch.
        smallest_area: Smallest share of a picture that a view keeps.
        colours: Largest relative change of brightness, contrast and saturation.
        compared: ``embedding``, or ``classes``: see the file's deviations.
        test_views: Of the eight turned and mirrored pictures, how many are averaged where nothing is trained.
        test_sides: Sides that pictures are resized to and averaged over where nothing is trained; empty is ``side``.
        features: (C, H, W) of features that come from elsewhere: then there is no backbone.
    """

    backbone: str = "compact"
    channels: tuple[int, ...] = (40, 80, 160, 320)
    side: int = 144
    train_side: int | None = 112
    classes: int = 21
    dimension: int = 256
    temperature: float = 0.05
    frozen: int = 2
    backbone_factor: float = 1 / 6
    batch_statistics: bool = False
    smallest_area: float = 0.4
    colours: float = 0.3
    compared: Compared = "embedding"
    test_views: int = 1
    test_sides: tuple[int, ...] = ()
    features: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        """Check what would fail late or be ignored."""
        if not 1 <= self.test_views <= VIEWS:
            raise UsageError(f"test_views={self.test_views}", cause="there are eight views", remedy="give 1 to 8")
        if not self.temperature > 0:
            raise UsageError(f"temperature={self.temperature}", cause="divides the cosines", remedy="give 0.05")
        if self.compared not in get_args(Compared):
            remedy = f"choose one of {', '.join(get_args(Compared))}"
            raise UsageError(f"compared={self.compared!r}", cause="is not known", remedy=remedy)
        if self.classes < 2:
            raise UsageError(f"classes={self.classes}", cause="one class cannot be told apart", remedy="give two")


def class_directions(logits: Tensor) -> Tensor:
    """Roots of class probabilities, whose squares sum to one. (B, K) -> unit vectors (B, K).

    Example:
        >>> class_directions(torch.tensor([[0.0, 0.0, -1000.0]]))
        tensor([[0.7071, 0.7071, 0.0000]])
    """
    return (logits.log_softmax(1) / 2).exp()


def turned(images: Tensor, view: int) -> Tensor:
    """One of the eight views of pictures with equal sides; view 0 is the picture. (B, C, S, S) -> (B, C, S, S).

    Example:
        >>> [turned(torch.arange(4).view(1, 1, 2, 2), view).flatten().tolist() for view in (0, 1, 4)]
        [[0, 1, 2, 3], [1, 3, 0, 2], [1, 0, 3, 2]]
    """
    if view >= VIEWS // 2:
        images = images.flip(3)
    turns = view % (VIEWS // 2)
    if turns % 2:
        images = images.transpose(2, 3)
    flipped = {0: (), 1: (2,), 2: (2, 3), 3: (3,)}[turns]
    return images.flip(flipped) if flipped else images


def resized(images: Tensor, side: int) -> Tensor:
    """Bilinear, without aliasing. (B, C, H, W) -> (B, C, side, side)."""
    if images.shape[2:] == (side, side):
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def parameters_before(backbone: Backbone, stages: int) -> Iterator[nn.Parameter]:
    """The parameters that the map of the last of so many stages depends on; found by following its gradient."""
    if not stages:
        return
    parameters = list(backbone.parameters())
    training = backbone.training
    backbone.eval()
    with torch.enable_grad():
        image = torch.zeros(1, 3, 64, 64, device=parameters[0].device)
        gradients = torch.autograd.grad(backbone(image)[stages - 1].sum(), parameters, allow_unused=True)
    backbone.train(training)
    yield from (p for p, gradient in zip(parameters, gradients, strict=True) if gradient is not None)


class Model(Matcher):
    """A backbone, an embedding and, for training, a proxy of each class.

    Attributes:
        backbone: Pixels to maps, or nothing where features are given.
        embedding: Linear map of the normalised mean of the last map.
        proxies: (classes, dimension).
        odds: Cosine to log odds.
    """

    symmetric = False  # a cosine has no order

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.side = config.side
        self.backbone: Backbone | None = None
        if config.features is None:
            self.backbone = build_backbone(config.backbone, channels=config.channels)
            if config.frozen > len(self.backbone.channels):
                remedy = f"give 0 to {len(self.backbone.channels)}"
                raise UsageError(f"frozen={config.frozen}", cause="the backbone has fewer stages", remedy=remedy)
            for parameter in parameters_before(self.backbone, config.frozen):
                parameter.requires_grad_(False)
            self.feature_shape = (self.backbone.channels[-1], 1, 1)
        else:
            self.feature_shape = config.features
        width = self.feature_shape[0]
        self.embedding = nn.Sequential(
            nn.LayerNorm(width, elementwise_affine=False), nn.Linear(width, config.dimension, bias=False)
        )
        self.proxies = nn.Parameter(torch.randn(config.classes, config.dimension) / config.dimension**0.5)
        self.odds = CosineOdds()

    def train(self, mode: bool = True) -> Model:
        """Training mode, but for normalisations that keep their running statistics."""
        super().train(mode)
        if self.backbone is not None and mode:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d) and not (
                    self.config.batch_statistics and module.weight.requires_grad
                ):
                    module.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained; the backbone at its share of the learning rate, vectors without weight decay."""
        parts: list[tuple[list[nn.Parameter], float]] = [
            ([*self.embedding.parameters(), self.proxies, *self.odds.parameters()], 1.0)
        ]
        if self.backbone is not None:
            parts.append(([p for p in self.backbone.parameters() if p.requires_grad], self.config.backbone_factor))
        groups = []
        for parameters, factor in parts:
            matrices, others = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
            groups.append({"params": matrices, "learning_rate_factor": factor})
            groups.append({"params": others, "learning_rate_factor": factor, "weight_decay": 0.0})
        return [group for group in groups if group["params"]]

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) in [0, 1] -> mean of the last map, (B, C, 1, 1); of several views in evaluation mode.

        Raises:
            UsageError: The model compares features that come from elsewhere.
        """
        if self.training:
            return self.pooled(images)
        sides = self.config.test_sides or (images.shape[2],)
        views = [turned(resized(images, side), view) for side in sides for view in range(self.config.test_views)]
        return torch.stack([self.pooled(view) for view in views]).mean(0)

    def pooled(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] -> mean of the last map, (B, C, 1, 1).

        Raises:
            UsageError: The model compares features that come from elsewhere.
        """
        if self.backbone is None:
            raise UsageError("features", cause="there is no backbone for given features", remedy="set features=None")
        last: Tensor = self.backbone(images)[-1]
        return last.mean((2, 3), keepdim=True)

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> unit embeddings (B, dimension)."""
        return functional.normalize(self.embedding(features.mean((2, 3))), dim=1)

    def left(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> unit vectors, (B, dimension) or (B, classes)."""
        embeddings = self.embed(features)
        if self.config.compared == "embedding":
            return embeddings
        return class_directions(proxy_logits(embeddings, self.proxies, self.config.temperature))

    def right(self, features: Tensor) -> Tensor:
        """As :meth:`left`: the order of a pair does not matter."""
        return self.left(features)

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (P, ...) unit vectors -> (P,) logits, rising with their cosine."""
        logits: Tensor = self.odds((left * right).sum(1))
        return logits

    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        """``total``, the mean over the pairs, and ``match``, the cross-entropy of each pair, (P,)."""
        logits = self.compare(self.left(first), self.right(second))
        errors = functional.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")
        return {"total": errors.mean(), "match": errors}

    def class_losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Normalised softmax of random views in training mode, of the pictures as they are in evaluation mode.

        Args:
            images: (B, 3, side, side) in [0, 1].
            labels: (B,) int64 classes.

        Returns:
            ``total``, the mean over the batch, and ``classification``, (B,).
        """
        embeddings = self.embed(self.pooled(self._views(images) if self.training else images))
        errors = normalised_softmax(embeddings, self.proxies, labels, self.config.temperature)
        return {"total": errors.mean(), "classification": errors}

    @torch.no_grad()
    def calibrate(self, features: Tensor, labels: Tensor) -> None:
        """Fit the odds to all pairs of images that were not trained on.

        Args:
            features: (M, C, H, W).
            labels: (M,) int64 classes.
        """
        units = self.left(features)
        first, second = torch.triu_indices(len(units), len(units), 1, device=units.device)
        self.odds.fit((units @ units.T)[first, second], labels[first] == labels[second])

    def _views(self, images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        side, area = self.config.train_side or images.shape[2], self.config.smallest_area
        views = random_views(images, side, generator=generator, smallest_area=area)
        return random_colours(views, generator=generator, strength=self.config.colours).clamp(0, 1)


SMALL: dict[str, Any] = {
    "backbone": "compact",
    "channels": (4, 8, 8, 12),
    "side": 64,
    "train_side": None,
    "frozen": 0,
    "dimension": 16,
    "classes": 4,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters of ResNet-50 and an embedding of 2,048 numbers, the proxies left out.

    Example:
        >>> paper_parameters()  # 23,508,032 and 2048 x 2048
        27702336
    """
    with torch.device("meta"):
        model = Model(Config(backbone="resnet50", dimension=2048, frozen=0))
    counted = (model.backbone, model.embedding)
    return sum(p.numel() for network in counted if network is not None for p in network.parameters())
