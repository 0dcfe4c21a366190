"""The container file as far as it can be checked without an engine: what it copies, as whom it runs, what it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geoglot.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """Instructions of the file in order, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_what_it_copies_is_there_and_sent_along(steps: list[tuple[str, str]]) -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [word for name, rest in steps if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]]
    assert "pyproject.toml" in copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert path.removeprefix("./") in sent, f"{path} is left out by .dockerignore"


def test_it_runs_without_rights_and_needs_a_token(steps: list[tuple[str, str]]) -> None:
    last = max(number for number, (name, _) in enumerate(steps) if name == "FROM")
    final = steps[last:]
    [user] = [rest for name, rest in final if name == "USER"]
    assert int(user) >= 10_000  # a number, so that an orchestrator sees that it is not root
    after = [name for name, _ in final[[name for name, _ in final].index("USER") :]]
    assert "RUN" not in after
    assert "COPY" not in after
    [entry] = [json.loads(rest) for name, rest in final if name == "ENTRYPOINT"]
    [more] = [json.loads(rest) for name, rest in final if name == "CMD"]
    assert entry[:2] == ["geoglot", "serve"]
    assert more == ["--token", "/run/secrets/token"]


def test_what_it_starts_is_a_command_of_ours(steps: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    [entry] = [json.loads(rest) for name, rest in steps if name == "ENTRYPOINT"]
    [more] = [json.loads(rest) for name, rest in steps if name == "CMD"]
    assert main(["serve", "--help"]) == 0
    told = capsys.readouterr().out
    assert [word for word in (*entry, *more) if word.startswith("--") and word not in told] == []
    # the entry point alone has no token, so it lets nobody in
    assert main(entry[1:]) == 2
    assert "--token" in capsys.readouterr().err
