"""From Enter to the first results on the screen: the page in Chromium, on an archive of 100,000 tiles.

    python -m benchmarks.first_results --output results/bench/first_results.json

The page itself takes the times: from the key's event to the message that follows the first frame with cards in it, when
that frame has been painted. Pictures in the cards are not waited for: they come as they are cut. The
tiles' vectors are made up, as in ``benchmarks/service.py``; the questions are real words. Once without
a map, and once with the map drawn by the processor, as there is no graphics card: a reader's machine lies in between.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.search import build_archive, make_rows
from benchmarks.service import WORDS, read_text, served
from geoglot.core.runs import write_json
from geoglot.models.bundle import load_bundle

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TARGET_MS = 300
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
CLOCK = """
addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  window.asked = performance.now();
  window.shown = 0;
  const watch = new MutationObserver(() => {
    if (!document.querySelector(".results .card")) return;
    watch.disconnect();
    requestAnimationFrame(() => {
      const painted = new MessageChannel();
      painted.port1.onmessage = () => { window.shown = performance.now(); };
      painted.port2.postMessage(0);
    });
  });
  watch.observe(document, { childList: true, subtree: true });
}, true);
"""
NO_MAP = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return String(kind).startsWith("webgl") ? null : original.call(this, kind, ...more);
};
"""


def measure(browser: Browser, port: int, count: int, *, with_map: bool) -> dict[str, Any]:
    """Milliseconds from Enter to the first cards, over so many questions, each asked from an empty search."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en")
    context.add_init_script(CLOCK)
    if not with_map:
        context.add_init_script(NO_MAP)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/#/search")
    page.locator("#question").wait_for()
    page.wait_for_timeout(3000)
    found = []
    for number in range(count + 2):
        page.evaluate("location.hash = '#/search'")
        page.locator(".card").first.wait_for(state="detached")
        page.locator("#question").fill(f"{WORDS[number % len(WORDS)]} {'' if number < len(WORDS) else number}")
        page.wait_for_timeout(300)
        page.keyboard.press("Enter")
        end = time.monotonic() + 60
        while not page.evaluate("window.shown"):
            assert time.monotonic() < end, "no card came"
            page.wait_for_timeout(20)
        if number >= 2:  # the first ones load what later ones need no more
            found.append(float(page.evaluate("window.shown - window.asked")))
    context.close()
    return {
        "searches": len(found),
        "p50_ms": round(float(np.median(found)), 1),
        "p95_ms": round(float(np.quantile(found, 0.95)), 1),
        "worst_ms": round(max(found), 1),
        "share_under_300_ms": round(float(np.mean(np.array(found) < TARGET_MS)), 3),
    }


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="keep the archive here, or take the one that is here")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    folder = options.folder or Path(tempfile.mkdtemp(prefix="geoglot-first-results-"))
    if not (folder / "archive").exists():
        folder.mkdir(parents=True, exist_ok=True)
        bundle = load_bundle("compact")
        make_rows(folder, options.rows)
        build_archive(folder, bundle_id=bundle.id, bundle_sha256=bundle.sha256)
    before = os.getloadavg()
    process, port = served(folder / "archive", 2)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
            version = browser.version
            without = measure(browser, port, options.searches, with_map=False)
            drawn = measure(browser, port, options.searches, with_map=True)
            browser.close()
        after = os.getloadavg()
    finally:
        process.terminate()
        process.wait(20)
        if options.folder is None:
            shutil.rmtree(folder)
    told = {
        "rows": options.rows,
        "without_map": without,
        "map_by_processor": drawn,
        "machine": {
            "chromium": version,
            "cores": os.cpu_count(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "load_average_before": [round(value, 2) for value in before],
            "load_average_after": [round(value, 2) for value in after],
            "python": platform.python_version(),
            "scheduling_group": read_text("/proc/self/autogroup"),
            "note": "browser and service run on the same machine, and so does other work",
        },
    }
    print(json.dumps(told, indent=1))
    if options.output:
        write_json(options.output, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
