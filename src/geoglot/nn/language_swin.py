"""A visual network whose every stage reads the phrase before the next begins, and the decoder behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from geoglot.nn.language_visual import ResidualVisual, SwinVisual
from geoglot.nn.residual import convolution
from geoglot.nn.segmenter import resized
from geoglot.nn.swin import Swin, SwinSizes
from geoglot.nn.text_encoder import TextKind, TextSizes
from geoglot.nn.word_pixel_attention import LanguageGate, WordPixelAttention

PUBLISHED: Final = ("bert", "xlm-roberta")
"""Encoders of words whose tokenizers put marks around a text."""
MARKS: Final = 2


def between_marks(tokens: Tensor, first: int) -> Tensor:
    """Put a mark before the words of a text and another behind them.

    Places turn to some words rather than to others, and only how far they differ in that is kept
    (:func:`geoglot.nn.word_pixel_attention.normalised_places`). With one word there is nothing to turn from: all places
    read the same, and what they read is normed to zero. The marks are what else there is to look at.

    Args:
        tokens: (B, L) int64, padded on the right with 0.
        first: Id of the mark before the words; the one behind them has the next.

    Returns:
        (B, L + 2).

    Example:
        >>> between_marks(torch.tensor([[5, 0], [6, 7]]), 8).tolist()
        [[8, 5, 9, 0], [8, 6, 7, 9]]
    """
    framed = nn.functional.pad(tokens, (1, 1))
    framed[:, 0] = first
    behind = 1 + (tokens != 0).sum(1, keepdim=True)
    return framed.scatter(1, behind, first + 1)


@dataclass(frozen=True, kw_only=True)
class LanguageSwinConfig:
    """Sizes of the network of two classes that reads a phrase while it looks; the defaults are Swin-B and BERT-base.

    Attributes:
        side: Pixels on a side of the images it is trained with; any other side works.
        embed: Width of the first stage; every next doubles it.
        depths: Blocks of each of the four stages.
        heads: Attention heads of each stage.
        window: Places on a side of a window of attention.
        drop_path: Stochastic depth of the last block.
        visual: ``swin``, or ``compact``: the residual network of this package in its place, which has no use for the
            five above; so methods can be compared on one backbone.
        channels: Stage widths of ``compact``.
        visual_rate: Learning rate of the visual network, in units of the recipe's.
        text: Encoder of words: ``bert``, ``xlm-roberta``, or one that learns its vocabulary with the method,
            ``transformer`` or ``recurrent``.
        vocabulary: Number of token ids; 0 is padding.
        text_width: Width of a word's vector.
        text_layers: Blocks of the encoder of words.
        text_heads: Its attention heads.
        text_dropout: Its dropout.
        trained_text_layers: Of a published encoder, how many first blocks learn; ``None``: all of it.
        max_length: Longest phrase, in tokens.
        fusion_heads: Heads of the attention of places to words.
        fusion_dropout: Behind it.
        decoder: Width of the decoder.
        class_weights: What a pixel of background and of foreground counts.
    """

    side: int = 480
    embed: int = 128
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 12
    drop_path: float = 0.3
    visual: Literal["swin", "compact"] = "swin"
    channels: tuple[int, ...] = (40, 80, 160, 320)
    visual_rate: float = 1.0
    text: TextKind = "bert"
    vocabulary: int = 30_522
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    text_dropout: float = 0.1
    trained_text_layers: int | None = 10
    max_length: int = 20
    fusion_heads: int = 1
    fusion_dropout: float = 0.0
    decoder: int = 512
    class_weights: tuple[float, float] = (0.9, 1.1)

    @property
    def swin(self) -> SwinSizes:
        """Of the visual side."""
        return SwinSizes(
            embed=self.embed, depths=self.depths, heads=self.heads, window=self.window, drop_path=self.drop_path
        )

    @property
    def words(self) -> TextSizes:
        """Of the encoder of words; one that learns its vocabulary has the marks of :meth:`marked` in it."""
        marks = 0 if self.text in PUBLISHED else MARKS
        return TextSizes(
            kind=self.text,
            vocabulary=self.vocabulary + marks,
            width=self.text_width,
            layers=self.text_layers,
            heads=self.text_heads,
            max_length=self.max_length + marks,
            dropout=self.text_dropout,
            trained_layers=self.trained_text_layers,
        )

    def marked(self, tokens: Tensor) -> Tensor:
        """What the encoder of words reads: (B, L) -> (B, L + 2) for one that learns its vocabulary with the method.

        The tokenizers of published encoders bring marks of their own.
        """
        return tokens if self.text in PUBLISHED else between_marks(tokens, self.vocabulary)


COMPACT_SIZES = {
    "side": 128,
    "embed": 32,
    "depths": (1, 1, 2, 1),
    "heads": (2, 4, 8, 8),
    "window": 8,
    "drop_path": 0.05,
    "text": "transformer",
    "text_width": 128,
    "text_layers": 2,
    "text_heads": 4,
    "decoder": 96,
}
"""Sizes that train on two cores: what the defaults are, less all that only pretrained weights could fill."""


class LanguageTrunk(nn.Module):
    """Pixels and words to one map per stage.

    A stage's blocks -> places read the words -> what they read, normed, is the stage's output; gated and added to the
    map it goes on to the next stage. The last stage has a gate like the others, and nothing that would follow it.

    Args:
        visual: Stages of a network, :class:`SwinVisual` or :class:`ResidualVisual`.
        words: Width of a word's vector.
        heads: Of the attention of places to words.
        dropout: Behind it.

    Attributes:
        widths: Of the maps, finest first.
        idle: Names of parameters that cannot change the output.

    Example:
        >>> from geoglot.nn.language_visual import SwinVisual
        >>> sizes = SwinSizes(embed=8, depths=(1, 1), heads=(2, 2), window=4)
        >>> trunk = LanguageTrunk(SwinVisual(sizes), words=6).eval()
        >>> maps = trunk(torch.zeros(1, 3, 32, 32), torch.randn(1, 5, 6), torch.ones(1, 5, dtype=torch.bool))
        >>> [tuple(found.shape) for found in maps]
        [(1, 8, 8, 8), (1, 16, 4, 4)]
    """

    def __init__(
        self, visual: SwinVisual | ResidualVisual, *, words: int, heads: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.widths = visual.widths
        self.name = "swin" if isinstance(visual, Swin) else "residual"
        self.add_module(self.name, visual)
        self.readers = nn.ModuleList(
            WordPixelAttention(width, words, heads=heads, dropout=dropout) for width in self.widths
        )
        self.gates = nn.ModuleList(LanguageGate(width) for width in self.widths)
        self.idle = tuple(f"gates.{len(self.widths) - 1}.{name}.weight" for name in ("inner", "outer"))

    @property
    def visual(self) -> SwinVisual | ResidualVisual:
        """The visual network: ``swin`` or ``residual`` among the parts."""
        found = self.get_submodule(self.name)
        if not isinstance(found, SwinVisual | ResidualVisual):
            raise TypeError(f"{type(found).__name__} is no visual network of a trunk")
        return found

    def forward(self, images: Tensor, words: Tensor, real: Tensor) -> tuple[Tensor, ...]:
        """Look and read.

        Args:
            images: (B, 3, H, W) in [0, 1].
            words: (B, L, E).
            real: (B, L) bool, True where there is a word.

        Returns:
            Maps (B, C_k, H_k, W_k) of all stages, finest first.
        """
        visual = self.visual
        features, outputs = visual.patches(images), []
        for number, (reader, gate) in enumerate(zip(self.readers, self.gates, strict=True)):
            features = visual.stage(number, features)
            size = features.shape
            places = features.flatten(1, 2)
            read = reader(places, words, real)
            outputs.append(visual.output(number, read.view(size)))
            features = gate(places, read).view(size)
            if number + 1 < len(self.gates):
                features = visual.merge(number, features)
        return tuple(outputs)


def language_trunk(config: LanguageSwinConfig) -> LanguageTrunk:
    """The trunk of a configuration."""
    visual = ResidualVisual(config.channels) if config.visual == "compact" else SwinVisual(config.swin)
    return LanguageTrunk(visual, words=config.text_width, heads=config.fusion_heads, dropout=config.fusion_dropout)


class TopDownDecoder(nn.Module):
    """From the coarsest map to the finest, each joined to what came from above. -> two classes per place.

    Args:
        widths: Of the maps, finest first.
        inner: Width of the decoder.

    Example:
        >>> maps = [torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 4, 4), torch.zeros(1, 16, 2, 2)]
        >>> TopDownDecoder((4, 8, 16), 6)(maps).shape
        torch.Size([1, 2, 8, 8])
    """

    def __init__(self, widths: Sequence[int], inner: int) -> None:
        super().__init__()
        steps, coming = [], widths[-1]
        for width in reversed(widths[:-1]):
            first, second = convolution(coming + width, inner), convolution(inner, inner)
            steps.append(nn.Sequential(first, nn.ReLU(), second, nn.ReLU()))
            coming = inner
        self.steps = nn.ModuleList(steps)
        self.classes = nn.Conv2d(inner, 2, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_k, H_k, W_k), finest first -> (B, 2, H_0, W_0)."""
        *finer, features = maps
        for step, joined in zip(self.steps, reversed(finer), strict=True):
            raised = resized(features, joined.shape[-2:], align_corners=True)
            features = step(torch.cat([raised, joined], 1))
        out: Tensor = self.classes(features)
        return out


VISUAL = ("trunk.swin.", "trunk.residual.")


def decay_groups(model: nn.Module, visual_rate: float = 1.0) -> list[dict[str, object]]:
    """Parameter groups of the recipe of this family: no weight decay for norms of the trunk and its position biases.

    Args:
        model: With its trunk as ``trunk``.
        visual_rate: Learning rate of the trunk's visual network, in units of the recipe's.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        is_kept = name.startswith("trunk.") and ("norm" in name or name.endswith("relative_position_bias_table"))
        groups.setdefault((name.startswith(VISUAL), is_kept), []).append(parameter)
    return [
        {
            "params": found,
            "learning_rate_factor": visual_rate if is_visual else 1.0,
            **({"weight_decay": 0.0} if is_kept else {}),
        }
        for (is_visual, is_kept), found in groups.items()
    ]
