"""What one picture and one phrase cost a network: products, operations, parameters.

A product that is added to a sum (MAC) is counted where tensors meet in a matrix product or a convolution; two
operations (FLOPs) are one such product and its sum. Nothing is computed: the network runs on shapes alone, so that a
network of any size is counted in a second and without memory.

Two conventions stand beside each other:

``macs``, ``flops``          every matrix product and convolution; all other operations by their usual estimates: one
                             per entry for GELU, ReLU, softmax and a convolution's bias, one per place for
                             interpolation, five for a norm with learnt scale, four for one without, two for a batch
                             norm that is done learning. Sums, products and the like of single entries are left out.
``reported_macs``, ``...``   the same without the two products within attention windows, q k^T and the weights times v.
                             A profiler that watches named functions does not see them where they are written with the
                             operator ``@``. With this convention LAVT at 480 pixels and 20 words costs the 191.91
                             milliard products and 384.27 milliard operations that are printed for it; in truth it
                             costs 197.29 and 395.01.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod as product
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle

from geoglot.core import registry
from geoglot.core.errors import UsageError
from geoglot.data.published_segmentation import TABLE_IV
from geoglot.nn.late_fusion import LateFusion
from geoglot.nn.windows import WindowAttention
from geoglot.nn.word_pixel_attention import PlaceConvolution, PlaceNorm

PACKAGE: Final = "geoglot.methods.segmentation"
TEXT: Final = "text"
"""Encoder of words: a part of its own in the papers' counts, left out of them. That of a late fusion is counted."""
NORM_LEARNT: Final = 5
NORM_PLAIN: Final = 4
BATCH_NORM: Final = 2
LAYERS: Final[Mapping[type[nn.Module], int]] = {PlaceConvolution: 1, PlaceNorm: NORM_PLAIN}
"""Operations per entry of what a layer gives, of layers that are written with other means than their name says."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one picture and one phrase.

    Attributes:
        macs: Products that are summed up.
        window_macs: Of them, those of attention within windows that a profiler of named functions overlooks.
        others: Operations that are no such products: activations, norms, biases of convolutions.
        parameters: Numbers that are learnt, idle ones included.
    """

    macs: int
    window_macs: int
    others: int
    parameters: int

    @property
    def flops(self) -> int:
        """Two for each product, and the others."""
        return 2 * self.macs + self.others

    @property
    def reported_macs(self) -> int:
        """Without the products within windows."""
        return self.macs - self.window_macs

    @property
    def reported_flops(self) -> int:
        """The same of the operations."""
        return 2 * self.reported_macs + self.others


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every operation that runs while it is entered, by the innermost watched module.

    Args:
        inside: Whether a watched module is being run.
    """

    def __init__(self, inside: Callable[[], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inside = inside
        self.macs = self.window_macs = self.others = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count it."""
        out = func(*args, **(kwargs or {}))
        name = str(func._schema.name).removeprefix("aten::")
        macs = products(name, args, out)
        self.macs += macs
        if self.inside() and name in ("bmm", "baddbmm"):
            self.window_macs += macs
        self.others += operations(name, args, out)
        return out


def size_of(shape: Sequence[int]) -> int:
    """Entries of a tensor of this shape."""
    return int(product(shape))


def products(name: str, args: Sequence[Any], out: Any) -> int:
    """MACs of an operation; 0 for most.

    Args:
        name: Of the operation, without ``aten::``.
        args: What it was given.
        out: What it gave.

    Example:
        >>> products("mm", (torch.zeros(2, 3), torch.zeros(3, 5)), torch.zeros(2, 5))  # 2 * 3 * 5
        30
    """
    if name in ("mm", "bmm"):
        return size_of(args[0].shape) * int(args[1].shape[-1])
    if name in ("addmm", "baddbmm"):
        return size_of(args[1].shape) * int(args[2].shape[-1])
    if name == "convolution":
        features, weight, transposed = args[0], args[1], bool(args[6])
        places = size_of(features.shape[2:] if transposed else out.shape[2:])
        return int(features.shape[0]) * places * size_of(weight.shape)
    return 0


def operations(name: str, args: Sequence[Any], out: Any) -> int:
    """Operations other than MACs, by the estimates that the module's docstring names.

    Example:
        >>> operations("relu", (torch.zeros(2, 3),), torch.zeros(2, 3))
        6
    """
    if name in ("gelu", "relu", "_softmax"):
        return size_of(out.shape)
    if name == "upsample_bilinear2d":
        return size_of(out.shape[2:])
    if name == "convolution":
        return size_of(out.shape) if args[2] is not None else 0
    if "batch_norm" in name:
        return size_of(args[0].shape) * BATCH_NORM
    if name in ("native_layer_norm", "native_group_norm"):
        learnt = any(isinstance(arg, Tensor) for arg in args[1:3])
        return size_of(args[0].shape) * (NORM_LEARNT if learnt else NORM_PLAIN)
    return 0


@contextmanager
def watched(model: nn.Module) -> Iterator[Counter]:
    """A counter of what a model runs, which knows when it is within a window."""
    depth = [0]
    counter = Counter(lambda: depth[0] > 0)

    def enter(*_: object) -> None:
        depth[0] += 1

    def leave(*_: object) -> None:
        depth[0] -= 1

    def add(layer: nn.Module, _: object, out: Tensor) -> None:
        counter.others += size_of(out.shape) * LAYERS[type(layer)]

    handles: list[RemovableHandle] = []
    for module in model.modules():
        if isinstance(module, WindowAttention):
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        if type(module) in LAYERS:
            handles.append(module.register_forward_hook(add))
    try:
        with counter:
            yield counter
    finally:
        for handle in handles:
            handle.remove()


def count_run(model: nn.Module, run: Callable[[], object]) -> Cost:
    """What a run of a model costs.

    Args:
        model: Whose parameters are counted, and whose windows are told apart.
        run: Runs it, once.

    Example:
        >>> layer = nn.Linear(3, 5)
        >>> count_run(layer, lambda: layer(torch.zeros(2, 3)))
        Cost(macs=30, window_macs=0, others=0, parameters=20)
    """
    with torch.no_grad(), watched(model) as counter:
        run()
    return Cost(
        macs=counter.macs,
        window_macs=counter.window_macs,
        others=counter.others,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


class _Words(nn.Module):
    """What an encoder of words would give, at no cost."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.zeros(*tokens.shape, self.width, device=tokens.device)


def method_cost(name: str, variant: str | None = None, *, side: int | None = None, **config: Any) -> Cost:
    """Cost of a referring segmentation method, without its encoder of words where that is a part of its own.

    Args:
        name: File name of the method.
        variant: Its default where ``None``.
        side: Pixels on a side of the picture; that of the paper where ``None``.
        config: Overrides of the method's ``Config``.

    Raises:
        UsageError: There is no such method, variant or field.

    Example:
        >>> round(method_cost("lavt").reported_macs / 1e9, 2)
        191.91
    """
    module = registry.load(PACKAGE, name)
    variant = variant or module.METHOD.variants[0]
    if variant not in module.METHOD.variants:
        remedy = f"choose one of {', '.join(module.METHOD.variants)}"
        raise UsageError(variant, cause=f"is no variant of {name}", remedy=remedy)
    if side is not None:
        config["side"] = side
    with torch.device("meta"):
        settings = module.Config(variant=variant, **config)
        model = module.Model(settings).eval()
        if isinstance(getattr(model, TEXT, None), nn.Module) and not isinstance(model, LateFusion):
            setattr(model, TEXT, _Words(settings.text_width))
        images = torch.zeros(1, 3, settings.side, settings.side)
        tokens = torch.ones(1, settings.max_length, dtype=torch.int64)
        return count_run(model, lambda: model.logits(images, tokens))


def cost_records(*, side: int | None = None) -> list[dict[str, Any]]:
    """One record per method and variant of referring segmentation, beside what its paper prints.

    LGCE stands in both readings of its exchange; the paper's row of the full model is beside the default one.

    Args:
        side: Pixels on a side of the picture; that of each paper where ``None``. The papers' figures are left out for
            another one.

    Returns:
        ``name``, ``variant``, ``side``, ``parameters``; ``gmacs`` and ``gflops``; ``reported_gmacs`` and
        ``reported_gflops``, counted as the papers do; ``paper_parameters_m``, ``paper_gmacs`` and ``paper_gflops``.
    """
    rows = []
    for name in registry.names(PACKAGE):
        module = registry.load(PACKAGE, name)
        rows += [_record(name, variant, side) for variant in module.METHOD.variants]
        if name == "lgce":
            rows.append({**_record(name, "lgce", side, cross="full"), "variant": "lgce, cross=full", **NOT_PRINTED})
    return rows


NOT_PRINTED: Final = dict.fromkeys(("paper_parameters_m", "paper_gmacs", "paper_gflops"))


def _record(name: str, variant: str, side: int | None, **config: Any) -> dict[str, Any]:
    cost = method_cost(name, variant, side=side, **config)
    default = registry.load(PACKAGE, name).METHOD.variants[0]
    usual = registry.load(PACKAGE, name).Config().side
    printed = next((row for row in TABLE_IV if row.method == name and (row.variant or default) == variant), None)
    known = printed is not None and side in (None, usual)
    return {
        "name": name,
        "variant": variant,
        "side": side or usual,
        "parameters": cost.parameters,
        "gmacs": round(cost.macs / 1e9, 2),
        "gflops": round(cost.flops / 1e9, 2),
        "reported_gmacs": round(cost.reported_macs / 1e9, 2),
        "reported_gflops": round(cost.reported_flops / 1e9, 2),
        "paper_parameters_m": printed.parameters if printed is not None and known else None,
        "paper_gmacs": printed.gigamacs if printed is not None and known else None,
        "paper_gflops": printed.gigaflops if printed is not None and known else None,
    }
