"""The pictures of a captioning report: captions beside references, attention word by word, languages side by side."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoglot.api.drawing import with_heat
from geoglot.api.pictures import as_jpeg
from geoglot.api.printable import in_html
from geoglot.api.reports.captioning import examples_of, first_of_categories, shown_language
from geoglot.api.reports.captioning_run import marked_attributes
from geoglot.api.reports.overview_map import data_uri
from geoglot.api.reports.parts import image, named, none, soft

if TYPE_CHECKING:
    from geoglot.api.reports.captioning import CaptioningReport

MARKS = {"right": "✓", "wrong": "✗", "missed": "○"}
RIGHT_TO_LEFT = ("ar",)
_WORD_SIDE = 96


def sentence(text: str, language: str, *, kind: str = "") -> str:
    """A sentence as HTML, in its language and direction."""
    way = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    css = f' class="{kind}"' if kind else ""
    return f'<p{css} lang="{in_html(language)}" dir="{way}">{in_html(text) or "(no word)"}</p>'


def captions_section(report: CaptioningReport) -> str:
    """Images with the best, the median and the worst captions by CIDEr-D."""
    parts = []
    for dataset in report.runs[0].datasets:
        for words, items in examples_of(report, dataset).items():
            cards = "".join(_card(report, dataset, item) for item in items)
            if cards:
                parts.append(f'<h3>{in_html(f"{dataset}, {words}")}</h3><ul class="captioned">{cards}</ul>')
    if not parts:
        return none("No captions can be set beside references, because these are not at hand.")
    told = (
        f"Images with the highest, the middle and the lowest CIDEr-D of {report.runs[0].name}. Attributes with their "
        "probability: ✓ right, predicted and named by a reference; ✗ wrong, predicted and not named; ○ missed, named "
        "and below one half."
    )
    return soft(told) + "".join(parts)


def attention_section(report: CaptioningReport) -> str:
    """For one image of each category, the picture once per word with what the decoder looked at."""
    if not report.looked:
        return none(report.without_attention or "Attention is not shown.")
    rows = []
    for item, looked in report.looked.items():
        dataset, name = item.split("/", 1)
        picture = report.thumbnails.get(item)
        if picture is None:
            continue
        pixels = _pixels(picture)
        steps = "".join(
            f'<li><img src="{data_uri(as_jpeg(with_heat(pixels, heat_of(one))))}" '
            f'alt="{in_html(f"{name}, looked at for {word}")}" loading="lazy"><span>{in_html(word)}</span></li>'
            for word, one in zip(looked.words, looked.maps, strict=True)
        )
        category = report.references.records[dataset][name].category
        title = f"{category}: {name}" if category else name
        way = "rtl" if shown_language(report.runs[0]) in RIGHT_TO_LEFT else "ltr"
        rows.append(
            f'<div class="asked"><h4>{in_html(title)}</h4><ol class="words" dir="{way}">'
            f"<li>{image(report.thumbnails, item, f'picture: {name}')}<span>picture</span></li>{steps}</ol></div>"
        )
    told = (
        "The first test image of each category, once for every word. Night blue is little and pale yellow most of the "
        "attention for that word; each picture has its own scale, from none to the most anywhere in it."
    )
    return soft(told) + "".join(rows)


def languages_section(report: CaptioningReport) -> str:
    """What the run says about the same images in each of its languages."""
    run = report.runs[0]
    if len(run.languages) < 2:
        return soft(f"{run.name} has one language: {run.languages[0]}.")
    cards = []
    for dataset in run.datasets:
        for item in first_of_categories(run, dataset, report.references):
            found = {language: run.said.get((dataset, language), {}).get(item) for language in run.languages}
            said = [
                f"<div><h4>{in_html(language)}</h4>{sentence(one.caption, language)}</div>"
                for language, one in found.items()
                if one is not None
            ]
            shown = image(report.thumbnails, f"{dataset}/{item}", item)
            cards.append(f'<li class="tongues"><div class="shown">{shown}</div>{"".join(said)}</li>')
    if not cards:
        return none("The images are not at hand.")
    return soft("The first test image of each category.") + f'<ul class="side-by-side">{"".join(cards)}</ul>'


def heat_of(weights: NDArray[np.float32], side: int = _WORD_SIDE) -> NDArray[np.float32]:
    """Attention over a grid as smooth heat. (H, W) -> (side, side), the most is 1.

    Example:
        >>> heat_of(np.array([[0.0, 0.0], [0.0, 1.0]], np.float32), 4)[[0, 3], [0, 3]].tolist()
        [0.0, 1.0]
    """
    from PIL import Image

    top = float(weights.max(initial=0.0))
    scaled = weights / top if top > 0 else np.zeros_like(weights)
    enlarged = Image.fromarray(scaled.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(enlarged, dtype=np.float32).clip(0, 1)


def _card(report: CaptioningReport, dataset: str, item: str) -> str:
    language = shown_language(report.runs[0])
    key = (dataset, language)
    captions = []
    for number, run in enumerate(report.runs):
        said, found = run.said.get(key, {}).get(item), report.measured.get((number, key))
        if said is not None:
            value = found.cider.get(item) if found is not None else None
            score = "" if value is None else f'<span class="score">CIDEr-D {value:.2f}</span>'
            name = named(report, run) if len(report.runs) > 1 else ""
            captions.append(
                f'<div class="caption-of">{name} {score}{sentence(said.caption, language, kind="own")}</div>'
            )
    texts = dict.fromkeys(report.references.captions[key][item])
    references = "".join(f"<li>{sentence(text, language)}</li>" for text in texts)
    shown = image(report.thumbnails, f"{dataset}/{item}", item)
    return (
        f'<li><div class="shown">{shown}</div><div><h4>{in_html(item)}</h4>{"".join(captions)}'
        f'<ul class="references">{references}</ul>{_attributes(report, dataset, item)}</div></li>'
    )


def _attributes(report: CaptioningReport, dataset: str, item: str) -> str:
    run = report.runs[0]
    said = run.said.get((dataset, run.languages[0]), {}).get(item)
    if said is None:
        return ""
    marked: Sequence[tuple[str, str, float | None]] = marked_attributes(
        run, said, report.references.records[dataset][item].captions
    )
    chips = [
        f'<li class="{kind}" title="{kind}">{MARKS[kind]} {in_html(word)} '
        f"{'under 0.05' if probability is None else f'{probability:.2f}'}</li>"
        for word, kind, probability in marked
    ]
    return f'<ul class="attributes">{"".join(chips)}</ul>' if chips else ""


def _pixels(jpeg: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(BytesIO(jpeg)) as picture:
        return np.asarray(picture.convert("RGB").resize((_WORD_SIDE, _WORD_SIDE)), dtype=np.uint8)
