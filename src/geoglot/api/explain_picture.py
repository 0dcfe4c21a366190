"""An explanation as a picture (Pillow) or as a page (HTML, whose fonts are the viewer's)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from geoglot.api.drawing import LINE, QUIET, Canvas, Chip, Colour, heat_colour, picture_kind, with_heat
from geoglot.api.query import text_direction
from geoglot.api.reports.words import words_of

if TYPE_CHECKING:
    from geoglot.api.explain import Explanation

_GAP = 24
_NEUTRAL: Final[Colour] = (236, 234, 228)
_SPEAKS_FOR: Final[Colour] = (226, 88, 66)
_SPEAKS_AGAINST: Final[Colour] = (98, 142, 190)

SAID: Final[dict[str, dict[str, str]]] = {
    "en": {
        "occlusion": "Heat and numbers: how much of the score hangs on the place, on the word",
        "rollout": "Heat and numbers: share of the attention, through the last layers",
        "attention": "Heat: where the words look. Numbers: how much of the score hangs on the word",
        "peak": "hottest place: {peak}",
        "nothing": "no place speaks for the text",
    },
    "fr": {
        "occlusion": "Chaleur et nombres : la part du score qui tient au lieu, au mot",
        "rollout": "Chaleur et nombres : part de l’attention, à travers les dernières couches",
        "attention": "Chaleur : où les mots regardent. Nombres : la part du score qui tient au mot",
        "peak": "lieu le plus chaud : {peak}",
        "nothing": "aucun lieu ne répond au texte",
    },
    "it": {
        "occlusion": "Calore e numeri: quanto del punteggio dipende dal luogo, dalla parola",
        "rollout": "Calore e numeri: quota dell’attenzione, attraverso gli ultimi strati",
        "attention": "Calore: dove guardano le parole. Numeri: quanto del punteggio dipende dalla parola",
        "peak": "luogo più caldo: {peak}",
        "nothing": "nessun luogo risponde al testo",
    },
    "ar": {
        "occlusion": "الحرارة والأرقام: كم من درجة التشابه يتوقف على المكان وعلى الكلمة",
        "rollout": "الحرارة والأرقام: النصيب من الانتباه عبر الطبقات الأخيرة",
        "attention": "الحرارة: إلى أين تنظر الكلمات. الأرقام: كم من درجة التشابه يتوقف على الكلمة",
        "peak": "أكثر الأماكن حرارة: {peak}",
        "nothing": "لا مكان يوافق النص",
    },
}


def draw(explanation: Explanation, path: Path) -> Path:
    """Write a picture or a page, by the suffix.

    Raises:
        UsageError: The suffix is unknown, or no font on this machine has the letters of the text.
    """
    if path.suffix.lower() in (".html", ".htm"):
        from geoglot.api.explain_page import write_page

        return write_page(explanation, path)
    picture_kind(path, also=(".html",))
    return sheet(explanation).save(path)


def sheet(explanation: Explanation) -> Canvas:
    """The picture beside itself with heat, the words as chips, the score."""
    height, width = explanation.picture.shape[:2]
    wide = width > 1.45 * height  # one above the other
    canvas = Canvas(max(760, width if wide else 2 * width + _GAP) + 72)
    turned = text_direction(explanation.text) == "rtl"
    canvas.paragraph(explanation.text, size=30, style="bold")
    canvas.space(4)
    canvas.paragraph(facts(explanation), size=17, colour=QUIET, right_to_left=turned)
    canvas.space(16)
    heated = with_heat(explanation.picture, explanation.heat)
    used = width if wide else 2 * width + _GAP
    x = canvas.margin + (canvas.inner - used) // 2
    canvas.need(2 * height + _GAP if wide else height)
    if wide:
        canvas.picture(explanation.picture, x, canvas.y)
        canvas.y += height + _GAP
        canvas.picture(heated, x, canvas.y)
    else:
        first, second = (heated, explanation.picture) if turned else (explanation.picture, heated)
        canvas.picture(first, x, canvas.y)
        canvas.picture(second, x + width + _GAP, canvas.y)
    canvas.y += height + 14
    _legend(canvas, explanation, turned=turned)
    canvas.space(18)
    canvas.chips(chips(explanation), right_to_left=turned)
    canvas.space(16)
    canvas.paragraph(said(explanation)[explanation.how], size=15, colour=QUIET, right_to_left=turned)
    canvas.y -= 12
    return canvas


def facts(explanation: Explanation) -> str:
    """Score, how sure, model and file, in a line in the language of the text."""
    words = words_of(explanation.language)
    parts = [f"{words['score']} {explanation.score:.3f}"]
    if explanation.band is not None:
        parts.append(words[explanation.band])
    parts += [explanation.model, Path(explanation.source).name]
    window = explanation.window
    if window.column or window.row:
        values = {"column": window.column, "row": window.row, "width": window.width, "height": window.height}
        parts.append(words["window_value"].format(**values))
    return "  ·  ".join(parts)


def said(explanation: Explanation) -> dict[str, str]:
    """The fixed words in the language of the text."""
    return SAID.get(explanation.language, SAID["en"])


def peak_text(explanation: Explanation) -> str:
    """What the hottest colour stands for, in words."""
    if not explanation.peak > 0:
        return said(explanation)["nothing"]
    return said(explanation)["peak"].format(peak=f"{explanation.peak:.3f}")


def weight_text(explanation: Explanation, weight: float) -> str:
    """A word's weight for people: how much of the score hangs on it, or a share in percent."""
    if explanation.how == "rollout":
        return f"{100 * weight:.0f} %"
    return "0.00" if abs(weight) < 0.005 else f"{'−' if weight < 0 else '+'}{abs(weight):.2f}"


def chips(explanation: Explanation) -> list[Chip]:
    """One chip per word, in reading order; the warmer, the more it speaks for the picture."""
    return [
        Chip(text=word, number=weight_text(explanation, weight), fill=fill, ink=(28, 34, 43))
        for word, weight, fill in zip(explanation.words, explanation.weights, fills(explanation), strict=True)
    ]


def fills(explanation: Explanation) -> list[Colour]:
    """Colour of every word's chip."""
    largest = max(max(map(abs, explanation.weights)), 1e-9)
    return [
        _mixed(_NEUTRAL, _SPEAKS_FOR if weight > 0 else _SPEAKS_AGAINST, 0.85 * min(1.0, abs(weight) / largest))
        for weight in explanation.weights
    ]


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _legend(canvas: Canvas, explanation: Explanation, *, turned: bool) -> None:
    """A bar of the heat's colours and what its end stands for."""
    from geoglot.api.drawing import line_width

    bar = heat_colour(np.linspace(0, 1, 180, dtype=np.float32))[None].repeat(10, axis=0).round().astype(np.uint8)
    words = peak_text(explanation).split()
    text = line_width(words, 15, "regular")
    canvas.need(28)
    right = canvas.width - canvas.margin
    if turned:
        canvas.picture(bar[:, ::-1], canvas.margin + text + 12, canvas.y + 6, radius=5)
        canvas.line(words, canvas.margin, canvas.y, size=15, colour=QUIET, right_to_left=True)
    else:
        canvas.picture(bar, right - text - 12 - bar.shape[1], canvas.y + 6, radius=5)
        canvas.line(words, right - text, canvas.y, size=15, colour=QUIET)
    canvas.y += 26
    canvas.box(canvas.margin, canvas.y + 4, canvas.inner, 1, fill=LINE, radius=0)
