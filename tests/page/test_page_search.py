"""Searching in the page: four languages, terms, areas, the linked map, the cut-off, feedback, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

Visitor = Callable[..., Any]


def cards(page: Page) -> list[str]:
    """Identifiers of the cards, in order, once all are there: the first few are drawn before the others."""
    page.locator(".results[aria-busy=false]").wait_for()
    return page.eval_on_selector_all(".cards > .card", "all => all.map(card => card.dataset.id)")


def wait_for_map(page: Page) -> None:
    page.locator(".surface[data-ready=true] canvas").first.wait_for()
    page.locator(".flag, .cluster").first.wait_for()


def flag_in_view(page: Page) -> str:
    """The hit of a number whose footprint does not begin outside the map."""
    canvas = page.locator(".surface canvas").bounding_box()
    for flag in page.locator(".flag").all():
        box = flag.bounding_box()
        if box["x"] > canvas["x"] and canvas["y"] < box["y"] < canvas["y"] + canvas["height"] - 60:
            return str(flag.get_attribute("data-ids"))
    pytest.fail("no hit begins within the map")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "many houses with red roofs"),
        ("ar", "بيوت كثيرة ذات أسطح حمراء"),
        ("fr", "beaucoup de maisons aux toits rouges"),
        ("it", "molte case con tetti rossi"),
    ],
)
def test_a_search_in_each_language(visit: Visitor, language: str, words: str) -> None:
    here = visit(language=language)
    page = here.go()
    assert page.locator("html").get_attribute("lang") == language
    here.ask(words)
    chip = page.locator(".chip")
    assert chip.locator(".what").inner_text() == words
    assert chip.locator(".language").inner_text() == language.upper()
    assert len(cards(page)) >= 5
    assert page.locator(".bars i").count() > 10
    assert f"t=text:{words}" in unquote_plus(page.url)


def test_the_address_is_the_search_and_back_undoes_a_step(visit: Visitor) -> None:
    here = visit()
    page = here.go()
    here.ask("a river")
    first, river = page.url, cards(page)
    here.ask("-houses")
    assert cards(page) != river
    page.go_back()
    here.until("document.querySelectorAll('.chip').length === 1")
    page.locator(".results:not(.stale) .card").first.wait_for()
    other = visit()
    other.page.goto(first)
    other.page.locator(".card").first.wait_for()
    assert cards(other.page) == river == cards(page)


def test_terms_have_signs_and_weights(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses&t=-0.5*text:trees")
    page.locator(".card").first.wait_for()
    with page.expect_request("**/v1/search") as sent:
        page.get_by_role("button", name="Less of: trees").click()
    assert json.loads(sent.value.post_data)["terms"] == [
        {"text": "houses", "weight": 1},
        {"text": "trees", "weight": 0.5},
    ]
    page.get_by_role("button", name="Weight of trees").click()
    with page.expect_request("**/v1/search") as sent:
        page.get_by_role("slider", name="Weight").fill("2")
    assert json.loads(sent.value.post_data)["terms"][1] == {"text": "trees", "weight": 2}
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove trees").click()
    here.until("document.querySelectorAll('.chip').length === 1")
    assert page.url.endswith("t=text:houses") or "t=text:houses&at=" in page.url


def test_a_picture_a_tile_and_a_saved_query_are_terms(visit: Visitor, imagery: Path, tmp_path: Path) -> None:
    here = visit()
    page = here.go()
    page.locator(".ask input[type=file]").set_input_files(imagery / "photo.png")
    page.locator(".card").first.wait_for()
    assert str(page.locator(".card .file").first.text_content()).endswith("photo.png")
    assert page.locator(".card .facts").first.text_content() == "no location"
    similar = cards(page)[1]
    page.locator(f"[data-id='{similar}'] .open").focus()
    page.keyboard.press("s")
    here.until(f"document.querySelector('.cards > .card')?.dataset.id === '{similar}'")
    assert f"t=item:{similar}" in unquote_plus(page.url)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as query file").click()
    file = tmp_path / "like this.json"
    saved.value.save_as(file)
    found = cards(page)
    page.get_by_role("button", name="New search").click()
    page.locator(".ask input[type=file]").set_input_files(file)
    page.locator(".card").first.wait_for()
    assert page.locator(".chip .what").inner_text() == "like this"
    assert cards(page)[:5] == found[:5]


@pytest.mark.slow  # draws a map without a graphics card
def test_a_box_and_a_polygon_drawn_on_the_map(visit: Visitor) -> None:
    here = visit(graphics=True)
    page = here.go("#/search?t=houses&at=13.386,52.5169,15")
    wait_for_map(page)
    canvas = page.locator(".surface canvas").bounding_box()
    middle = (canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2)
    page.get_by_role("button", name="Area").click()
    page.get_by_role("button", name="Draw a box").click()
    page.locator(".hint").wait_for()
    page.mouse.move(middle[0] - 60, middle[1] - 60)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 60, steps=4)
    with page.expect_response("**/v1/search") as answer:
        page.mouse.up()
    asked, told = json.loads(answer.value.request.post_data), answer.value.json()
    west, south, east, north = asked["within"]
    # At zoom 15 the world is 512 * 2^15 pixels wide: 120 pixels are 120 * 360 / 2^24 degrees.
    assert east - west == pytest.approx(120 * 360 / 2**24, rel=0.05)
    assert told["hits"]
    for hit in told["hits"]:
        w, s, e, n = hit["bounds"]
        assert w <= east
        assert e >= west
        assert s <= north
        assert n >= south
    page.get_by_role("button", name="Clear filters").click()
    here.until("!location.hash.includes('box=')")
    page.locator("body").click(position={"x": 5, "y": 300})
    page.keyboard.press("p")
    page.locator(".hint").wait_for()
    for x, y in ((-80, -60), (80, -60), (0, 80)):
        page.mouse.click(middle[0] + x, middle[1] + y)
        page.wait_for_timeout(60)
    with page.expect_response("**/v1/search") as answer:
        page.keyboard.press("Enter")
    assert len(json.loads(answer.value.request.post_data)["polygon"]["coordinates"][0]) == 4
    assert "polygon=" in page.url


@pytest.mark.slow  # draws a map without a graphics card
def test_list_and_map_are_linked(visit: Visitor) -> None:
    here = visit(graphics=True)
    page = here.go("#/search?t=houses&at=13.386,52.5169,15.5")
    wait_for_map(page)
    identifier = flag_in_view(page)
    page.locator(f".card[data-id='{identifier}']").hover()
    page.locator(f".flag.lit[data-ids='{identifier}']").wait_for()
    page.mouse.move(5, 5)
    flag = page.locator(f".flag[data-ids='{identifier}']:not(.lit)")
    flag.wait_for()
    box = flag.bounding_box()
    page.locator(".surface[data-idle]").wait_for(timeout=90_000)  # footprints are drawn after their numbers
    page.mouse.move(box["x"] + 15, box["y"] + box["height"] + 12)
    page.mouse.move(box["x"] + 16, box["y"] + box["height"] + 12)
    page.locator(".card.lit").wait_for()
    page.mouse.click(box["x"] + 16, box["y"] + box["height"] + 12)
    page.get_by_role("region", name="Place").wait_for()
    assert "hit=" in page.url
    here.shot("search")
    page.keyboard.press("Escape")
    page.locator(".inspector").wait_for(state="detached")


@pytest.mark.slow  # draws a map without a graphics card
def test_a_pan_offers_to_search_there(visit: Visitor) -> None:
    here = visit(graphics=True)
    page = here.go("#/search?t=houses&at=13.386,52.5169,15.5")
    wait_for_map(page)
    page.locator(".surface[data-idle]").wait_for(timeout=90_000)
    canvas = page.locator(".surface canvas").bounding_box()
    start = (canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2)
    page.mouse.move(*start)
    page.mouse.down()
    for step in range(1, 6):  # at the pace of a hand
        page.mouse.move(start[0] + 12 * step, start[1] + 8 * step)
        page.wait_for_timeout(40)
    page.mouse.up()
    page.get_by_role("button", name="Search this area").click()
    here.until("location.hash.includes('box=')")


def test_far_out_hits_are_circles_with_a_count(visit: Visitor) -> None:
    here = visit(graphics=True)
    page = here.go("#/search?t=houses")
    wait_for_map(page)
    here.go("#/search?t=houses&at=10,48,4")  # a link that is followed within the page
    here.until("document.querySelectorAll('.cluster').length === 2")
    counts = page.locator(".cluster").all_inner_texts()
    page.locator(".results[aria-busy=false]").wait_for()
    located = page.locator(".card").count() - page.locator(".card", has_text="no location").count()
    assert len(counts) == 2
    assert sum(int(count) for count in counts) >= min(located, 10)
    page.locator(".cluster").first.click()
    here.until("Number(new URLSearchParams(location.hash.split('?')[1]).get('at').split(',')[2]) > 8")


def test_the_cut_off_dims_what_lies_below(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses")
    page.locator(".card").first.wait_for()
    slider = page.get_by_role("slider", name="Cut-off score")
    slider.focus()
    slider.press("End")
    here.until("document.querySelectorAll('.card.dim').length > 0")
    for _ in range(4):
        slider.press("PageDown")
    kept = page.locator(".card:not(.dim) .score").all_text_contents()
    cut = float(page.url.split("cut=")[1].split("&")[0])
    assert kept
    assert all(float(score) >= cut - 0.005 for score in kept)
    slider.press("Home")
    here.until("document.querySelectorAll('.card.dim').length === 0 && !location.hash.includes('cut=')")
    box = page.locator(".bars").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 20, steps=3)
    page.mouse.up()
    here.until("document.querySelectorAll('.card.dim').length > 0 && location.hash.includes('cut=')")


def test_marks_by_key_and_search_again(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses")
    page.locator(".card").first.wait_for()
    before = cards(page)
    page.locator(".card .open").first.focus()
    page.keyboard.press("y")
    page.keyboard.press("n")
    assert page.locator(".card.right").get_attribute("data-id") == before[0]
    assert page.locator(".card.wrong").get_attribute("data-id") == before[1]
    with page.expect_response("**/v1/search") as answer:
        page.keyboard.press("r")
    asked = json.loads(answer.value.request.post_data)
    assert (asked["right"], asked["wrong"]) == ([before[0]], [before[1]])
    page.locator(".results:not(.stale) .card").first.wait_for()
    assert f"right={before[0]}&wrong={before[1]}" in page.url
    assert answer.value.json()["hits"][0]["id"] == before[0]


@pytest.mark.slow  # runs the captioner
def test_one_place_is_described_when_asked_for(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses")
    page.locator(".results[aria-busy=false] .card .open").first.wait_for()
    with page.expect_request("**/v1/caption") as sent:
        page.locator(".card .open").first.press("c")
    assert json.loads(sent.value.post_data) == {"items": [cards(page)[0]], "languages": ["en"]}
    said = page.locator(".inspector [lang=en]").or_(page.locator(".toast.bad", has_text="not sure enough"))
    said.first.wait_for(timeout=60_000)


def test_export_and_copies(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses&from=2024-01-01")
    page.locator(".card").first.wait_for()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="GeoJSON").click()
    written = json.loads(download.value.path().read_text(encoding="utf-8"))
    names = {feature["properties"]["source"].rpartition("/")[2] for feature in written["features"]}
    assert written["type"] == "FeatureCollection"
    assert {"town-2024.tif", "coast.tif"} <= names
    assert not {"town-2023.tif", "photo.png"} & names  # too early; of unknown time
    page.get_by_role("button", name="Copy as command").click()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("geoglot search houses --archive town.archive")
    assert "--after 2024-01-01" in command
    page.get_by_role("button", name="Copy as URL").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_nothing_passes_and_a_service_that_is_gone(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses&from=2030-01-01")
    page.get_by_role("heading", name="Nothing passes these filters").wait_for()
    page.route("**/v1/search", lambda route: route.abort())
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_role("heading", name="The service does not answer").wait_for()
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    page.locator(".card").first.wait_for()
    assert all("ERR_FAILED" in complaint for complaint in here.complaints)
    here.complaints.clear()  # the broken request was ours


def test_endless_scroll_brings_every_place_once(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses")
    page.locator(".card").first.wait_for()
    for _ in range(12):
        page.locator(".end").scroll_into_view_if_needed()
        page.wait_for_timeout(80)
    page.locator(".end", has_text="That is all").wait_for()
    found = cards(page)
    assert len(found) == len(set(found)) >= 10
