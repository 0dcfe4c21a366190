from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from page_reader import Reader
from PIL import Image

from geoglot.api.answer import Answer
from geoglot.api.query import Term, build_query
from geoglot.api.reports.answers import ReportContent, render_report, write_report
from geoglot.api.reports.overview_map import Overview, map_svg, scene_svg
from geoglot.api.reports.words import WORDS
from geoglot.core.records import Band, Bounds, Hit, Tile, Window

TAGS = set(
    "html head meta title style body header main section nav footer div span h1 h2 p ol li dl dt dd a b i small strong "
    "figure figcaption img details summary code bdi svg g path rect circle text image".split()
)


def jpeg() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(file, "JPEG")
    return file.getvalue()


def hit(rank: int = 1, *, source: str = "a/scene.tif", band: Band = Band.LIKELY, at: Bounds | None = None) -> Hit:
    at = at if at is not None else Bounds(11.0 + rank / 10, 43.0, 11.1 + rank / 10, 43.1)
    window = Window(256 * rank, 128, 256, 256)
    tile = Tile(window=window, bounds=at, footprint=shapely.box(*at).wkb if at.west < at.east else None, gsd_m=0.5)
    return Hit(rank=rank, score=0.5 - rank / 100, band=band, id=f"{rank:032x}", source=source, tile=tile)


def check_harmless(page: str) -> Reader:
    """No script, no handler, no address outside the page, nothing but our own tags."""
    reader = Reader(page)
    assert set(reader.tags) <= TAGS, set(reader.tags) - TAGS
    assert reader.comments == []
    for tag, name, value in reader.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src"):
            assert re.fullmatch(r"#q\d+(-\d+)?|data:image/(jpeg|png);base64,[A-Za-z0-9+/=]+", value), (tag, value)
    policy = next(value for tag, name, value in reader.attributes if tag == "meta" and value.startswith("default-src"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return reader


HOSTILE = [
    "<script>alert(1)</script>.tif",
    '"><img src=x onerror=alert(1)>.tif',
    "'onmouseover='alert(1).tif",
    "</style><script>.tif",
    "]]>--><!--.tif",
    "a\x00b\x1b[2J\u202egnp.tif",
    "&lt;b&gt;.tif",
    "\udcff\udc80.tif",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_queries_stay_text(name: str, tmp_path: Path) -> None:
    answer = Answer(build_query(name, like=name, terms=[Term(text=name, weight=-2)]), (hit(source=name),))
    content = ReportContent(
        answers=[answer, answer],
        title=name,
        facts={name: name},
        pictures={hit().id: jpeg()},
        examples={name: jpeg()},
        overviews={name: Overview(jpeg=jpeg(), width=1000, height=500)},
        archive=name,
    )
    page = write_report(content, tmp_path / "report.html").read_text(encoding="utf-8")
    reader = check_harmless(page)
    assert "\x1b" not in page
    assert "\u202e" not in page
    if name == HOSTILE[0]:
        assert name in "".join(reader.words)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_any_name_and_any_query_stay_text(name: str, words: str) -> None:
    answer = Answer(build_query(words), (hit(source=name), hit(2, source=name + "2")))
    check_harmless(render_report(ReportContent(answers=[answer], title=words, facts={name: words}, archive=name)))


def test_a_sheet_reads_in_the_language_of_its_query() -> None:
    answers = [
        Answer(build_query("planes", language="en"), (hit(),)),
        Answer(build_query("طائرات", language="ar"), (hit(),)),
        Answer(build_query("avions", language="fr"), (hit(),)),
        Answer(build_query("aerei", language="it"), (hit(),)),
    ]
    page = render_report(ReportContent(answers=answers))
    for language, direction in (("en", "ltr"), ("ar", "rtl"), ("fr", "ltr"), ("it", "ltr")):
        assert re.search(rf'<section class="sheet" id="q\d" dir="{direction}" lang="{language}"', page)
        assert WORDS[language][Band.LIKELY] in page


def test_every_language_has_every_word_with_the_same_blanks() -> None:
    for language, words in WORDS.items():
        assert words.keys() == WORDS["en"].keys(), language
        for key, text in words.items():
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", WORDS["en"][key])), (language, key)


def test_no_likely_match_is_said_plainly_and_the_nearest_are_still_shown() -> None:
    nearest = tuple(hit(rank, band=Band.BACKGROUND) for rank in (1, 2))
    words = "".join(Reader(render_report(ReportContent(answers=[Answer(build_query("snow"), nearest)]))).words)
    assert "No likely match." in words
    assert words.count("Background") >= 2
    empty = "".join(Reader(render_report(ReportContent(answers=[Answer(build_query("snow"), ())]))).words)
    assert "Nothing in the archive passes the filters." in empty


def test_uncertain_places_are_not_called_chance() -> None:
    for language, words in WORDS.items():
        query = build_query("place", language=language)
        far, near = hit(2, band=Band.BACKGROUND), hit(1, band=Band.UNCERTAIN)
        unsure, none = (
            "".join(Reader(render_report(ReportContent(answers=[Answer(query, hits)]))).words)
            for hits in ((near, far), (far,))
        )
        assert words["uncertain_why"] in unsure
        assert words["none_why"] not in unsure
        assert words["none_why"] in none
        assert words["uncertain_why"] not in none


def test_every_picture_has_an_alternative_text_that_says_rank_band_file_and_place() -> None:
    content = ReportContent(answers=[Answer(build_query("a"), (hit(),))], pictures={hit().id: jpeg()})
    texts = [value for tag, name, value in Reader(render_report(content)).attributes if (tag, name) == ("img", "alt")]
    assert texts == ["1: Likely, scene.tif, 43.05000, 11.15000"]


def test_windows_are_drawn_where_they_are_on_the_scene() -> None:
    # A scene of 2000 x 1000 is drawn 1000 wide: half size. Window (256, 128, 256, 256) begins at (128, 64), side 128.
    svg = scene_svg([hit()], Overview(jpeg=jpeg(), width=2000, height=1000), title="t", prefix="q1")
    assert 'viewBox="0 0 1000.0 500.0"' in svg
    assert 'd="M128.0 64.0 L256.0 64.0 L256.0 192.0 L128.0 192.0 Z"' in svg
    assert 'href="#q1-1"' in svg


def drawn_box(svg: str, rank: int) -> tuple[float, float, float, float]:
    inside = re.search(rf'class="f{rank}".*?</a>', svg)
    assert inside is not None
    path = re.search(r' d="([^"]+)"', inside[0])
    if path is None:
        centre = re.search(r'cx="([\d.-]+)" cy="([\d.-]+)"', inside[0])
        assert centre is not None
        return (float(centre[1]), float(centre[2])) * 2
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d", path[1])]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def test_footprints_across_180_degrees_lie_side_by_side() -> None:
    west, east = hit(1, at=Bounds(179.0, -17.0, 179.5, -16.5)), hit(2, at=Bounds(-179.5, -17.0, -179.0, -16.5))
    across = hit(3, at=Bounds(179.75, -17.0, -179.75, -16.5))
    svg = map_svg([west, east, across], None, title="t", prefix="q1")
    first, second, third = (drawn_box(svg, rank) for rank in (1, 2, 3))
    # 2 degrees wide with a margin of 8 % each side: 2.32 degrees are 1000 units, one of them 431.0
    assert second[0] - first[0] == pytest.approx(1.5 * 1000 / 2.32, abs=0.3)
    assert third[0] - first[0] == pytest.approx(0.75 * 1000 / 2.32, abs=0.3)
    assert third[2] - third[0] == pytest.approx(0.5 * 1000 / 2.32, abs=0.3)


@given(
    st.lists(
        st.tuples(st.floats(-180, 180), st.floats(-90, 89.9), st.floats(1e-5, 3)),
        min_size=1,
        max_size=6,
    )
)
def test_every_footprint_lies_inside_the_drawing(places: list[tuple[float, float, float]]) -> None:
    hits = []
    for rank, (west, south, size) in enumerate(places, 1):
        east = west + size if west + size <= 180 else west + size - 360
        hits.append(hit(rank, at=Bounds(west, south, east, min(south + size, 90.0))))
    svg = map_svg(hits, None, title="t", prefix="q1")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    for rank in range(1, len(hits) + 1):
        left, top, right, bottom = drawn_box(svg, rank)
        assert left >= -0.2
        assert top >= -0.2
        assert right <= float(box[1]) + 0.2
        assert bottom <= float(box[2]) + 0.2
