"""The same damage through the real index: 1,500 damaged files among 50 sound ones cost themselves alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from mutations import write_mutants, write_seeds

import geoglot as gg


def test_1500_damaged_files_among_50_sound_ones(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    mutants = write_mutants(folder / "bad", 1500, seed=2)
    seeds = write_seeds(tmp_path / "seeds")
    (folder / "good").mkdir()
    sound = [folder / "good" / f"{number:02}-{seeds[number % len(seeds)].name}" for number in range(50)]
    for number, path in enumerate(sound):
        shutil.copyfile(seeds[number % len(seeds)], path)
    with gg.Archive.create(tmp_path / "archive") as archive:
        report = archive.index([folder])
        found = {hit.source for hit in archive.search("a field", k=100_000, collapse=False)}
    with closing(sqlite3.connect(tmp_path / "archive" / "catalog.sqlite")) as catalogue:
        states = dict(catalogue.execute("SELECT path, state FROM sources"))
    indexed = {path for path, state in states.items() if state == "done"}
    reported = {error.subject for error in report.failed}
    lines = [json.loads(line) for line in (tmp_path / "archive" / "errors.jsonl").read_text().splitlines()]
    assert {line["file"] for line in lines} == reported
    assert all(line["stage"] and line["cause"] and line["remedy"] for line in lines)
    assert {str(path) for path in sound} <= indexed
    # files of equal bytes share their rows, which name the first of them: each seed is found under some name
    assert all(any(path.endswith(seed.name) for path in found) for seed in seeds)
    assert not {str(path) for path in sound} & reported
    # every damaged file is either read or named with its cause; what was cut short is always named
    assert {str(mutant.path) for mutant in mutants} <= indexed | reported
    assert {str(mutant.path) for mutant in mutants if mutant.kind == "truncate"} <= reported
    assert not [line for line in lines if "crashed" in line["cause"] or "no progress" in line["cause"]]
