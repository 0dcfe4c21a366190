"""PE-RSITR: a frozen CLIP and one small adapter, shared by all layers and partly by both modalities.

Paper        Yuan, Zhan, Xiong: Parameter-Efficient Transfer Learning for Remote Sensing Image-Text Retrieval, IEEE TGRS
             2023 (arXiv 2308.12509)
Input        images (B, 3, 224, 224) float32 in [0, 1], or a backbone's pyramid (vision="cells");
             tokens (T, L <= 77) int64, 0 = padding
Output       embeddings (B, 512) and (T, 512), unit norm
Equations    adapter     A(x) = [U_m h; S h], h = dropout(ReLU(D_m x)), m = image or text  -> SharedAdapter
             placement   x <- x + MLP(LN(x)) + A(x) in every block                         -> nn.clip.ClipBlock
             L_CM        InfoNCE between images and texts               -> nn.clip_losses.paired_contrast
             L_v, L_t    InfoNCE between a vector and that of its tokens with dropout      -> intra_modal_contrast
             total       L_CM + L_v + L_t                                                  -> hybrid_loss
Deviations   1. The released code holds the model, not the loss: the loss is read from the paper's figure. "Augmented"
                are the token embeddings after a dropout of 0.2. Weights of the three parts are 1.
             2. Learning rate, epochs and batch size are not told where they could be read; RECIPE_DEFAULTS are ours.
             3. In the race from one backbone there is no CLIP to adapt. There the frozen model can be the multilanguage
                transformer's entry (vision="cells", averaged tokens), trained first:
                geoglot train pe_rsitr --initial RUN. Without such a run the frozen part is random.
Reproduces   results/retrieval/pe_rsitr-rsicd.json
Provenance   Written from the paper; no third-party code. Weights to start from: the user's, see engine/pretrained.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.method import MethodCard
from geoglot.nn.batch import PairBatch
from geoglot.nn.clip import SAME_START, Adapter, ClipConfig
from geoglot.nn.clip_losses import paired_contrast
from geoglot.nn.clip_two_tower import ClipTwoTower
from geoglot.nn.two_tower import batch_images

METHOD = MethodCard(
    title="PE-RSITR",
    paper="Yuan et al., Parameter-Efficient Transfer Learning for Remote Sensing Image-Text Retrieval, IEEE TGRS 2023",
    kind="two-tower",
    counted="what is trained: the adapter; CLIP is frozen",
)

RECIPE_DEFAULTS: Mapping[str, Any] = {
    "epochs": 20,
    "batch": 120,
    "optimiser": {"name": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01, "clip": 1.0},
    "schedule": {"name": "one-cycle"},
    "average": 0.0,
    "languages": ("en",),
    "tokenizer": "clip",
    "token_dropout": 0.0,
    "sides": ({"start": 0.0, "side": 224},),
    "validation_side": 224,
    "validate_every": 1,
}
"""Ours; the paper's are not known here."""

LEADERBOARD: Mapping[str, Any] | None = None
"""Not in the race by itself: its frozen part would be random. See ``LEADERBOARD_AFTER``."""

LEADERBOARD_AFTER: tuple[str, Mapping[str, Any]] = (
    "multilanguage",
    {**SAME_START, "dropout": 0.0, "pool": "gap", "text_projection": False},
)
"""A method whose finished run in the race gives the frozen weights (``initial``), and the sizes that fit it."""


@dataclass(frozen=True, kw_only=True)
class Config(ClipConfig):
    """CLIP ViT-B/32 and the adapter.

    Attributes:
        bottleneck: Width between the two matrices of the adapter, and of the part that both modalities share.
        adapter_dropout: After the ReLU.
        token_dropout: On the embeddings of patches and words, for the second vector of L_v and L_t.
    """

    bottleneck: int = 64
    adapter_dropout: float = 0.5
    token_dropout: float = 0.2


class SharedAdapter(nn.Module):
    """A bottleneck for each modality; the last outputs come from a matrix that both share.

    Args:
        widths: Of the tokens, by modality.
        bottleneck: Width inside.
        dropout: After the ReLU.
    """

    def __init__(self, widths: Mapping[str, int], bottleneck: int, *, dropout: float) -> None:
        super().__init__()
        self.down = nn.ModuleDict({name: nn.Linear(width, bottleneck) for name, width in widths.items()})
        unique = {name: nn.Linear(bottleneck, width - bottleneck) for name, width in widths.items()}
        self.up = nn.ModuleDict(unique)
        self.up_shared = nn.Linear(bottleneck, bottleneck)
        self.dropout = nn.Dropout(dropout)
        for down in self.down.values():
            assert isinstance(down, nn.Linear)  # noqa: S101 (tells mypy what the dictionary holds)
            nn.init.kaiming_uniform_(down.weight, a=5**0.5)
            nn.init.zeros_(down.bias)
        for up in (*unique.values(), self.up_shared):
            nn.init.zeros_(up.weight)
            nn.init.zeros_(up.bias)

    def forward(self, tokens: Tensor, modality: str) -> Tensor:
        """(B, L, D) -> (B, L, D); zero before training."""
        hidden = self.dropout(F.relu(self.down[modality](tokens)))
        return torch.cat([self.up[modality](hidden), self.up_shared(hidden)], -1)


def intra_modal_contrast(clean: Tensor, augmented: Tensor, scale: Tensor) -> Tensor:
    """L_v or L_t: InfoNCE between vectors and their augmented twins, both ways. (B, D), (B, D), () -> (B,)."""
    rows, columns = paired_contrast(scale * clean @ augmented.T)
    return (rows + columns) / 2


def hybrid_loss(cross_modal: Tensor, images: Tensor, texts: Tensor) -> Tensor:
    """L_CM + L_v + L_t, each averaged over the batch. (B,), (B,), (B,) -> ()."""
    return cross_modal.mean() + images.mean() + texts.mean()


class Model(ClipTwoTower):
    """A frozen CLIP with the adapter beside the perceptron of every block."""

    added_parameters = ("adapter.",)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config
        self.requires_grad_(False)
        widths = {"image": config.vision_width, "text": config.text_width}
        self.adapter = SharedAdapter(widths, config.bottleneck, dropout=config.adapter_dropout)

    @property
    def image_adapter(self) -> Adapter:
        """The adapter in the blocks of the vision side."""
        return partial(self.adapter, modality="image")

    @property
    def text_adapter(self) -> Adapter:
        """The adapter in the blocks of the text side."""
        return partial(self.adapter, modality="text")

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """L_CM, L_v and L_t per sample, and their sum."""
        image_tokens = self.visual.embeddings(batch_images(self, batch))
        tokens = self.text.prepared(batch.tokens[: len(image_tokens)])
        text_tokens = self.text.embeddings(tokens)
        images, texts = self._image_vectors(image_tokens), self._text_vectors(text_tokens, tokens)
        to_text, to_image = self.contrast(images, texts, batch)
        twin_images = self._image_vectors(self._augmented(image_tokens))
        twin_texts = self._text_vectors(self._augmented(text_tokens), tokens)
        terms = {
            "cross_modal": (to_text + to_image) / 2,
            "image_twins": intra_modal_contrast(images, twin_images, self.scale),
            "text_twins": intra_modal_contrast(texts, twin_texts, self.scale),
        }
        return {"total": hybrid_loss(*terms.values()), **terms}

    def _augmented(self, embeddings: Tensor) -> Tensor:
        return F.dropout(embeddings, self.config.token_dropout, self.training)


SMALL = {
    "channels": (8, 12, 16, 24),
    "image_size": 64,
    "patch": 16,
    "vision_width": 64,
    "vision_layers": 2,
    "vision_heads": 2,
    "vocabulary": 40,
    "max_length": 8,
    "text_width": 64,
    "text_layers": 2,
    "text_heads": 2,
    "dimension": 16,
    "bottleneck": 32,
    "adapter_dropout": 0.0,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """What the paper trains: 161,088 parameters."""
    with torch.device("meta"):
        model = Model(Config())
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
