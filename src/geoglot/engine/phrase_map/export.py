"""From a trained segmenter to the bundle that the product runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.core.runs import environment
from geoglot.data.captioned import load_dataset
from geoglot.data.ground_words import GROUND_WORDS
from geoglot.data.referring import load_referring
from geoglot.data.translations import load_translations
from geoglot.engine import checkpoint, export
from geoglot.engine.bundling import EXAMPLE_TEXTS, PREPROCESSING, whole_folder
from geoglot.engine.phrase_map.pictures import (
    TRAINING_TILES,
    VALIDATION_TILES,
    MappedPicture,
    rendered_pictures,
    surveyed_pictures,
)
from geoglot.engine.phrase_map.training import (
    CHECKPOINT,
    HELD_BACK_SEED,
    KIND,
    SegmenterRecipe,
    new_model,
    segmenter_recipe,
)
from geoglot.engine.segmentation.recipe import KIND as PUBLISHED_KIND
from geoglot.geo.probability import blurred
from geoglot.geo.resample import to_square
from geoglot.models.bundle import IMAGE, TEXT, TOKENIZER, WORDS
from geoglot.models.segmenter import STRIDE, SegmenterBundle, load_segmenter
from geoglot.nn.late_fusion import LateFusion
from geoglot.text.known_words import KnownWords
from geoglot.text.tokenizer import Tokenizer

SIDE: Final = 512
"""Windows of the product, pixels."""
BLURS: Final = (0.0, 0.5, 0.7, 0.85, 1.0)
"""Standard deviations in cells among which one is chosen together with the threshold."""
THRESHOLDS: Final = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
"""Probabilities among which one is chosen on validation pictures."""
_CALIBRATION: Final = 96
_RENDERED_CHECKED: Final = 24
_CALIBRATION_SIDE: Final = 256


class PixelGraph(nn.Module):
    """uint8 pixels in, features out."""

    def __init__(self, model: LateFusion) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, D, H / 4, W / 4)."""
        return self.model.encode_image(pixels.to(torch.float32).permute(0, 3, 1, 2) / 255)


class PhraseGraph(nn.Module):
    """Token ids in, vectors and offsets out."""

    def __init__(self, model: LateFusion) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """(P, L) int64 -> (P, D + 1)."""
        return self.model.encode_text(tokens)


def is_segmenter_run(run: Path) -> bool:
    """Whether a folder is a run of the segmenter for the product."""
    return _kind(run) == KIND


def is_early_fusion_run(run: Path) -> bool:
    """Whether a folder is a run of a published segmentation method, which the product cannot run."""
    return _kind(run) == PUBLISHED_KIND


def _kind(run: Path) -> str:
    try:
        return str(json.loads((run / "recipe.json").read_text()).get("kind"))
    except (OSError, ValueError, AttributeError):
        return ""


def load_run(run: Path) -> tuple[LateFusion, Tokenizer, SegmenterRecipe]:
    """A trained segmenter in evaluation mode.

    Raises:
        DataError: The folder is no finished run of the segmenter.
    """
    if not is_segmenter_run(run) or not (run / CHECKPOINT).exists():
        raise DataError(run, cause="is no run of the segmenter", remedy="give the folder of 'geoglot train segmenter'")
    stored = json.loads((run / "recipe.json").read_text())
    recipe = segmenter_recipe(stored)
    model = new_model(recipe)
    model.load_state_dict(checkpoint.load(run / CHECKPOINT))
    return model.eval(), Tokenizer.load(run / "tokenizer.json", max_length=model.config.max_length), recipe


def export_segmenter(
    run: Path,
    *,
    out: Path,
    data_root: Path | None = None,
    quantised: bool = True,
    name: str | None = None,
) -> Path:
    """Write the bundle of a run and return its folder.

    Args:
        run: Folder of ``geoglot train segmenter``.
        out: Folder of the bundle; replaced if it exists, and only once everything is in order.
        data_root: Training pictures set the 8-bit ranges, the validation tile tells what quantisation costs.
        quantised: Whether the image network's convolutions become 8-bit.
        name: Identifier of the bundle.

    Raises:
        DataError: The folder is no such run, or a dataset is absent.
        BundleError: ONNX computes something else than torch.
    """
    model, tokenizer, recipe = load_run(run)
    surveyed = list(surveyed_pictures(VALIDATION_TILES, data_root).values())
    manifest: dict[str, Any] = {
        "id": name or "segmenter-1",
        "kind": "segmenter",
        "method": "phrase_map",
        "side": SIDE,
        "dimension": model.config.dimension,
        "languages": list(recipe.languages),
        "max_length": tokenizer.max_length,
        "tokenizer": "subword",
        "preprocessing": PREPROCESSING,
    }
    with whole_folder(out) as made:
        tokenizer.save(made / TOKENIZER)
        (made / WORDS).write_bytes(KnownWords(_training_texts(recipe, data_root)).to_bytes())
        _write_networks(model, tokenizer, made)
        export.write_manifest(made, manifest)
        in_float = validation_overlap(load_segmenter(made), surveyed, recipe.languages)
        shown = in_float
        if quantised:
            _quantise(made, recipe, data_root)
            export.write_manifest(made, manifest)
            shown = validation_overlap(load_segmenter(made), surveyed, recipe.languages)
        manifest |= best_shaping(load_segmenter(made), checked_pictures(surveyed))
        manifest["card"] = _card(recipe, shown, in_float, quantised=quantised)
        export.write_manifest(made, manifest)
        (made / "CARD.md").write_text(card_text(manifest), encoding="utf-8")
    return out


def _write_networks(model: LateFusion, tokenizer: Tokenizer, folder: Path) -> None:
    export.fold_normalisation(model)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 96, 128, 3), dtype=torch.uint8, generator=generator)
    free = {0: "batch", 1: "height", 2: "width"}
    features = {"features": {0: "batch", 2: "rows", 3: "columns"}}
    export.to_onnx(PixelGraph(model), [pixels], folder / IMAGE, inputs={"pixels": free}, outputs=features)
    tokens = torch.from_numpy(tokenizer.encode(list(EXAMPLE_TEXTS)))
    free = {0: "batch", 1: "length"}
    vectors = {"phrases": {0: "batch"}}
    export.to_onnx(PhraseGraph(model), [tokens], folder / TEXT, inputs={"tokens": free}, outputs=vectors)


def _quantise(folder: Path, recipe: SegmenterRecipe, data_root: Path | None) -> None:
    import onnx

    in_float = folder / "float.onnx"
    (folder / IMAGE).rename(in_float)
    last = [node.name for node in onnx.load(str(in_float)).graph.node if node.op_type == "Conv"][-1:]
    export.quantise_images(in_float, folder / IMAGE, calibration_pictures(recipe, data_root), keep=last)
    in_float.unlink()


def calibration_pictures(recipe: SegmenterRecipe, data_root: Path | None) -> NDArray[np.uint8]:
    """Training pictures of every kind, (N, S, S, 3) uint8."""
    from PIL import Image

    generator = np.random.default_rng(recipe.seed)
    surveyed = list(surveyed_pictures(TRAINING_TILES, data_root).values())
    squares = [
        to_square(picture.window(0, 0, min(picture.classes.shape)).pixels, _CALIBRATION_SIDE) for picture in surveyed
    ]
    squares += [
        to_square(picture.pixels, _CALIBRATION_SIDE)
        for picture in rendered_pictures(_CALIBRATION // 4, recipe.seed, lambda done, total: None)
    ]
    paths = [r.path for dataset in recipe.datasets for r in load_dataset(dataset).records("train", data_root)]
    for number in generator.permutation(len(paths))[: max(0, _CALIBRATION - len(squares))]:
        with Image.open(paths[int(number)]) as image:
            squares.append(to_square(np.asarray(image.convert("RGB")), _CALIBRATION_SIDE))
    return np.stack(squares)


def _training_texts(recipe: SegmenterRecipe, data_root: Path | None) -> list[str]:
    texts = [text for word in GROUND_WORDS for wordings in word.wordings.values() for text in wordings]
    for name in recipe.referring:
        for record in load_referring(name, data_root).records("train"):
            texts += [text for wordings in record.wordings.values() for text in wordings]
    captions = [
        caption
        for dataset in recipe.datasets
        for record in load_dataset(dataset).records("train", data_root)
        for caption in record.captions
    ]
    translations = load_translations(data_root)
    distinct = sorted(set(captions))
    for language in recipe.languages:
        told = translations.translate_all(distinct, language).texts if language != "en" else tuple(distinct)
        texts += [text for text in told if text]
    return texts


def validation_overlap(
    bundle: SegmenterBundle, pictures: Sequence[MappedPicture], languages: Sequence[str]
) -> dict[str, float]:
    """Mean IoU over the names that surveyed pictures show, by language, as the bundle's own networks see it."""
    found: dict[str, list[float]] = {language: [] for language in languages}
    for picture in pictures:
        height, width = picture.classes.shape
        pixels = np.pad(picture.pixels, ((0, -height % 32), (0, -width % 32), (0, 0)), mode="reflect")
        features = bundle.features(pixels[None])
        asked = [phrase for phrase in picture.phrases() if (phrase.mask & phrase.known).mean() > 0.002]
        for language in languages:
            scores = bundle.scores(features, bundle.phrases([phrase.wordings[language][0] for phrase in asked]))
            for phrase, score in zip(asked, scores[0], strict=True):
                marked = np.kron(score > 0.5, np.ones((STRIDE, STRIDE), np.bool_))[:height, :width] & phrase.known
                target = phrase.mask & phrase.known
                found[language].append(float((marked & target).sum() / (marked | target).sum()))
    return {language: round(float(np.mean(values)), 4) for language, values in found.items()}


def checked_pictures(surveyed: Sequence[MappedPicture]) -> tuple[Sequence[MappedPicture], Sequence[MappedPicture]]:
    """Validation pictures of both kinds: surveyed ones, and rendered ones that are held back."""
    return surveyed, rendered_pictures(_RENDERED_CHECKED, HELD_BACK_SEED, lambda done, total: None)


def choose_shaping(folder: Path, data_root: Path | None = None) -> dict[str, float]:
    """Choose blur and threshold of a bundle that is there already, and write them into it.

    Raises:
        DataError: The surveyed pictures are absent.
        BundleError: The folder is no segmenter.
    """
    surveyed = list(surveyed_pictures(VALIDATION_TILES, data_root).values())
    chosen = best_shaping(load_segmenter(folder), checked_pictures(surveyed))
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8")) | chosen
    del manifest["files"], manifest["format"]  # written anew
    export.write_manifest(folder, manifest)
    (folder / "CARD.md").write_text(card_text(manifest), encoding="utf-8")
    return chosen


def best_shaping(bundle: SegmenterBundle, kinds: Sequence[Sequence[MappedPicture]]) -> dict[str, float]:
    """``blur`` and ``threshold`` from which a pixel counts as meant, by mean IoU over names that show.

    Args:
        bundle: The networks.
        kinds: Validation pictures with class maps, of each kind of map; every kind weighs the same.
    """
    means = []
    for pictures in kinds:
        found: list[list[list[float]]] = []
        for picture in pictures:
            height, width = picture.classes.shape
            pixels = np.pad(picture.pixels, ((0, -height % 32), (0, -width % 32), (0, 0)), mode="reflect")
            asked = [phrase for phrase in picture.phrases() if (phrase.mask & phrase.known).mean() > 0.002]
            features = bundle.features(pixels[None])
            scores = bundle.scores(features, bundle.phrases([phrase.wordings["en"][0] for phrase in asked]))[0]
            for phrase, score in zip(asked, scores, strict=True):
                rows = []
                for blur in BLURS:
                    full = np.kron(blurred(score, blur), np.ones((STRIDE, STRIDE), np.float32))[:height, :width]
                    rows.append([_overlap(full > at, phrase.mask, phrase.known) for at in THRESHOLDS])
                found.append(rows)
        means.append(np.mean(found, axis=0))
    best = int(np.argmax(np.mean(means, axis=0)))
    return {"blur": BLURS[best // len(THRESHOLDS)], "threshold": THRESHOLDS[best % len(THRESHOLDS)]}


def _overlap(marked: NDArray[np.bool_], mask: NDArray[np.bool_], known: NDArray[np.bool_]) -> float:
    both, either = (marked & mask & known).sum(), ((marked | mask) & known).sum()
    return float(both / either) if either else 0.0


def _card(
    recipe: SegmenterRecipe, shown: Mapping[str, float], in_float: Mapping[str, float], *, quantised: bool
) -> dict[str, Any]:
    return {
        "licence": "Apache-2.0 (weights); trained on datasets released for research",
        "method": "phrase_map",
        "trained_on": [
            f"Dubai segmentation, tiles {', '.join(TRAINING_TILES)} (masks)",
            f"{recipe.rendered} rendered scenes (masks)",
            *(f"{dataset}, train split (captions, no masks)" for dataset in recipe.datasets),
        ],
        "names": [word.name for word in GROUND_WORDS],
        "quantisation": "image network: convolutions static 8-bit, per channel" if quantised else "none, float32",
        "validation_mean_iou": dict(shown),
        "validation_mean_iou_in_float": dict(in_float),
        "limits": (
            "Surveyed masks taught it water, bare land, roads, buildings and vegetation; other things it knows from "
            "rendered scenes and from captions without masks, so that their outlines are rough. Natural colours, "
            "about 0.3 to 2 m ground sample distance."
        ),
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }


def card_text(manifest: Mapping[str, Any]) -> str:
    """The card for people, as Markdown."""
    card = manifest["card"]
    overlap = ", ".join(f"{language} {100 * value:.1f} %" for language, value in card["validation_mean_iou"].items())
    return "\n".join(
        [
            f"# {manifest['id']}",
            "",
            "Marks what a phrase means in a scene, in English, Arabic, French and Italian.",
            "",
            f"- Method: {card['method']}; windows of {manifest['side']} pixels, a feature for every fourth",
            f"- Trained on: {'; '.join(card['trained_on'])}",
            f"- Mean IoU on the validation tile, five names, at a probability of 0.5: {overlap}",
            f"- A pixel counts as meant from a probability of {manifest['threshold']:g} on, after a blur of "
            f"{manifest['blur']:g} features",
            f"- Names that it was taught: {', '.join(card['names'])}",
            f"- Quantisation: {card['quantisation']}",
            f"- Limits: {card['limits']}",
            f"- Licence: {card['licence']}",
            "",
        ]
    )
