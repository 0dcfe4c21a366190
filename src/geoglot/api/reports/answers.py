"""One HTML page for a list of answers: pictures, scores, bands and places, in the language of each query.

The page is a single file: no script, no address outside of it (its content security policy forbids both),
pictures as ``data:`` addresses. Everything that comes from outside is escaped.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path

from geoglot.api.answer import Answer
from geoglot.api.printable import printable
from geoglot.api.query import text_direction
from geoglot.api.reports.overview_map import Overview, data_uri, map_svg, scene_svg
from geoglot.api.reports.words import LANGUAGE_NAMES, words_of
from geoglot.core.records import Band, Bounds, Hit

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_MARK = (
    '<svg viewBox="0 0 32 32" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2.4">'
    '<path stroke-linecap="round" d="M5 11V5h6M21 5h6v6M27 21v6h-6M11 27H5v-6"/><circle cx="16" cy="16" r="4.6"/></svg>'
)


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """All that goes on the page.

    Attributes:
        answers: One sheet each.
        title: Heading of the page.
        facts: Name and value pairs below the heading (archive, tiles, model ...).
        pictures: JPEG or PNG of a hit's tile, by hit id; a missing one is said to be missing.
        examples: JPEG or PNG of an example picture, by its path as in the query.
        overviews: A small picture of a whole scene, by source.
        extent: Extent of the archive, for the map.
        archive: Path of the archive as it appears in the shown command.
    """

    answers: Sequence[Answer]
    title: str = "Search report"
    facts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    examples: Mapping[str, bytes] = field(default_factory=dict)
    overviews: Mapping[str, Overview] = field(default_factory=dict)
    extent: Bounds | None = None
    archive: str = "ARCHIVE"


def render_report(content: ReportContent) -> str:
    """The page as text.

    Example:
        >>> page = render_report(ReportContent(answers=[], title="Nothing <yet>"))
        >>> "<h1>Nothing &lt;yet&gt;</h1>" in page, "<script" in page
        (True, False)
    """
    style = files("geoglot.api.reports").joinpath("report.css").read_text(encoding="utf-8")
    best = max((hit.score for answer in content.answers for hit in answer), default=1.0)
    sheets = "\n".join(_sheet(answer, number, content, best) for number, answer in enumerate(content.answers, 1))
    facts = "".join(
        f"<div><dt>{_safe(name)}</dt><dd>{_safe(value)}</dd></div>" for name, value in content.facts.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{_safe(content.title)}</title>
<style>
{style}{_hover_rules(content.answers)}</style>
</head>
<body>
<header class="top">
<div class="mark">{_MARK}<span>geoglot</span></div>
<h1>{_safe(content.title)}</h1>
<dl class="facts">{facts}</dl>
</header>
<main>
{_contents(content.answers)}
{sheets}
</main>
{_legend()}
</body>
</html>
"""


def write_report(content: ReportContent, path: str | Path) -> Path:
    """Write the page to a file and return its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(render_report(content), encoding="utf-8", errors="xmlcharrefreplace")
    return target


def language_of(answer: Answer) -> str | None:
    """The language that was said, else Arabic where the words are written right to left, else unknown."""
    if answer.query.language:
        return answer.query.language
    return "ar" if answer.query.direction == "rtl" else None


def _contents(answers: Sequence[Answer]) -> str:
    if len(answers) < 2:
        return ""
    rows = []
    for number, answer in enumerate(answers, 1):
        count = sum(hit.band is Band.LIKELY for hit in answer)
        state = "likely" if answer.likely else "background"
        language, words = language_of(answer), words_of(language_of(answer))
        told = words["likely_count"].format(n=count, all=len(answer)) if answer.likely else words["none"]
        rows.append(
            f'<li dir="{answer.query.direction}"{_lang(language)}><a href="#q{number}">'
            f'<span class="dot {state}"></span><span class="words">{_safe(answer.query.label)}</span>'
            f"<small>{_safe(told)}</small></a></li>"
        )
    return f'<nav class="contents" aria-label="Queries"><ol>{"".join(rows)}</ol></nav>'


def _sheet(answer: Answer, number: int, content: ReportContent, best: float) -> str:
    language = language_of(answer)
    words, direction = words_of(language), answer.query.direction
    prefix = f"q{number}"
    likely = sum(hit.band is Band.LIKELY for hit in answer)
    verdict = words["likely_count"].format(n=likely, all=len(answer)) if answer.likely else words["none"]
    pill = f'<span class="pill {"likely" if answer.likely else "background"}">{_safe(verdict)}</span>'
    badge = f'<span class="pill">{_safe(LANGUAGE_NAMES[language])}</span>' if language in LANGUAGE_NAMES else ""
    note = ""
    if not answer.likely:
        why = words["empty"] if not answer.hits else words["uncertain_why" if answer.uncertain else "none_why"]
        note = f'<p class="none"><strong>{_safe(words["none"])}.</strong> {_safe(why)}</p>'
    cards = "".join(_card(hit, prefix, content, words, best) for hit in answer)
    drawing = _drawing(answer, prefix, content, words)
    return f"""<section class="sheet" id="{prefix}" dir="{direction}"{_lang(language)} aria-labelledby="{prefix}-title">
<h2 id="{prefix}-title" dir="{text_direction(answer.query.label)}">{_safe(answer.query.label)}</h2>
<div class="under">{badge}{pill}</div>
{note}{_examples(answer, content, words)}<div class="spread{" mapped" if drawing else ""}">
<ol class="cards">{cards}</ol>
{drawing}</div>
<details><summary>{_safe(words["command"])}</summary>
<code dir="ltr">{_safe(_command(answer, content.archive))}</code></details>
</section>"""


def _card(hit: Hit, prefix: str, content: ReportContent, words: Mapping[str, str], best: float) -> str:
    band, tile = hit.band.value, hit.tile
    name = printable(Path(hit.source).name or hit.source)
    place = _place(hit, words)
    told = f"{hit.rank}: {words[hit.band]}, {name}, {place}"
    picture = content.pictures.get(hit.id)
    shown = (
        f'<img src="{data_uri(picture)}" alt="{_safe(told)}" loading="lazy">' if picture else _safe(words["no_picture"])
    )
    window = words["window_value"].format(**tile.window._asdict())
    rows = [(words["place"], place), (words["window"], window)]
    if tile.gsd_m is not None:
        rows.append((words["resolution"], words["metres"].format(gsd=f"{tile.gsd_m:.3g}")))
    if tile.time is not None:
        rows.append((words["time"], f"{tile.time:%Y-%m-%d}"))
    lines = "".join(f"<div><dt>{_safe(key)}</dt><dd><bdi>{_safe(value)}</bdi></dd></div>" for key, value in rows)
    merged = f"<div>{_safe(words['merged'].format(n=hit.merged))}</div>" if hit.merged > 1 else ""
    share = 100 * min(max(hit.score / best, 0.0), 1.0) if best > 0 else 0.0
    return (
        f'<li class="card h{hit.rank} {band}" id="{prefix}-{hit.rank}"><div class="picture">{shown}'
        f'<span class="rank" aria-hidden="true">{hit.rank}</span></div><div class="text">'
        f'<div class="line"><span class="pill {band}">{_safe(words[hit.band])}</span>'
        f'<span class="score" title="{_safe(words["score"])}">{hit.score:.3f}</span></div>'
        f'<div class="bar {band}" aria-hidden="true"><i style="inline-size:{share:.0f}%"></i></div>'
        f'<p class="file" dir="ltr" title="{_safe(hit.source)}">{_safe(name)}</p>{_caption(hit)}'
        f"<dl>{lines}{merged}</dl></div></li>"
    )


def _caption(hit: Hit) -> str:
    if hit.caption is None:
        return ""
    direction = text_direction(hit.caption)
    return f'<p class="caption" dir="{direction}"{_lang(hit.caption_language)}>{_safe(hit.caption)}</p>'


def _drawing(answer: Answer, prefix: str, content: ReportContent, words: Mapping[str, str]) -> str:
    sources = {hit.source for hit in answer}
    if len(sources) == 1 and (overview := content.overviews.get(next(iter(sources)))):
        svg = scene_svg(answer.hits, overview, title=words["map"], prefix=prefix)
        below = f'{_safe(words["map"])} · <bdi dir="ltr">{_safe(Path(next(iter(sources))).name)}</bdi>'
    elif any(hit.tile.bounds is not None for hit in answer):
        svg = map_svg(answer.hits, content.extent, title=words["map"], prefix=prefix)
        below = _safe(words["map"])
    else:
        return ""
    return f'<figure class="map">{svg}<figcaption>{below}</figcaption></figure>\n'


def _examples(answer: Answer, content: ReportContent, words: Mapping[str, str]) -> str:
    parts = []
    for term in answer.query.terms:
        picture = content.examples.get(str(term.picture)) if term.picture is not None else None
        if picture is None:
            continue
        side = "like" if term.weight > 0 else "unlike"
        told = f"{words[side]}: {printable(term.label)}"
        parts.append(
            f'<figure class="{side}"><img src="{data_uri(picture)}" alt="{_safe(told)}">'
            f"<figcaption>{_safe(told)}</figcaption></figure>"
        )
    return f'<div class="examples">{"".join(parts)}</div>\n' if parts else ""


def _place(hit: Hit, words: Mapping[str, str]) -> str:
    bounds = hit.tile.bounds
    if bounds is None:
        return words["unlocated"]
    east = bounds.east + 360 if bounds.crosses_antimeridian else bounds.east
    longitude = ((bounds.west + east) / 2 + 180) % 360 - 180
    return f"{(bounds.south + bounds.north) / 2:.5f}, {longitude:.5f}"


def _command(answer: Answer, archive: str) -> str:
    words = ["geoglot", "search"]
    said = [] if answer.query.said is None else ["--words", answer.query.said]
    plain = [term for term in answer.query.terms if term.text is not None and term.weight == 1]
    text = plain[0] if plain else None
    if text is not None:
        words.append(str(text.text))
    for term in answer.query.terms:
        if term is text:
            continue
        if term.text is not None:
            words += ["--term", f'"{term.text}":{term.weight:g}']
        else:
            words += ["--like" if term.weight > 0 else "--unlike", str(term.picture)]
    return shlex.join([*words, *said, "--archive", archive, "-k", str(len(answer) or 10)])


def _hover_rules(answers: Sequence[Answer]) -> str:
    """Pointing at a card lights up its place: one rule per rank, no script."""
    most = min(max((len(answer) for answer in answers), default=0), 100)
    return "".join(f".sheet:has(.h{rank}:hover) .f{rank} .place{{fill-opacity:.6}}\n" for rank in range(1, most + 1))


def _legend() -> str:
    rows = (
        (Band.LIKELY, "stands clear of what this query finds by chance in this archive"),
        (Band.UNCERTAIN, "better than most chance finds, but not clear of them; have a look"),
        (Band.BACKGROUND, "no better than chance; shown because it is among the nearest"),
    )
    words = words_of("en")
    lines = "".join(f'<dt class="pill {band.value}">{words[band]}</dt><dd>{told}</dd>' for band, told in rows)
    told = "Made offline by geoglot. Bars compare similarities within this page."
    return f'<footer class="foot"><dl>{lines}</dl><p>{told}</p></footer>'


def _lang(language: str | None) -> str:
    return f' lang="{escape(language)}"' if language else ""


def _safe(text: object) -> str:
    return escape(printable(str(text)), quote=True)
