"""Siamese network: one branch turns each image into a vector, and the distance of two vectors tells a match.

Paper        N. Khurshid, Mohbat, M. Taj, F. Z. Qureshi, A Residual-Dyad Encoder Discriminator Network for Remote
             Sensing Image Matching, IEEE Transactions on Geoscience and Remote Sensing 58(3), 2020, compares with it.
             After G. Koch, R. Zemel, R. Salakhutdinov, Siamese Neural Networks for One-shot Image Recognition, 2015,
             and, for the loss, R. Hadsell, S. Chopra, Y. LeCun, Dimensionality Reduction by Learning an Invariant
             Mapping, CVPR 2006
Input        images (B, 3, 256, 256) in [0, 1]; or, where Config.features is set, any features (B, C, H, W) of them
Output       the distance of two images' vectors, and from it a probability that they match
Equations    branch         encoder, then the discriminator's layers on one image    -> Branch
             distance       d = |a - b|                                              -> distances
             contrast       y d^2 / 2 + (1 - y) max(0, margin - d)^2 / 2             -> contrast
             odds           sharpness (1 - 2 d / margin)                             -> distance_logits
Deviations   1. The paper says that encoder and discriminator follow its own networks, and no more. The discriminator
                there reads a concatenated pair, and a branch has one image: its first convolution has half the
                channels, and the fully connected layer gives a vector instead of two numbers.
             2. Margin and length of the vector are not printed; 1 and 128 are ours.
             3. A contrastive loss learns distances, no probabilities. Here odds are even half-way to the margin; any
                falling function of the distance would rank alike.
             4. A distance has no order, so a pair is compared once.
             5. The encoder starts from the weights of a trained ResDyadAE, which has the same names.
Reproduces   results/matching/siamese-*.json
Provenance   Written from the papers; no third-party code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from geoglot.core.errors import UsageError
from geoglot.core.method import MethodCard
from geoglot.nn.dyad import Shortcut
from geoglot.nn.dyad_networks import Encoder, Latent, Stem, Trunk, kernel_for, start_convolutions
from geoglot.nn.matcher import Matcher

METHOD = MethodCard(
    title="Siamese",
    paper="Khurshid, Mohbat, Taj, Qureshi, A Residual-Dyad Encoder Discriminator Network, IEEE TGRS 2020",
    kind="matcher",
    variants=("Siamese",),
    fidelity="partial",
    counted="encoder and branch at 256 pixels",
)

SHARPNESS: Final = 4.0
"""Log odds of two equal vectors; the probability is 0.98."""

Unit = Literal["dyad", "residual"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the networks that it is compared with.

    Attributes:
        autoencoder: Units of the encoder: ``dyad`` is that of ResDyadAE, ``residual`` that of ResAE.
        discriminator: Unit of the branch behind it.
        latent: Features of an image, named by what they are at 256 pixels.
        stem: First layers of the encoder.
        shortcut: Filter of the convolution in the shortcut of a dyad.
        side: Side of the pictures, a multiple of 32.
        widths: Channels behind the stem and behind each dyad.
        discriminator_widths: Channels behind the branch's first convolution, its dyad and its last convolution.
        embedding: Length of an image's vector.
        margin: Distance beyond which a pair that does not match costs nothing.
        features: (C, H, W) of features that come from elsewhere: then there is no encoder.
    """

    autoencoder: Unit = "dyad"
    discriminator: Unit = "dyad"
    latent: Latent = "8x8x512"
    stem: Stem = "convolutions"
    shortcut: Literal["3x3", "1x1"] = "3x3"
    side: int = 256
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    discriminator_widths: tuple[int, int, int] = (128, 256, 64)
    embedding: int = 128
    margin: float = 1.0
    features: tuple[int, int, int] | None = None


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean distances of rows, with a slope where they are equal. Two (P, D) -> (P,).

    Example:
        >>> distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([5.])
    """
    return ((first - second).square().sum(1) + 1e-12).sqrt()


def contrast(found: Tensor, same: Tensor, margin: float) -> Tensor:
    """Half the square of the distance where a pair matches, of what lacks to the margin where not. (P,) -> (P,).

    Example:
        >>> contrast(torch.tensor([0.5, 0.5, 2.0]), torch.tensor([True, False, False]), margin=1.5)
        tensor([0.1250, 0.5000, 0.0000])
    """
    return torch.where(same, found.square(), (margin - found).clamp(min=0).square()) / 2


def distance_logits(found: Tensor, margin: float) -> Tensor:
    """Log odds of a match: 0 half-way to the margin, higher for what is nearer. (P,) -> (P,).

    Example:
        >>> distance_logits(torch.tensor([0.0, 0.5, 1.0]), margin=1.0)
        tensor([ 4.,  0., -4.])
    """
    return SHARPNESS * (1 - 2 * found / margin)


class Branch(nn.Module):
    """The discriminator's layers on one image: (B, C, H, W) -> (B, embedding)."""

    def __init__(
        self, shape: tuple[int, int, int], widths: tuple[int, int, int], embedding: int, *, shortcut: Shortcut
    ) -> None:
        super().__init__()
        kernel = kernel_for(shape)
        self.single = nn.Conv2d(shape[0], widths[0], kernel, padding=kernel // 2)
        inner = (widths[0], shape[1], shape[2])
        self.trunk = Trunk(inner, widths[1:], embedding, shortcut=shortcut, kernel=kernel)
        start_convolutions(self.single)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, embedding)."""
        out: Tensor = self.trunk(self.single(features))
        return out


class Model(Matcher):
    """Encoder and branch; the branch alone where features are given.

    Attributes:
        encoder: Pixels to features, or nothing.
        discriminator: An image's features to its vector.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.side = config.side
        self.symmetric = False
        self.encoder: Encoder | None = None
        if config.features is None:
            shortcut = _shortcut(config.autoencoder, config)
            self.encoder = Encoder(
                config.side, config.widths, stem=config.stem, latent=config.latent, shortcut=shortcut
            )
            self.feature_shape = self.encoder.shape
        else:
            self.feature_shape = config.features
        self.discriminator = Branch(
            self.feature_shape,
            config.discriminator_widths,
            config.embedding,
            shortcut=_shortcut(config.discriminator, config),
        )

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) in [0, 1] -> (B, C, H, W).

        Raises:
            UsageError: The model compares features that come from elsewhere.
        """
        if self.encoder is None:
            raise UsageError("features", cause="there is no encoder for given features", remedy="set features=None")
        out: Tensor = self.encoder(images)
        return out

    def left(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, embedding)."""
        out: Tensor = self.discriminator(features)
        return out

    def right(self, features: Tensor) -> Tensor:
        """The same as :meth:`left`. (B, C, H, W) -> (B, embedding)."""
        return self.left(features)

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (P, embedding) -> (P,) logits."""
        return distance_logits(distances(left, right), self.config.margin)

    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        """``total``, the mean over the pairs, and ``contrast`` of each pair, (P,)."""
        vectors = self.left(torch.cat([first, second])).view(2, len(first), -1)
        errors = contrast(distances(vectors[0], vectors[1]), same, self.config.margin)
        return {"total": errors.mean(), "contrast": errors}


def _shortcut(unit: Unit, config: Config) -> Shortcut:
    return config.shortcut if unit == "dyad" else "identity"


SMALL: dict[str, Any] = {"side": 64, "widths": (4, 8, 8, 16), "discriminator_widths": (8, 12, 6), "embedding": 5}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "Siamese") -> int:
    """Parameters of encoder and branch at 256 pixels; there is one variant.

    Example:
        >>> paper_parameters()
        10134144
    """
    with torch.device("meta"):
        return sum(p.numel() for p in Model(Config()).parameters())
