"""DUCH: unsupervised hashing of images and captions by contrast, an adversary and two conditions on the bits.

Paper        G. Mikriukov, M. Ravanbakhsh, B. Demir, Deep Unsupervised Contrastive Hashing for Large-Scale Cross-Modal
             Text-Image Retrieval in Remote Sensing, ICASSP 2022, arXiv:2201.08125
Input        standardised frozen features: images (M, 512) and their augmented views, captions (M, 768) and theirs
Output       soft codes (M, bits) in (-1, 1); their signs are the codes
Equations    hash network   tanh(W2 relu(BN(W1 x)))                                   -> nn.hashing.HashNetwork
             L_c            NT-Xent of image-text, image-view and text-view pairs     -> contrast
             L_adv          a judge tells text (real) from image (fake) codes         -> judge_loss
                            and the other side is trained to be taken for text        -> fooling_loss
             L_q            |B - h|^2 over the four code matrices                     -> four_quantisations
             L_bb           (sum of a code's bits)^2 over the same                    -> four_balances
             B              sign of the mean of all four, once an epoch               -> consensus
             total          L_c + alpha L_adv + beta L_q + gamma L_bb, sums over pairs -> Model.losses
Deviations   1. ``variant="paper"`` uses the augmented caption and asks images to pass for texts. ``"released"`` keeps
                what the published code does: the augmented caption is replaced by the caption itself, and the
                adversarial term pushes texts, which are the real side already, so images never feel it.
             2. B is taken from the soft codes met during the epoch before, not from a second pass.
             3. Judge and hash networks step on the same batch, one after the other; the judge's own loss is a mean.
             4. Bits are balanced within a sample, not over a batch, as written.
             5. Both sides pass the judge in one batch: apart, its batch normalisation would take each side's mean away,
                and with it most of what tells them apart.
Reproduces   results/hashing/duch-ucm.json, duch-rsicd.json and duch-rsicd-held-out.json
Provenance   Written from notes on the paper and on what the released code does; no third-party code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.adversary import SideJudge, as_fake, as_real, gradient_penalty
from geoglot.nn.hasher import HashBatch, Hasher
from geoglot.nn.hashing import EpochCodes, HashNetwork, bit_balance, nt_xent, quantisation

METHOD = MethodCard(
    title="DUCH",
    paper="Mikriukov, Ravanbakhsh, Demir, Deep Unsupervised Contrastive Hashing, ICASSP 2022",
    kind="hasher",
    variants=("paper", "released"),
    counted="both hash networks at 64 bits, without the judge used in training only (8,705)",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and loss weights of the paper.

    Attributes:
        image_width: Width of an image feature.
        text_width: Width of a text feature.
        hidden: Width of the hidden layer of a hash network.
        bits: Length of a code; the paper has 16, 32, 64 and 128.
        items: Number of training pairs.
        contrast_weights: Of the image-text, image-view and text-view terms.
        temperature: Of the contrastive terms.
        alpha: Weight of the adversarial term.
        beta: Weight of the quantisation term.
        gamma: Weight of the bit balance term.
        penalty: Weight of the gradient penalty in the judge's loss.
        variant: Which reading, see the file's deviations.
    """

    image_width: int = 512
    text_width: int = 768
    hidden: int = 4096
    bits: int = 64
    items: int = 1
    contrast_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    temperature: float = 1.0
    alpha: float = 0.01
    beta: float = 0.001
    gamma: float = 0.01
    penalty: float = 10.0
    variant: Literal["paper", "released"] = "paper"


Codes = tuple[Tensor, Tensor, Tensor, Tensor]
"""Soft codes of images, image views, texts and text views, (M, bits) each."""


def contrast(codes: Codes, weights: tuple[float, float, float], temperature: float) -> Tensor:
    """w1 NTX(image, text) + w2 NTX(image, image view) + w3 NTX(text, text view). -> (M,)."""
    images, image_views, texts, text_views = codes
    pairs = ((images, texts), (images, image_views), (texts, text_views))
    terms = [w * nt_xent(a, b, temperature=temperature) for w, (a, b) in zip(weights, pairs, strict=True) if w]
    return torch.stack(terms).sum(0)


def consensus(codes: Codes) -> Tensor:
    """((h_i + h_i') / 2 + (h_t + h_t') / 2) / 2, whose signs are B. -> (M, bits)."""
    return torch.stack(codes).mean(0)


def four_quantisations(codes: Codes, binary: Tensor) -> Tensor:
    """|B - h|^2 summed over the four code matrices. -> (M,)."""
    return torch.stack([quantisation(soft, binary) for soft in codes]).sum(0)


def four_balances(codes: Codes) -> Tensor:
    """(sum of bits)^2 summed over the four code matrices. -> (M,)."""
    return torch.stack([bit_balance(soft) for soft in codes]).sum(0)


def judge_loss(judge: nn.Module, texts: Tensor, images: Tensor, penalty: float) -> Tensor:
    """Cross-entropy with texts as real and images as fake, and the gradient penalty. (M, bits) twice -> scalar."""
    texts, images = texts.detach(), images.detach()
    real, fake = judge(torch.cat([texts, images])).split([len(texts), len(images)])
    told = as_real(real).mean() + as_fake(fake).mean()
    return told + penalty * gradient_penalty(judge, texts, images).mean()


def fooling_loss(judge: nn.Module, fooling: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy of codes that shall pass for texts; the others only stand beside them. (M, bits) each -> (M,)."""
    logits = judge(torch.cat([*fooling, *(soft.detach() for soft in others)])).split(len(fooling[0]))
    return torch.stack([as_real(logit) for logit in logits[: len(fooling)]]).sum(0)


class Model(Hasher):
    """Two hash networks and, for training, a judge and the codes of the epoch."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.bits = config.bits
        self.image = HashNetwork(config.image_width, config.hidden, config.bits)
        self.text = HashNetwork(config.text_width, config.hidden, config.bits)
        self.judge = SideJudge(config.bits)
        self.binary = EpochCodes(config.items, config.bits)

    def hash_image(self, features: Tensor) -> Tensor:
        """(M, image_width) -> (M, bits) in (-1, 1)."""
        out: Tensor = self.image(features)
        return out

    def hash_text(self, features: Tensor) -> Tensor:
        """(M, text_width) -> (M, bits) in (-1, 1)."""
        out: Tensor = self.text(features)
        return out

    def losses(self, batch: HashBatch) -> dict[str, Tensor]:
        """Terms per pair, ``total`` (the weighted sum over pairs) and the judge's ``adversary``."""
        config = self.config
        released = config.variant == "released"
        codes: Codes = (
            self.hash_image(batch.images),
            self.hash_image(batch.image_views),
            self.hash_text(batch.texts),
            self.hash_text(batch.texts if released else batch.text_views),
        )
        images, image_views, texts, text_views = codes
        sides = (images, image_views), (texts, text_views)
        fooling, others = sides[::-1] if released else sides
        terms = {
            "contrast": contrast(codes, config.contrast_weights, config.temperature),
            "fooling": fooling_loss(self.judge, fooling, others),
            "quantisation": four_quantisations(codes, self.binary.codes[batch.items]),
            "balance": four_balances(codes),
        }
        weights = (1.0, config.alpha, config.beta, config.gamma)
        total = sum((w * term.sum() for w, term in zip(weights, terms.values(), strict=True)), texts.new_zeros(()))
        self.binary.remember(batch.items, consensus(codes))
        return {"total": total, "adversary": judge_loss(self.judge, texts, images, config.penalty), **terms}

    def start_epoch(self, epoch: int) -> None:
        """From the second epoch on, B becomes the signs of the codes met in the epoch before."""
        if epoch:
            self.binary.refresh()

    def adversary_parameters(self) -> Iterable[nn.Parameter]:
        """The judge's."""
        return self.judge.parameters()


SMALL = {"image_width": 12, "text_width": 10, "hidden": 32, "bits": 16, "items": 8}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: dict[str, Any] = {"epochs": 100, "weight_decay": 5e-4, "adversary_decay": 1e-4}
"""The paper's training, where it differs between the hashing methods."""


def paper_parameters(variant: str = "paper", *, bits: int = 64) -> int:
    """Parameters of both hash networks; the variants have the same.

    Example:
        >>> {bits: paper_parameters(bits=bits) for bits in (16, 32, 64, 128)}
        {16: 5398560, 32: 5529664, 64: 5791872, 128: 6316288}
    """
    with torch.device("meta"):
        model = Model(Config(bits=bits))
    return sum(p.numel() for network in (model.image, model.text) for p in network.parameters())
