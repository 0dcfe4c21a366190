"""Second views of a place in an archive: the place goes first and is called the same, through API and command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import geoglot as gg
from geoglot.api import place
from geoglot.api.instance import evaluate_pairs
from geoglot.api.query import build_query
from geoglot.core.errors import BundleError, UsageError
from geoglot.core.records import Band
from geoglot.data.second_views import in_frame, second_view
from geoglot.models.place import load_place, quarter_turns

ROOT = Path(__file__).resolve().parents[2]
SIDE = 160


def town(seed: int) -> np.ndarray:
    """A made-up town of rectangles: every one has detail of its own."""
    generator = np.random.default_rng(seed)
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    pixels[:] = generator.integers(60, 160, 3)
    for _ in range(70):
        left, top = generator.integers(0, SIDE - 8, 2)
        wide, high = generator.integers(5, 34, 2)
        pixels[top : top + high, left : left + wide] = generator.integers(0, 256, 3)
    return pixels


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, colour_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("towns")
    (folder / "pictures").mkdir()
    for seed in range(12):
        Image.fromarray(town(seed)).save(folder / "pictures" / f"town{seed:02d}.png")
    Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(folder / "pictures" / "flat.png")
    with gg.Archive.create(folder / "towns.archive", model=colour_bundle) as archive:
        archive.index(folder / "pictures")
    return folder


def asked(folder: Path, name: str, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(folder / name)
    return folder / name


@pytest.mark.parametrize("quarter", [0, 1, 3])
def test_a_second_view_finds_its_place_where_colours_mislead(towns: Path, tmp_path: Path, quarter: int) -> None:
    """The archive's model knows mean colours alone, and the view's are those of another town."""
    view = in_frame(town(4), shift=(0.12, -0.1), scale=1.15, degrees=6 + 90 * quarter).astype(float)
    view = view - view.mean((0, 1)) + town(9).mean((0, 1))
    path = asked(tmp_path, "view.png", np.clip(view, 0, 255).astype(np.uint8))
    with gg.Archive.open(towns / "towns.archive") as archive:
        plain = archive.search(like=path, k=13, rerank="none")
        answer = archive.search(like=path, k=13)
    assert Path(plain[0].source).stem != "town04"
    assert all(hit.same_place is None and "same_place" not in hit.as_record() for hit in plain)
    assert Path(answer[0].source).stem == "town04"
    assert [hit.same_place for hit in answer] == [True] + [False] * 12
    assert answer[0].band is Band.LIKELY
    rest = [hit.source for hit in plain if Path(hit.source).stem != "town04"]
    moved = [hit.source for hit in answer][1:]
    assert set(moved) == set(rest)


def test_a_place_that_is_not_there_is_not_made_up(towns: Path, tmp_path: Path) -> None:
    """No town is called the same, and a picture of nothing is not the place of another."""
    for name, pixels in (("other.png", town(99)), ("flat.png", np.full((SIDE, SIDE, 3), 120, np.uint8))):
        with gg.Archive.open(towns / "towns.archive") as archive:
            answer = archive.search(like=asked(tmp_path, name, pixels), k=13)
        assert not any(hit.same_place for hit in answer)


def test_only_one_picture_alone_asks_for_a_place(towns: Path, tmp_path: Path) -> None:
    path = asked(tmp_path, "view.png", town(3))
    assert not place.applies(build_query(like=[path, path]))
    assert not place.applies(build_query("red roofs"))
    with gg.Archive.open(towns / "towns.archive") as archive:
        assert archive.search("red", like=path)[0].same_place is None
        with pytest.raises(UsageError, match="place of one picture"):
            archive.search("red", rerank="place")


def test_files_that_are_gone_keep_their_order_and_are_told(towns: Path, tmp_path: Path, colour_bundle: Path) -> None:
    (tmp_path / "some").mkdir()
    for seed in (1, 2):
        asked(tmp_path / "some", f"town{seed}.png", town(seed))
    with gg.Archive.create(tmp_path / "some.archive", model=colour_bundle) as archive:
        archive.index(tmp_path / "some")
        (tmp_path / "some" / "town1.png").unlink()
        answer = archive.search(like=asked(tmp_path, "view.png", second_view(town(2), "easy", seed=0)), k=2)
    assert Path(answer[0].source).stem == "town2"
    assert [hit.same_place for hit in answer] == [True, False]
    assert any("1 of 2 candidates could not be read again" in note for note in answer.notes)


def test_vectors_of_places_find_what_the_model_puts_behind(towns: Path, tmp_path: Path, colour_bundle: Path) -> None:
    """One candidate by the model's vectors is another town; the one by vectors of places is the right one."""
    view = in_frame(town(4), shift=(0.12, -0.1), scale=1.15, degrees=96).astype(float)
    view = view - view.mean((0, 1)) + town(9).mean((0, 1))
    path = asked(tmp_path, "view.png", np.clip(view, 0, 255).astype(np.uint8))
    with gg.Archive.create(tmp_path / "towns.archive", model=colour_bundle) as archive:
        archive.index(towns / "pictures")
        before = archive.search(like=path, k=13, rerank="place", candidates=1)
        done = archive.index_places()
        answer = archive.search(like=path, k=13, rerank="place", candidates=1)
        elsewhere = archive.search(like=path, k=13, rerank="place", candidates=1, source="*town0[0-3].png")
        assert (done.tiles, done.unchanged, done.failed) == (13, 0, [])
        asked(tmp_path, "one_more.png", town(77))
        archive.index(tmp_path / "one_more.png")  # the index is written anew, the vectors stay
        again = archive.index_places()
        assert (again.tiles, again.unchanged) == (1, 13)
        assert archive.store.verify().ok
    assert not any(hit.same_place for hit in before)
    assert Path(answer[0].source).stem == "town04"
    assert answer[0].same_place
    assert len({hit.id for hit in answer}) == len(answer) == 13
    assert [hit.id for hit in answer][1:] == [hit.id for hit in before if hit.id != answer[0].id]
    assert not any(hit.same_place for hit in elsewhere)


def test_vectors_of_places_follow_their_tiles(towns: Path, tmp_path: Path, colour_bundle: Path) -> None:
    """Removed tiles lose theirs at the next run, a damaged file is told, is no bar to a search, and is made again."""
    with gg.Archive.create(tmp_path / "towns.archive", model=colour_bundle) as archive:
        archive.index(towns / "pictures")
        archive.index_places(source="*town0*")
        archive.remove("*town03*")
        done = archive.index_places()
        assert (done.tiles, done.unchanged, done.dropped) == (3, 9, 1)  # two towns and the flat one; ten less one
        file = archive.store.layout.places
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
        assert [Path(damage.file).name for damage in archive.store.verify().damages] == ["places.npz"]
        answer = archive.search(like=asked(tmp_path, "view.png", second_view(town(2), "easy", seed=0)), k=2)
        assert any("vectors of places were not used" in note for note in answer.notes)
        assert archive.index_places().tiles == 12
        assert archive.store.verify().ok


def test_the_command_line_says_the_same(towns: Path, tmp_path: Path) -> None:
    path = asked(tmp_path, "view.png", second_view(town(7), "medium", seed=2))
    command = [sys.executable, "-m", "geoglot.cli.main", "search", "--like", str(path), "-k", "2"]
    command += ["--archive", str(towns / "towns.archive")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (Path(first["source"]).stem, first["same_place"], second["same_place"]) == ("town07", True, False)


def test_real_views_are_measured_by_their_names(towns: Path, tmp_path: Path, colour_bundle: Path) -> None:
    """Three of four views find their place by the second look; the fourth is no view, and has another town's colour."""
    (tmp_path / "views").mkdir()
    for seed in (0, 5, 8):
        asked(tmp_path / "views", f"town{seed:02d}.jpg", second_view(town(seed), "easy", seed=1))
    asked(tmp_path / "views", "town11.jpg", np.full((SIDE, SIDE, 3), town(3).mean((0, 1)), np.float64).astype(np.uint8))
    asked(tmp_path / "views", "unknown.jpg", town(51))
    report = evaluate_pairs(tmp_path / "views", towns / "pictures", colour_bundle, tmp_path / "results")
    level = report.record["severities"]["as given"]
    assert level["queries"] == 4
    assert level["with_second_look"]["R@1"]["value"] == level["with_place_vectors"]["R@1"]["value"] == 75
    assert level["answer_among_candidates_percent"] == {"with_second_look": 100.0, "with_place_vectors": 100.0}
    assert level["called_the_same_place_percent"] == {"the_answer": 75.0, "another_picture": 0.0}
    assert report.path is not None
    assert json.loads(report.path.read_text())["protocol"]["views"] == "real, as given"
    with pytest.raises(UsageError, match="no file that is named"):
        evaluate_pairs(tmp_path / "views", tmp_path / "results", colour_bundle)


def test_descriptors_are_unit_rows_and_do_not_depend_on_the_batch() -> None:
    bundle = load_place(threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (3, bundle.side, bundle.side, 3)).astype(np.uint8)
    found = bundle.describe(pixels)
    assert found.shape == (3, (bundle.side // 8) ** 2, bundle.dimension)
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=1e-4)
    np.testing.assert_allclose(bundle.describe(pixels[1:2])[0], found[1], atol=1e-4)
    np.testing.assert_array_equal(quarter_turns(pixels)[3:6], np.rot90(pixels, 2, axes=(1, 2)))
    with pytest.raises(BundleError, match="wants uint8"):
        bundle.describe(pixels[:, :8])
