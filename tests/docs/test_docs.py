"""The documentation runs, and leaves nothing out."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

import geoglot as gg
from geoglot.cli import main as program
from geoglot.cli._command import build_parser

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_every_option_is_on_the_reference_page(hooks: ModuleType) -> None:
    page = hooks.cli_reference()
    for name in program.command_names():
        section = page.split(f"### geoglot {name}\n")[1].split("\n### ")[0]
        command = program.load_command(name)
        assert command.SUMMARY in section
        for action in build_parser(name, command)._actions:
            for option in action.option_strings:
                assert f"`{option}`" in section, (name, option)
        for row in re.findall(r"^\| `.*", section, re.MULTILINE):
            assert len(re.findall(r"(?<!\\)\|", row)) == 3, row


def test_every_public_name_is_on_the_reference_page() -> None:
    page = (DOCS / "reference/python.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^::: geoglot\.(\w+)$", page, re.MULTILINE))
    assert documented == set(gg.__all__) - {"__version__"}


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert page.relative_to(DOCS).as_posix() in navigation, page
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page, target)


def test_every_dependency_is_explained() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    for line in project["dependencies"]:
        name = re.split(r"[<>=!\[]", line)[0]
        assert f"| {name} |" in page, name
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    groups = project["optional-dependencies"]
    for line in [*project["dependencies"], *groups["train"], *groups["dev"], *groups["docs"]]:
        name = re.split(r"[<>=!\[]", line)[0]
        assert name == "geoglot" or re.search(rf"^{re.escape(name)}==", pinned, re.MULTILINE), name


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_tutorial_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    count = 0
    for kind, code in re.findall(r"^```(python|console)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            exec(compile(code, "tutorial.md", "exec"), names)
            continue
        for line in code.strip().splitlines():
            words = shlex.split(line)
            assert words[0] == "geoglot"
            code_of_exit = program.main(words[1:])
            told = capsys.readouterr()
            assert code_of_exit == 0, (line, told.err)
            count += 1
    assert count == len([line for block in blocks(page, "console") for line in block.strip().splitlines()])
    for made in ("hits.geojson", "hits.gpkg", "report.html"):
        assert (tmp_path / made).stat().st_size > 0


def test_the_readme_and_the_home_page_show_commands_that_parse() -> None:
    for path in (ROOT / "README.md", DOCS / "index.md", *sorted((DOCS / "how-to").glob("*.md"))):
        for block in blocks(path.read_text(encoding="utf-8"), "console"):
            for line in block.strip().splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "geoglot":
                    parser = build_parser(words[1], program.load_command(words[1]))
                    _, rest = parser.parse_known_args(words[2:])
                    assert rest == [], line


def test_other_tools_read_an_archive_as_the_page_says(
    painted: Path, colour_bundle: Path, colour_captioner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import textwrap

    import duckdb

    page = (DOCS / "how-to/read-an-archive.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^    ```(sql|python)\n(.*?)^    ```$", page, re.MULTILINE | re.DOTALL)
    code = {"captions" if "captions/" in text else kind: textwrap.dedent(text) for kind, text in snippets}
    monkeypatch.chdir(tmp_path)
    with gg.Archive.create("town.archive", model=colour_bundle) as archive:
        archive.index(painted, tile=64, overlap=0)
        archive.caption(colour_captioner)
    told = duckdb.sql(code["captions"]).fetchall()
    assert told == []  # no court among fields of colour
    rows = duckdb.sql(code["sql"]).fetchall()
    assert rows[0][:2] == (str(painted / "scene.tif"), 16)
    assert len(rows) == 7
    names: dict[str, object] = {}
    exec(compile(code["python"], "read-an-archive.md", "exec"), names)
    assert len(names["tiles"]) == 22
    assert len(names["fine"]) == 16
    columns = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))))
    assert columns == set(duckdb.sql("SELECT * FROM 'town.archive/shards/*.parquet'").columns)
    sentence = page.split("Captions have one row")[1].split("\n\n")[0]
    columns = set(re.findall(r"`(\w+)`", sentence))
    assert columns == set(duckdb.sql("SELECT * FROM 'town.archive/captions/*.parquet'").columns)
