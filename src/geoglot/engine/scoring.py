"""Scores of images and texts by any retrieval model, in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.engine import tokenizers
from geoglot.engine.composition import is_two_tower, two_tower
from geoglot.engine.images import ImageSource
from geoglot.nn.two_tower import RetrievalModel

IMAGES_TOGETHER: Final = 128
TEXTS_TOGETHER: Final = 256
SCORED_IMAGES: Final = 64
"""Images that a scorer compares with a block of texts at once: what it holds for a pair can be large."""


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def distinct(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Each string once, and which of them every text is."""
    number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    return list(number), np.array([number[text] for text in texts], dtype=np.int64)


@torch.no_grad()
def image_vectors(model: RetrievalModel, source: ImageSource) -> NDArray[np.float32]:
    """Unit rows of a two-tower model. -> (N, D).

    Raises:
        UsageError: The model has no vectors.
    """
    two_tower(model)
    blocks = source.blocks(IMAGES_TOGETHER, device=device_of(model))
    return np.concatenate([model.image_features(block)[0].cpu().numpy() for block in blocks])


@torch.no_grad()
def text_vectors(
    model: RetrievalModel, tokenizer: tokenizers.AnyTokenizer, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Unit rows of a two-tower model; equal strings are encoded once. -> (N, D).

    Raises:
        UsageError: The model has no vectors.
    """
    two_tower(model)
    found, which = distinct(texts)
    parts = [model.text_features(tokens)[0].cpu().numpy() for _, tokens in _token_blocks(model, tokenizer, found)]
    return np.concatenate(parts)[which]


@torch.no_grad()
def score_matrix(
    model: RetrievalModel, source: ImageSource, tokenizer: tokenizers.AnyTokenizer, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Scores of every image with every distinct text of a list, by any model. -> (N, U).

    Texts of similar length are scored together, because padding costs time and changes nothing.
    """
    found, _ = distinct(texts)
    lengths = (tokenizers.encode(tokenizer, found) != 0).sum(1)
    order = np.argsort(lengths, kind="stable")
    blocks = [(rows, model.text_features(tokens)) for rows, tokens in _token_blocks(model, tokenizer, found, order)]
    scores = np.empty((len(source), len(found)), dtype=np.float32)
    top = 0
    for images in source.blocks(SCORED_IMAGES, device=device_of(model)):
        features = model.image_features(images)
        bottom = top + len(features[0])
        for rows, words in blocks:
            scores[top:bottom, rows] = model.similarity(features, words).float().cpu().numpy()
        top = bottom
    return scores


def caption_scores(
    model: RetrievalModel, source: ImageSource, tokenizer: tokenizers.AnyTokenizer, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Scores of every image with every text, by any model. -> (N, len(texts))."""
    if is_two_tower(model):
        return image_vectors(model, source) @ text_vectors(model, tokenizer, texts).T
    _, which = distinct(texts)
    return score_matrix(model, source, tokenizer, texts)[:, which]


def _token_blocks(
    model: nn.Module,
    tokenizer: tokenizers.AnyTokenizer,
    texts: Sequence[str],
    order: NDArray[np.int64] | None = None,
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Blocks of (rows, tokens on the model's device)."""
    rows = np.arange(len(texts)) if order is None else order
    for start in range(0, len(texts), TEXTS_TOGETHER):
        some = rows[start : start + TEXTS_TOGETHER]
        tokens = tokenizers.encode(tokenizer, [texts[k] for k in some])
        yield some, torch.from_numpy(tokens).to(device_of(model))
