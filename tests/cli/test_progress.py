from __future__ import annotations

import pytest

from geoglot.cli import _progress


def test_plain_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 1.0, 10.5, 10.5, 11.0, 21.0, 21.0])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    with _progress.progress_display("indexing") as report:
        report(1, 10, "files")  # after 1 s: too early
        report(1200, 5000, "files")  # after 10.5 s
        report(3, 10, "files")  # half a second later: too early
        report(4, None, "")  # after 21 s
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "indexing: 1,200 of 5,000 files\nindexing: 4\n"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.progress_display("indexing", quiet=True) as report:
        report(1, 2, "files")
    assert capsys.readouterr() == ("", "")
