"""Captions in an archive: written, resumed, searched, shown, removed with their tiles; the API beside the command."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import geoglot as gg
from geoglot.archive.captions import parts_of, read_part
from geoglot.core.errors import UsageError
from geoglot.models.captioner import CaptionerBundle, load_captioner

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}


def geoglot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoglot.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


@pytest.fixture(scope="module")
def imagery(wavy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioned") / "imagery"
    shutil.copytree(wavy, folder)
    return folder


@pytest.fixture(scope="module")
def captioned(
    imagery: Path, colour_bundle: Path, colour_captioner: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An archive of three photos and 15 tiles, with captions in English and French."""
    folder = tmp_path_factory.mktemp("archives") / "captioned"
    with gg.Archive.create(folder, model=colour_bundle) as archive:
        archive.index(imagery, tile=64, overlap=0)
        told = archive.caption(colour_captioner, language="all")
    assert (told.tiles, told.captions, told.unchanged, told.failed) == (18, 32, 0, [])
    assert told.without == {"blank": 2, "noise": 2}
    return folder


@pytest.fixture
def copy(captioned: Path, tmp_path: Path) -> Path:
    shutil.copytree(captioned, tmp_path / "archive")
    return tmp_path / "archive"


def captions(folder: Path) -> list[tuple[str, str, str | None]]:
    """Every caption on the disk: id, language, text."""
    with gg.Archive.open(folder) as archive:
        found: list[tuple[str, str, str | None]] = []
        for part in parts_of(archive.store.snapshot().meta):
            table = read_part(archive.store.layout, part.name)
            found += [(row["id"].hex(), row["language"], row["caption"]) for row in table.to_pylist()]
    assert len(found) == len({row[:2] for row in found}), "a tile has two captions in one language"
    return sorted(found)


def test_a_hit_shows_its_caption_in_the_language_of_the_query(captioned: Path) -> None:
    with gg.Archive.open(captioned) as archive:
        english = archive.search("red", k=3)
        assert {hit.caption for hit in english} == {"a red field"}
        assert english[0].as_record()["caption_language"] == "en"
        assert archive.search("rouge", language="fr", k=1)[0].caption == "un champ rouge"
        assert archive.search("أحمر", k=1)[0].caption == "a red field", "English where there is none in Arabic"
        assert archive.info()["captions"] == {"en": 18, "fr": 18}
        plain = [hit for hit in archive.search("black", k=20) if hit.caption is None]
        assert {hit.tile.window[:2] for hit in plain} == {(0, 64), (64, 64)}, "the blank tile and the noise"
        assert "caption" not in plain[0].as_record()


def test_words_are_searched_in_every_language_and_form(captioned: Path) -> None:
    with gg.Archive.open(captioned) as archive:
        for words in ("red", "Reds!", "rouge", "ROUGES", "champ rouge", '"red field"', "field -blue -green", "a red"):
            hits = archive.search(words=words, k=20, collapse=False)
            assert {hit.caption for hit in hits} <= {"a red field", "un champ rouge"}, words
            assert len(hits) == 3, words
        for words in ('"field red"', "tennis", "red -field", "red blue"):
            assert not archive.search(words=words), words
        assert archive.search(words="tennis red").notes[0] == "no caption says tennis"
        assert len(archive.search(words="champ", language="fr", k=50, collapse=False)) == 16
        assert not archive.search(words="champ", language="en")
        with pytest.raises(UsageError, match="is no language of this archive's captions"):
            archive.search(words="campo", language="it")
        with pytest.raises(UsageError, match="has no word"):
            archive.search(words=' - "" !')


def test_words_go_with_texts_pictures_and_filters(captioned: Path, imagery: Path) -> None:
    with gg.Archive.open(captioned) as archive:
        found = archive.search("blue", words="green", k=20, collapse=False)
        assert {hit.caption for hit in found} == {"a green field"}
        assert len(found) == 4
        assert found.query.as_record()["said"] == "green"
        like = archive.search(like=imagery / "red.png", words="green", k=20, collapse=False)
        assert {hit.id for hit in like} == {hit.id for hit in found}
        only = archive.search(words="green", source="*scene.tif", k=20, collapse=False)
        assert len(only) == 3
        bounds = only[0].tile.bounds
        assert bounds is not None
        inside = (
            bounds.west + 1e-4 * (bounds.east - bounds.west),
            bounds.south + 1e-4,
            bounds.east - 1e-4,
            bounds.north - 1e-4,
        )
        middle = ((inside[0] + inside[2]) / 2, (inside[1] + inside[3]) / 2)
        point = (middle[0], middle[1], middle[0] + 1e-6, middle[1] + 1e-6)
        assert {hit.id for hit in archive.search(words="green", within=point, k=9)} == {only[0].id}
        assert archive.search(words="red", within=point).likely is False
        assert [hit.score for hit in archive.search(words="green", k=2)] == [
            hit.score for hit in archive.search("green", k=2)
        ], "scores stay those of the archive's model"


def test_the_command_gives_what_the_api_gives(captioned: Path, colour_bundle: Path, tmp_path: Path) -> None:
    done = geoglot("search", "--words", "champ vert", "--archive", captioned, "-k", 3)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    with gg.Archive.open(captioned) as archive:
        answer = archive.search(words="champ vert", k=3)
    expected = [json.loads(json.dumps(hit.as_record())) for hit in answer]
    assert [{name: one[name] for name in expected[0]} for one in records] == expected
    assert records[0]["caption"] == "un champ vert"
    table = geoglot("search", "--words", "green", "--archive", captioned, "--format", "table")
    assert "a green field" in table.stdout
    geojson = geoglot("search", "green", "--archive", captioned, "--format", "geojson")
    assert json.loads(geojson.stdout)["features"][0]["properties"]["caption"] == "a green field"
    geopandas = pytest.importorskip("geopandas")
    for suffix in (".gpkg", ".parquet"):
        target = tmp_path / f"hits{suffix}"
        assert geoglot("search", "green", "--archive", captioned, "-o", target).returncode == 0
        read = geopandas.read_parquet if suffix == ".parquet" else geopandas.read_file
        told = read(target, **({} if suffix == ".parquet" else {"layer": "hits"}))  # beside its style for QGIS
        assert told.caption[0] == "a green field"
    none = geoglot("search", "--words", "tennis", "--archive", captioned)
    assert (none.returncode, none.stdout) == (0, "")
    assert "note: no caption says tennis." in none.stderr
    info = json.loads(geoglot("info", captioned).stdout)
    assert info["captions"] == {"en": 18, "fr": 18}


def test_the_report_shows_captions(captioned: Path, tmp_path: Path) -> None:
    with gg.Archive.open(captioned) as archive:
        page = archive.report(archive.search(words="rouge", language="fr", k=2), tmp_path / "report.html").read_text()
    assert '<p class="caption" dir="ltr" lang="fr">un champ rouge</p>' in page
    assert "--words rouge" in page


def test_again_writes_nothing_and_later_languages_are_added(
    imagery: Path, colour_bundle: Path, colour_captioner: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    options = ("--archive", folder, "--tile", 64, "--overlap", 0, "--model", colour_bundle)
    first = geoglot("index", imagery, *options, "--caption", "--captioner", colour_captioner)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["new_tiles"], told["new_captions"], told["without_caption"]) == (18, 16, {"blank": 1, "noise": 1})
    before = captions(folder)
    assert len(before) == 18
    again = geoglot("index", imagery, *options, "--caption", "--captioner", colour_captioner)
    assert json.loads(again.stdout)["new_captions"] == 0
    later = geoglot("caption", "--archive", folder, "--model", colour_captioner, "--language", "all")
    assert later.returncode == 0, later.stderr
    told = json.loads(later.stdout)
    assert (told["captions"], told["tiles"], told["unchanged"]) == (16, 18, 0)
    assert told["in_archive"] == {"en": 18, "fr": 18}
    after = captions(folder)
    assert [row for row in after if row[1] == "en"] == before
    third = json.loads(geoglot("caption", "--archive", folder, "--model", colour_captioner, "--language", "all").stdout)
    assert (third["captions"], third["tiles"], third["unchanged"]) == (0, 0, 18)
    assert geoglot("verify", folder).returncode == 0


def test_another_captioner_replaces_what_it_describes(copy: Path, colour_captioner: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(colour_captioner, other)
    manifest = json.loads((other / "bundle.json").read_text())
    manifest |= {"id": "colour-captioner-2", "confidence": {"en": 1.1}}  # never sure
    (other / "bundle.json").write_text(json.dumps(manifest))
    with gg.Archive.open(copy, read_only=False) as archive:
        told = archive.caption(other, language="en", source="*.png")
        assert (told.tiles, told.captions, told.without) == (3, 0, {"unsure": 3})
    found = captions(copy)
    assert len(found) == 36
    with gg.Archive.open(copy) as archive:
        assert not archive.search(words="red", source="*.png", language="en")
        assert archive.search(words="rouge", source="*.png")
        assert archive.search(words="red", source="*scene.tif")


def test_removing_a_file_removes_its_captions(copy: Path, imagery: Path) -> None:
    with gg.Archive.open(copy, read_only=False) as archive:
        assert archive.search(words="red", source="*.png")
        assert archive.remove("*red.png") == 1
        assert archive.search(words="rouge", k=9, collapse=False)
        assert not archive.search(words="rouge", source="*.png")
        assert archive.info()["captions"] == {"en": 17, "fr": 17}
    assert len(captions(copy)) == 34
    assert gg.Archive.open(copy).verify().ok
    for path in copy.rglob("*"):
        if path.is_file() and "captions" in path.parts:
            assert (copy / "captions" / path.name).exists()
    with gg.Archive.open(copy, read_only=False) as archive:
        archive.remove("*")
    assert captions(copy) == []
    assert list((copy / "captions").iterdir()) == []


def test_a_changed_file_gets_a_new_caption(
    imagery: Path, colour_bundle: Path, colour_captioner: Path, copy: Path, wavy: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(wavy / "red.png", folder / "one.png")
    with gg.Archive.create(tmp_path / "own", model=colour_bundle) as archive:
        archive.index(folder)
        archive.caption(colour_captioner)
        shutil.copy(wavy / "blue.png", folder / "one.png")
        failed = archive.caption(colour_captioner, language="fr").failed
        assert [error.cause for error in failed] == ["is gone or has changed since it was indexed"]
        archive.index(folder)
        assert archive.info().get("captions", {}) == {}
        assert archive.caption(colour_captioner).captions == 1
        assert archive.search(words="blue", k=3)[0].caption == "a blue field"
        assert not archive.search(words="red")
        (folder / "one.png").rename(folder / "two.png")
        archive.index(folder)
        assert archive.search(words="blue")[0].source == str(folder / "two.png"), "captions belong to bytes, not paths"
        assert archive.caption(colour_captioner).unchanged == 1


def test_a_file_that_is_gone_costs_itself_alone(
    imagery: Path, colour_bundle: Path, colour_captioner: Path, wavy: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(wavy, folder)
    with gg.Archive.create(tmp_path / "own", model=colour_bundle) as archive:
        archive.index(folder, tile=64)
    (folder / "green.png").unlink()
    done = geoglot("caption", "--archive", tmp_path / "own", "--model", colour_captioner)
    assert done.returncode == 3
    assert json.loads(done.stdout)["failed"] == 1
    assert "green.png" in done.stderr
    assert "is gone or has changed" in (tmp_path / "own" / "errors.jsonl").read_text()


def test_captions_are_open_data(captioned: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    joined = duckdb.sql(
        f"SELECT c.caption, s.level FROM '{captioned}/captions/*.parquet' c JOIN '{captioned}/shards/*.parquet' s "
        "USING (id) WHERE c.language = 'en' AND c.caption IS NOT NULL"
    ).fetchall()
    assert len(joined) == 16
    counted = duckdb.sql(
        f"SELECT attributes[1].name, count(*) FROM '{captioned}/captions/*.parquet' "
        "WHERE language = 'en' AND caption IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert counted == [("blue", 9), ("green", 4), ("red", 3)]


def test_an_archive_without_captions_is_as_it_was(imagery: Path, colour_bundle: Path, tmp_path: Path) -> None:
    with gg.Archive.create(tmp_path / "own", model=colour_bundle) as archive:
        archive.index(imagery, tile=64)
        assert archive.search("red", k=1)[0].caption is None
        assert "captions" not in archive.info()
        with pytest.raises(UsageError, match=r"this archive has none.*geoglot caption --archive DIR"):
            archive.search(words="red")
    assert not (tmp_path / "own" / "captions").exists()
    assert not (tmp_path / "own" / "index" / "words").exists()
    refused = geoglot("search", "--words", "red", "--archive", tmp_path / "own")
    assert (refused.returncode, refused.stdout) == (2, "")


@pytest.fixture
def damaged(copy: Path) -> Path:
    part = next((copy / "captions").glob("*.parquet"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(bytes(content))
    return copy


def test_damaged_captions_are_found_dropped_and_written_again(
    damaged: Path, imagery: Path, colour_captioner: Path
) -> None:
    expected = None
    report = gg.Archive.open(damaged).verify()
    assert [Path(one.file).parent.name for one in report.damages] == ["captions"]
    assert "36 captions are written again by 'geoglot caption --archive'" in report.damages[0].redo
    assert geoglot("verify", damaged).returncode == 1
    with gg.Archive.open(damaged) as archive:
        assert archive.search("red")[0].caption == "a red field", "the word index still has them"
    with gg.Archive.open(damaged, read_only=False) as archive:
        archive.index(imagery, tile=64, overlap=0)
        assert archive.verify().ok
        assert archive.search("red")[0].caption is None
        assert archive.caption(colour_captioner, language="all").captions == 32
        expected = archive.search(words="red", k=9)
    assert len(expected) == 3
    assert len(captions(damaged)) == 36


@pytest.mark.parametrize("how", ["bit", "missing", "manifest", "folder", "other"])
def test_the_word_index_is_derived(copy: Path, imagery: Path, how: str) -> None:
    file = next((copy / "index" / "words").glob("*.sqlite"))
    if how == "bit":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(bytes(content))
    elif how == "missing":
        file.unlink()
    elif how == "manifest":
        (copy / "index" / "words" / "manifest.json").write_text("{}")
    elif how == "folder":
        shutil.rmtree(copy / "index" / "words")
    else:
        sqlite3.connect(file).execute("DROP TABLE captions").connection.close()
    before = sorted(path.name for path in (copy / "index" / "words").glob("*"))
    with gg.Archive.open(copy) as archive:
        assert len(archive.search(words="rouge", k=9, collapse=False)) == 3
        assert archive.search("red")[0].caption == "a red field"
        report = archive.verify()
    assert sorted(path.name for path in (copy / "index" / "words").glob("*")) == before, "a reader writes nothing"
    assert report.ok is (how == "folder")
    assert [note for note in report.notes if "word index is behind" in note] == (
        ["the word index is behind the captions; the next index brings it up to date"] if how == "folder" else []
    )
    with gg.Archive.open(copy, read_only=False) as archive:
        archive.index(imagery, tile=64, overlap=0)
        report = archive.verify()
        assert report.ok
        assert report.notes == ()
        assert len(archive.search(words="rouge", k=9, collapse=False)) == 3


def test_a_hostile_caption_stays_words(
    copy: Path, colour_captioner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A captioner of bad will: mark-up, control characters, SQL, right-to-left overrides, a word of 5,000 letters."""
    from geoglot.models.captioner import Description, Sentence, Told

    hostile = ["<script>alert(1)</script>", "\x1b[2J", "'); DROP TABLE captions; --", "‮evil", "x" * 5000, "*", '"']
    sentence = Sentence(language="en", words=tuple(hostile), probabilities=(0.9,) * len(hostile))
    description = Description(told=(Told(language="en", sentence=sentence),), attributes=(("<b>", 0.9),))
    monkeypatch.setattr(CaptionerBundle, "describe", lambda self, pixels, languages: [description] * len(pixels))
    other = tmp_path / "other"
    shutil.copytree(colour_captioner, other)
    manifest = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**manifest, "id": "bad-1"}))
    with gg.Archive.open(copy, read_only=False) as archive:
        archive.caption(load_captioner(other), language="en", source="*red.png")
        for words in ("script", "alert", "drop table", "'); DROP", "x" * 5000, "evil"):
            hits = archive.search(words=words, k=3)
            assert len(hits) == 1, words
        page = archive.report(hits, tmp_path / "report.html").read_text()
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    done = geoglot("search", "--words", "evil", "--archive", copy, "--format", "table")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    for words in ('"', "*", "red*", "NEAR(red field)", "keys:red", "red OR blue", "^red", "(", "red AND", "-red"):
        done = geoglot("search", "--words", words, "--archive", copy)
        assert done.returncode in (0, 2), (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_slips_of_the_pen(captioned: Path, colour_captioner: Path, imagery: Path) -> None:
    for arguments, words in (
        (("caption",), "needs files or an archive"),
        (("caption", imagery, "--archive", captioned), "needs files or an archive"),
        (("caption", imagery, "--source", "*.png"), "is for archives"),
        (("caption", "--archive", captioned, "--model", colour_captioner, "--beam", 3), "is for files"),
        (
            ("caption", "--archive", captioned, "--model", colour_captioner, "--language", "it"),
            "not among the languages",
        ),
        (("index", imagery, "--archive", captioned, "--language", "fr"), "is for captions"),
    ):
        done = geoglot(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in done.stderr


def test_torch_is_not_imported(copy: Path, colour_captioner: Path) -> None:
    code = (
        "import sys, geoglot as gg\n"
        f"with gg.Archive.open({str(copy)!r}, read_only=False) as archive:\n"
        f"    archive.caption({str(colour_captioner)!r}, language='all')\n"
        "    assert archive.search(words='rouge')\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_photo_without_a_pixel_is_kept_in_mind(
    colour_bundle: Path, colour_captioner: Path, wavy: Path, tmp_path: Path
) -> None:
    """A tile that was there when it was indexed and shows nothing now is not tried again and again."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (64, 64), (40, 40, 40)).save(folder / "grey.png")
    with gg.Archive.create(tmp_path / "own", model=colour_bundle) as archive:
        archive.index(folder)
        assert archive.caption(colour_captioner).without == {"blank": 1}
        assert archive.caption(colour_captioner).unchanged == 1
        assert archive.search("black", k=1)[0].caption is None
