"""A scene in the page: heat-map, peaks, look, two dates, outlines; and the archive and model screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visitor = Callable[..., Any]


def source(page: Page, name: str) -> dict[str, Any]:
    found = page.evaluate(f"fetch('/v1/sources?name={name}').then(answer => answer.json())")
    return found["sources"][0]  # type: ignore[no-any-return]


@pytest.mark.slow  # draws a map without a graphics card
def test_from_a_hit_to_its_scene_heat_map_and_second_date(visit: Visitor) -> None:
    here = visit(graphics=True)
    page = here.go("#/search?t=houses&from=2023-01-01&to=2024-01-01")
    page.locator(".results[aria-busy=false] .card .open").first.wait_for()
    with page.expect_response("**/v1/tiles/**", timeout=90_000) as tile:
        page.locator(".card .open").first.press("o")
        page.get_by_role("heading", name="town-2023.tif").wait_for(timeout=90_000)  # the processor draws two maps first
    assert tile.value.status == 200
    assert tile.value.headers["content-type"] == "image/png"
    page.get_by_role("list", name="Peaks").get_by_role("button").first.click()
    page.locator(".peaks button.lit").wait_for()
    page.locator(".peak.lit").wait_for()
    page.get_by_role("slider", name="Opacity").fill("0.3")
    assert page.locator("output").inner_text() == "30 %"
    with page.expect_download() as download:
        page.get_by_role("link", name="GeoTIFF").click()
    assert download.value.path().read_bytes()[:4] in (b"II*\0", b"II+\0")
    page.get_by_role("combobox", name="Another date").select_option(label="Jul 2, 2024 · town-2024.tif")
    swipe = page.get_by_role("slider", name="Line between the two dates")
    swipe.press("ArrowRight")
    assert swipe.get_attribute("aria-valuenow") == "54"
    assert "with=" in page.url
    here.shot("scene")
    page.get_by_role("button", name="Back").wait_for()


def test_bands_and_stretch_change_the_tiles(visit: Visitor) -> None:
    here = visit(graphics=True)
    page = here.go()
    page.goto(f"{here.address}#/scene/{source(page, 'coast')['id']}")
    page.locator(".surface[data-ready=true]").wait_for()
    with page.expect_response(lambda answer: "/v1/tiles/" in answer.url and "bands=2" in answer.url) as tile:
        page.get_by_role("combobox", name="Bands").select_option(label="Band 2, grey")
    assert tile.value.status == 200
    page.get_by_label("Black at").fill("20")
    page.get_by_label("White at").fill("120")
    with page.expect_response(lambda answer: "stretch=20%2C120" in answer.url) as tile:
        page.get_by_role("button", name="Apply").click()
    assert tile.value.status == 200
    assert "bands=2&stretch=20,120" in page.url


def test_a_picture_without_a_place_is_moved_and_zoomed(visit: Visitor) -> None:
    here = visit()
    page = here.go()
    page.goto(f"{here.address}#/scene/{source(page, 'photo')['id']}?phrase=houses")
    picture = page.get_by_role("application")
    assert picture.get_attribute("viewBox") == "0 0 512 400"
    picture.focus()
    picture.press("+")
    here.until("document.querySelector('.plainView svg').getAttribute('viewBox') !== '0 0 512 400'")
    # 1.4 times larger, about the middle: 512 / 1.4 = 365.7 wide, from (512 - 365.7) / 2 = 73.1
    x, _, width, _ = map(float, str(picture.get_attribute("viewBox")).split())
    assert (x, width) == (pytest.approx(73.14, abs=0.1), pytest.approx(365.7, abs=0.1))
    picture.press("ArrowRight")
    here.until(f"parseFloat(document.querySelector('.plainView svg').getAttribute('viewBox')) > {x} + 1")
    page.locator(".peakMark").first.wait_for()


@pytest.mark.slow  # draws a map without a graphics card
def test_outlines_are_kept_erased_and_exported(visit: Visitor) -> None:
    import json

    here = visit(graphics=True)
    page = here.go()
    if "segment" not in page.evaluate("fetch('/v1/archive').then(answer => answer.json())")["features"]:
        pytest.skip("no segmenter is installed")
    page.goto(f"{here.address}#/scene/{source(page, 'town-2023')['id']}?phrase=water&heat=0")
    page.locator(".surface[data-ready=true]").wait_for()
    page.locator("h1").click()
    page.keyboard.press("g")
    outlines = page.get_by_role("list", name="Outlines").get_by_role("listitem")
    outlines.first.wait_for(timeout=60_000)
    found = outlines.count()
    page.keyboard.press("x")
    assert page.locator(".regions .erased").count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="GeoJSON").click()
    written = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert len(written["features"]) == found - 1
    here.shot("outlines")


def test_the_archive_says_what_failed_and_indexes_more(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/archive")
    row = page.get_by_role("row", name="broken.tif")
    row.wait_for()
    assert "is text, not pixels" in row.inner_text()
    assert row.locator(".band").inner_text() == "failed"
    page.get_by_label("State", exact=True).select_option("failed")
    here.until("document.querySelectorAll('.sources tbody tr').length === 1")
    page.get_by_label("State", exact=True).select_option("")
    said = page.evaluate("fetch('/v1/archive').then(answer => answer.json())")["model"]["recall"]
    assert page.locator(".recall tbody tr").count() == len(said) == 3  # RSICD, UC Merced, rendered scenes
    page.get_by_label("Folder or file").fill("../elsewhere")
    page.get_by_role("button", name="Index").click()
    page.locator(".toast.bad").wait_for()
    assert all("403" in complaint for complaint in here.complaints)
    here.complaints.clear()  # that folder was refused, as it should be
    page.get_by_label("Folder or file").fill("new")
    page.get_by_role("button", name="Index").click()
    page.get_by_text("1 files read, 0 skipped").wait_for(timeout=30_000)
    page.get_by_role("row", name="new.tif").wait_for()
    here.shot("archive")


def test_models_and_results(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/models")
    used = page.locator(".modelCard", has_text="in use here")
    used.wait_for()
    assert "العربية" in used.inner_text()
    page.get_by_role("heading", name="retrieval").wait_for()
    assert page.locator(".tableBlock").count() >= 3
