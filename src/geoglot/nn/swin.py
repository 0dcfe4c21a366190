"""Swin transformer (Liu et al., ICCV 2021): attention within windows that shift from block to block.

With x a map of B x H x W places and W-MSA the attention of every window among its own places:

    x <- x + W-MSA(LN(x));  x <- x + MLP(LN(x))          (windows of every second block shifted by half their side)
    attention = softmax(q k^T / sqrt(d) + b) v            (b: a learnt number for every relative position and head)

Between stages four neighbours become one place: LN of their 4 C numbers, then a matrix to 2 C.

A map whose sides are no multiples of the window is padded behind each block's first normalisation and then shifted, as
the published detection and segmentation models do; timm shifts first, so that places near the edge differ where the
padding is neither nothing nor half a window. Names of parameters are those of the authors' checkpoints;
:func:`swin_weights` takes theirs and timm's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.windows import WindowAttention, join_windows, shift_mask, split_windows

PATCH = 4
"""Pixels on a side of one place of the first stage."""


@dataclass(frozen=True, kw_only=True)
class SwinSizes:
    """Sizes of a Swin transformer; the defaults are Swin-B with windows of 12.

    Attributes:
        embed: Width of the first stage; every next doubles it.
        depths: Blocks of each stage.
        heads: Attention heads of each stage.
        window: Places on a side of a window.
        ratio: Width of the inner layer of a block's perceptron, in units of the stage's width.
        drop_path: Stochastic depth of the last block; earlier ones scale linearly from 0.
    """

    embed: int = 128
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 12
    ratio: int = 4
    drop_path: float = 0.3

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of every stage, finest first."""
        return tuple(self.embed * 2**stage for stage in range(len(self.depths)))


class Swin(nn.Module):
    """Patches, stages of window attention and merges, to be run stage by stage.

    Maps have their channels last. ``patches`` -> ``stage`` 0 -> ``merge`` 0 -> ``stage`` 1 ...; what a method puts
    between a stage and its merge is its own business.

    Args:
        sizes: See there.
        norms: A layer norm for what leaves each stage, see ``output``.

    Example:
        >>> sizes = SwinSizes(embed=8, depths=(1, 1), heads=(2, 2), window=4)
        >>> [tuple(stage.shape) for stage in Swin(sizes).eval()(torch.zeros(1, 3, 32, 40))]
        [(1, 8, 8, 10), (1, 16, 4, 5)]
    """

    def __init__(self, sizes: SwinSizes, *, norms: bool = True) -> None:
        super().__init__()
        if len(sizes.heads) != len(sizes.depths):
            raise ValueError(f"{len(sizes.heads)} numbers of heads for {len(sizes.depths)} stages")
        self.sizes = sizes
        self.patch_embed = PatchEmbedding(sizes.embed)
        rates = torch.linspace(0, sizes.drop_path, sum(sizes.depths), device="cpu").tolist()
        layers, first = [], 0
        for number, (width, depth, heads) in enumerate(zip(sizes.widths, sizes.depths, sizes.heads, strict=True)):
            stage_rates = rates[first : first + depth]
            layers.append(Stage(width, heads, sizes, stage_rates, merges=number + 1 < len(sizes.depths)))
            first += depth
        self.layers = nn.ModuleList(layers)
        for number, width in enumerate(sizes.widths if norms else ()):
            self.add_module(f"norm{number}", nn.LayerNorm(width))
        self.apply(_initialise)

    def patches(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, ceil(H / 4), ceil(W / 4), embed)."""
        out: Tensor = self.patch_embed(images)
        return out

    def stage(self, number: int, features: Tensor) -> Tensor:
        """All blocks of a stage, counted from 0. (B, H, W, C) -> the same shape."""
        for block in self.layers[number].get_submodule("blocks").children():
            features = block(features)
        return features

    def merge(self, number: int, features: Tensor) -> Tensor:
        """What leads from a stage to the next. (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""
        out: Tensor = self.layers[number].get_submodule("downsample")(features)
        return out

    def output(self, number: int, features: Tensor) -> Tensor:
        """The stage's output norm. (B, H, W, C) -> (B, C, H, W)."""
        out: Tensor = self.get_submodule(f"norm{number}")(features)
        return out.permute(0, 3, 1, 2)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), normalised -> maps (B, C_k, H_k, W_k) of all stages, normed, finest first."""
        features, outputs = self.patches(images), []
        for number in range(len(self.layers)):
            features = self.stage(number, features)
            outputs.append(self.output(number, features))
            if number + 1 < len(self.layers):
                features = self.merge(number, features)
        return tuple(outputs)


class PatchEmbedding(nn.Module):
    """Patches of 4 x 4 pixels to vectors, normed. (B, 3, H, W) -> (B, ceil(H / 4), ceil(W / 4), width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """Project and norm; sides that are no multiples of 4 are padded with zeros."""
        height, width = images.shape[-2:]
        if height % PATCH or width % PATCH:
            images = F.pad(images, (0, -width % PATCH, 0, -height % PATCH))
        out: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return out


class Stage(nn.Module):
    """Blocks of one width, and the merge that follows them. Run by :class:`Swin`."""

    def __init__(self, width: int, heads: int, sizes: SwinSizes, rates: Sequence[float], *, merges: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width, heads, window=sizes.window, shifted=number % 2 == 1, ratio=sizes.ratio, drop_path=rate)
            for number, rate in enumerate(rates)
        )
        if merges:
            self.downsample = PatchMerging(width)


class PatchMerging(nn.Module):
    """Two by two neighbours to one place. (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Neighbours in the order top left, bottom left, top right, bottom right; odd sides are padded with zeros."""
        height, width = features.shape[1:3]
        features = F.pad(features, (0, 0, 0, width % 2, 0, height % 2))
        parts = [features[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.reduction(self.norm(torch.cat(parts, -1)))
        return out


class Block(nn.Module):
    """Window attention and a perceptron, both residual and pre-norm. (B, H, W, C) -> (B, H, W, C)."""

    def __init__(
        self, width: int, heads: int, *, window: int, shifted: bool, ratio: int = 4, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.window = window
        self.shift = window // 2 if shifted else 0
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, ratio * width), "fc2": nn.Linear(ratio * width, width)})

    def forward(self, features: Tensor) -> Tensor:
        """Both steps."""
        features = features + self.dropped(self.attended(self.norm1(features)))
        inner = F.gelu(self.mlp["fc1"](self.norm2(features)))
        return features + self.dropped(self.mlp["fc2"](inner))

    def attended(self, features: Tensor) -> Tensor:
        """Attention within the windows, shifted where the map is larger than one. -> the same shape."""
        height, width = features.shape[1:3]
        side = self.window
        features = F.pad(features, (0, 0, 0, -width % side, 0, -height % side))
        padded = (features.shape[1], features.shape[2])
        shift = tuple(self.shift if extent > side else 0 for extent in padded)
        if any(shift):
            features = torch.roll(features, (-shift[0], -shift[1]), (1, 2))
        mask = shift_mask(padded, side, (shift[0], shift[1])).to(features.device) if any(shift) else None
        features = join_windows(self.attn(split_windows(features, side), mask), side, padded)
        if any(shift):
            features = torch.roll(features, shift, (1, 2))
        return features[:, :height, :width]

    def dropped(self, change: Tensor) -> Tensor:
        """Stochastic depth: while training, some rows do without."""
        if not self.training or self.drop_path == 0:
            return change
        kept = torch.rand(len(change), 1, 1, 1, device=change.device) >= self.drop_path
        return change * (kept.to(change.dtype) / (1 - self.drop_path))


def swin_weights(tensors: Mapping[str, Tensor], *, depths: Sequence[int]) -> dict[str, Tensor]:
    """Published tensors under the names of :class:`Swin`.

    Two layouts circulate: the authors', and timm's since 0.9, which counts a merge to the stage that follows it. The
    classifier, the norm before it, masks and position indices are left out; output norms are in neither.

    Args:
        tensors: Of a file, or of ``timm.create_model(...).state_dict()``; a common prefix ``backbone.`` is taken off.
        depths: Blocks of each stage, which tell how many stages there are.

    Example:
        >>> sorted(swin_weights({"layers.1.downsample.norm.bias": torch.ones(4), "head.fc.bias": torch.ones(2)},
        ...                     depths=(1, 1)))
        ['layers.0.downsample.norm.bias']
    """
    plain = {name.removeprefix("model.").removeprefix("backbone."): tensor for name, tensor in tensors.items()}
    is_timm = any(name.startswith(f"layers.{len(depths) - 1}.downsample.") for name in plain)
    found = {}
    for name, tensor in plain.items():
        if name.startswith(("head.", "norm.")) or name.endswith(("attn_mask", "relative_position_index")):
            continue
        if is_timm and ".downsample." in name:
            _, stage, rest = name.split(".", 2)
            name = f"layers.{int(stage) - 1}.{rest}"
        found[name] = tensor
    return found


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
