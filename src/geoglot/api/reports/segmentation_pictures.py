"""The pictures of a segmentation report: a true mask on its picture, and a predicted one with what it hits and misses.

Nothing is told by colour alone: what is missed has slanted stripes, what is marked wrongly has level ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.printable import in_html
from geoglot.api.reports.parts import image, named, none, soft
from geoglot.api.reports.segmentation import datasets_of, examples_of, row_in, shown_key
from geoglot.metrics.mask import mask_counts

if TYPE_CHECKING:
    from geoglot.api.reports.segmentation import SegmentationReport
    from geoglot.engine.segmentation.saved_masks import Prediction

TRUTH: Final = (40, 110, 240)
HIT: Final = (20, 165, 140)
MISSED: Final = (245, 150, 20)
WRONG: Final = (205, 40, 130)
STRENGTH: Final = 0.55
STRIPE: Final = 6
RIGHT_TO_LEFT: Final = ("ar",)

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def enlarged(mask: Mask, side: int) -> Mask:
    """A mask in another size, by nearest pixels. (S, S) -> (side, side).

    Example:
        >>> enlarged(np.array([[True, False], [False, False]]), 4).sum()
        np.int64(4)
    """
    places = ((np.arange(side) + 0.5) * len(mask) / side).astype(np.int64)
    return mask[places[:, None], places]


def with_truth(pixels: Pixels, truth: Mask) -> Pixels:
    """The true mask as a tint with a white outline. (H, W, 3) uint8, (H, W) -> (H, W, 3) uint8."""
    return outlined(tinted(pixels, truth, TRUTH), truth)


def with_agreement(pixels: Pixels, mask: Mask, truth: Mask) -> Pixels:
    """What a mask hits, misses (slanted stripes) and marks wrongly (level stripes), the mask outlined in white."""
    rows, columns = np.indices(mask.shape)
    slanted = (rows + columns) % STRIPE < STRIPE // 2
    level = rows % STRIPE < STRIPE // 2
    shown = tinted(pixels, mask & truth, HIT)
    shown = tinted(shown, truth & ~mask & slanted, MISSED)
    return outlined(tinted(shown, mask & ~truth & level, WRONG), mask)


def tinted(pixels: Pixels, mask: Mask, colour: tuple[int, int, int]) -> Pixels:
    """A picture with a colour over some of its pixels."""
    shown = pixels.astype(np.float32)
    shown[mask] = (1 - STRENGTH) * shown[mask] + STRENGTH * np.array(colour, dtype=np.float32)
    return shown.round().astype(np.uint8)


def outlined(pixels: Pixels, mask: Mask) -> Pixels:
    """White where a pixel of the mask has a neighbour that is none; the picture's edge is none.

    Example:
        >>> outlined(np.zeros((3, 3, 3), np.uint8), np.ones((3, 3), bool)).sum() // (3 * 255)  # all but the middle
        np.uint64(8)
    """
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    shown = pixels.copy()
    shown[mask & ~inside] = 255
    return shown


def masks_section(report: SegmentationReport) -> str:
    """Phrases with the best, the median and the worst masks of the reported run, beside the true masks."""
    parts = []
    for dataset in datasets_of(report.runs[0]):
        key = shown_key(report.runs[0], dataset)
        asked = report.runs[0].asked[key]
        for words, places in examples_of(report, dataset).items():
            cards = "".join(_card(report, asked.lines[place]) for place in places)
            if cards:
                parts.append(f'<h3>{in_html(f"{dataset}, {words}")}</h3><ul class="sheets">{cards}</ul>')
    if not parts:
        return none("No test phrase has a true pixel.")
    told = (
        f"Phrases with the highest, the middle and the lowest IoU of {report.runs[0].name}. Truth: blue with a white "
        "outline. Masks: green is right; orange with slanted stripes is missed; magenta with level stripes is marked "
        "and not meant. Masks are shown at the size they were measured at."
    )
    return soft(told) + "".join(parts)


def _card(report: SegmentationReport, line: Prediction) -> str:
    sheet = report.sheets.get(f"{line.dataset}/{line.id}", {})
    way = "rtl" if line.language in RIGHT_TO_LEFT else "ltr"
    shown = [("picture", "picture"), ("truth", "truth")] if sheet else []
    parts = [
        f"<div>{image(sheet, name, f'{words}: {line.scene}')}<span>{in_html(words)}</span></div>"
        for name, words in shown
    ]
    for run in report.compared:
        row = row_in(run, (line.dataset, line.language), line.id)
        if row is None:
            continue
        both, either = mask_counts(run.saved.mask(row), run.saved.true_mask(row))
        iou = f"IoU {both / either:.3f}" if either else "both masks empty"
        name = f"<span>{named(report, run)}</span>" if len(report.runs) > 1 else ""
        picture = image(sheet, f"run {run.name}", f"mask of {run.name}: {line.phrase}") if sheet else ""
        parts.append(f"<div>{picture}{name}<span>{in_html(iou)}</span></div>")
    return (
        f'<li><h4 lang="{in_html(line.language)}" dir="{way}">{in_html(line.phrase)}</h4>'
        f'<p class="soft">{in_html(line.id)}</p><div class="panels">{"".join(parts)}</div></li>'
    )
