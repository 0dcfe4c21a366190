"""CHNR: cross-modal hashing that stays right when captions are wrong, by a detector of mismatched pairs.

Paper        G. Mikriukov, M. Ravanbakhsh, B. Demir, An Unsupervised Cross-Modal Hashing Method Robust to Noisy
             Training Image-Text Correspondences in Remote Sensing, ICIP 2022, arXiv:2202.13117
Input        standardised frozen features: images (M, 512) and their augmented views, captions (M, 768) and theirs;
             categories (M,), used on the clean pairs only
Output       soft codes (M, bits) in (-1, 1); their signs are the codes
Equations    hash network   tanh(W2 relu(BN(W1 x)))                                   -> nn.hashing.HashNetwork
             detector D     three hidden layers on a joined feature pair              -> NoiseDetector
             first stage    on clean pairs D learns true = 1, other class = 0         -> detector_loss
                            while the hash networks train unweighted                  -> Model.losses
             weight         w = sigmoid(D), w^3, or 1 above a threshold               -> pair_weights
             threshold      (mean w of true + mean w of false pairs) / 2              -> Thresholds
             L_c            w NTX(image, text) + mean(w) (view terms)                 -> weighted_contrast
             L_q, L_bb      |B - h|^2 and (sum of bits)^2 over the four code matrices -> Model.losses
             total          L_c + beta L_q + gamma L_bb, sums over pairs              -> Model.losses
Deviations   1. ``variant="paper"`` uses the augmented caption; ``"released"`` replaces it by the caption itself, as the
                published code does.
             2. The adversarial term of DUCH has weight 0 in the published settings and is left out.
             3. A false pair joins an image with the caption of a random pair of another class in the batch; an image
                whose batch has no other class takes no part.
             4. B is taken from the soft codes met during the epoch before, not from a second pass.
Reproduces   results/hashing/chnr-ucm.json
Provenance   Written from notes on the paper and on what the released code does; no third-party code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.adversary import as_fake, as_real, gradient_penalty
from geoglot.nn.hasher import HashBatch, Hasher
from geoglot.nn.hashing import EpochCodes, HashNetwork, bit_balance, nt_xent, quantisation

METHOD = MethodCard(
    title="CHNR",
    paper="Mikriukov, Ravanbakhsh, Demir, Cross-Modal Hashing Robust to Noisy Correspondences, ICIP 2022",
    kind="hasher",
    variants=("paper", "released"),
    counted="both hash networks at 64 bits (5,791,872) and the noise detector (4,920,321)",
)

Weighting = Literal["normal", "exp", "dis", "ones"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss weights of the paper.

    Attributes:
        image_width: Width of an image feature.
        text_width: Width of a text feature.
        hidden: Width of the hidden layer of a hash network.
        bits: Length of a code.
        items: Number of training pairs.
        clean_epochs: Length of the first stage, which sees clean pairs only.
        weighting: What the detector's answer w does: ``normal`` weighs by w, ``exp`` by w^3, ``dis`` by 0 or 1 on
            the two sides of the threshold, ``ones`` not at all.
        contrast_weights: Of the image-text, image-view and text-view terms.
        temperature: Of the contrastive terms.
        beta: Weight of the quantisation term.
        gamma: Weight of the bit balance term.
        dropout: In the detector.
        penalty: Weight of the gradient penalty in the detector's loss.
        variant: Which reading, see the file's deviations.
    """

    image_width: int = 512
    text_width: int = 768
    hidden: int = 4096
    bits: int = 64
    items: int = 1
    clean_epochs: int = 75
    weighting: Weighting = "normal"
    contrast_weights: tuple[float, float, float] = (1.0, 0.0, 0.0)
    temperature: float = 1.0
    beta: float = 0.001
    gamma: float = 0.0
    dropout: float = 0.2
    penalty: float = 10.0
    variant: Literal["paper", "released"] = "paper"


def weighted_contrast(
    images: tuple[Tensor, Tensor],
    texts: tuple[Tensor, Tensor],
    pair_weight: Tensor,
    weights: tuple[float, float, float],
    temperature: float,
) -> Tensor:
    """W w1 NTX(image, text) + mean(w) (w2 NTX(image, image view) + w3 NTX(text, text view)). -> (M,)."""
    total = weights[0] * pair_weight * nt_xent(images[0], texts[0], temperature=temperature)
    for weight, (plain, view) in zip(weights[1:], (images, texts), strict=True):
        if weight:
            total = total + weight * pair_weight.mean() * nt_xent(plain, view, temperature=temperature)
    return total


def pair_weights(trust: Tensor, weighting: Weighting, threshold: Tensor) -> Tensor:
    """What a pair counts, from the detector's w in [0, 1]. (M,), scalar -> (M,).

    Example:
        >>> trust, half = torch.tensor([0.5, 0.8]), torch.tensor(0.6)
        >>> pair_weights(trust, "exp", half), pair_weights(trust, "dis", half)
        (tensor([0.1250, 0.5120]), tensor([0., 1.]))
    """
    if weighting == "normal":
        return trust
    if weighting == "exp":
        return trust.pow(3).abs()
    if weighting == "dis":
        return (trust > threshold).to(trust.dtype)
    return torch.ones_like(trust)


def strangers(categories: Tensor) -> tuple[Tensor, Tensor]:
    """For every row a random other row of another category. (M,) -> rows (M,), whether there is one (M,) bool."""
    differs = categories[:, None] != categories
    draw = torch.rand(differs.shape, device=categories.device).masked_fill(~differs, -1.0)
    return draw.argmax(1), differs.any(1)


class NoiseDetector(nn.Module):
    """Does a caption belong to an image? Three layers as wide as the joined pair, then one number.

    Example:
        >>> sum(p.numel() for p in NoiseDetector(512 + 768).parameters())
        4920321
    """

    def __init__(self, inputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Linear(inputs, inputs), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, pairs: Tensor) -> Tensor:
        """(M, D_image + D_text) -> (M,) logits."""
        out: Tensor = self.layers(pairs).squeeze(1)
        return out


def detector_loss(detector: nn.Module, true: Tensor, false: Tensor, penalty: float) -> Tensor:
    """Cross-entropy of true pairs as real and false ones as fake, and the gradient penalty. (M, D), (F, D) -> scalar.

    The slope is measured between the true and the false pair of the same row, so both have the same number of rows.
    """
    told = as_real(detector(true)).mean() + as_fake(detector(false)).mean()
    return told + penalty * gradient_penalty(detector, true, false).mean()


class Thresholds(nn.Module):
    """Mean trust in true and in false pairs over an epoch, and the value half-way between the two means."""

    sums: Tensor
    count: Tensor
    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2))
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("threshold", torch.tensor(0.5))

    @torch.no_grad()
    def add(self, true: Tensor, false: Tensor) -> None:
        """Trust in as many true as false pairs, (F,) each."""
        self.sums += torch.stack([true.sum(), false.sum()])
        self.count += len(true)

    @torch.no_grad()
    def close_epoch(self) -> None:
        """Set the threshold from what was added since, where anything was."""
        if self.count > 0:
            self.threshold.copy_((self.sums / self.count).mean())
        self.sums.zero_()
        self.count.zero_()


class Model(Hasher):
    """Two hash networks and, for training, the detector and the codes of the epoch."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.bits = config.bits
        self.image = HashNetwork(config.image_width, config.hidden, config.bits)
        self.text = HashNetwork(config.text_width, config.hidden, config.bits)
        self.detector = NoiseDetector(config.image_width + config.text_width, config.dropout)
        self.binary = EpochCodes(config.items, config.bits)
        self.thresholds = Thresholds()
        self.first_stage = config.clean_epochs > 0

    def hash_image(self, features: Tensor) -> Tensor:
        """(M, image_width) -> (M, bits) in (-1, 1)."""
        out: Tensor = self.image(features)
        return out

    def hash_text(self, features: Tensor) -> Tensor:
        """(M, text_width) -> (M, bits) in (-1, 1)."""
        out: Tensor = self.text(features)
        return out

    def trust(self, images: Tensor, texts: Tensor) -> Tensor:
        """sigmoid(D) of pairs of features, in [0, 1], without gradient. (M, D_image), (M, D_text) -> (M,)."""
        with torch.no_grad():
            out: Tensor = self.detector(torch.cat([images, texts], 1)).sigmoid()
        return out

    def train(self, mode: bool = True) -> Model:
        """As usual, but a detector that has finished learning gives its steady answer, without dropout."""
        super().train(mode)
        self.detector.train(mode and self.first_stage)
        return self

    def losses(self, batch: HashBatch) -> dict[str, Tensor]:
        """Terms per pair, ``total`` (the weighted sum) and, in the first stage, the detector's ``adversary``."""
        config = self.config
        text_views = batch.texts if config.variant == "released" else batch.text_views
        images = self.hash_image(batch.images), self.hash_image(batch.image_views)
        texts = self.hash_text(batch.texts), self.hash_text(text_views)
        four = (*images, *texts)
        found = {} if not self.first_stage else self._detector_loss(batch, text_views)
        trust = torch.ones_like(batch.texts[:, 0])
        if not self.first_stage:
            trust = self.trust(batch.images, batch.texts)
        weight = trust if self.first_stage else pair_weights(trust, config.weighting, self.thresholds.threshold)
        binary = self.binary.codes[batch.items]
        terms = {
            "contrast": weighted_contrast(images, texts, weight, config.contrast_weights, config.temperature),
            "quantisation": torch.stack([quantisation(soft, binary) for soft in four]).sum(0),
            "balance": torch.stack([bit_balance(soft) for soft in four]).sum(0),
        }
        weights = (1.0, config.beta, config.gamma)
        total = sum((w * term.sum() for w, term in zip(weights, terms.values(), strict=True)), trust.new_zeros(()))
        self.binary.remember(batch.items, torch.stack(four).mean(0))
        return {"total": total, **found, **terms, "weight": weight}

    def _detector_loss(self, batch: HashBatch, text_views: Tensor) -> dict[str, Tensor]:
        """The mean over the four ways of pairing an image or its view with a caption or its view."""
        other, found = strangers(batch.categories)
        if not found.any():
            return {"adversary": sum((p.sum() * 0 for p in self.detector.parameters()), batch.texts.new_zeros(()))}
        losses = []
        for image in (batch.images, batch.image_views):
            for text in (batch.texts, text_views):
                true = torch.cat([image, text], 1)[found]
                false = torch.cat([image, text[other]], 1)[found]
                losses.append(detector_loss(self.detector, true, false, self.config.penalty))
        images, texts = batch.images[found], batch.texts
        self.thresholds.add(self.trust(images, texts[found]), self.trust(images, texts[other][found]))
        return {"adversary": torch.stack(losses).mean()}

    def start_epoch(self, epoch: int) -> None:
        """New codes and threshold; after ``clean_epochs`` the detector is finished and weighs the pairs."""
        self.thresholds.close_epoch()
        self.first_stage = self.clean_only(epoch)
        if epoch:
            self.binary.refresh()

    def clean_only(self, epoch: int) -> bool:
        """The first stage."""
        return epoch < self.config.clean_epochs

    def adversary_parameters(self) -> Iterable[nn.Parameter]:
        """The detector's."""
        return self.detector.parameters()


SMALL = {"image_width": 12, "text_width": 10, "hidden": 32, "bits": 16, "items": 8, "clean_epochs": 1}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: dict[str, Any] = {
    "epochs": 150,
    "weight_decay": 5e-4,
    "adversary_decay": 1e-3,
    "adversary_decoupled": True,
    "clean_share": {"ucm": 0.3, "rsicd": 0.2},
}
"""The paper's training, where it differs between the hashing methods; the clean share depends on the dataset."""


def paper_parameters(variant: str = "paper", *, bits: int = 64) -> int:
    """Parameters of both hash networks and the detector; the variants have the same."""
    with torch.device("meta"):
        model = Model(Config(bits=bits))
    counted = (model.image, model.text, model.detector)
    return sum(p.numel() for network in counted for p in network.parameters())
