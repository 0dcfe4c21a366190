"""A trained run, looked into: attention rollout and word-to-region attention where its method has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.core.errors import UsageError
from geoglot.engine.composition import Composed
from geoglot.engine.images import Pictures
from geoglot.engine.scoring import caption_scores
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.engine.trained import TrainedRun, load_trained
from geoglot.models.explainer import Finding, How, by_occlusion, word_weights
from geoglot.nn.rollout import Query, image_relevance, patch_grid, relevance, rollout


def load_run_explainer(run: Path, *, first_layer: int | None = None) -> RunExplainer:
    """The model of a run, ready to be explained.

    Raises:
        DataError: The folder is not a finished run.
    """
    return RunExplainer(load_trained(run), first_layer=first_layer)


class RunExplainer:
    """A trained model of any retrieval method; :class:`geoglot.models.explainer.Explainer` says what it offers.

    Args:
        trained: The run.
        first_layer: Where rollouts begin, counted from 1; by default 8 of 12, the last five of other stacks.
    """

    def __init__(self, trained: TrainedRun, *, first_layer: int | None = None) -> None:
        self.trained = trained
        self.first_layer = first_layer

    @property
    def id(self) -> str:
        """Name of the method and of the run's folder."""
        return f"{self.trained.recipe.method} ({self.trained.folder.name})"

    @property
    def side(self) -> int:
        """Input side in pixels."""
        return self.trained.recipe.validation_side

    @property
    def ways(self) -> tuple[How, ...]:
        """Word-to-region attention first, then rollout, then what any model offers."""
        method = self.trained.method
        ways: list[How] = []
        if hasattr(method, "word_region_attention"):
            ways.append("attention")
        if hasattr(method, "image_attention") and hasattr(method, "text_attention"):
            ways.append("rollout")
        return (*ways, "occlusion")

    def scores(self, pixels: NDArray[np.uint8], texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 and T texts -> (N, T), the method's own scores."""
        pictures = Pictures(torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))))
        return caption_scores(self.trained.model, pictures, self.trained.tokenizer, texts)

    def find(self, how: How, pixels: NDArray[np.uint8], words: Sequence[str]) -> Finding:
        """Explain one picture, (side, side, 3) uint8, and one text."""
        if how == "rollout":
            return self._by_rollout(pixels, words)
        return self._by_attention(pixels, words) if how == "attention" else by_occlusion(self.scores, pixels, words)

    @torch.no_grad()
    def _by_rollout(self, pixels: NDArray[np.uint8], words: Sequence[str]) -> Finding:
        method = cast(Any, self.trained.method)
        by_class_token = getattr(getattr(method, "config", None), "pool", "gap") == "cls_eot"
        image_maps = method.image_attention(self._images(pixels))
        if not image_maps:
            remedy = "choose --how occlusion"
            raise UsageError(self.id, cause="has no attention in its image side", remedy=remedy)
        has_class_token = patch_grid(image_maps[0].shape[-1])[1] > 0
        image_query: Query = 0 if by_class_token and has_class_token else "mean"
        grid = image_relevance(image_maps, first_layer=self._first(image_maps), query=image_query)[0]
        tokens, spans = token_spans(self.trained.tokenizer, words)
        text_maps = method.text_attention(torch.from_numpy(tokens))
        flow = rollout(text_maps, first_layer=self._first(text_maps))
        kept = torch.zeros(flow.shape[:2], dtype=torch.bool)
        for start, stop in spans:
            kept[:, start:stop] = True
        text_query: Query = int((tokens[0] != 0).sum()) - 1 if by_class_token else "mean"
        shares = relevance(flow, kept=kept, query=text_query)[0]
        return Finding(
            heat=grid.numpy(),
            weights=np.array([float(shares[start:stop].sum()) for start, stop in spans], np.float32),
            score=float(self.scores(pixels[None], [" ".join(words)])[0, 0]),
        )

    @torch.no_grad()
    def _by_attention(self, pixels: NDArray[np.uint8], words: Sequence[str]) -> Finding:
        tokens, spans = token_spans(self.trained.tokenizer, words)
        method = cast(Any, self.trained.method)
        attention = method.word_region_attention(self._images(pixels), torch.from_numpy(tokens))
        maps = region_maps(attention, spans)
        text = " ".join(words)
        weights = word_weights(lambda texts: self.scores(pixels[None], texts)[0], words)
        shares = np.maximum(weights, 0) if (weights > 0).any() else np.ones_like(weights)
        return Finding(
            heat=np.einsum("w,whk->hk", shares / shares.sum(), maps).astype(np.float32),
            weights=weights,
            score=float(self.scores(pixels[None], [text])[0, 0]),
            word_heat=maps,
        )

    def _images(self, pixels: NDArray[np.uint8]) -> Tensor | tuple[Tensor, ...]:
        """One picture as the method takes it: pixels, or the stage maps of its backbone."""
        images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].float() / 255
        model = self.trained.model
        return model.pyramid(images) if isinstance(model, Composed) else images

    def _first(self, maps: Sequence[Tensor]) -> int | None:
        """The layer that was asked for, as far as the stack has it."""
        return None if self.first_layer is None else min(self.first_layer, len(maps))


def token_spans(tokenizer: AnyTokenizer, words: Sequence[str]) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
    """The tokens of a text, and which of them each word became.

    Works for every tokenizer that splits at spaces first: a word has as many tokens beside one word as beside another.
    Its tokens are counted beside a word that the tokenizer keeps, because some leave words out, and markers round a
    text are those that a word written twice has only once.

    Returns:
        int64 (1, L), and per word the first position and the one after the last; both are the same for a word that is
        left out or cut off by the longest length.
    """
    tokens = tokenizer.encode([" ".join(words)])
    length = int((tokens[0] != 0).sum())
    once, twice = _counts(tokenizer, words), _counts(tokenizer, [f"{word} {word}" for word in words])
    kept = [place for place in sorted(range(len(words)), key=lambda p: len(words[p])) if twice[place] > once[place]]
    if not kept:
        return tokens, [(0, 0)] * len(words)
    anchor = kept[0]
    markers = 2 * once[anchor] - twice[anchor]
    position, end = (1 if markers else 0), length - (1 if markers > 1 else 0)
    spans = []
    for beside in _counts(tokenizer, [f"{words[anchor]} {word}" for word in words]):
        stop = min(position + beside - once[anchor], end)
        spans.append((min(position, end), stop))
        position = stop
    return tokens, spans


def _counts(tokenizer: AnyTokenizer, texts: Sequence[str]) -> list[int]:
    counts: list[int] = (tokenizer.encode(texts) != 0).sum(1).tolist()
    return counts


def region_maps(attention: Tensor, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Per word, where in the image it looks: the mean over its tokens.

    Args:
        attention: Weights of tokens over regions, (L, R) behind leading axes of size one; the regions are a square,
            rows first.
        spans: Of :func:`token_spans`.

    Returns:
        (W, G, G) float32, each summing to one; a word without tokens is even.

    Raises:
        UsageError: The regions are no square grid.
    """
    flat = attention.reshape(-1, *attention.shape[-2:])[0].float()
    side, extra = patch_grid(flat.shape[-1])
    if extra:
        cause = f"looks at {flat.shape[-1]} regions, which are no square grid"
        raise UsageError("word_region_attention", cause=cause, remedy="choose --how occlusion")
    rows = [flat[start:stop].mean(0) if stop > start else torch.ones(flat.shape[-1]) for start, stop in spans]
    maps = torch.stack(rows).clamp(min=0)
    maps = maps / maps.sum(1, keepdim=True).clamp(min=1e-12)
    result: NDArray[np.float32] = maps.reshape(-1, side, side).numpy()
    return result
