"""ResDyadAE and ResDyadDML: an autoencoder learns features without labels, a discriminator compares pairs of them.

Paper        N. Khurshid, Mohbat, M. Taj, F. Z. Qureshi, A Residual-Dyad Encoder Discriminator Network for Remote
             Sensing Image Matching, IEEE Transactions on Geoscience and Remote Sensing 58(3), 2020
Input        images (B, 3, 256, 256) in [0, 1]; or, where Config.features is set, any features (B, C, H, W) of them
Output       the probability that two images show the same kind of place
Equations    (10)-(11) residual-dyad: phi + F(phi), then H(u) + F(u)                 -> nn.dyad.Dyad
             (12) the same as printed, which is not the same                         -> nn.dyad.as_printed
             (1)  encoder: stem, three dyads, 8x8x512                                -> nn.dyad_networks.Encoder
             (4)  decoder: its mirror, transposed convolutions, sigmoid              -> nn.dyad_networks.Decoder
             (5)  mean squared error of the reconstruction                           -> reconstruction_errors
             (7)  concatenation, convolution, dyad, convolution, fully connected     -> nn.dyad_networks.Discriminator
             (8)  two-way softmax, as a logit                                        -> match_logits
             (9)  cross-entropy                                                      -> cross_entropy
                  the same as printed                                                -> printed_cross_entropy
Deviations   1. Equation 12 takes F of block B for linear; the composition of equations 10 and 11 is built.
             2. Equation 9 as printed, -y log p, keeps the positive term alone and is least where the answer is always
                "match"; the whole cross-entropy is used. Equation 8 prints y where it means the estimate.
             3. Equation 5 is printed as a norm; the text says mean squared error, and so it is, over all of a picture.
             4. Three dyads divide a side by 8, and 256 to 8 is 32, so the stem divides by 4. The paper has no pooling
                "in the deeper part": two convolutions 3x3 of stride 2 are the default, ``stem="resnet"`` pools.
                The channels, 64, 128, 256 and 512, are the one doubling row that ends at 512.
             5. The paper does not draw ResAE and ResDML. Here they are the same networks with the convolution H taken
                out of every block B: its shortcut keeps every second pixel and pads channels with zeros (upwards it
                repeats pixels and leaves channels out). Depth, widths and residual functions stay, so a comparison
                shows what H does and nothing else, and the chain of identities that the paper argues against is whole.
             6. Filters of H are 3x3, as the paper says of both blocks; ``shortcut="1x1"`` is the usual one.
             7. Widths of the discriminator are not printed; 128, 256 and 64 are ours. The last convolution goes into
                the fully connected layer as it is.
             8. The other latents come of a last part: to 1x1x1024 convolutions of stride 2 until one pixel is left, to
                8x8x20 one convolution 3x3 of stride 1. The decoder has their mirror.
             9. A pair has an order for the discriminator and none in truth. With ``symmetric`` both orders are learnt,
                and a score is the mean of both.
            10. The first convolution over the concatenated pair is applied in two halves, see
                nn.dyad_networks.PairConvolution: the same numbers, once per image instead of once per pair.
            11. Features that are vectors, (C, 1, 1), meet filters of 1x1.
Reproduces   results/matching/residual-dyad-*.json
Provenance   Written from the paper; no code was published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from geoglot.core.errors import UsageError
from geoglot.core.method import MethodCard
from geoglot.nn.dyad import Shortcut
from geoglot.nn.dyad_networks import Decoder, Discriminator, Encoder, Latent, Stem
from geoglot.nn.matcher import Autoencoding, Matcher

Unit = Literal["dyad", "residual"]

VARIANTS: dict[str, dict[str, Any]] = {
    "ResDyadAE-ResDyadDML": {"autoencoder": "dyad", "discriminator": "dyad"},
    "ResDyadAE-ResDML": {"autoencoder": "dyad", "discriminator": "residual"},
    "ResAE-ResDyadDML": {"autoencoder": "residual", "discriminator": "dyad"},
    "ResAE-ResDML": {"autoencoder": "residual", "discriminator": "residual"},
}
"""The four cells of the paper's first table, as fields of :class:`Config`."""

METHOD = MethodCard(
    title="ResDyadAE-ResDyadDML",
    paper="Khurshid, Mohbat, Taj, Qureshi, A Residual-Dyad Encoder Discriminator Network, IEEE TGRS 2020",
    kind="matcher",
    variants=tuple(VARIANTS),
    fidelity="partial",
    counted="encoder and discriminator at 256 pixels, without the decoder used in training only",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the paper where it gives them.

    Attributes:
        autoencoder: ``dyad`` is ResDyadAE, ``residual`` is ResAE.
        discriminator: ``dyad`` is ResDyadDML, ``residual`` is ResDML.
        latent: Features of an image, named by what they are at 256 pixels.
        stem: First layers of the encoder, see the file's deviations.
        shortcut: Filter of the convolution in the shortcut of a dyad.
        side: Side of the pictures, a multiple of 32; at 128 pixels the latent is 4x4x512.
        widths: Channels behind the stem and behind each dyad.
        discriminator_widths: Channels behind the first convolution, the dyad and the last convolution.
        symmetric: Learn both orders of a pair, and score their mean.
        features: (C, H, W) of features that come from elsewhere: then there is neither encoder nor decoder, and the
            discriminator compares what it is given.
    """

    autoencoder: Unit = "dyad"
    discriminator: Unit = "dyad"
    latent: Latent = "8x8x512"
    stem: Stem = "convolutions"
    shortcut: Literal["3x3", "1x1"] = "3x3"
    side: int = 256
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    discriminator_widths: tuple[int, int, int] = (128, 256, 64)
    symmetric: bool = True
    features: tuple[int, int, int] | None = None


def reconstruction_errors(images: Tensor, restored: Tensor) -> Tensor:
    """Mean squared error of each picture. Two (B, 3, S, S) -> (B,)."""
    return (images - restored).square().flatten(1).mean(1)


def match_logits(outputs: Tensor) -> Tensor:
    """Log odds of the second answer of a two-way softmax, the difference of the two. (P, 2) -> (P,).

    Example:
        >>> outputs = torch.tensor([[0.5, 2.0]])
        >>> torch.allclose(torch.sigmoid(match_logits(outputs)), outputs.softmax(1)[:, 1])
        True
    """
    return outputs[:, 1] - outputs[:, 0]


def cross_entropy(logits: Tensor, same: Tensor) -> Tensor:
    """-y log p - (1 - y) log(1 - p). Logits (P,), bool (P,) -> (P,)."""
    return functional.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")


def printed_cross_entropy(logits: Tensor, same: Tensor) -> Tensor:
    """-y log p, equation 9 as printed; for comparison. Logits (P,), bool (P,) -> (P,)."""
    return -same.to(logits.dtype) * functional.logsigmoid(logits)


class Model(Matcher, Autoencoding):
    """Encoder, decoder and discriminator; the discriminator alone where features are given.

    Attributes:
        encoder: Pixels to features, or nothing.
        decoder: Features to pixels, or nothing.
        discriminator: Two images' features to a logit.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.side = config.side
        self.symmetric = config.symmetric
        self.encoder: Encoder | None = None
        self.decoder: Decoder | None = None
        if config.features is None:
            latent, shortcut = config.latent, _shortcut(config.autoencoder, config)
            self.encoder = Encoder(config.side, config.widths, stem=config.stem, latent=latent, shortcut=shortcut)
            self.decoder = Decoder(config.side, config.widths, latent=latent, shortcut=shortcut)
            self.feature_shape = self.encoder.shape
        else:
            self.feature_shape = config.features
        self.discriminator = Discriminator(
            self.feature_shape, config.discriminator_widths, shortcut=_shortcut(config.discriminator, config)
        )

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) in [0, 1] -> (B, C, H, W).

        Raises:
            UsageError: The model compares features that come from elsewhere.
        """
        if self.encoder is None:
            raise _no_autoencoder("no encoder")
        out: Tensor = self.encoder(images)
        return out

    def decode(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 3, side, side) in [0, 1].

        Raises:
            UsageError: The model compares features that come from elsewhere.
        """
        if self.decoder is None:
            raise _no_autoencoder("no decoder")
        out: Tensor = self.decoder(features)
        return out

    def reconstruction_losses(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, side, side) -> ``total``, the mean over the batch, and ``reconstruction``, (B,)."""
        errors = reconstruction_errors(images, self.decode(self.encode(images)))
        return {"total": errors.mean(), "reconstruction": errors}

    def left(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, discriminator_widths[0], H, W)."""
        return self.discriminator.pair.of_first(features)

    def right(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, discriminator_widths[0], H, W)."""
        return self.discriminator.pair.of_second(features)

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (P, discriminator_widths[0], H, W) -> (P,) logits."""
        return match_logits(self.discriminator(left, right))

    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        """``total``, the mean over the pairs, and ``match``, the cross-entropy of each pair, (P,)."""
        if not self.symmetric:
            errors = cross_entropy(self.compare(self.left(first), self.right(second)), same)
        else:
            both = torch.cat([first, second])
            logits = self.compare(self.left(both), self.right(both.roll(len(first), 0)))
            errors = cross_entropy(logits, same.repeat(2)).view(2, -1).mean(0)
        return {"total": errors.mean(), "match": errors}


def _shortcut(unit: Unit, config: Config) -> Shortcut:
    return config.shortcut if unit == "dyad" else "identity"


def _no_autoencoder(cause: str) -> UsageError:
    return UsageError("features", cause=f"there is {cause} for given features", remedy="set features=None")


SMALL: dict[str, Any] = {"side": 64, "widths": (4, 8, 8, 16), "discriminator_widths": (8, 12, 6)}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "ResDyadAE-ResDyadDML") -> int:
    """Parameters of encoder and discriminator at 256 pixels, the decoder left out.

    Example:
        >>> paper_parameters(), paper_parameters("ResAE-ResDML")
        (10594818, 8750466)
    """
    with torch.device("meta"):
        model = Model(Config(**VARIANTS[variant]))
    counted = (model.encoder, model.discriminator)
    return sum(p.numel() for network in counted if network is not None for p in network.parameters())
