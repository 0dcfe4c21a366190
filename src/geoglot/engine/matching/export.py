"""From a run of a matching method to a bundle: image network and comparison as ONNX, calibrated on validation pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment
from geoglot.engine import export
from geoglot.engine.bundling import CALIBRATION_PICTURES, PREPROCESSING, whole_folder
from geoglot.engine.matching.images import LabelledPictures, labelled_pictures
from geoglot.engine.matching.pairs import Pairs, balanced_pairs
from geoglot.engine.matching.product import is_product_run, labelled_by_kind, load_product
from geoglot.engine.matching.running import load_matcher as load_matching_run
from geoglot.engine.matching.running import load_recipe
from geoglot.models.bundle import IMAGE, SIMILARITY
from geoglot.models.matcher import LOGITS, MatcherBundle, load_matcher
from geoglot.nn.matcher import Matcher

CALIBRATION_PAIRS: Final = 20_000
RIGHT: Final = 0.9
"""Share of the verdicts "same kind" and "different kind" on validation pairs that is right."""


class ImageSides(nn.Module):
    """uint8 pixels in, what a comparison takes of either image of a pair out."""

    def __init__(self, model: Matcher) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 -> left and right, each with first axis N."""
        features = self.model.encode(pixels.to(torch.float32).permute(0, 3, 1, 2) / 255)
        return self.model.left(features), self.model.right(features)


class Comparison(nn.Module):
    """Sides of pairs in, a logit per pair out."""

    def __init__(self, model: Matcher) -> None:
        super().__init__()
        self.model = model

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (P, ...) -> (P,)."""
        return self.model.compare(left, right)


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A matcher that takes pixels, with what a bundle says of it.

    Attributes:
        model: In evaluation mode.
        method: Name in the gallery.
        side: Of its pictures.
        data: Labelled pictures of its training, validation and test.
        trained_on: For the card, in words.
        seed: Of what is drawn.
    """

    model: Matcher
    method: str
    side: int
    data: LabelledPictures
    trained_on: tuple[str, ...]
    seed: int


def is_matching_run(run: Path) -> bool:
    """Whether a folder holds a run of a matching method, or of a matcher for archives."""
    if is_product_run(run):
        return True
    try:
        load_recipe(run)
    except (DataError, UsageError):
        return False
    return True


def exportable(run: Path, data_root: Path | None, cache: Path) -> Exportable:
    """What a finished run has learnt.

    Raises:
        DataError: The folder is not a finished run, or data are absent.
        UsageError: The run compares vectors that are no network's.
    """
    if is_product_run(run):
        model, product = load_product(run)
        data = labelled_by_kind(product, data_root, cache)
        on = tuple(f"{name}, classes of the caption-train images" for name in product.datasets)
        return Exportable(
            model=model, method=product.method, side=product.side, data=data, trained_on=on, seed=product.seed
        )
    trained = load_matching_run(run)
    recipe = trained.recipe
    if trained.model is None or recipe.descriptor is not None or recipe.metric != "learned":
        cause = "compares vectors of a descriptor or by a distance, which no bundle holds"
        raise UsageError(run, cause=cause, remedy="export a run with an encoder and a learned comparison")
    return Exportable(
        model=trained.model,
        method=recipe.method,
        side=recipe.side,
        data=labelled_pictures(recipe, data_root, cache),
        trained_on=(f"{recipe.dataset}, train split",),
        seed=recipe.seed,
    )


def export_matcher(
    run: Path,
    *,
    out: Path,
    data_root: Path | None = None,
    cache: Path | None = None,
    quantised: bool = True,
    name: str | None = None,
) -> Path:
    """Write the matcher bundle of a run and return its folder.

    Args:
        run: Folder written by ``geoglot train``.
        out: Folder of the bundle; replaced if it exists, and only once everything is in order.
        data_root: Data folder: training pictures set the 8-bit ranges, validation pairs the calibration.
        cache: Where pictures are kept; ``None`` is ``features/`` beside the folder of runs.
        quantised: Quantise the convolutions of the image network to 8 bits.
        name: Identifier of the bundle; default the run's folder and version 1.

    Raises:
        DataError: The folder is not a finished run, or data are absent.
        BundleError: ONNX computes something else than torch.
        UsageError: The run has nothing to export.
    """
    learnt = exportable(run, data_root, cache or run.parent.parent / "features")
    data = learnt.data
    random = np.random.default_rng(learnt.seed)
    rows = data.rows("train")
    few = np.sort(random.choice(rows, min(CALIBRATION_PICTURES, len(rows)), replace=False))
    pairs = balanced_pairs(data.categories[data.rows("val")], CALIBRATION_PAIRS, seed=(learnt.seed, 1))
    validation = np.ascontiguousarray(data.pictures[data.rows("val")])
    manifest: dict[str, Any] = {
        "id": name or f"{run.resolve().name.replace('_', '-')}-1",
        "kind": "matcher",
        "method": learnt.method,
        "side": learnt.side,
        "symmetric": learnt.model.symmetric,
        "preprocessing": PREPROCESSING,
        "calibration": {"scale": 1.0, "offset": 0.0, "same": 0.5, "different": 0.5},
    }
    with whole_folder(out) as made:
        write_networks(learnt.model, made, np.ascontiguousarray(data.pictures[few[:2]]))
        in_float = None
        if quantised:
            export.write_manifest(made, manifest)
            in_float = pair_figures(load_matcher(made), validation, pairs)
            (made / IMAGE).rename(made / "float.onnx")
            export.quantise_images(made / "float.onnx", made / IMAGE, np.ascontiguousarray(data.pictures[few]))
            (made / "float.onnx").unlink()
        export.write_manifest(made, manifest)
        forward, backward = both_orders(load_matcher(made), validation, pairs)
        manifest["calibration"] = calibrated(forward, backward, pairs.same)
        export.write_manifest(made, manifest)
        figures = pair_figures(load_matcher(made), validation, pairs)
        manifest["card"] = _card(learnt, figures, in_float)
        (made / "CARD.md").write_text(card_text(manifest), encoding="utf-8")
        export.write_manifest(made, manifest)
    return out


@torch.no_grad()
def write_networks(model: Matcher, folder: Path, pictures: NDArray[np.uint8]) -> None:
    """Both networks as float ONNX, each compared with torch; batch normalisation is folded where that is possible.

    Args:
        model: Takes pixels; in evaluation mode.
        folder: Where :data:`IMAGE` and :data:`SIMILARITY` go.
        pictures: (N, S, S, 3) uint8, at least two.

    Raises:
        BundleError: A network cannot be exported, or computes something else than torch.
    """
    export.fold_normalisation(model)
    image, comparison = ImageSides(model).eval(), Comparison(model).eval()
    pixels = torch.from_numpy(pictures)
    left, right = image(pixels)
    sides = {"left": {0: "images"}, "right": {0: "images"}}
    export.to_onnx(image, [pixels], folder / IMAGE, inputs={"pixels": {0: "images"}}, outputs=sides)
    pairs = {name: {0: "pairs"} for name in sides}
    export.to_onnx(comparison, [left, right.flip(0)], folder / SIMILARITY, inputs=pairs, outputs={LOGITS: {0: "pairs"}})


def both_orders(
    bundle: MatcherBundle, pictures: NDArray[np.uint8], pairs: Pairs
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of pairs of pictures in both orders. -> two (P,)."""
    sides = bundle.sides(pictures)
    forward = bundle.logits(sides.left[pairs.first], sides.right[pairs.second])
    return forward, bundle.logits(sides.left[pairs.second], sides.right[pairs.first])


def calibrated(
    forward: NDArray[np.float32], backward: NDArray[np.float32], same: NDArray[np.bool_]
) -> dict[str, float]:
    """Scale and offset that make probabilities most likely, and thresholds at which nine of ten verdicts are right.

    Args:
        forward: (P,) logits in one order.
        backward: (P,) logits in the other.
        same: (P,) bool.

    Returns:
        ``scale``, ``offset``, ``same`` and ``different``, see :class:`geoglot.models.matcher.Calibration`.
    """
    logits = torch.from_numpy(np.stack([forward, backward]).astype(np.float64))
    truth = torch.from_numpy(same.astype(np.float64))
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)  # its exponential is positive
    offset = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_scale, offset], max_iter=100, line_search_fn="strong_wolfe")

    def probabilities() -> Tensor:
        return torch.sigmoid(log_scale.exp() * logits + offset).mean(0).clamp(1e-7, 1 - 1e-7)

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = nn.functional.binary_cross_entropy(probabilities(), truth)
        torch.autograd.backward(value)
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    found = probabilities().detach().numpy()
    sure_same, sure_different = verdict_thresholds(found, same)
    return {
        "scale": round(float(log_scale.detach().exp()), 6),
        "offset": round(float(offset.detach()), 6),
        "same": sure_same,
        "different": sure_different,
    }


def verdict_thresholds(
    probabilities: NDArray[np.float64], same: NDArray[np.bool_], right: float = RIGHT
) -> tuple[float, float]:
    """From where on "same kind", and up to where "different kind", is right often enough.

    Where both would overlap, one threshold between them serves for both. Where a verdict is never right often enough,
    it is given for certainty alone.

    Example:
        >>> verdict_thresholds(np.array([0.1, 0.3, 0.6, 0.9]), np.array([False, True, False, True]))
        (0.9, 0.1)
        >>> verdict_thresholds(np.array([0.1, 0.3, 0.6, 0.9]), np.array([False, False, True, True]))
        (0.6, 0.3)
    """
    order = np.argsort(-probabilities, kind="stable")
    falling, matching = probabilities[order], same[order]
    counted = np.arange(1, len(order) + 1)
    ends = np.append(falling[1:] != falling[:-1], True)  # equal probabilities get one verdict
    good = np.flatnonzero(ends & (np.cumsum(matching) >= right * counted))
    rising, differing = falling[::-1], ~matching[::-1]
    starts = np.append(rising[1:] != rising[:-1], True)
    bad = np.flatnonzero(starts & (np.cumsum(differing) >= right * counted))
    sure_same = float(falling[good[-1]]) if len(good) else 1.0
    sure_different = float(rising[bad[-1]]) if len(bad) else 0.0
    if sure_different >= sure_same:
        sure_same = sure_different = (sure_same + sure_different) / 2
    return round(sure_same, 4), round(sure_different, 4)


def pair_figures(bundle: MatcherBundle, pictures: NDArray[np.uint8], pairs: Pairs) -> dict[str, float]:
    """How well probabilities of balanced pairs tell same from different, and how far they are from what they say.

    Returns:
        ``accuracy_percent`` at one half, ``roc_auc_percent``, ``calibration_error`` (mean distance between
        probability and frequency over ten equal bins), ``sure_percent`` (pairs with a verdict) and
        ``sure_right_percent``.
    """
    forward, backward = both_orders(bundle, pictures, pairs)
    told = bundle.calibration.probabilities(np.stack([forward, backward]))
    found = told.mean(0) if bundle.calibration.symmetric else told[0]
    same = pairs.same
    bins = np.minimum((found * 10).astype(int), 9)
    gaps = [abs(float(found[bins == k].sum()) - float(same[bins == k].sum())) for k in range(10)]
    yes, no = found >= bundle.calibration.same, found <= bundle.calibration.different
    no &= ~yes
    right = int((same & yes).sum() + (~same & no).sum())
    return {
        "accuracy_percent": round(100 * float(((found >= 0.5) == same).mean()), 2),
        "roc_auc_percent": round(100 * roc_area(found, same), 2),
        "calibration_error": round(sum(gaps) / len(found), 4),
        "sure_percent": round(100 * float((yes | no).mean()), 2),
        "sure_right_percent": round(100 * right / max(1, int((yes | no).sum())), 2),
    }


def roc_area(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Share of (same, different) pairs of pairs in the right order, ties as half.

    Example:
        >>> roc_area(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True]))
        0.875
    """
    values, place = np.unique(scores, return_inverse=True)
    ours = np.bincount(place, same, len(values))
    others = np.bincount(place, ~same, len(values))
    below = np.cumsum(others) - others
    return float((ours * (below + others / 2)).sum() / (ours.sum() * others.sum()))


def _card(learnt: Exportable, figures: Mapping[str, float], in_float: Mapping[str, float] | None) -> dict[str, Any]:
    before = {} if in_float is None else {"validation_pairs_before_quantisation_and_calibration": dict(in_float)}
    return {
        "licence": "Apache-2.0 (weights); trained on datasets released for research",
        "method": learnt.method,
        "trained_on": list(learnt.trained_on),
        "kinds": list(learnt.data.category_names),
        "quantisation": "none, float32"
        if in_float is None
        else "image network: convolutions static 8-bit, per channel",
        "validation_pairs": dict(figures),
        **before,
        "limits": (
            "Knows the kinds of place of its training classes: aerial pictures of about 0.2 to 3 m ground sample "
            "distance in natural colours. A probability holds where same and different kinds are equally frequent."
        ),
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }


def card_text(manifest: Mapping[str, Any]) -> str:
    """The card of a matcher for people, as Markdown."""
    card, sure = manifest["card"], manifest["calibration"]
    figures = card["validation_pairs"]
    lines = [
        f"# {manifest['id']}",
        "",
        "Says whether two pictures show the same kind of place, and how sure that is.",
        "",
        f"- Method: {card['method']}; pictures of {manifest['side']} x {manifest['side']} pixels",
        f"- Trained on: {'; '.join(card['trained_on'])}",
        f"- Licence: {card['licence']}",
        f"- Verdicts: same kind from {sure['same']:g} on, different kind up to {sure['different']:g}",
        f"- On validation pairs, half of them of one kind: accuracy {figures['accuracy_percent']} %, area under the "
        f"ROC curve {figures['roc_auc_percent']} %, calibration error {figures['calibration_error']}",
        f"- {figures['sure_percent']} % of these pairs get a verdict, {figures['sure_right_percent']} % of the "
        "verdicts are right",
        f"- Quantisation: {card['quantisation']}",
        f"- Limits: {card['limits']}",
        f"- Kinds: {', '.join(card['kinds'])}",
        "",
    ]
    return "\n".join(lines)
