"""The commands on a real archive, each as a process of its own, beside the same calls of the API."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import geoglot as gg
from geoglot.cli._output import hit_record

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "geoglot.cli.main"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "160"}


def geoglot(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, **options)


def on_a_terminal(*arguments: object) -> str:
    """What somebody at a terminal sees on standard output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=theirs, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # the other side has closed
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def folder(painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The painted folder with a broken file and a file of a hostile name among the others."""
    made = tmp_path_factory.mktemp("imagery") / "imagery"
    shutil.copytree(painted, made)
    (made / "broken.png").write_bytes((made / "red.png").read_bytes()[:100])
    shutil.copy(made / "red.png", made / "\x1b[31m[bold]<b>‮gnp.png")
    return made


@pytest.fixture(scope="module")
def indexed(folder: Path, colour_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("archives") / "town"
    done = geoglot("index", folder, "--archive", archive, "--model", colour_bundle, "--tile", 64, "--overlap", 0)
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert (told["indexed"], told["failed"], told["unchanged"]) == (7, 1, 0) or told["known_bytes"] == 1
    assert told["tiles"] == 22
    assert told["archive_bytes"] > 0
    assert "errors.jsonl" in done.stderr
    assert "broken.png" in done.stderr
    record = json.loads((archive / "errors.jsonl").read_text().splitlines()[0])
    assert {"file", "stage", "cause", "remedy"} <= record.keys()
    return archive


def test_a_second_run_leaves_everything_alone(folder: Path, indexed: Path, colour_bundle: Path) -> None:
    again = geoglot("index", folder, "--archive", indexed, "--model", colour_bundle, "--tile", 64, "--overlap", 0, "-q")
    told = json.loads(again.stdout)
    assert (told["indexed"], told["new_tiles"]) == (0, 0)
    assert told["unchanged"] >= 7
    assert again.returncode == 3  # the broken file is still broken


def test_search_in_a_pipe_gives_the_same_hits_as_the_api(indexed: Path, colour_bundle: Path, folder: Path) -> None:
    questions: list[tuple[list[object], dict[str, object]]] = [
        (["red"], {"text": "red"}),
        (["أزرق", "-k", 5], {"text": "أزرق", "k": 5}),
        (["--like", folder / "green.png"], {"like": folder / "green.png"}),
        (["jaune", "--unlike", folder / "red.png"], {"text": "jaune", "unlike": folder / "red.png"}),
        (["--term", "yellow:1", "--term", "red:-0.5"], {"terms": ["yellow:1", "red:-0.5"]}),
        (["red", "--bbox", "9.0,45.13,9.02,45.15", "--all"], {"text": "red", "within": (9, 45.13, 9.02, 45.15)}),
        (["red", "--source", "*.png"], {"text": "red", "source": "*.png"}),
        (["rosso", "--language", "it", "--after", "2021"], {"text": "rosso", "language": "it", "after": "2021"}),
    ]
    with gg.Archive.open(indexed, model=colour_bundle) as archive:
        for arguments, options in questions:
            collapse = "--all" not in arguments
            answer = archive.search(**options, collapse=collapse)
            done = geoglot("search", *arguments, "--archive", indexed, "--model", colour_bundle)
            assert done.returncode == 0, done.stderr
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            assert lines == [json.loads(json.dumps(hit_record(hit, answer))) for hit in answer]


def test_json_lines_carry_everything(indexed: Path, colour_bundle: Path) -> None:
    done = geoglot("search", "red", "-a", indexed, "--model", colour_bundle, "--source", "*scene.tif", "-k", 1)
    (record,) = map(json.loads, done.stdout.splitlines())
    assert list(record) == [
        *["rank", "score", "band", "source", "window", "level", "bounds", "time", "gsd_m", "merged", "id"],
        *["footprint", "query", "language", "likely_match"],
    ]
    assert record["rank"] == 1
    assert record["band"] in {"likely", "uncertain", "background"}
    assert record["likely_match"] is (record["band"] == "likely")
    assert len(record["window"]) == len(record["bounds"]) == 4
    assert record["footprint"]["type"] == "Polygon"
    assert record["query"] == "red"
    assert re.fullmatch(r"[0-9a-f]{32}", record["id"])


def test_arabic_stays_readable_in_a_pipe(indexed: Path, colour_bundle: Path) -> None:
    done = geoglot("search", "أزرق", "-a", indexed, "--model", colour_bundle, "-k", 1)
    assert "أزرق" in done.stdout


def test_a_terminal_gets_a_table_with_names_that_cannot_do_harm(indexed: Path, colour_bundle: Path) -> None:
    shown = on_a_terminal("search", "red", "-a", indexed, "--model", colour_bundle, "--source", "*.png", "-k", 9)
    assert "how sure" in shown
    flat = "".join(shown.split())
    assert "\\x1b[31m[bold]<b>\\u202egnp.png" in flat or "red.png" in flat
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_nothing_likely_is_said_on_stderr_in_a_pipe_and_in_the_table_on_a_terminal(
    indexed: Path, colour_bundle: Path
) -> None:
    nothing = ["search", "red", "-a", indexed, "--model", colour_bundle, "--after", "2100"]
    done = geoglot(*nothing)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no likely match" in done.stderr
    assert "no likely match" in on_a_terminal(*nothing)


def test_the_verdict_is_told_apart_from_the_data(indexed: Path, colour_bundle: Path) -> None:
    there = geoglot("search", "red", "-a", indexed, "--model", colour_bundle)
    assert {json.loads(line)["likely_match"] for line in there.stdout.splitlines()} == {True}
    assert "no likely match" not in there.stderr
    absent = geoglot("search", "red", "-a", indexed, "--model", colour_bundle, "--source", "*/blue.png")
    (record,) = map(json.loads, absent.stdout.splitlines())
    assert record["likely_match"] is False
    assert record["band"] != "likely"
    assert "red: no likely match" in absent.stderr


def test_hits_as_files(indexed: Path, colour_bundle: Path, tmp_path: Path) -> None:
    import geopandas

    ask = ["search", "red", "-a", indexed, "--model", colour_bundle, "-k", 5]
    lines = [json.loads(line) for line in geoglot(*ask).stdout.splitlines()]
    for name in ("hits.geojson", "hits.gpkg", "hits.parquet", "hits.jsonl", "hits.txt"):
        done = geoglot(*ask, "-o", tmp_path / name)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert [json.loads(line) for line in (tmp_path / "hits.jsonl").read_text().splitlines()] == lines
    assert "how sure" in (tmp_path / "hits.txt").read_text()
    assert len(json.loads(geoglot(*ask, "--format", "geojson").stdout)["features"]) == 5
    for table in (
        geopandas.read_file(tmp_path / "hits.gpkg", layer="hits"),  # its other table is the style for QGIS
        geopandas.read_parquet(tmp_path / "hits.parquet"),
    ):
        assert table["id"].tolist() == [line["id"] for line in lines]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["search", "red", "-a", "nowhere"], 1, "is not an archive"),
        (["search", "-a", "ARCHIVE"], 2, "asks for nothing"),
        (["search", "red", "-a", "ARCHIVE", "-k", "0"], 2, "asks for no hits"),
        (["search", "red", "-a", "ARCHIVE", "--bbox", "1,2,3"], 2, "is not a box"),
        (["search", "red", "-a", "ARCHIVE", "--bbox", "-9,2,-8,1"], 2, "south"),
        (["search", "red", "-a", "ARCHIVE", "--after", "soon"], 2, "is not a date"),
        (["search", "red", "-a", "ARCHIVE", "--polygon", "none.geojson"], 2, "cannot be read"),
        (["search", "red", "-a", "ARCHIVE", "--like", "none.png"], 1, "none.png"),
        (["search", "red", "-a", "ARCHIVE", "--format", "gpkg"], 2, "needs a file"),
        (["search", "red", "-a", "ARCHIVE", "-o", "hits.shp"], 2, "no known suffix"),
        (["search", "red", "-a", "ARCHIVE", "-o", "no/such/folder/hits.jsonl"], 1, "No such file"),
        (["search", "--term", "snow:0", "-a", "ARCHIVE"], 2, "weight"),
        (["info", "nowhere"], 1, "is not an archive"),
        (["verify", "nowhere"], 1, "is not an archive"),
        (["index", "nowhere", "-a", "new"], 2, "nowhere"),
        (["index", ".", "-a", "new", "--bands", "1,2"], 2, "--bands"),
        (["index", ".", "-a", "new", "--overlap", "2"], 2, "overlap"),
        (["index", ".", "-a", "new", "--model", "no-such-model"], 1, "is not a model bundle"),
        (["remove", "ARCHIVE", "*"], 2, "add --yes"),
        (["remove", "ARCHIVE", "no-such-file", "--yes"], 1, "no indexed file matches"),
    ],
)
def test_what_goes_wrong_is_one_line_with_a_remedy(
    arguments: list[str], code: int, told: str, indexed: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    words = [str(indexed) if word == "ARCHIVE" else word for word in arguments]
    if words[0] in ("search", "index") and "--model" not in words:
        words += ["--model", str(colour_bundle)]
    done = geoglot(*words, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert told in done.stderr
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "error" in line]) == 1


def test_info_verify_and_remove(indexed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(indexed, copy)
    told = json.loads(geoglot("info", copy).stdout)
    with gg.Archive.open(copy) as archive:
        assert told == json.loads(json.dumps(archive.info()))
    assert "located share" in on_a_terminal("info", copy)
    whole = geoglot("verify", copy)
    assert (whole.returncode, whole.stdout) == (0, "")
    gone = geoglot("remove", copy, "*/blue.png", "--yes")
    assert gone.returncode == 0
    assert json.loads(geoglot("info", copy).stdout)["tiles"] == told["tiles"] - 1
    shard = next((copy / "shards").glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[100] ^= 4
    shard.write_bytes(content)
    damaged = geoglot("verify", copy)
    assert damaged.returncode == 1
    (finding,) = map(json.loads, damaged.stdout.splitlines())
    assert finding["file"] == str(shard)
    assert finding["redo"]


def test_indexing_again_repairs_damage(folder: Path, colour_bundle: Path, tmp_path: Path) -> None:
    index = ["index", folder / "red.png", "-a", tmp_path / "a", "--model", colour_bundle]
    assert geoglot(*index).returncode == 0
    shard = next((tmp_path / "a/shards").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-50])
    assert geoglot("verify", tmp_path / "a").returncode == 1
    assert geoglot(*index).returncode == 0
    assert geoglot("verify", tmp_path / "a").returncode == 0


def test_removal_asks_on_a_terminal(indexed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(indexed, copy)
    for reply, code, left in (("n", 1, 22), ("y", 0, 21)):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, "remove", str(copy), "*/white.png"],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        os.write(ours, f"{reply}\n".encode())
        _, told = process.communicate(timeout=60)
        os.close(theirs)
        os.close(ours)
        assert b"[y/N]" in told
        assert process.returncode == code
        with gg.Archive.open(copy) as archive:
            assert archive.info()["tiles"] == left


def test_an_interrupted_index_goes_on_where_it_was(colour_bundle: Path, tmp_path: Path) -> None:
    imagery = tmp_path / "imagery"
    imagery.mkdir()
    noise = np.random.default_rng(3)
    for number in range(400):
        pixels = noise.integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(imagery / f"{number:03d}.png", compress_level=0)
    index = [*PROGRAM, "index", str(imagery), "-a", str(tmp_path / "a"), "--model", str(colour_bundle)]
    process = subprocess.Popen(index, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True)
    while not (tmp_path / "a" / "catalog.sqlite").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode in (130, 0), told
    if process.returncode == 130:
        assert "nothing already done is lost" in told
        assert "Traceback" not in told
    done = subprocess.run(index, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tiles"] == 400
    assert geoglot("verify", tmp_path / "a").returncode == 0


def test_doctor_tells_a_damaged_model(colour_bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(colour_bundle, broken)
    (broken / "image.onnx").write_bytes(b"nothing")
    done = geoglot("doctor", "--model", broken)
    assert done.returncode == 1
    checks = {record["name"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert checks["python"]["ok"]
    assert checks["image drivers"]["ok"]
    assert not checks["model"]["ok"]
    assert "checksum" in checks["model"]["told"]
