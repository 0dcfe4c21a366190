from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoglot.cli import main as program
from geoglot.cli._command import build_parser
from geoglot.cli._output import choose_format
from geoglot.core.errors import GeoglotError, SourceError, UsageError

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    "caption",
    "convert-checkpoint",
    "data",
    "demo",
    "doctor",
    "duplicates",
    "evaluate",
    "explain",
    "export",
    "find",
    "index",
    "info",
    "leaderboard",
    "locate",
    "match",
    "methods",
    "models",
    "neighbours",
    "project",
    "remove",
    "report",
    "search",
    "segment",
    "serve",
    "stac",
    "train",
    "verify",
]


def geoglot(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoglot.cli.main", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, **options)


def test_all_commands_are_there_and_each_is_one_file() -> None:
    assert program.command_names() == COMMANDS
    files = {path.stem for path in (ROOT / "src/geoglot/cli").glob("[a-z]*.py")} - {"main"}
    assert files == {name.replace("-", "_") for name in COMMANDS}


def test_help_lists_every_command_and_is_quick() -> None:
    started = time.monotonic()
    done = geoglot("--help")
    assert time.monotonic() - started < 2.5  # 0.1 s on a quiet machine
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from geoglot.cli.main import main; main(['--help']); "
        "heavy = {'numpy', 'rich', 'rasterio', 'faiss', 'onnxruntime', 'pyarrow', 'shapely', 'torch', 'PIL'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_every_option_and_examples_that_parse(name: str) -> None:
    import shlex

    command = program.load_command(name)
    parser = build_parser(name, command)
    assert command.GROUP in program.GROUPS
    assert len(command.SUMMARY) < 78
    for action in parser._actions:
        assert action.help, (name, action.dest)
    lines = [line.strip() for line in command.EXAMPLES.strip().splitlines()]
    assert lines
    for line in lines:
        words = shlex.split(line.split("|")[0], comments=True)
        assert words[:2] == ["geoglot", name], line
        _, rest = parser.parse_known_args(words[2:])
        assert rest == []


def test_unknown_command_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["serch", "planes"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "geoglot: error: unknown command 'serch'; did you mean 'search'? See 'geoglot --help'.\n"


def test_unknown_option_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["search", "planes", "--archive", "a", "--unlik", "b.png"]) == 2
    assert "unknown option '--unlik'; did you mean '--unlike'?" in capsys.readouterr().err


def test_unknown_value_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["search", "planes", "--archive", "a", "--format", "geojsn"]) == 2
    assert "did you mean 'geojson'?" in capsys.readouterr().err


def test_unknown_recipe_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert program.main(["train", "compct"]) == 2
    assert "did you mean 'compact'?" in capsys.readouterr().err


def test_missing_argument_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["search", "planes"]) == 2
    assert "--archive" in capsys.readouterr().err


def test_no_argument_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 0
    assert "Your archive:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (GeoglotError("a.tif", cause="is odd", remedy="look"), 1, "geoglot: error: a.tif: is odd. Remedy: look.\n"),
        (SourceError("a\x1b[2J.tif", cause="is odd"), 1, "geoglot: error: a\\x1b[2J.tif: is odd.\n"),
        (UsageError("--k", cause="is odd"), 2, "geoglot: error: --k: is odd.\n"),
        (PermissionError(13, "Permission denied", "x.geojson"), 1, "geoglot: error: x.geojson: Permission denied\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    error: Exception, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import geoglot.cli.models as command

    def fail(options: object) -> int:
        raise error

    monkeypatch.setattr(command, "run", fail)
    assert program.main(["models"]) == code
    assert capsys.readouterr().err == told


def test_train_without_torch_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("geoglot.engine.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert program.main(["train", "compact"]) == 1
    assert 'pip install "geoglot[train]"' in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    script = (
        "import sys, geoglot.cli.main as m, geoglot.cli.models as c\n"
        "def run(options):\n"
        "    for n in range(100_000): print('x' * 100)\n"
        "    return 0\n"
        "c.run = run\n"
        "sys.exit(m.main(['models']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=30) == 141


def test_interrupt_leaves_with_130_and_says_that_nothing_is_lost() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    script = (
        "import signal, sys, time, geoglot.cli.main as m, geoglot.cli.models as c\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background shell starts tests deaf to it
        "def run(options):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "c.run = run\n"
        "sys.exit(m.main(['models']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "nothing already done is lost" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("asked", "output", "terminal", "expected"),
    [
        (None, None, True, "table"),
        (None, None, False, "jsonl"),
        ("table", None, False, "table"),
        (None, "hits.gpkg", True, "gpkg"),
        (None, "hits.PARQUET", True, "geoparquet"),
        (None, "hits.jsonl", True, "jsonl"),
        ("geojson", "hits.txt", True, "geojson"),
    ],
)
def test_format_follows_the_request_then_the_suffix_then_the_reader(
    asked: str | None, output: str | None, terminal: bool, expected: str
) -> None:
    assert choose_format(asked, Path(output) if output else None, terminal=terminal) == expected


def test_formats_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="needs a file"):
        choose_format("gpkg", None, terminal=False)
    with pytest.raises(UsageError, match="no known suffix"):
        choose_format(None, Path("hits.shp"), terminal=True)
