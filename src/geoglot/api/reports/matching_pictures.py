"""The pictures of a matching report: what is restored, feature maps, and sheets of the first ten hits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoglot.api.drawing import heat_colour
from geoglot.api.pictures import as_jpeg
from geoglot.api.printable import in_html
from geoglot.api.reports.matching_run import PLACES, READINGS, chosen_queries, first_places
from geoglot.api.reports.overview_map import data_uri
from geoglot.api.reports.parts import image, named, none, png, soft, table

if TYPE_CHECKING:
    from geoglot.api.reports.matching import MatchingReport
    from geoglot.api.reports.matching_run import MatchingRun

MAPS_OF = 2
"""Pictures whose feature maps are drawn."""
_MOSAIC_WIDTH = 900
_SMALLEST_CELL = 6
_HATCH = (150, 150, 150)


def encoder_section(report: MatchingReport) -> str:
    """Restored pictures beside the input, feature maps, and how many of them are dark."""
    notes = "".join(soft(sentence) for sentence in report.without_encoder)
    if not report.encoders:
        return notes or none("No run on this page has an encoder to look into.")
    return notes + _restored(report) + _maps(report) + _counts(report)


def found_section(report: MatchingReport) -> str:
    """For every class the best, the median and the worst query, each with its first ten hits."""
    run, gallery = report.runs[0], report.gallery
    if gallery not in run.measured:
        return none(f"{READINGS[gallery]}: nothing can be found.")
    measured = run.measured[gallery]
    means = measured.class_mean_average_precision
    sheets = []
    chosen = chosen_queries(measured)
    for category in list(chosen)[: report.classes]:
        name = run.predictions.category_names[category]
        rows = "".join(_sheet(report, run, words, query) for words, query in chosen[category])
        sheets.append(f"<h3>{in_html(name)}, mAP {100 * means[category]:.2f} %</h3>{rows}")
    left = len(chosen) - len(sheets)
    more = soft(f"{left:,} more classes are not shown.") if left else ""
    seen = "" if gallery == "test" else " Images that training may have seen are named with an asterisk."
    told = (
        f"{run.name}. {READINGS[gallery]}. For every class the queries with the highest, the median and the lowest "
        f"average precision, of equal ones the first; each with its first {PLACES} hits. ✓ and a whole frame: of the "
        f"query's class. ✗ and a broken frame: of another, which is named. {_score_words(run)}{seen}"
    )
    return soft(told) + "".join(sheets) + more


def mosaic(latent: NDArray[np.float32], dark: NDArray[np.bool_], top: float) -> NDArray[np.uint8]:
    """All feature maps of a picture side by side, absolute values by their square root; dark maps are hatched.

    Args:
        latent: (C, H, W).
        dark: (C,) which maps are dark.
        top: The value that is brightest.

    Returns:
        (height, width, 3) uint8, at least 900 pixels wide where there is more than one map.

    Example:
        >>> mosaic(np.ones((4, 8, 8), np.float32), np.zeros(4, bool), 1.0).shape
        (627, 924, 3)
    """
    count, high, wide = latent.shape
    values = np.sqrt(np.clip(np.abs(latent) / top if top > 0 else 0 * latent, 0, 1)).astype(np.float32)
    enlarged = max(1, -(-_SMALLEST_CELL // max(high, wide)))
    values = values.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    high, wide = high * enlarged, wide * enlarged
    across = min(count, math.ceil(math.sqrt(2 * count * (high + 1) / (wide + 1))))
    down = -(-count // across)
    sheet = np.full((down * (high + 1) + 1, across * (wide + 1) + 1, 3), 255, np.uint8)
    slanted = (np.arange(high)[:, None] + np.arange(wide)) % 4 == 0
    for number in range(count):
        row, column = divmod(number, across)
        y, x = 1 + row * (high + 1), 1 + column * (wide + 1)
        cell = np.round(heat_colour(values[number])).astype(np.uint8)
        if dark[number]:
            cell = np.where(slanted[..., None], np.array(_HATCH, np.uint8), cell)
        sheet[y : y + high, x : x + wide] = cell
    times = max(1, -(-_MOSAIC_WIDTH // sheet.shape[1])) if count > 1 else 1
    return sheet.repeat(times, axis=0).repeat(times, axis=1)


def peak_ratio(error: float) -> str:
    """Peak signal-to-noise ratio of a mean squared error in [0, 1] units, in words.

    Example:
        >>> peak_ratio(0.01), peak_ratio(0.0)
        ('20.0 dB', 'no error')
    """
    return f"{-10 * math.log10(error):.1f} dB" if error > 0 else "no error"


def _restored(report: MatchingReport) -> str:
    restoring = {number: found for number, found in report.encoders.items() if found.restored is not None}
    if not restoring:
        return soft("No run on this page has a decoder, so nothing is restored.")
    cards = []
    for at, item in enumerate(report.shown_items):
        cells = [f"<figure>{image(report.inputs, item, f'input: {item}')}<figcaption>input</figcaption></figure>"]
        for number, found in restoring.items():
            run, error = report.compared[number], float(found.errors[at])
            picture = data_uri(as_jpeg(found.restored[at]))  # type: ignore[index]
            told = f"MSE {error:.5f}, {peak_ratio(error)}"
            alt = in_html(f"{item}, restored by {run.name}: {told}")
            cells.append(
                f'<figure><img src="{picture}" alt="{alt}" loading="lazy">'
                f"<figcaption>{named(report, run)}: {told}</figcaption></figure>"
            )
        cards.append(f'<li><h4>{in_html(item)}</h4><div class="pair">{"".join(cells)}</div></li>')
    told = (
        "Test images, the first of each class, as the encoder sees them and as the decoder restores them from the "
        "features. MSE: mean squared error of pixels from 0 to 1 over all three colours; in dB against the largest one."
    )
    return f'<h3>Restored pictures</h3>{soft(told)}<ul class="restored">{"".join(cards)}</ul>'


def _maps(report: MatchingReport) -> str:
    figures = []
    for at, item in enumerate(report.shown_items[:MAPS_OF]):
        for number, found in report.encoders.items():
            run, latent = report.compared[number], found.latents[at]
            count, high, wide = latent.shape
            top = float(np.abs(latent).max(initial=0.0))
            quiet = int((np.abs(latent).max(axis=(1, 2)) < 0.01 * top).sum())
            told = (
                f"{item}: {count:,} maps of {high} x {wide}, the brightest value is {top:.3g}; {quiet:,} stay below a "
                f"hundredth of it in this picture, {int(found.dark.sum()):,} in all (hatched)"
            )
            picture = data_uri(png(mosaic(latent, found.dark, top)))
            figures.append(
                f'<figure><img src="{picture}" alt="{in_html(f"Feature maps of {run.name}, {told}")}" loading="lazy">'
                f"<figcaption>{named(report, run)}, {in_html(told)}</figcaption></figure>"
            )
    told = (
        "Every small square is one feature map. Night blue is 0, pale yellow the largest absolute value in that "
        "picture, by the square root, so that faint ones are seen."
    )
    return f'<h3>Feature maps</h3>{soft(told)}<div class="maps">{"".join(figures)}</div>'


def _counts(report: MatchingReport) -> str:
    rows = []
    for number, found in report.encoders.items():
        count, high, wide = found.latents.shape[1:]
        error = "no decoder" if found.mean_error is None else f"{found.mean_error:.5f}"
        ratio = "" if found.mean_error is None else peak_ratio(found.mean_error)
        dark, flat = int(found.dark.sum()), int(found.flat.sum())
        rows.append(
            [
                named(report, report.compared[number]),
                f"{count:,} of {high} x {wide}",
                f"{dark:,} ({dark / count:.1%})",
                f"{flat:,} ({flat / count:.1%})",
                error,
                ratio,
                f"{found.counted:,}",
            ]
        )
    head = ["run", "feature maps", "dark", "flat", "mean squared error", "in dB", "test images"]
    told = (
        "Dark (diminished): the largest absolute value of a map, over all test images and all its places, is below one "
        "hundredth of the largest of any map. Flat: its standard deviation over the same values is below one hundredth "
        "of the largest of any map, so it says the same of every image."
    )
    return f"<h3>Dark feature maps</h3>{soft(told)}{table(head, rows)}"


def _sheet(report: MatchingReport, run: MatchingRun, words: str, query: int) -> str:
    said = run.predictions
    asked = int(said.query_rows[query])
    item, category = str(said.items[asked]), int(said.categories[asked])
    precision = run.measured[report.gallery].average_precision[query]
    hits = []
    for rank, column in enumerate(first_places(said, query, report.gallery), 1):
        row = int(said.gallery_rows[column])
        right = said.categories[row] == category
        found, kind = str(said.items[row]), said.category_names[int(said.categories[row])]
        star = "*" if report.gallery == "all" and said.splits[row] != "test" else ""
        score = score_text(run, float(said.scores[query, column]))
        told = f"{rank}, {'right' if right else 'wrong'}: {kind}, {found}{star}, {score}"
        shown = image(report.thumbnails, found, told)
        hits.append(
            f'<li class="tile {"right" if right else "wrong"}"><div class="shown">{shown}'
            f'<span class="badge" aria-hidden="true">{"✓" if right else "✗"}</span></div>'
            f'<span class="score">{rank}. {in_html(score)}{star}</span>'
            f'<span class="said" title="{in_html(found)}">{in_html(found if right else kind)}</span></li>'
        )
    title = f"{words.capitalize()}: {item}, AP {100 * float(precision):.2f} %"
    return (
        f'<div class="asked"><h4>{in_html(title)}</h4><div class="row"><div class="tile query"><div class="shown">'
        f'{image(report.thumbnails, item, f"query: {item}")}</div><span class="said">query</span></div>'
        f'<ol class="ten">{"".join(hits)}</ol></div></div>'
    )


def score_text(run: MatchingRun, score: float) -> str:
    """A score as the page shows it: a probability, a distance or a cosine."""
    metric = run.recipe.get("metric")
    if metric == "learned":
        # Without an overflow for odds that no float holds.
        return f"{1 / (1 + math.exp(-score)) if score > -700 else 0.0:.3f}"
    return f"{-score:.3g}" if metric == "euclidean" else f"{score:.3f}"


def _score_words(run: MatchingRun) -> str:
    kinds = {
        "learned": "The number is the probability of a match, as the method gives it.",
        "euclidean": "The number is the Euclidean distance.",
        "cosine": "The number is the cosine.",
    }
    return kinds.get(str(run.recipe.get("metric")), "The number is the score.")
