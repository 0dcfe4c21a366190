"""A two-tower model of CLIP's transformers, and the layouts in which its weights are published.

Weights load as they are written by open_clip: ``visual.*``, ``text.*`` and ``logit_scale``; the layout with the text
side at top level is understood as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.batch import PairBatch
from geoglot.nn.clip import Adapter, CausalText, ClipConfig, VisionTransformer
from geoglot.nn.clip_losses import paired_contrast
from geoglot.nn.text_transformer import by_length
from geoglot.nn.two_tower import ImageInput, Pyramid, TwoTower, batch_images
from geoglot.nn.xlm_roberta import MultilingualText

LARGEST_SCALE = math.log(100)


class ClipTwoTower(TwoTower):
    """Both towers, the learnt temperature and the symmetric loss of the batch: what every CLIP method shares.

    A method chooses sizes and pooling in its configuration and overrides what its paper changes.

    Attributes:
        added_parameters: Prefixes of parameters that published weights do not have.
    """

    image_input: ImageInput = "pixels"
    added_parameters: tuple[str, ...] = ()

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.clip_config = config
        self.image_input = "pyramid" if config.vision == "cells" else "pixels"
        self.visual = VisionTransformer(config)
        self.text = CausalText(config) if config.text == "clip" else MultilingualText(config)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        self.register_load_state_dict_pre_hook(_read_open_clip_layout)  # type: ignore[no-untyped-call]

    @property
    def scale(self) -> Tensor:
        """1 / temperature, a scalar."""
        return self.logit_scale.exp()

    @property
    def image_adapter(self) -> Adapter | None:
        """What a method adds to the blocks of the vision side."""
        return None

    @property
    def text_adapter(self) -> Adapter | None:
        """What a method adds to the blocks of the text side."""
        return None

    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """(B, 3, H, W) in [0, 1], or a pyramid -> (B, D), unit norm."""
        return self._image_vectors(self.visual.embeddings(images))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, D), unit norm."""
        tokens = self.text.prepared(tokens)
        if self.training and self.clip_config.gap_over == "valid":
            return by_length(self._encode_prepared, tokens)  # short texts do not carry the padding of the longest
        return self._encode_prepared(tokens)

    def _encode_prepared(self, tokens: Tensor) -> Tensor:
        return self._text_vectors(self.text.embeddings(tokens), tokens)

    def image_attention(self, images: Tensor | Pyramid) -> list[Tensor]:
        """Attention weights of every block, (B, heads, N, N); the class token, where there is one, comes first."""
        maps: list[Tensor] = []
        self.visual.tokens(self.visual.embeddings(images), maps=maps, adapter=self.image_adapter)
        return maps

    def text_attention(self, tokens: Tensor) -> list[Tensor]:
        """Attention weights of every block, (T, heads, L, L)."""
        maps: list[Tensor] = []
        tokens = self.text.prepared(tokens)
        self.text.tokens(self.text.embeddings(tokens), tokens, maps=maps, adapter=self.text_adapter)
        return maps

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Symmetric cross-entropy over the batch's first text of every image."""
        self.clamp_scale()
        images = self.encode_image(batch_images(self, batch))
        texts = self.encode_text(batch.tokens[: len(images)])
        to_text, to_image = self.contrast(images, texts, batch)
        total = (to_text.mean() + to_image.mean()) / 2
        return {"total": total, "image_to_text": to_text, "text_to_image": to_image}

    def contrast(self, images: Tensor, texts: Tensor, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """Cross-entropy along rows and columns of the scaled cosines. (B, D), (B, D) -> (B,), (B,)."""
        ignored = same_pairs(batch) if self.clip_config.mask_duplicates else None
        return paired_contrast(self.scale * images @ texts.T, ignored)

    def clamp_scale(self) -> None:
        """Keep the temperature at 0.01 or above, as CLIP does."""
        with torch.no_grad():
            self.logit_scale.clamp_(max=LARGEST_SCALE)

    def _image_vectors(self, embeddings: Tensor) -> Tensor:
        tokens = self.visual.tokens(embeddings, adapter=self.image_adapter)
        return F.normalize(self.visual.pooled(tokens), dim=-1)

    def _text_vectors(self, embeddings: Tensor, tokens: Tensor) -> Tensor:
        features = self.text.tokens(embeddings, tokens, adapter=self.text_adapter)
        return F.normalize(self.text.pooled(features, tokens), dim=-1)


def same_pairs(batch: PairBatch) -> Tensor:
    """Where image i and text j of a batch belong together although i != j. -> (B, B) bool."""
    size = len(batch.items)
    sentences = batch.sentences[:size]
    same = (sentences[:, None] == sentences) | (batch.items[:, None] == batch.items)
    return same & ~torch.eye(size, dtype=torch.bool, device=same.device)


def open_clip_layout(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Any of the layouts in which CLIP is published, as ``visual.*``, ``text.*`` and ``logit_scale``.

    Understands the text side at top level, a prefix ``module.`` of parallel training, and drops tables that hold no
    weights (position ids, the attention mask) and the three numbers in which OpenAI's archives keep their sizes.

    Example:
        >>> list(open_clip_layout({"module.ln_final.weight": torch.ones(2), "input_resolution": torch.tensor(224)}))
        ['text.ln_final.weight']
    """
    renamed = {}
    for name, tensor in tensors.items():
        short = name.removeprefix("module.")
        if short.split(".")[-1] in ("position_ids", "attn_mask", "input_resolution", "context_length", "vocab_size"):
            continue
        if short.split(".")[0] in _TOP_LEVEL_TEXT:
            short = f"text.{short}"
        renamed[short] = tensor
    return renamed


_TOP_LEVEL_TEXT = frozenset({"token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection"})


def _read_open_clip_layout(_: nn.Module, state: dict[str, Any], prefix: str, *_others: object) -> None:
    ours = {name: state.pop(name) for name in list(state) if name.startswith(prefix)}
    renamed = open_clip_layout({name.removeprefix(prefix): tensor for name, tensor in ours.items()})
    state.update({prefix + name: tensor for name, tensor in renamed.items()})
