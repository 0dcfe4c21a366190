from __future__ import annotations

import json
from pathlib import Path

import pytest

from geoglot.api.demo import FOLDER_QUESTIONS, SCENE_QUESTIONS, run_demo
from geoglot.cli import main as program
from geoglot.core.errors import DataError


@pytest.mark.parametrize("questions", [SCENE_QUESTIONS, FOLDER_QUESTIONS])
def test_the_demo_asks_in_all_four_languages(questions: tuple[tuple[str, str], ...]) -> None:
    assert {language for _, language in questions} == {"en", "ar", "fr", "it"}


def test_the_demo_on_a_folder(
    painted: Path, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo", str(painted), "--out", str(tmp_path / "tour"), "--model", str(colour_bundle)]
    assert program.main(arguments) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    asked = [question.text for question in FOLDER_QUESTIONS]
    assert list(dict.fromkeys(line["query"] for line in lines)) == [*asked, "[example.jpg]"]
    page = (tmp_path / "tour/report.html").read_text(encoding="utf-8")
    assert page.count('<section class="sheet"') == 9
    assert page.count("picture not available") == 0
    features = json.loads((tmp_path / "tour/hits.geojson").read_text(encoding="utf-8"))["features"]
    assert len(features) == len(lines)
    assert {feature["properties"]["query"] for feature in features} == {line["query"] for line in lines}
    # A second run reads nothing again.
    assert program.main(arguments) == 0
    assert "indexed 0 new tiles" in capsys.readouterr().err


def test_the_demo_on_an_empty_folder_says_so(colour_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no imagery"):
        run_demo(tmp_path / "empty", tmp_path / "out", model=colour_bundle)


def test_the_demo_without_a_folder_renders_a_scene(tmp_path: Path) -> None:
    made = run_demo(out=tmp_path / "demo")
    assert made.indexed.failed == []
    assert made.indexed.rows_added > 500
    assert [len(answer) for answer in made.answers] == [8] * (len(SCENE_QUESTIONS) + 1)
    assert {hit.source for answer in made.answers for hit in answer} == {str((tmp_path / "demo/scene.tif").resolve())}
    assert all(hit.tile.bounds is not None for answer in made.answers for hit in answer)
    page = made.report.read_text(encoding="utf-8")
    assert page.count('<figure class="map">') == len(made.answers)
    assert page.count("picture not available") == 0
