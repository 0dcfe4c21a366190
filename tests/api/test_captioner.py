"""Captions of photos, scenes and folders: the toy goes by the mean colour alone, so every caption is known."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import geoglot as gg
from geoglot.api.captioner import write_captions
from geoglot.core.errors import SourceError, UsageError
from geoglot.models.captioner import load_captioner

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "160"}


def geoglot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoglot.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def test_a_photo_in_two_languages(colour_captioner: Path, wavy: Path) -> None:
    captioner = gg.Captioner(colour_captioner)
    found = captioner.caption(wavy / "red.png", language=["fr", "en"])
    assert [caption.text for caption in found.captions] == ["un champ rouge", "a red field"]
    assert (found.kind, found.left_out) == ("photo", 0)
    english = found.captions[1]
    assert [word for word, _ in english.words] == ["a", "red", "field"]
    probabilities = [probability for _, probability in english.words]
    assert english.attributes == (("red", pytest.approx(probabilities[1], abs=1e-6)),)
    # the end of the caption counts, too, and is as certain as the words of the frame
    frame = probabilities[0]
    assert english.confidence == pytest.approx((frame**3 * probabilities[1]) ** 0.25, abs=1e-6)
    assert captioner.caption(wavy / "red.png").captions[0] == english
    assert [one.language for one in captioner.caption(wavy / "red.png", language="all").captions] == ["en", "fr"]


def test_a_scene_says_where_and_sums_up(colour_captioner: Path, wavy: Path) -> None:
    """12 fields of colour, one plain, one of noise, one left out: 15 tiles come, 16 are planned."""
    found = gg.Captioner(colour_captioner).caption(wavy / "scene.tif", tile=64)
    assert (found.kind, len(found.captions), found.left_out) == ("scene", 15, 1)
    by_place = {(one.tile.window.column // 64, one.tile.window.row // 64): one for one in found.captions}
    assert by_place[1, 0].text == "a green field"
    assert (by_place[0, 1].text, by_place[0, 1].reason, by_place[0, 1].attributes) == (None, "blank", ())
    assert (by_place[1, 1].text, by_place[1, 1].reason) == (None, "noise")
    assert (3, 3) not in by_place
    assert by_place[0, 0].tile.bounds is not None
    summary = found.summary("en")
    assert (summary["tiles"], summary["captioned"]) == (16, 13)
    assert summary["without"] == {"blank": 1, "no data": 1, "noise": 1}
    assert summary["attributes"] == {"blue": 8, "green": 3, "red": 2}
    assert summary["captions"] == [["a blue field", 8], ["a green field", 3], ["a red field", 2]]


def test_pictures_that_show_nothing_get_no_caption(colour_captioner: Path, tmp_path: Path) -> None:
    """Whatever the captioner would say of them, and it would say something: see the last lines."""
    random, side = np.random.default_rng(0), 256
    down, across = np.mgrid[0:side, 0:side]
    cloud = 225 + 12 * np.sin(across / 40) + 9 * np.sin(down / 60 + across / 90) + random.normal(0, 1.5, (side, side))
    collar = np.asarray(Image.effect_noise((side, side), 60).convert("RGB")).copy()
    collar[:, : side // 2] = 0
    pictures = {
        "black": np.zeros((side, side, 3)),
        "white": np.full((side, side, 3), 255),
        "grain": np.full((side, side, 3), 90) + random.integers(-1, 2, (side, side, 1)),
        "two-colours": np.where(across[:, :, None] < side // 2, (200, 20, 20), (20, 200, 20)),
        "cloud": np.repeat(cloud[:, :, None], 3, axis=2),
        "collar": collar,
        "noise": random.integers(0, 256, (40, 40, 3)),
    }
    for name, pixels in pictures.items():
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.new("RGBA", (50, 50), (200, 20, 20, 0)).save(tmp_path / "transparent.png")
    found = list(gg.Captioner(colour_captioner).caption_all(tmp_path, language="all"))
    reasons = {Path(one.source).stem: {caption.reason for caption in one.captions} for one in found}
    assert reasons == {
        "black": {"blank"},
        "white": {"blank"},
        "grain": {"blank"},
        "two-colours": {"no data"},
        "cloud": {"cloud or snow"},
        "collar": {"no data"},
        "noise": {"noise"},
        "transparent": {"no data"},
    }
    assert all(caption.text is None and not caption.attributes for one in found for caption in one.captions)
    assert all(one.as_record()["caption"] is None for each in found for one in each.captions)
    bundle = load_captioner(colour_captioner)
    assert bundle.captions(bundle.maps(np.zeros((1, 40, 40, 3), np.uint8)), "en")[0][0].text == "a black field"


def test_what_the_captioner_is_not_sure_of_is_not_told(colour_captioner: Path, orange: Path) -> None:
    """Red (220, 20, 20) and yellow (220, 220, 20) are nearly equally far from the photo: about 0.6 ** (1 / 4)."""
    bundle = load_captioner(colour_captioner)
    sure = gg.Captioner(bundle).caption(orange, language="all")
    assert all(0.8 < caption.confidence < 0.98 for caption in sure.captions)
    strict = replace(bundle, manifest={**bundle.manifest, "confidence": {"en": 0.98, "fr": 0.1}})
    english, french = gg.Captioner(strict).caption(orange, language="all").captions
    assert (english.text, english.reason, english.confidence, english.words) == (None, "unsure", 0.0, ())
    assert french.text is not None


def test_a_bad_file_costs_itself_alone(colour_captioner: Path, wavy: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes((wavy / "red.png").read_bytes()[:90])
    (tmp_path / "cut.tif").write_bytes((wavy / "scene.tif").read_bytes()[:60_000])
    (tmp_path / "text.tif").write_text("<VRTDataset/>")
    (tmp_path / "link.png").symlink_to("/etc/passwd")
    paths = [tmp_path, wavy / "red.png", wavy / "green.png"]
    steps: list[tuple[int, int, int]] = []
    found = list(gg.Captioner(colour_captioner).caption_all(paths, tile=64, progress=lambda *now: steps.append(now)))
    errors = [one for one in found if isinstance(one, SourceError)]
    assert {Path(error.subject).name for error in errors} == {"broken.png", "cut.tif", "text.tif", "link.png"}
    good = [one for one in found if not isinstance(one, SourceError)]
    assert [one.captions[0].text for one in good] == ["a red field", "a green field"]
    assert steps[-1][:2] == (6, 6)
    done = geoglot("caption", *paths, "--model", colour_captioner, "--tile", 64)
    assert done.returncode == 3
    assert [json.loads(line)["caption"] for line in done.stdout.splitlines()] == ["a red field", "a green field"]
    assert done.stderr.count("error: ") == 4
    assert geoglot("caption", tmp_path, "--model", colour_captioner).returncode == 1
    missing = geoglot("caption", tmp_path / "absent.png", "--model", colour_captioner)
    assert (missing.returncode, missing.stdout) == (2, "")


def test_the_command_gives_what_the_api_gives(colour_captioner: Path, wavy: Path) -> None:
    done = geoglot("caption", wavy, "--model", colour_captioner, "--tile", 64, "--language", "all")
    assert done.returncode == 0, done.stderr
    found = [*gg.Captioner(colour_captioner).caption_all(wavy, language="all", tile=64)]
    expected = [
        record
        for one in found
        for record in (
            *(caption.as_record() for caption in one.captions),
            *([one.summary("en"), one.summary("fr")] if one.kind == "scene" else []),
        )
    ]
    assert [json.loads(line) for line in done.stdout.splitlines()] == json.loads(json.dumps(expected))
    assert len(expected) == 2 * 3 + 2 * 15 + 2


def test_files_that_are_written(colour_captioner: Path, wavy: Path, tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    target = tmp_path / "captions.parquet"
    options = ("--model", colour_captioner, "--tile", 64, "-q")
    done = geoglot("caption", wavy, *options, "-o", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    frame = geopandas.read_parquet(target)
    assert len(frame) == 18
    assert frame.caption.isna().sum() == 2
    assert sorted(frame[frame.caption.isna()].reason) == ["blank", "noise"]
    assert frame.crs.to_epsg() == 4326 or "CRS84" in str(frame.crs)
    assert frame.geometry.notna().sum() == 15
    assert list(frame.attributes[0]) == [{"name": "red", "probability": pytest.approx(1, abs=0.01)}] or len(frame)
    lines = tmp_path / "captions.jsonl"
    assert geoglot("caption", wavy, *options, "-o", lines).returncode == 0
    assert len(lines.read_text().splitlines()) == 19
    table = tmp_path / "captions.txt"
    assert geoglot("caption", wavy, *options, "-o", table).returncode == 0
    told = " ".join(table.read_text().split())  # long paths of files make lines break elsewhere
    assert "a red field" in told
    assert "none: noise" in told
    assert "13 of 16 tiles have a caption" in told
    assert "seen: blue (8), green (3), red (2)" in told
    refused = geoglot("caption", wavy, *options, "-o", tmp_path / "captions.gpkg")
    assert (refused.returncode, "no file for captions" in refused.stderr) == (2, True)
    write_captions([], tmp_path / "none.parquet")
    assert len(geopandas.read_parquet(tmp_path / "none.parquet")) == 0


def test_a_terminal_gets_a_table(colour_captioner: Path, wavy: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "geoglot.cli.main", "caption", str(wavy / "red.png"), "--model", colour_captioner]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "a red field" in told
    assert "red.png" in told


def test_slips_of_the_pen(colour_captioner: Path, wavy: Path) -> None:
    captioner = gg.Captioner(colour_captioner)
    with pytest.raises(UsageError, match=r"it: is not among the languages of colour-captioner-1.*en, fr, or all"):
        captioner.caption(wavy / "red.png", language="it")
    with pytest.raises(UsageError, match="does not exist"):
        captioner.caption(wavy / "absent.png")
    with pytest.raises(UsageError, match="overlap"):
        captioner.caption(wavy / "scene.tif", overlap=2)
    with pytest.raises(UsageError, match="beam"):
        gg.Captioner(colour_captioner, beam=0)
    for options, words in ((("--beam", 0), "--beam 0"), (("--bands", "x"), "--bands x"), (("--tile", 3), "tile=3")):
        done = geoglot("caption", wavy, "--model", colour_captioner, *options)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert geoglot("caption", wavy, "--model", "compact").returncode == 1


def test_torch_is_not_imported(colour_captioner: Path, wavy: Path) -> None:
    code = (
        "import sys, geoglot as gg\n"
        f"found = gg.Captioner({str(colour_captioner)!r}, beam=3).caption({str(wavy / 'red.png')!r})\n"
        "assert found.captions[0].text == 'a red field'\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
