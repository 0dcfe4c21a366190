from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.core.runs import create_run, environment, whole_file, write_json
from geoglot.core.seeds import seed_everything


def test_environment_says_what_matters_and_nothing_private():
    found = environment()
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0
    assert found["cpu"]
    assert found["versions"]["numpy"].count(".") >= 1
    text = json.dumps(found)
    assert "/" + "home" not in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    assert str(Path(__file__).resolve().parent.parent.parent) not in text
    assert socket.gethostname() not in text
    if len(getpass.getuser()) > 4:
        assert getpass.getuser() not in text


def test_commit_is_that_of_the_checkout():
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout")
    found = environment()["commit"]
    assert found is None or found.removesuffix("-modified") == head.stdout.strip()


def test_copy_inside_another_checkout_does_not_claim_its_commit(tmp_path):
    import geoglot

    package = Path(geoglot.__file__).parent
    target = tmp_path / "site" / "geoglot"
    (target / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py", "core/runs.py", "core/errors.py", "core/version.py"):
        (target / name).write_bytes((package / name).read_bytes())
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x.x"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "other"], check=True)
    code = "from geoglot.core.runs import environment; print(environment()['commit'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "None", done.stderr


def test_runs_are_new_folders_with_their_description(tmp_path):
    first, second = (create_run(tmp_path, "compact/rsicd", recipe={"seed": 1}) for _ in range(2))
    assert first.path != second.path
    assert json.loads((first.path / "recipe.json").read_text()) == {"seed": 1}
    assert json.loads((first.path / "env.json").read_text())["cores"] >= 1
    assert first.path.parent == tmp_path  # a slash in the name makes no folder
    first.report({"step": 1, "loss": 0.5})
    first.report({"step": 2, "loss": 0.25})
    lines = (first.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_json_is_sorted_and_refuses_nan(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"b": [1.5], "a": "ماء"})
    assert (tmp_path / "deep" / "a.json").read_text(encoding="utf-8") == '{\n  "a": "ماء",\n  "b": [\n    1.5\n  ]\n}\n'
    for value in (float("nan"), float("inf"), {1, 2}):
        with pytest.raises(GeoglotError, match=r"b\.json: cannot be written as JSON"):
            write_json(tmp_path / "b.json", {"value": value})
    assert [entry.name for entry in tmp_path.iterdir()] == ["deep"]


def test_failure_inside_the_block_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_half_way():
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_new_files_are_readable_like_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    with whole_file(tmp_path / "whole") as temporary:
        temporary.write_text("")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_reader_of_the_old_file_keeps_the_old_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with path.open() as reader:
        with whole_file(path) as temporary:
            temporary.write_text("new and longer")
            assert path.read_text() == "old"
        assert reader.read() == "old"
    assert path.read_text() == "new and longer"


def test_killed_writer_leaves_the_old_content(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": True})
    code = (
        "import sys, time, pathlib\n"
        "from geoglot.core.runs import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    time.sleep(0.01)
    assert json.loads(path.read_text()) == {"old": True}


def test_seeds_fix_all_generators():
    import random

    import numpy as np

    def draw():
        generator = seed_everything(11)
        values = [random.random(), float(np.random.rand()), float(generator.random())]  # noqa: NPY002
        if "torch" in sys.modules:
            values.append(float(sys.modules["torch"].rand(1)))
        return values

    assert draw() == draw()
    for seed in (-1, 2**32):
        with pytest.raises(UsageError, match="seed"):
            seed_everything(seed)


def test_seeding_does_not_import_torch():
    code = (
        "import sys; from geoglot.core.seeds import seed_everything; seed_everything(1); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_seeding_reaches_torch_where_it_is_imported():
    torch = pytest.importorskip("torch")
    seed_everything(5)
    first = torch.rand(3)
    seed_everything(5)
    assert torch.equal(first, torch.rand(3))
