"""From a run of a captioning method to a bundle: three networks as ONNX, each compared with torch, then in 8 bits."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.errors import BundleError, DataError, UsageError
from geoglot.core.runs import environment
from geoglot.engine import composition, export
from geoglot.engine.bundling import CALIBRATION_PICTURES, PREPROCESSING, default_name, whole_folder
from geoglot.engine.captioning.data import read_split
from geoglot.engine.captioning.prediction import captioned_rows, evenly_spaced, measure
from geoglot.engine.captioning.recipe import CaptioningRecipe
from geoglot.engine.captioning.running import TrainedCaptioner, backbone_about, load_recipe
from geoglot.engine.captioning.running import load_captioner as load_trained
from geoglot.engine.pairs import load_pictures
from geoglot.models.bundle import IMAGE, STEP, VOCABULARY, open_network
from geoglot.models.bundle import START as START_NETWORK
from geoglot.models.captioner import (
    CONTEXT,
    LANGUAGES,
    MAPS,
    NEXT,
    SAID,
    STATE,
    WORDS,
    CaptionerBundle,
    Sentence,
    load_captioner,
)
from geoglot.nn.captioner import START, Captioner
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.captions import CaptionVocabulary

MOST_BYTES: Final = 25_000_000
"""Of all files of a bundle that ships or that anybody shall carry about."""
STEPS_COMPARED: Final = 6
VALIDATION_IMAGES: Final = 300
UNSURE_SHARE: Final = 0.01
"""So large a share of the captions of validation pictures falls below the least confidence."""


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
    eight_bit_decoder: bool | None = None,
    most_bytes: int | None = MOST_BYTES,
) -> bool:
    """Everything of a bundle but its card.

    Args:
        backbone: Gives stage maps of pixels in [0, 1].
        model: The captioner.
        vocabulary: Its words.
        folder: An empty folder.
        pictures: (N, S, S, 3) uint8, at least two; they set the 8-bit ranges.
        manifest: ``id``, ``method``, ``side``, ``languages``, ``max_length`` and what else the bundle says of itself.
        quantised: Quantise the convolutions of the backbone to 8 bits.
        eight_bit_decoder: Quantise the matrices of the decoder, too; ``None`` does so where the bundle is too large
            otherwise and 8 bits are allowed.
        most_bytes: Refuse to make a larger bundle; ``None`` allows any size.

    Returns:
        Whether the decoder is in 8 bits.

    Raises:
        BundleError: ONNX computes something else than torch, or the bundle is too large.
    """
    write_networks(backbone, model, folder, pictures[:2])
    if quantised:
        (folder / IMAGE).rename(folder / "float.onnx")
        export.quantise_images(folder / "float.onnx", folder / IMAGE, pictures)
        (folder / "float.onnx").unlink()
    vocabulary.save(folder / VOCABULARY)
    if eight_bit_decoder is None:
        eight_bit_decoder = quantised and most_bytes is not None and _size(folder) > most_bytes
    if eight_bit_decoder:
        quantise_decoder(folder)
    size = _size(folder)
    if most_bytes is not None and size > most_bytes:
        cause = f"would take {size / 1e6:.1f} MB, more than {most_bytes / 1e6:.0f} MB"
        raise BundleError(folder, cause=cause, remedy="train with a smaller 'hidden', or allow 8 bits")
    export.write_manifest(folder, {**manifest, "kind": "captioner"})
    return eight_bit_decoder


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def is_captioning_run(run: Path) -> bool:
    """Whether a folder holds a run of a captioning method."""
    try:
        load_recipe(run)
    except (DataError, UsageError):
        return False
    return True


def export_captioner(
    run: Path,
    *,
    out: Path,
    data_root: Path | None = None,
    quantised: bool = True,
    any_size: bool = False,
    name: str | None = None,
    validation_images: int = VALIDATION_IMAGES,
) -> Path:
    """Write the captioner bundle of a run and return its folder.

    Args:
        run: Folder written by ``geoglot train`` with a captioning method.
        out: Folder of the bundle; replaced if it exists, and only once everything is in order.
        data_root: Data folder: training pictures set the 8-bit ranges, validation pictures the thresholds.
        quantised: Quantise the backbone to 8 bits, and the decoder where the bundle would be too large otherwise.
        any_size: Allow more than :data:`MOST_BYTES`.
        name: Identifier of the bundle; default the method's name and version 1.
        validation_images: At most so many of each dataset.

    Raises:
        DataError: The folder is not a run with weights, or data are absent.
        BundleError: ONNX computes something else than torch, or the bundle is too large.
    """
    trained = load_trained(run)
    recipe = trained.recipe
    backbone = composition.load_backbone(recipe.backbone, recipe.backbone_weights)
    records = read_split(recipe, "train", data_root).records
    random = np.random.default_rng(recipe.seed)
    few = random.choice(len(records), min(CALIBRATION_PICTURES, len(records)), replace=False)
    pictures = load_pictures([records[int(number)].path for number in few], recipe.side)
    beam = trained.beam
    manifest: dict[str, Any] = {
        "id": name or default_name(recipe.method),
        "method": recipe.method,
        "side": recipe.side,
        "languages": list(recipe.languages),
        "max_length": recipe.max_length,
        "attributes": list(trained.attributes.words),
        "preprocessing": PREPROCESSING,
        "writing": {"way": "greedy"} if beam == 1 else {"way": "beam", "beam": beam},
    }
    parts = backbone, trained.model, trained.vocabulary
    most = None if any_size else MOST_BYTES
    validation = _Validation(recipe, trained.attributes, validation_images, data_root)
    with whole_folder(out) as made:
        in_float = None
        if quantised:
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=".float-") as folder:
                write_captioner_bundle(*parts, Path(folder), pictures, manifest, quantised=False, most_bytes=None)
                in_float = validation.cider(load_captioner(Path(folder)))
        eight = write_captioner_bundle(*parts, made, pictures, manifest, quantised=quantised, most_bytes=most)
        bundle = load_captioner(made)
        figures = validation.cider(bundle)
        manifest |= {"confidence": validation.least_confidence(), "seen": validation.seen(bundle)}
        manifest["card"] = _card(trained, figures, in_float, eight_bit_decoder=eight)
        export.write_manifest(made, {**manifest, "kind": "captioner"})
        (made / "CARD.md").write_text(card_text(manifest), encoding="utf-8")
    return out


class _Validation:
    """Validation pictures with their captions, and what a bundle says of them."""

    def __init__(
        self, recipe: CaptioningRecipe, attributes: AttributeDictionary, images: int, data_root: Path | None
    ) -> None:
        self.split = read_split(recipe, "val", data_root)
        self.rows = evenly_spaced(self.split, images)
        self.recipe = recipe
        chosen = [self.split.english[row] for row in self.rows.tolist()]
        self.labels = attributes.labels(chosen)
        self.pictures = load_pictures([self.split.records[row].path for row in self.rows.tolist()], recipe.side)
        self.said: dict[str, list[Sentence]] = {}
        self.probabilities: NDArray[np.float32] | None = None

    def cider(self, bundle: CaptionerBundle) -> dict[str, float]:
        """CIDEr-D of a bundle's captions by language."""
        maps = bundle.maps(self.pictures)
        found = {}
        for language in self.recipe.languages:
            self.said[language], self.probabilities = bundle.captions(maps, language)
            captions = {int(row): one.text for row, one in zip(self.rows, self.said[language], strict=True)}
            known = captioned_rows(self.split, language, self.rows).tolist()
            found[language] = round(
                measure({row: captions[row] for row in known}, self.split.captions[language]).cider, 4
            )
        return found

    def least_confidence(self) -> dict[str, float]:
        """By language: all but one in a hundred captions of validation pictures are at least as confident."""
        return {
            language: math.floor(1e4 * float(np.quantile([one.confidence for one in said], UNSURE_SHARE))) / 1e4
            for language, said in self.said.items()
        }

    def seen(self, bundle: CaptionerBundle) -> float:
        """Probability from which on attributes agree best with the pictures' captions (F1 over all of them)."""
        if self.probabilities is None:
            return bundle.seen
        return best_threshold(self.probabilities, self.labels)


def best_threshold(probabilities: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """The threshold in steps of 0.05 with the best F1 of ``probability >= threshold``; of equal ones the highest.

    Example:
        >>> best_threshold(np.array([[0.9, 0.6, 0.2]]), np.array([[1, 1, 0]]))
        0.6
    """
    best = (-1.0, 0.5)
    for step in range(1, 20):
        threshold = round(0.05 * step, 2)
        shown = probabilities >= threshold - 1e-9
        right = float((shown & (labels > 0)).sum())
        f1 = 2 * right / max(1.0, float(shown.sum()) + float(labels.sum()))
        best = max(best, (f1, threshold))
    return best[1]


def _card(
    trained: TrainedCaptioner,
    figures: Mapping[str, float],
    in_float: Mapping[str, float] | None,
    *,
    eight_bit_decoder: bool,
) -> dict[str, Any]:
    before = {} if in_float is None else {"validation_cider_before_quantisation": dict(in_float)}
    decoder = "8-bit weights" if eight_bit_decoder else "float32"
    return {
        "licence": "Apache-2.0 (weights); trained on datasets released for research",
        "method": trained.recipe.method,
        "trained_on": [f"{name}, train split" for name in trained.recipe.datasets],
        "backbone": backbone_about(trained.recipe),
        "quantisation": "none, float32"
        if in_float is None
        else f"backbone: convolutions static 8-bit, per channel; decoder: {decoder}",
        "validation_cider": dict(figures),
        **before,
        "limits": (
            "Says what the captions of its training say: scenes of about 0.2 to 3 m ground sample distance in natural "
            "colours, in short sentences. It counts badly, and tells left from right badly. A caption is a guess of a "
            "small model, not an observation."
        ),
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }


def card_text(manifest: Mapping[str, Any]) -> str:
    """The card of a captioner for people, as Markdown."""
    card = manifest["card"]
    figures = ", ".join(f"{language} {value:.3f}" for language, value in card["validation_cider"].items())
    lines = [
        f"# {manifest['id']}",
        "",
        f"Writes captions of aerial pictures in {', '.join(manifest['languages'])}.",
        "",
        f"- Method: {card['method']}; pictures of {manifest['side']} x {manifest['side']} pixels",
        f"- Trained on: {', '.join(card['trained_on'])}",
        f"- Licence: {card['licence']}",
        f"- Quantisation: {card['quantisation']}",
        f"- CIDEr-D on validation pictures: {figures}",
        f"- Attributes that it looks for: {len(manifest['attributes'])}",
        "",
        card["limits"],
        "",
    ]
    return "\n".join(lines)
