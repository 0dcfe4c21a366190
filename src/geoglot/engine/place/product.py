"""From a trained image network to a place bundle, in one go: views, head, export, threshold.

Training pictures are of train splits alone. The threshold is chosen on validation pictures: the least agreement that
next to no pair of different places reaches, of the pairs that a search would compare, which look most alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from geoglot.engine.place.training import PlaceRecipe, train_head, view_pairs
from geoglot.geo.resample import to_square
from geoglot.models.bundle import IMAGE, open_network
from geoglot.models.place import DESCRIPTORS, PlaceBundle, load_place
from geoglot.nn.backbone import Backbone, build_backbone, compact_backbone_weights
from geoglot.nn.efficientnet import published_weights
from geoglot.nn.place import PlaceNetwork, PlaceTrunk

SOURCE_SIDE: Final = 224
WRONG_PER_SEARCH: Final = 0.005
"""Share of searches in which a different place may be called the same, of those that have no such place."""
_THRESHOLD_QUERIES: Final = 300
_LOOKALIKES: Final = 100

Log = Callable[[dict[str, Any]], None]
Progress = Callable[[int, int], None]


def backbone_of(weights: Path) -> Backbone:
    """A backbone from a run of geoglot-compact (either image network), or from published EfficientNet-Lite0 weights.

    Raises:
        DataError: The tensors fit neither.
    """
    tensors = checkpoint.load(weights / "checkpoint.safetensors" if weights.is_dir() else weights)
    prefix = "image.network."
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if any(name.startswith("stages.") for name in own):
        backbone, found = build_backbone("compact"), compact_backbone_weights(tensors)
    else:
        backbone = build_backbone("efficientnet_lite0")
        found = {f"network.network.{name}": tensor for name, tensor in (own or published_weights(tensors)).items()}
    try:
        backbone.load_state_dict(found)
    except RuntimeError as error:
        remedy = "give a run of geoglot-compact or weights of EfficientNet-Lite0"
        raise DataError(weights, cause="has tensors of another network", remedy=remedy) from error
    return backbone.eval()


def train_place(
    weights: Path,
    out: Path,
    *,
    datasets: Sequence[str] = ("rsicd", "ucm"),
    data_root: Path | None = None,
    recipe: PlaceRecipe | None = None,
    name: str = "place-1",
    quantised: bool = True,
    log: Log = lambda record: None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Train the head on an image network and write the bundle.

    Args:
        weights: Run of geoglot-compact, or file of EfficientNet-Lite0 weights.
        out: Folder of the bundle.
        datasets: Names; their train splits give pictures, their val splits the threshold.
        data_root: Folder with one folder per dataset.
        recipe: Of the training.
        name: Identifier of the bundle.
        quantised: Whether the image network's convolutions become 8-bit.
        log: Called with a record per epoch.
        progress: Called with (pictures done, pictures in all).

    Raises:
        DataError: A dataset is absent, or the weights are of another network.
        BundleError: The export differs from what was trained.
    """
    settings = recipe or PlaceRecipe()
    pictures = split_pictures(datasets, "train", data_root, at_most=settings.pictures, seed=settings.seed)
    trunk = PlaceTrunk(backbone_of(weights)).eval()
    shape = (settings.side, settings.side, 3)
    example = torch.from_numpy(np.stack([to_square(p, settings.side) for p in pictures[:2]]))
    with whole_folder(out) as made:
        maps_file = made / "maps.onnx"
        export.to_onnx(trunk, [example], maps_file, inputs=_free("pixels"), outputs=_free("maps"))
        session = open_network(maps_file.read_bytes(), 1)
        pairs = view_pairs(
            pictures, lambda pixels: np.asarray(session.run(None, {"pixels": pixels})[0]), settings, progress
        )
        maps_file.unlink()
        network = PlaceNetwork(trunk, train_head(pairs, settings, log)).eval()
        _write_network(network, example, made, pictures, settings.side, quantised=quantised)
        manifest: dict[str, Any] = {
            "id": name,
            "kind": "place",
            "method": "place",
            "side": shape[0],
            "preprocessing": PREPROCESSING,
            "dimension": network.head.straight.out_channels,
            "thresholds": {"same": 1.0},
        }
        export.write_manifest(made, manifest)
        same, wrong = threshold(load_place(made), split_pictures(datasets, "val", data_root, seed=settings.seed))
        manifest["thresholds"] = {"same": same}
        manifest["card"] = {
            "licence": "Apache-2.0 (weights); trained on datasets released for research",
            "method": "place",
            "image_network": weights.name,
            "trained_on": [f"{dataset}, train split (views of pictures, no captions)" for dataset in datasets],
            "pictures": len(pictures),
            "epochs": settings.epochs,
            "quantisation": "image network: convolutions static 8-bit, per channel" if quantised else "none, float32",
            "validation": wrong,
            "limits": (
                "Water, forest and other pictures without lasting detail have no place to be told by. Scales from "
                "about 0.6 to 1.6 and any rotation; much change between the dates, or another kind of sensor, "
                "lowers the agreement."
            ),
            "exported": datetime.now(UTC).date().isoformat(),
            "machine": environment(),
        }
        export.write_manifest(made, manifest)
        (made / "CARD.md").write_text(card_text(manifest))
    return out


def _free(name: str) -> dict[str, dict[int, str]]:
    return {name: {0: "batch"}}


def _write_network(
    network: nn.Module,
    example: torch.Tensor,
    folder: Path,
    pictures: Sequence[NDArray[np.uint8]],
    side: int,
    *,
    quantised: bool,
) -> None:
    export.fold_normalisation(network)
    target = folder / IMAGE
    export.to_onnx(network, [example], target, inputs=_free("pixels"), outputs=_free(DESCRIPTORS))
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


def threshold(
    bundle: PlaceBundle, pictures: Sequence[NDArray[np.uint8]], *, queries: int = _THRESHOLD_QUERIES
) -> tuple[float, dict[str, float]]:
    """The agreement from which on two pictures are called the same place, and what it does on these pictures.

    Every query is a medium view of a picture, turned by quarters, too, against as many others as a search would look
    at. Of those, the ones with the most similar mean descriptor count, for they look most alike.
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
    same = round(float(np.quantile(wrong, 1 - WRONG_PER_SEARCH, method="higher")) + 0.005, 3)
    return same, {
        "searches": len(right),
        "same_place_found_percent": round(100 * float(np.mean(np.array(right) >= same)), 2),
        "different_place_called_same_percent": round(100 * float(np.mean(np.array(wrong) >= same)), 2),
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
            f"- On {measured['searches']} validation searches with a synthetic second view of medium severity: found in "
            f"{measured['same_place_found_percent']} %, a different place called the same in "
            f"{measured['different_place_called_same_percent']} %",
            f"- Quantisation: {card['quantisation']}",
            f"- Limits: {card['limits']}",
            f"- Licence: {card['licence']}",
            "",
        ]
    )
