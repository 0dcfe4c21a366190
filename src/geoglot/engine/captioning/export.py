"""From a captioner to a bundle: its three networks as ONNX, each compared with torch, the backbone in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.errors import BundleError
from geoglot.engine import export
from geoglot.models.bundle import IMAGE, STEP, VOCABULARY, open_network
from geoglot.models.bundle import START as START_NETWORK
from geoglot.models.captioner import CONTEXT, LANGUAGES, MAPS, NEXT, SAID, STATE, WORDS
from geoglot.nn.captioner import START, Captioner
from geoglot.text.captions import CaptionVocabulary

MOST_BYTES: Final = 25_000_000
"""Of all files of a bundle that ships or that anybody shall carry about."""
STEPS_COMPARED: Final = 6


class Maps(nn.Module):
    """uint8 pixels in, the last stage map of a backbone out."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, C, H, W)."""
        images = pixels.to(torch.float32).permute(0, 3, 1, 2) / 255
        out: Tensor = self.backbone(images)[-1]
        return out


class Beginning(nn.Module):
    """Maps and languages in, context and state out, in the order of their names.

    Args:
        model: In evaluation mode.
        context: Names of the context's tensors.
        state: Names of the state's tensors.
    """

    def __init__(self, model: Captioner, context: Sequence[str], state: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names, self.state_names = tuple(context), tuple(state)

    def forward(self, maps: Tensor, languages: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W), (N,) int64 -> tensors whose first axis is N."""
        context = self.model.context(maps, languages)
        state = self.model.start(context)
        return (*(context[name] for name in self.names), *(state[name] for name in self.state_names))


class OneStep(nn.Module):
    """Context, state and words in, log-probabilities and the new state out, in the order of their names."""

    def __init__(self, model: Captioner, context: Sequence[str], state: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names, self.state_names = tuple(context), tuple(state)

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Tensors of R rows, the words (R,) int64 last -> (R, V), and the state."""
        count = len(self.names)
        context = dict(zip(self.names, given[:count], strict=True))
        state = dict(zip(self.state_names, given[count:-1], strict=True))
        said, new = self.model.step(context, state, given[-1])
        return (said, *(new[name] for name in self.state_names))


@torch.no_grad()
def write_networks(backbone: nn.Module, model: Captioner, folder: Path, pictures: NDArray[np.uint8]) -> None:
    """All three networks as float ONNX, compared with torch; batch normalisation is folded where that is possible.

    Args:
        backbone: Gives stage maps of pixels in [0, 1], the last one is the captioner's.
        model: The captioner.
        folder: Where the networks go.
        pictures: (N, S, S, 3) uint8, at least two.

    Raises:
        BundleError: A network cannot be exported, or computes something else than torch.
    """
    backbone.eval()
    model.eval()
    export.fold_normalisation(backbone)
    pixels = torch.from_numpy(pictures)
    images = {0: "images"}
    looking = Maps(backbone)
    export.to_onnx(looking, [pixels], folder / IMAGE, inputs={"pixels": images}, outputs={MAPS: images})
    maps = looking(pixels)
    languages = torch.zeros(len(maps), dtype=torch.int64)
    context = model.context(maps, languages)
    states = _walk(model, context)
    names, state_names = sorted(context), sorted(states[0])
    begun = [name for name in state_names if states[0][name].numel()]  # what begins empty a reader makes by itself
    outputs = {f"{CONTEXT}{name}": images for name in names} | {f"{STATE}{name}": images for name in begun}
    inputs = {MAPS: images, LANGUAGES: images}
    beginning = Beginning(model, names, begun)
    export.to_onnx(beginning, [maps, languages], folder / START_NETWORK, inputs=inputs, outputs=outputs)
    axes = {name: _growing_axes(name, states) for name in state_names}
    words = torch.full((len(maps),), START, dtype=torch.int64)
    given = {f"{CONTEXT}{name}": {0: "rows"} for name in names}
    given |= {f"{STATE}{name}": {0: "rows", **{axis: f"{name}_{axis}" for axis in axes[name]}} for name in state_names}
    new = {f"{NEXT}{name}": {0: "rows", **{axis: f"new_{name}_{axis}" for axis in axes[name]}} for name in state_names}
    examples = [*(context[name] for name in names), *(states[2][name] for name in state_names), words]
    stepping = OneStep(model, names, state_names)
    inputs = {**given, WORDS: {0: "rows"}}
    export.to_onnx(stepping, examples, folder / STEP, inputs=inputs, outputs={SAID: {0: "rows"}, **new})
    gap = _walking_gap(model, context, folder / STEP)
    if not gap <= export.EXPORT_TOLERANCE:
        cause = f"computes something else than the trained network after some words (a value is off by {gap:.2g})"
        raise BundleError(folder / STEP, cause=cause, remedy="report the method; its bundle would be wrong")


def _walk(model: Captioner, context: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The states before some words, each the most probable one."""
    state = model.start(context)
    words = torch.full((len(next(iter(context.values()))),), START, dtype=torch.int64)
    states = [state]
    for _ in range(STEPS_COMPARED):
        said, state = model.step(context, state, words)
        words = said.argmax(1)
        states.append(state)
    return states


def _growing_axes(name: str, states: Sequence[Mapping[str, Tensor]]) -> list[int]:
    """Axes of a state's tensor that change from word to word."""
    shapes = [state[name].shape for state in states]
    return [axis for axis in range(1, len(shapes[0])) if len({shape[axis] for shape in shapes}) > 1]


def _walking_gap(model: Captioner, context: dict[str, Tensor], path: Path) -> float:
    """The greatest difference of log-probabilities while both write the most probable words."""
    session = open_network(path.read_bytes(), 1)
    wanted = {one.name for one in session.get_inputs()}
    names = [one.name for one in session.get_outputs()]
    state = model.start(context)
    fixed: dict[str, Any] = {f"{CONTEXT}{name}": tensor.numpy() for name, tensor in context.items()}
    moving: dict[str, Any] = {f"{STATE}{name}": tensor.numpy() for name, tensor in state.items()}
    words = torch.full((len(next(iter(context.values()))),), START, dtype=torch.int64)
    worst = 0.0
    for _ in range(STEPS_COMPARED):
        said, state = model.step(context, state, words)
        inputs = {**fixed, **moving, WORDS: words.numpy()}
        fed = {name: array for name, array in inputs.items() if name in wanted}
        found = dict(zip(names, session.run(names, fed), strict=True))
        difference = np.abs(said.numpy().astype(np.float64) - found[SAID])
        worst = max(worst, float(difference.max())) if np.isfinite(difference).all() else float("inf")
        moving = {STATE + name.removeprefix(NEXT): array for name, array in found.items() if name != SAID}
        words = said.argmax(1)
    return worst


def quantise_decoder(folder: Path) -> None:
    """Weights of the decoder's matrix products in 8 bits; activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    for name in (START_NETWORK, STEP):
        prepared = folder / f"prepared-{name}"
        quant_pre_process(str(folder / name), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(
            str(prepared),
            str(folder / name),
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
        )
        prepared.unlink()


def write_captioner_bundle(
    backbone: nn.Module,
    model: Captioner,
    vocabulary: CaptionVocabulary,
    folder: Path,
    pictures: NDArray[np.uint8],
    manifest: Mapping[str, Any],
    *,
    quantised: bool = True,
    eight_bit_decoder: bool = False,
    most_bytes: int | None = MOST_BYTES,
) -> None:
    """Everything of a bundle but its card.

    Args:
        backbone: Gives stage maps of pixels in [0, 1].
        model: The captioner.
        vocabulary: Its words.
        folder: An empty folder.
        pictures: (N, S, S, 3) uint8, at least two; they set the 8-bit ranges.
        manifest: ``id``, ``method``, ``side``, ``languages``, ``max_length`` and what else the bundle says of itself.
        quantised: Quantise the convolutions of the backbone to 8 bits.
        eight_bit_decoder: Quantise the matrices of the decoder, too.
        most_bytes: Refuse to make a larger bundle; ``None`` allows any size.

    Raises:
        BundleError: ONNX computes something else than torch, or the bundle is too large.
    """
    write_networks(backbone, model, folder, pictures[:2])
    if quantised:
        (folder / IMAGE).rename(folder / "float.onnx")
        export.quantise_images(folder / "float.onnx", folder / IMAGE, pictures)
        (folder / "float.onnx").unlink()
    if eight_bit_decoder:
        quantise_decoder(folder)
    vocabulary.save(folder / VOCABULARY)
    size = sum(path.stat().st_size for path in folder.iterdir())
    if most_bytes is not None and size > most_bytes:
        cause = f"would take {size / 1e6:.1f} MB, more than {most_bytes / 1e6:.0f} MB"
        raise BundleError(folder, cause=cause, remedy="train with a smaller 'hidden', or put the decoder in 8 bits")
    export.write_manifest(folder, {**manifest, "kind": "captioner"})
