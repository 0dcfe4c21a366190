"""gg.explain and its pictures: photos and scenes, four directions of failure, three formats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio import Affine

import geoglot as gg
from geoglot.api import drawing, fonts
from geoglot.api.explain import choose_way, load_explainer, split_words
from geoglot.api.explain_page import page
from geoglot.api.explain_picture import chips, fills, sheet, weight_text


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, 96 x 64: red on the left, blue on the right."""
    pixels = np.zeros((64, 96, 3), np.uint8) + np.array([20, 20, 220], np.uint8)
    pixels[:, :48] = (220, 20, 20)
    path = tmp_path_factory.mktemp("photo") / "halves.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def explained(halves: Path, colour_bundle: Path) -> Callable[[str], gg.Explanation]:
    """The photo explained by a text, once per text."""
    return cache(lambda text: gg.explain(halves, text, colour_bundle))


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """A located scene of 512 x 512: 2 x 2 fields, red, green, blue, yellow."""
    path = tmp_path / "fields.tif"
    scene = np.zeros((3, 512, 512), np.uint8)
    colours = [(220, 20, 20), (20, 200, 20), (20, 20, 220), (220, 220, 20)]
    for number, colour in enumerate(colours):
        row, column = divmod(number, 2)
        scene[:, row * 256 : row * 256 + 256, column * 256 : column * 256 + 256] = np.array(colour)[:, None, None]
    profile = {"driver": "GTiff", "width": 512, "height": 512, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(path, "w", **profile, transform=transform, photometric="RGB") as file:
        file.write(scene)
    return path


def test_heat_lies_where_the_colour_is_and_the_word_counts(explained: Callable[[str], gg.Explanation]) -> None:
    for text, left in (("red", True), ("حقل أزرق", False), ("rouge", True), ("champ bleu", False)):
        found = explained(text)
        height, width = found.heat.shape
        assert found.heat.dtype == np.float32
        assert (height, width) == found.picture.shape[:2] == (373, 560)
        assert found.heat.min() == 0
        assert found.heat.max() == 1
        sides = found.heat[:, : width // 2].sum(), found.heat[:, width // 2 :].sum()
        assert (sides[0] > 5 * sides[1]) == left, text
        assert (sides[1] > 5 * sides[0]) == (not left), text
        assert (found.hottest[0] < 48) == left
        assert found.peak > 0.01
        strongest = found.words[int(np.argmax(found.weights))]
        assert strongest in ("red", "أزرق", "rouge", "bleu")


def test_the_score_is_that_of_search(
    halves: Path, explained: Callable[[str], gg.Explanation], colour_bundle: Path, tmp_path: Path
) -> None:
    with gg.Archive.create(tmp_path / "a.archive", model=colour_bundle) as archive:
        archive.index(halves)
        [hit] = archive.search("red")
    assert explained("red").score == pytest.approx(hit.score, abs=2e-3)


def test_a_scene_is_explained_at_its_best_tile(fields: Path, colour_bundle: Path) -> None:
    found = gg.explain(fields, "yellow", colour_bundle)
    assert tuple(found.window) == (256, 256, 256, 256)
    assert found.bounds is not None
    assert found.bounds.west == pytest.approx(9.0326, abs=1e-3)
    assert found.picture[280, 280].tolist() == pytest.approx([220, 220, 20], abs=3)
    other = gg.explain(fields, "yellow", colour_bundle, window=(0, 0, 256, 256))
    assert tuple(other.window) == (0, 0, 256, 256)
    assert other.score < found.score
    assert other.picture[280, 280].tolist() == pytest.approx([220, 20, 20], abs=3)
    whole = gg.explain(fields, "yellow", colour_bundle, window=[0, 0, 512, 512])
    assert whole.hottest[0] > 256
    assert whole.hottest[1] > 256
    swapped = gg.explain(fields, "red", colour_bundle, bands=(2, 1, 3))
    assert tuple(swapped.window) == (256, 0, 256, 256)


def test_a_picture_of_one_colour_has_no_hot_place(painted: Path, colour_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    Image.new("RGB", (40, 40), (220, 20, 20)).save(path)
    found = gg.explain(path, "red", colour_bundle)
    assert found.heat.max() == 0
    assert found.peak == 0
    assert found.score > 0.9
    assert "no place" in page(found)
    assert found.save(tmp_path / "flat-why.png").is_file()


def test_a_grey_photo_and_one_with_16_bits(colour_bundle: Path, tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 60 * 50).reshape(60, 50)
    Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray((ramp * 200).astype(np.uint16)).save(tmp_path / "deep.png")
    for name in ("grey.png", "deep.png"):
        found = gg.explain(tmp_path / name, "white", colour_bundle)
        assert found.hottest[1] > 30
        assert found.save(tmp_path / f"why-{name}").stat().st_size > 5000


def test_record_is_json_and_says_what_the_explanation_says(halves: Path, colour_bundle: Path) -> None:
    found = gg.explain(halves, "a red field .", colour_bundle, band=gg.Band.LIKELY)
    record = json.loads(json.dumps(found.as_record(), allow_nan=False))
    assert record["words"] == [
        {"word": word, "weight": round(weight, 6)} for word, weight in zip(found.words, found.weights, strict=True)
    ]
    assert [word["word"] for word in record["words"]] == ["a", "red", "field"]
    assert record["band"] == "likely"
    assert record["how"] == "occlusion"
    assert record["model"] == "colours-1"
    heat = np.array(record["heat"])
    assert heat.shape == (16, 16)
    assert 0 <= heat.min() <= heat.max() <= 1
    assert heat[:, :8].mean() > heat[:, 8:].mean()
    assert record["bounds"] is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("text", ["red", "حقل أحمر وبجانبه حقل أزرق", "un champ rouge près d’un champ bleu " * 6])
def test_pictures_open_again(
    explained: Callable[[str], gg.Explanation], tmp_path: Path, suffix: str, text: str
) -> None:
    path = explained(text).save(tmp_path / f"why{suffix}")
    with Image.open(path) as image:
        assert image.mode == "RGB"
        assert image.width > 560
        corner = image.getpixel((2, 2))
        bottom = image.getpixel((2, image.height - 2))
    assert corner == pytest.approx(drawing.PAPER, abs=3)
    assert bottom == pytest.approx(drawing.PAPER, abs=3)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_words_of_a_right_to_left_text_stand_on_the_right(explained: Callable[[str], gg.Explanation]) -> None:
    def ink(text: str) -> tuple[int, int]:
        found = explained(text)
        title = np.asarray(sheet(found).image.crop((0, 36, 10_000, 80)).convert("L"))
        dark = np.nonzero((title > 0) & (title < 90))[1]
        return int(dark.min()), int(dark.max())

    left, _ = ink("red")
    assert left < 60
    left, right = ink("حقل أحمر")
    assert left > 400
    assert right > 560


def test_chips_are_warm_for_and_cool_against(explained: Callable[[str], gg.Explanation]) -> None:
    against = explained("red green")
    assert [chip.text for chip in chips(against)] == ["red", "green"]
    red, green = fills(against)
    assert red[0] > red[2]
    assert green[2] > green[0]
    assert weight_text(against, 0.125) == "+0.12"
    assert weight_text(against, -0.2) == "−0.20"
    assert weight_text(against, -0.001) == "0.00"


def test_the_page_reads_in_its_direction_and_carries_nothing_foreign(
    explained: Callable[[str], gg.Explanation], tmp_path: Path
) -> None:
    found = explained('red <script>alert(1)</script> "x"')
    written = found.save(tmp_path / "why.html").read_text(encoding="utf-8")
    assert "<script" not in written
    assert "&lt;script&gt;" in written
    assert 'dir="ltr"' in written
    assert "default-src 'none'" in written
    assert re.findall(r'(?:src|href)="(?!data:)', written) == []
    arabic = page(explained("حقل أحمر"))
    assert '<html lang="ar" dir="rtl">' in arabic
    assert "أحمر" in arabic


def test_a_machine_without_fonts(
    explained: Callable[[str], gg.Explanation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "_folders", lambda: iter(()))
    fonts._font_files.cache_clear()
    fonts._chosen.cache_clear()
    try:
        assert explained("red").save(tmp_path / "latin.png").is_file()
        arabic = explained("حقل أحمر")
        with pytest.raises(gg.UsageError, match=r"no font on this machine can draw.*write a page instead"):
            arabic.save(tmp_path / "arabic.png")
        assert not (tmp_path / "arabic.png").exists()
        assert arabic.save(tmp_path / "arabic.html").is_file()
    finally:
        fonts._font_files.cache_clear()
        fonts._chosen.cache_clear()


@pytest.mark.parametrize("text", ["", "   ", " . ... !", "\u200f"])
def test_a_text_without_words(halves: Path, colour_bundle: Path, text: str) -> None:
    with pytest.raises(gg.UsageError, match="has no words"):
        gg.explain(halves, text, colour_bundle)


def test_files_that_are_no_picture(colour_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(gg.UsageError, match="does not exist"):
        gg.explain(tmp_path / "none.png", "red", colour_bundle)
    (tmp_path / "words.png").write_text("not a picture")
    with pytest.raises(gg.SourceError, match=r"words\.png"):
        gg.explain(tmp_path / "words.png", "red", colour_bundle)
    with pytest.raises(gg.SourceError):
        gg.explain(tmp_path, "red", colour_bundle)
    Image.new("RGBA", (40, 40), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    with pytest.raises(gg.SourceError, match="holds no picture"):
        gg.explain(tmp_path / "clear.png", "red", colour_bundle)


def test_unknown_models_ways_windows_and_suffixes(
    halves: Path, fields: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(gg.BundleError, match="is not a model bundle"):
        gg.explain(halves, "red", "compacd")
    with pytest.raises(gg.UsageError, match=r"how=rollout: is not offered by colours-1\. Remedy: choose occlusion"):
        gg.explain(halves, "red", colour_bundle, how="rollout")
    with pytest.raises(gg.UsageError, match="is a photo, which is read whole"):
        gg.explain(halves, "red", colour_bundle, window=(0, 0, 10, 10))
    with pytest.raises(gg.UsageError, match="which has 512 x 512 pixels"):
        gg.explain(fields, "red", colour_bundle, window=(512, 0, 10, 10))
    for window in ((0, 0, 0, 10), (0, 0, 10), (-1, 0, 5, 5)):
        with pytest.raises(gg.UsageError, match="is no window"):
            gg.explain(fields, "red", colour_bundle, window=window)
    with pytest.raises(gg.UsageError, match=r"name it \.png, \.jpg, \.jpeg, \.webp, \.html"):
        gg.explain(halves, "red", colour_bundle).save(tmp_path / "why.gif")
    assert not (tmp_path / "why.gif").exists()


def test_a_scene_of_too_many_tiles(fields: Path, colour_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from geoglot.api import explain_source

    monkeypatch.setattr(explain_source, "MOST_TILES", 3)
    with pytest.raises(gg.UsageError, match=r"is a scene of 9 tiles\. Remedy: give --window"):
        gg.explain(fields, "red", colour_bundle)
    assert gg.explain(fields, "red", colour_bundle, window=(0, 0, 512, 512)).score > -1


def test_ways_and_words() -> None:
    class Offers:
        id, side, ways = "model", 8, ("rollout", "occlusion")

    assert choose_way(Offers(), None) == "rollout"
    assert choose_way(Offers(), "occlusion") == "occlusion"
    assert load_explainer(Offers()).id == "model"
    assert split_words("«L'aéroport» , vu\tde\u00a0haut...") == ["L'aéroport", "vu", "de", "haut"]


def test_lines_break_and_directions_mix() -> None:
    lines = drawing.broken("word " * 60, 20, "regular", 300, most_lines=3)
    assert len(lines) == 3
    assert lines[-1][-1] == "..."
    assert all(drawing.line_width(line, 20, "regular") <= 330 for line in lines)
    assert drawing.broken("w" * 400, 20, "regular", 300, most_lines=2)[0][0].endswith("...")
    assert drawing.in_order(["أ", "2", "ب"], right_to_left=True) == ["ب", "2", "أ"]
    assert drawing.in_order(["a", "b"], right_to_left=False) == ["a", "b"]
