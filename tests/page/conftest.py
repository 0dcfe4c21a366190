"""The page in a real browser, against the real service and an archive of rendered scenes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src" / "geoglot" / "serve" / "page" / "index.html"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
NO_WEBGL = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return String(kind).startsWith("webgl") ? null : original.call(this, kind, ...more);
};
"""
"""Drawing a map without a graphics card is slow: tests that need no map do without, as readers may have to."""
SCREENSHOTS = ROOT / "build" / "page"
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a browser or a built page these tests are skipped, with the reason; CI does not let them be."""
    reason = _missing()
    if reason is None or os.environ.get("GEOGLOT_REQUIRE_PAGE") == "1":
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


def _missing() -> str | None:
    for module in ("fastapi", "uvicorn", "playwright"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    if _chromium() is None:
        return "chromium is not installed"
    return None if BUILT.is_file() else "the page was not built (make web)"


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def imagery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town on two dates, a second town, a photo without a place, and a file that is none."""
    from PIL import Image

    from geoglot.core.records import Window
    from geoglot.data.scenes import Scene, SceneSpec, write_geotiff

    if (reason := _missing()) is not None:
        pytest.fail(reason)
    folder = tmp_path_factory.mktemp("imagery")
    first = SceneSpec(seed=4, width=1024, height=768, acquired=datetime(2023, 7, 2, 10, 5, tzinfo=UTC))
    later = SceneSpec(seed=5, width=1024, height=768, acquired=datetime(2024, 7, 2, 10, 5, tzinfo=UTC))
    write_geotiff(first, folder / "town-2023.tif")
    write_geotiff(later, folder / "town-2024.tif")
    far = SceneSpec(seed=23, width=512, height=512, crs="EPSG:32631", origin=(695_000.0, 4_800_000.0))
    write_geotiff(far, folder / "coast.tif")
    photo = Scene(SceneSpec(seed=31, width=512, height=400)).render(Window(0, 0, 512, 400))
    Image.fromarray(photo).save(folder / "photo.png")
    (folder / "broken.tif").write_bytes(b"not a picture")
    return folder


@pytest.fixture(scope="session")
def more_imagery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not in the archive yet."""
    from geoglot.data.scenes import SceneSpec, write_geotiff

    folder = tmp_path_factory.mktemp("more")
    (folder / "new").mkdir()
    write_geotiff(SceneSpec(seed=8, width=512, height=512, origin=(391_000.0, 5_821_000.0)), folder / "new" / "new.tif")
    return folder


@pytest.fixture(scope="session")
def address(imagery: Path, more_imagery: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``geoglot serve`` as users start it, on a free port."""
    from geoglot.api.archive import Archive

    path = tmp_path_factory.mktemp("served") / "town.archive"
    with Archive.create(path) as archive:
        archive.index(imagery, levels=2)
    command = [sys.executable, "-m", "geoglot.cli.main", "serve", "--archive", str(path), "--port", "0"]
    command += ["--imagery", str(more_imagery)]
    log = path.with_name("log")
    with log.open("w") as said, subprocess.Popen(command, stderr=said, env=_environment()) as process:
        yield _announced(log, process)
        process.terminate()


def _announced(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that the service says it listens on."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if (found := re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())) is not None:
            return found.group()
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"the service did not start: {log.read_text()[-2000:]}")


def _environment() -> dict[str, str]:
    source = str(ROOT / "src")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    if (reason := _missing()) is not None:
        pytest.fail(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """One reader's visit: the page and what it complained of."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, hash: str = "#/search") -> Page:
        """Open a screen."""
        self.page.goto(self.address + hash)
        return self.page

    def ask(self, words: str) -> None:
        """Type words and press Enter, then wait for the answer."""
        with self.page.expect_response(lambda response: response.url.endswith("/v1/search")):
            self.page.get_by_role("textbox", name="question").or_(self.page.locator("#question")).fill(words)
            self.page.keyboard.press("Enter")
        self.page.locator(".results[aria-busy=false] .card").first.wait_for()

    def until(self, condition: str, seconds: float = 30.0) -> None:
        """Wait until an expression is true; asked from outside, as the page's policy lets no text be evaluated."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            self.page.wait_for_timeout(50)

    def shot(self, name: str) -> None:
        """Keep a picture for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


Visitor = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visitor]:
    """Visits with a clean profile. Whatever the browser complains of, or asks of another host, fails the test."""
    contexts, visits = [], []

    def start(
        *, language: str = "en", size: tuple[int, int] = (1280, 800), graphics: bool = False, **more: Any
    ) -> Visit:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=language, **more)
        if not graphics:
            context.add_init_script(NO_WEBGL)
        context.set_default_timeout(30_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        made = Visit(page, address)
        page.on("console", lambda message: message.type == "error" and made.complaints.append(message.text))
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        page.on("request", lambda request: _check_host(request.url, made))
        contexts.append(context)
        visits.append(made)
        return made

    yield start
    for context in contexts:
        context.close()
    assert [made.complaints for made in visits if made.complaints] == []


def _check_host(url: str, made: Visit) -> None:
    if not url.startswith((made.address, "blob:", "data:")):
        made.complaints.append(f"asked another host: {url}")
