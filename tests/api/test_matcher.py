"""Comparing pictures: the API beside the command line, with a matcher whose answers can be worked out by hand."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import geoglot as gg
from geoglot.models.matcher import Calibration, Verdict, load_matcher
from geoglot.models.place import load_place

ROOT = Path(__file__).resolve().parents[2]


def geoglot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoglot.cli.main", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "160"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def plain(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (60, 50)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_the_probability_is_the_one_worked_out_by_hand(colour_matcher: Path, tmp_path: Path) -> None:
    """Colours (100, 50, 50) and (130, 60, 60) differ by 30 + 10 + 10 = 50: logit 5 - 5 = 0, 2 x 0 + 1 = 1."""
    first, second = plain(tmp_path / "a.png", (100, 50, 50)), plain(tmp_path / "b.png", (130, 60, 60))
    found = gg.Matcher(colour_matcher).match(first, second)
    assert found.probability == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-5)
    assert found.verdict == Verdict.UNSURE == "unsure"
    assert (found.first, found.second, found.model) == (str(first), str(second), "colour-matcher-1")
    other = gg.Matcher(load_matcher(colour_matcher)).match(first, plain(tmp_path / "c.png", (250, 250, 250)))
    assert other.verdict == "different kind"
    assert gg.Matcher(colour_matcher).match(first, first).verdict == "same kind"


def test_both_orders_are_averaged(colour_matcher: Path) -> None:
    """A matcher for which the order counts: the right side is brighter by 10 / 3 than the left one expects."""
    bundle = load_matcher(colour_matcher)
    pixels = np.random.default_rng(0).integers(0, 255, (5, 40, 40, 3)).astype(np.uint8)
    sides = bundle.sides(pixels)
    got = bundle.probabilities(sides.only(0), sides)
    for other in range(5):
        there = bundle.calibration.probabilities(bundle.logits(sides.left[:1], sides.right[other : other + 1]))
        back = bundle.calibration.probabilities(bundle.logits(sides.left[other : other + 1], sides.right[:1]))
        assert got[other] == pytest.approx((there[0] + back[0]) / 2, abs=1e-9)
    np.testing.assert_allclose(bundle.probabilities(sides, sides.only(0)), got, atol=1e-9)
    assert bundle.sides(pixels[:0]).left.shape == (0, 3)


def test_probabilities_do_not_overflow_and_verdicts_touch_their_bounds() -> None:
    sure = Calibration(scale=3.0, offset=-1.0, same=0.7, different=0.3)
    values = sure.probabilities(np.array([-1e30, -1e4, 0, 1e4, 1e30], np.float32))
    assert values.tolist() == [0.0, 0.0, pytest.approx(1 / (1 + math.e)), 1.0, 1.0]
    assert [sure.verdict(p) for p in (0.3, 0.3001, 0.6999, 0.7)] == ["different kind", "unsure", "unsure", "same kind"]


def test_the_command_gives_what_the_api_gives(colour_matcher: Path, painted: Path, tmp_path: Path) -> None:
    others = [painted / "red.png", painted / "blue.png", painted / "scene.tif"]
    done = geoglot("match", painted / "red.png", *others, "--model", colour_matcher)
    assert done.returncode == 0, done.stderr
    matcher = gg.Matcher(colour_matcher, place=load_place())
    expected = [one.as_record() for one in matcher.match_all(painted / "red.png", others)]
    assert [record["same_place"] is not None for record in expected] == [True] * 3
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    assert [record["verdict"] for record in expected] == ["same kind", "different kind", "different kind"]
    table = geoglot("match", painted / "red.png", *others, "--model", colour_matcher, "--format", "table")
    assert "different kind" in table.stdout
    assert "colour-matcher-1" in table.stdout


def test_a_window_of_a_scene(colour_matcher: Path, painted: Path) -> None:
    """The scene's field (0, 0) is red, the one at column 64 green."""
    matcher = gg.Matcher(colour_matcher)
    for window, verdict in (((0, 0, 64, 64), "same kind"), ([64, 0, 64, 64], "different kind")):
        found = matcher.match(painted / "red.png", painted / "scene.tif", other_window=window)
        assert found.verdict == verdict
        assert found.as_record()["second_window"] == list(window)
        turned = matcher.match(painted / "scene.tif", painted / "red.png", window=window)
        assert turned.probability == pytest.approx(found.probability, abs=1e-6)
    done = geoglot(
        "match", painted / "scene.tif", painted / "red.png", "--window", "0,0,64,64", "--model", colour_matcher
    )
    assert json.loads(done.stdout)["verdict"] == "same kind"


@pytest.mark.parametrize(
    ("first", "second", "options", "told"),
    [
        ("red.png", "absent.png", {}, "absent.png: does not exist"),
        ("red.png", "blue.png", {"window": (0, 0, 9, 9)}, "red.png: is a photo, which is read whole"),
        ("red.png", "scene.tif", {"other_window": (256, 0, 9, 9)}, "lies outside of .*scene.tif"),
        ("scene.tif", "red.png", {"window": (0, 0, 0, 9)}, "is no window"),
        ("scene.tif", "red.png", {"window": (0, 0, 9)}, "is no window"),
    ],
)
def test_what_makes_no_sense_is_named(
    colour_matcher: Path, painted: Path, first: str, second: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(gg.UsageError, match=told):
        gg.Matcher(colour_matcher).match(painted / first, painted / second, **options)


def test_an_unreadable_picture_costs_itself_alone_and_is_named(
    colour_matcher: Path, painted: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.png").write_text("not a picture")
    (tmp_path / "cut.png").write_bytes((painted / "red.png").read_bytes()[:90])
    (tmp_path / "empty.tif").write_bytes(b"")
    Image.new("RGBA", (30, 30), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    bad = [tmp_path / name for name in ("words.png", "cut.png", "empty.tif", "clear.png")]
    matcher = gg.Matcher(colour_matcher)
    found = matcher.match_all(painted / "red.png", [*bad, painted / "red.png"])
    assert [type(one).__name__ for one in found] == ["SourceError"] * 4 + ["Match"]
    for path, error in zip(bad, found, strict=False):
        assert str(path) in str(error)
        with pytest.raises(gg.SourceError, match=path.name):
            matcher.match(path, painted / "red.png")
    partly = geoglot("match", painted / "red.png", *bad, painted / "red.png", "--model", colour_matcher)
    assert partly.returncode == 3
    assert len(partly.stdout.splitlines()) == 1
    assert all(path.name in partly.stderr for path in bad)
    failed = geoglot("match", painted / "red.png", *bad, "--model", colour_matcher)
    assert (failed.returncode, failed.stdout) == (1, "")


def test_odd_pictures_are_compared_all_the_same(colour_matcher: Path, tmp_path: Path) -> None:
    """One pixel, 16 bits, alpha, grey, very long: each is the red (or grey) square that it shows."""
    red = (200, 10, 10)
    plain(tmp_path / "plain.png", red)
    odd = [plain(tmp_path / "dot.png", red, (1, 1)), plain(tmp_path / "line.png", red, (3000, 1))]
    glass = np.zeros((30, 30, 4), np.uint8)
    glass[:, :15] = (*red, 255)  # the clear half is black, and must not count
    Image.fromarray(glass).save(tmp_path / "glass.png")
    Image.new("P", (20, 20), 0).save(tmp_path / "palette.png")
    matcher = gg.Matcher(colour_matcher)
    found = matcher.match_all(tmp_path / "plain.png", [*odd, tmp_path / "glass.png"])
    assert [one.verdict for one in found] == ["same kind"] * 3
    ramp = np.linspace(0, 4000, 3600).reshape(60, 60).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    Image.fromarray((ramp / 4000 * 255).astype(np.uint8)).save(tmp_path / "shallow.png")
    assert matcher.match(tmp_path / "deep.png", tmp_path / "shallow.png").verdict == "same kind"
    assert matcher.match(tmp_path / "palette.png", tmp_path / "plain.png").verdict == "different kind"


class SameBytes:
    """A check of places that knows a place by its very pixels, at a side of its own."""

    side = 16
    same = 0.5

    def describe(self, pixels: np.ndarray) -> np.ndarray:
        assert pixels.shape[1:] == (16, 16, 3)
        return pixels.astype(np.float32)

    def looked_at(self, pictures: np.ndarray, shown: np.ndarray) -> np.ndarray:
        return np.array([float((pictures[0] == one).all()) for one in shown])


def test_a_check_of_places_is_asked_where_there_is_one(colour_matcher: Path, painted: Path, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("not a picture")
    others = [painted / "blue.png", tmp_path / "words.png", painted / "red.png"]
    found = gg.Matcher(colour_matcher, place=SameBytes()).match_all(painted / "red.png", others)
    assert [getattr(one, "same_place", "error") for one in found] == [False, "error", True]
    assert found[2].as_record()["place_agreement"] == 1.0
    assert "same_place" not in gg.Matcher(colour_matcher).match(others[0], others[2]).as_record()


def test_a_large_scene_is_looked_at_as_a_whole(colour_matcher: Path, tmp_path: Path) -> None:
    """6,000 x 4,500 pixels, the left half red and the right half black: seen as (110, 10, 10)."""
    import rasterio

    profile = {"driver": "GTiff", "width": 6_000, "height": 4_500, "count": 3, "dtype": "uint8", "tiled": True}
    where = {"crs": "EPSG:32632", "transform": rasterio.Affine(1, 0, 500_000, 0, -1, 5_000_000)}
    with rasterio.open(tmp_path / "large.tif", "w", **profile, **where, photometric="RGB") as file:
        half = np.zeros((3, 4_500, 3_000), np.uint8)
        half[:] = np.array([219, 19, 19])[:, None, None]
        file.write(half, window=rasterio.windows.Window(0, 0, 3_000, 4_500))
        file.write(half * 0 + 1, window=rasterio.windows.Window(3_000, 0, 3_000, 4_500))
    found = gg.Matcher(colour_matcher).match(tmp_path / "large.tif", plain(tmp_path / "mean.png", (110, 10, 10)))
    assert found.verdict == "same kind"


def test_damaged_and_foreign_bundles_are_refused(colour_matcher: Path, tmp_path: Path) -> None:
    def changed(name: str, **fields: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(colour_matcher, folder)
        manifest = json.loads((folder / "bundle.json").read_text())
        (folder / "bundle.json").write_text(json.dumps({**manifest, **fields}))
        return folder

    for number, wrong in enumerate([{"scale": 0, "offset": 0, "same": 1, "different": 0}, {"scale": 1}, 7]):
        bundle = load_matcher(changed(f"calibration{number}", calibration=wrong))
        with pytest.raises(gg.BundleError, match="no sound calibration"):
            _ = bundle.calibration
    with pytest.raises(gg.BundleError, match="is not a model bundle"):
        gg.Matcher(tmp_path / "absent")
    with pytest.raises(gg.BundleError, match="two-tower bundle, not a matcher"):
        gg.Matcher("compact")
    with pytest.raises(gg.BundleError, match="is a matcher, which cannot make an archive's vectors"):
        gg.Archive.create(tmp_path / "archive", model=colour_matcher)
    folder = changed("bytes")
    (folder / "image.onnx").write_bytes(b"x" + (folder / "image.onnx").read_bytes())
    with pytest.raises(gg.BundleError, match="does not match its checksum"):
        load_matcher(folder).sides(np.zeros((1, 40, 40, 3), np.uint8))
    with pytest.raises(gg.BundleError, match="wants uint8"):
        load_matcher(colour_matcher).sides(np.zeros((1, 41, 40, 3), np.uint8))


def test_matching_needs_no_torch(colour_matcher: Path, painted: Path) -> None:
    script = (
        "import sys, geoglot as gg; "
        f"gg.Matcher({str(colour_matcher)!r}).match({str(painted / 'red.png')!r}, {str(painted / 'blue.png')!r}); "
        "print(sorted({'torch', 'rasterio', 'onnx', 'PIL'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
