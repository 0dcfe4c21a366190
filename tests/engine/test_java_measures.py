from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from geoglot.core.errors import DataError
from geoglot.engine.captioning import java_measures as module
from geoglot.engine.captioning.java_measures import JARS_VARIABLE, jar_folder, java_measures

HYPOTHESES = {"a": "A long pier.", "b": "two | sheds"}
REFERENCES = {"a": ["The long pier", "a pier"], "b": ["Two sheds!"]}

# Counts words for SCORE and gives each count back for EVAL; SPICE: 0.25 for each image.
ANSWERS = """
import json, sys
if "-stdio" in sys.argv:
    for line in sys.stdin:
        fields = line.rstrip("\\n").split(" ||| ")
        if fields[0] == "SCORE":
            print(len(fields) - 2, len(fields[-1].split()))
        else:
            print("\\n".join(f"0.{field.split()[1]}" for field in fields[1:]))
            print(0.5)
else:
    asked = sys.argv[sys.argv.index("-jar") + 2]
    rows = json.load(open(asked))
    answer = [{"image_id": row["image_id"], "scores": {"All": {"f": 0.25 * row["image_id"]}}} for row in rows]
    json.dump(answer, open(sys.argv[sys.argv.index("-out") + 1], "w"))
"""


@pytest.fixture
def jars(tmp_path):
    """A folder with empty jars."""
    for name in ("meteor/meteor-1.5.jar", "meteor/data/paraphrase-en.gz", "spice/spice-1.0.jar"):
        path = tmp_path / "jars" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "jars"


@pytest.fixture
def corenlp(jars):
    """The two files that SPICE needs besides."""
    for name in ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"):
        (jars / "spice" / "lib").mkdir(exist_ok=True)
        (jars / "spice" / "lib" / name).touch()


@pytest.fixture
def program(tmp_path):
    """Something that answers as the programs do, in the place of Java."""

    def made(code):
        path = tmp_path / "java"
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return made


@pytest.mark.usefixtures("corenlp")
def test_what_is_asked_and_answered(jars, program):
    found = java_measures(HYPOTHESES, REFERENCES, jars=jars, java=program(ANSWERS))
    # Words of the hypotheses: 3, and 2 once the bar is gone.
    assert found.meteor.images == (0.3, 0.2)
    assert found.meteor.value == 0.5
    assert found.spice.images == (0.0, 0.25)
    assert found.spice.value == 0.125
    assert found.record() == {"meteor": 0.5, "spice": 0.125, "left_out": {}}


def test_spice_needs_its_models(jars, program):
    found = java_measures(HYPOTHESES, REFERENCES, jars=jars, java=program(ANSWERS))
    assert found.meteor.value == 0.5
    assert found.spice.value is None
    assert "stanford-corenlp-3.6.0.jar" in found.spice.left_out


@pytest.mark.usefixtures("corenlp")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('out of memory')", "exit code 1 (out of memory)"),
        ("import time; time.sleep(60)", "took longer than 1 seconds"),
        ("print('not a number')", "METEOR answered 1 lines for 2 captions"),
        ("print('nan-ish')\nprint('words')", "METEOR answered something that is no number"),
        ("print(1)\nprint(2)", "METEOR answered 2 values for 2 captions"),
    ],
)
def test_a_program_that_fails_costs_only_its_value(jars, program, code, reason):
    found = java_measures(HYPOTHESES, REFERENCES, jars=jars, java=program(code), seconds=1)
    assert found.meteor.value is None
    assert reason in found.meteor.left_out
    assert found.meteor.images == ()
    assert found.spice.value is None
    assert found.spice.left_out


def test_absent_things_are_named(tmp_path, jars, program):
    java = program(ANSWERS)
    assert "English" in java_measures(HYPOTHESES, REFERENCES, jars=jars, java=java, language="fr").meteor.left_out
    assert "Java" in java_measures(HYPOTHESES, REFERENCES, jars=jars, java="no-such-java").spice.left_out
    assert "meteor-1.5.jar" in java_measures(HYPOTHESES, REFERENCES, jars=tmp_path, java=java).meteor.left_out
    (jars / "meteor/data/paraphrase-en.gz").unlink()
    assert "paraphrase-en.gz" in java_measures(HYPOTHESES, REFERENCES, jars=jars, java=java).meteor.left_out


def test_no_jars_at_all(monkeypatch, program):
    monkeypatch.setattr(module, "jar_folder", lambda: None)
    found = java_measures(HYPOTHESES, REFERENCES, java=program(ANSWERS))
    assert JARS_VARIABLE in found.meteor.left_out
    assert found.record()["meteor"] is None


def test_where_the_jars_are(monkeypatch, jars):
    monkeypatch.setenv(JARS_VARIABLE, str(jars))
    assert jar_folder() == jars


def test_images_must_agree(jars):
    with pytest.raises(DataError):
        java_measures({"a": "x"}, {"b": ["x"]}, jars=jars)


@pytest.mark.realdata
@pytest.mark.skipif(JARS_VARIABLE not in os.environ, reason=f"{JARS_VARIABLE} is not set")
def test_meteor_equals_the_public_evaluation():
    recorded = Path(__file__).parents[1] / "metrics" / "reference_captions.json"
    cases = json.loads(recorded.read_text(encoding="utf-8"))["cases"]
    case = cases["mixed"]
    found = java_measures(case["hypotheses"], case["references"]).meteor
    assert found.left_out == ""
    assert found.value == pytest.approx(case["meteor"], abs=1e-9)
    assert found.images == pytest.approx(case["image_meteor"], abs=1e-9)
