"""From a trained image network to a place bundle, in one go: views, head, export, threshold.

Training pictures are of train splits alone. Thresholds are chosen on pictures of val splits: what the most alike of
different pictures reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geoglot.core.errors import DataError
from geoglot.core.runs import environment
from geoglot.data.captioned import load_dataset
from geoglot.data.second_views import second_view
from geoglot.engine import checkpoint, export
from geoglot.engine.bundling import CALIBRATION_PICTURES, PREPROCESSING, whole_folder
from geoglot.engine.place.training import PlaceRecipe, train_network, view_pairs
from geoglot.geo.resample import to_square
from geoglot.metrics.place_vectors import fit_codebook
from geoglot.models.bundle import IMAGE, PLACES
from geoglot.models.place import DESCRIPTORS, PlaceBundle, load_place
from geoglot.nn.backbone import Backbone, ResidualStages, build_backbone, compact_backbone_weights
from geoglot.nn.place import PlaceHead, PlaceNetwork, PlaceTrunk

SOURCE_SIDE: Final = 224
WRONG_PER_SEARCH: Final = 0.01
"""Share of searches in which another picture may be called the same place."""
_QUERIES: Final = 300
_LOOKALIKES: Final = 100

Log = Callable[[dict[str, Any]], None]
Progress = Callable[[int, int], None]


def backbone_of(weights: Path) -> Backbone:
    """The image network of a run of geoglot-compact.

    Raises:
        DataError: The run has another network.
    """
    tensors = checkpoint.load(weights / "checkpoint.safetensors" if weights.is_dir() else weights)
    backbone = build_backbone("compact")
    try:
        backbone.load_state_dict(compact_backbone_weights(tensors))
    except RuntimeError as error:
        remedy = "give a run of geoglot-compact"
        raise DataError(weights, cause="has tensors of another network", remedy=remedy) from error
    stages = backbone.network
    assert isinstance(stages, ResidualStages)  # noqa: S101 (what build_backbone makes, for mypy)
    stages.blocks = stages.blocks[:3]  # the last stage is not looked at
    return backbone


def train_place(
    weights: Path,
    out: Path,
    *,
    datasets: Sequence[str] = ("rsicd", "ucm"),
    data_root: Path | None = None,
    recipe: PlaceRecipe | None = None,
    name: str = "place-1",
    quantised: bool = False,
    log: Log = lambda record: None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Train local descriptors from an image network and write the bundle.

    Args:
        weights: Run of geoglot-compact.
        out: Folder of the bundle.
        datasets: Names; their train splits give pictures, their val splits the threshold.
        data_root: Folder with one folder per dataset.
        recipe: Of the training.
        name: Identifier of the bundle.
        quantised: Whether the image network's convolutions become 8-bit: less than half the size, but descriptors of
            pictures unlike the training's come out a good deal different.
        log: Called with a record per epoch.
        progress: Called with (pictures done, pictures in all).

    Raises:
        DataError: A dataset is absent, or the weights are of another network.
        BundleError: The export differs from what was trained.
    """
    settings = recipe or PlaceRecipe()
    pictures = split_pictures(datasets, "train", data_root, at_most=settings.pictures, seed=settings.seed)
    trunk = PlaceTrunk(backbone_of(weights))
    network = PlaceNetwork(trunk, PlaceHead(trunk.channels))
    network = train_network(network, view_pairs(pictures, settings, progress), settings, log)
    card = {
        "image_network": weights.name,
        "trained_on": [f"{dataset}, train split (views of pictures, no captions)" for dataset in datasets],
        "pictures": len(pictures),
        "epochs": settings.epochs,
    }
    checked = split_pictures(datasets, "val", data_root, seed=settings.seed)
    return write_bundle(network, out, pictures, checked, side=settings.side, name=name, card=card, quantised=quantised)


def write_bundle(
    network: PlaceNetwork,
    out: Path,
    pictures: Sequence[NDArray[np.uint8]],
    checked: Sequence[NDArray[np.uint8]],
    *,
    side: int,
    name: str = "place-1",
    card: Mapping[str, Any],
    quantised: bool = False,
) -> Path:
    """Export a trained network, choose its thresholds, write the bundle.

    Args:
        network: What was trained.
        out: Folder of the bundle.
        pictures: Of a train split, from which ranges of activations are measured.
        checked: Of a val split, on which thresholds are chosen.
        side: Of the network's input.
        name: Identifier.
        card: What is known of the training.
        quantised: Whether the image network's convolutions become 8-bit.
    """
    dimension = network.head.straight.out_channels
    with whole_folder(out) as made:
        _write_network(network.eval(), made, pictures, side, quantised=quantised)
        manifest: dict[str, Any] = {
            "id": name,
            "kind": "place",
            "method": "place",
            "side": side,
            "preprocessing": PREPROCESSING,
            "dimension": dimension,
            "thresholds": {"same": 1.0, "first": 1.0},
        }
        export.write_manifest(made, manifest)
        write_codebook(load_place(made), pictures)
        manifest["thresholds"], figures = thresholds(load_place(made), checked)
        manifest["card"] = {
            "licence": "Apache-2.0 (weights); trained on datasets released for research",
            "method": "place",
            **card,
            "quantisation": "image network: convolutions static 8-bit, per channel" if quantised else "none, float32",
            "validation": figures,
            "limits": (
                "Water, forest and other pictures without lasting detail have no place to be told by. Scales from "
                "about 0.6 to 1.6 and any rotation; much change between the dates, or another kind of sensor, "
                "lowers the agreement. Places that were built alike, such as stadiums, can be taken for each other."
            ),
            "exported": datetime.now(UTC).date().isoformat(),
            "machine": environment(),
        }
        export.write_manifest(made, manifest)
        (made / "CARD.md").write_text(card_text(manifest))
    return out


def write_codebook(bundle: PlaceBundle, pictures: Sequence[NDArray[np.uint8]], *, seed: int = 0) -> None:
    """Fit what vectors of places are made with, and lay it into a bundle's folder; its manifest is not touched.

    Args:
        bundle: Whose descriptors are taken.
        pictures: Of a train split.
        seed: Of what is drawn.
    """
    squares = [to_square(picture, bundle.side) for picture in pictures]
    described = np.concatenate(
        [bundle.describe(np.stack(squares[at : at + 32])).astype(np.float16) for at in range(0, len(squares), 32)]
    )
    book = fit_codebook(described, seed=seed)
    np.savez(
        bundle.folder / PLACES, words=book.words, mean=book.mean.astype(np.float16), axes=book.axes.astype(np.float16)
    )


def add_codebook(
    folder: Path,
    *,
    datasets: Sequence[str] = ("rsicd", "ucm"),
    data_root: Path | None = None,
    pictures: int = 2400,
    seed: int = 0,
) -> None:
    """Give a place bundle of before the vectors of places, from pictures of train splits; nothing else changes.

    Raises:
        DataError: A dataset is absent.
        BundleError: The folder holds no place bundle.
    """
    bundle = load_place(folder)
    write_codebook(bundle, split_pictures(datasets, "train", data_root, at_most=pictures, seed=seed), seed=seed)
    fields = {name: value for name, value in bundle.manifest.items() if name not in ("format", "files")}
    export.write_manifest(folder, fields)


def _example(side: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _free(name: str) -> dict[str, dict[int, str]]:
    return {name: {0: "batch"}}


def _write_network(
    network: nn.Module, folder: Path, pictures: Sequence[NDArray[np.uint8]], side: int, *, quantised: bool
) -> None:
    export.fold_normalisation(network)
    target = folder / IMAGE
    export.to_onnx(network, [_example(side)], target, inputs=_free("pixels"), outputs=_free(DESCRIPTORS))
    if not quantised:
        return
    in_float = folder / "float.onnx"
    target.rename(in_float)
    squares = np.stack([to_square(picture, side) for picture in pictures[:CALIBRATION_PICTURES]])
    import onnx

    heads = [node.name for node in onnx.load(str(in_float)).graph.node if "/head" in node.name]
    export.quantise_images(in_float, target, squares, keep=heads)
    in_float.unlink()


def split_pictures(
    datasets: Sequence[str], split: str, data_root: Path | None, *, at_most: int | None = None, seed: int = 0
) -> list[NDArray[np.uint8]]:
    """Pictures of a split of some datasets, 224 x 224, in an order that the seed draws."""
    from PIL import Image

    paths = [record.path for dataset in datasets for record in load_dataset(dataset).records(split, data_root)]
    order = np.random.default_rng(seed).permutation(len(paths))[:at_most]
    found = []
    for number in order:
        with Image.open(paths[int(number)]) as image:
            found.append(to_square(np.asarray(image.convert("RGB")), SOURCE_SIDE))
    return found


def thresholds(
    bundle: PlaceBundle, pictures: Sequence[NDArray[np.uint8]], *, queries: int = _QUERIES
) -> tuple[dict[str, float], dict[str, float]]:
    """From which agreement on a picture goes first, and is called the same place; and what that does on these pictures.

    Every query is a medium view of a picture. It is compared with the pictures that a search would look at, those
    with the most similar mean descriptor, and with its own picture. The greatest agreement with another picture tells:
    ``first`` is its median over the queries, ``same`` is what it exceeds in one of a hundred. (Some of these others
    may show the same place after all, so that the true share is lower.)
    """
    described = bundle.describe(np.stack([to_square(picture, bundle.side) for picture in pictures]))
    means = described.mean(axis=1)
    right, wrong = [], []
    for number in range(min(queries, len(pictures))):
        view = to_square(second_view(pictures[number], "medium", seed=1, item=str(number)), bundle.side)
        example = bundle.describe(view[None])
        alike = np.argsort(-(means @ means[number]), kind="stable")
        others = alike[alike != number][:_LOOKALIKES]
        right.append(float(bundle.agreements(example, described[number : number + 1])[0]))
        wrong.append(float(bundle.agreements(example, described[others]).max(initial=0)))
    same = round(float(np.quantile(wrong, 1 - WRONG_PER_SEARCH, method="higher")) + 0.0005, 3)
    first = round(float(np.median(wrong)), 3)
    return {"same": same, "first": first}, {
        "searches": len(right),
        "same_place_found_percent": round(100 * float(np.mean(np.array(right) >= same)), 2),
        "different_place_called_same_percent": round(100 * float(np.mean(np.array(wrong) >= same)), 2),
        "same_place_first_percent": round(100 * float(np.mean(np.array(right) > np.array(wrong))), 2),
    }


def card_text(manifest: dict[str, Any]) -> str:
    """The card for people, as Markdown."""
    card, measured = manifest["card"], manifest["card"]["validation"]
    return "\n".join(
        [
            f"# {manifest['id']}",
            "",
            "Says whether two pictures show the same place, from other frames, scales, seasons and cameras.",
            "",
            f"- Image network: {card['image_network']}, as it was; pictures of {manifest['side']} pixels",
            f"- Trained on: {'; '.join(card['trained_on'])}; {card['pictures']:,} pictures",
            f"- The same place from an agreement of {manifest['thresholds']['same']:g} on",
            f"- On {measured['searches']} validation searches with a synthetic second view (medium): found in "
            f"{measured['same_place_found_percent']} %, a different place called the same in "
            f"{measured['different_place_called_same_percent']} %",
            f"- Quantisation: {card['quantisation']}",
            f"- Limits: {card['limits']}",
            f"- Licence: {card['licence']}",
            "",
        ]
    )
