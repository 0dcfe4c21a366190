"""Everybody's page: keyboard, Arabic, small windows, light and dark, names for screen readers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visitor = Callable[..., Any]
AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


def test_a_search_without_a_mouse(visit: Visitor) -> None:
    here = visit()
    page = here.go()
    page.get_by_role("heading", name="Ask for a place").wait_for()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("houses?")
    page.keyboard.press("Enter")
    page.locator(".card").first.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    second = page.locator(".card").nth(1)
    assert second.locator(".open").evaluate("card => card === document.activeElement")
    outline = second.locator(".open").evaluate("card => getComputedStyle(card).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Place 2").wait_for()
    page.keyboard.press("w")
    page.get_by_role("img", name="Where the model sees").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("region", name="Place 2").wait_for(state="detached")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys and help").wait_for()
    here.shot("help")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_single_keys_can_be_turned_off(visit: Visitor) -> None:
    here = visit()
    page = here.go("#/search?t=houses")
    page.locator(".card").first.wait_for()
    page.get_by_role("button", name="Keys and help").click()
    page.get_by_role("checkbox", name="Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.locator(".card .open").first.focus()
    page.keyboard.press("y")
    assert page.locator(".card.right").count() == 0


def test_the_page_mirrors_for_arabic(visit: Visitor) -> None:
    here = visit(language="ar")
    page = here.go("#/search?t=houses")
    page.locator(".card").first.wait_for()
    assert page.locator("html").get_attribute("dir") == "rtl"
    results, surface = page.locator(".list").bounding_box(), page.locator(".mapPane").bounding_box()
    assert results["x"] > surface["x"] + surface["width"] - 20
    first, second = page.locator(".card").nth(0).bounding_box(), page.locator(".card").nth(1).bounding_box()
    assert first["x"] > second["x"]
    assert page.get_by_role("button", name="بحث", exact=True).bounding_box()["x"] < 100
    here.shot("arabic")
    page.get_by_label("لغة هذه الصفحة").select_option("fr")
    page.get_by_role("button", name="Chercher", exact=True).wait_for()
    here.until("document.documentElement.dir === 'ltr'")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_small_window_holds_everything(visit: Visitor, language: str) -> None:
    here = visit(language=language, size=(390, 844), has_touch=True, is_mobile=True, color_scheme="dark")
    page = here.go("#/search?t=houses")
    page.locator(".card").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    here.shot(f"small-{language}")
    page.locator(".flip").click()
    page.locator(".mapPane").wait_for()
    page.locator(".flip").click()
    page.locator(".card .open").first.click()
    page.locator(".inspector").wait_for()
    box = page.locator(".inspector").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    for screen in ("#/archive", "#/models"):
        here.go(screen).locator("h1").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def offences(page: Page) -> list[str]:
    """What axe finds on the screen as it stands."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ar", "dark")])
def test_names_and_contrast(visit: Visitor, language: str, scheme: str) -> None:
    if not AXE.is_file():
        if os.environ.get("GEOGLOT_REQUIRE_PAGE") == "1":
            pytest.fail("axe-core is not installed (make web)")
        pytest.skip("axe-core is not installed (make web)")
    here = visit(language=language, color_scheme=scheme)
    page = here.go()
    page.locator(".example").first.wait_for()
    seen = {"welcome": offences(page)}
    page.goto(f"{here.address}#/search?t=houses&t=-1*text:snow&box=-180,-80,180,80")
    page.locator(".card .open").first.click()
    page.locator(".inspector dl").wait_for()
    page.locator(".card.right, .verdict.right").first.click()
    page.locator(".feedback").wait_for()
    seen["search"] = offences(page)
    page.keyboard.press("?")
    page.locator("dialog").wait_for()
    seen["help"] = offences(page)
    page.keyboard.press("Escape")
    found = page.evaluate("fetch('/v1/sources?name=town-2023').then(answer => answer.json())")
    page.goto(f"{here.address}#/scene/{found['sources'][0]['id']}?phrase=houses")
    page.locator(".peaks button").first.wait_for()
    seen["scene"] = offences(page)
    for screen, settled in (("archive", ".sources tbody tr"), ("models", ".tableBlock")):
        here.go(f"#/{screen}").locator(settled).first.wait_for()
        seen[screen] = offences(page)
    assert {screen: found for screen, found in seen.items() if found} == {}, json.dumps(seen, indent=1)
