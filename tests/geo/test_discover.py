"""Which files are found, in which order, and how fast."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from geoglot.core.errors import SourceError
from geoglot.geo.discover import IMAGE_SUFFIXES, Candidate, discover


def names(found, root):
    return [
        str(item.path.relative_to(root)) if isinstance(item, Candidate) else f"! {Path(item.subject).relative_to(root)}"
        for item in found
    ]


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b.jpg",
        "a.TIF",
        "c/d.png",
        "c/a/z.jp2",
        "notes.txt",
        ".hidden.png",
        ".git/x.png",
        "c/e.GTiff",
        "item.json",
        "B.webp",
        "x.tif.aux.xml",
        "x.tif.ovr",
        "c/._d.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path


def test_recursive_sorted_and_images_only(tree):
    assert names(discover([tree]), tree) == ["B.webp", "a.TIF", "b.jpg", "c/a/z.jp2", "c/d.png", "c/e.GTiff"]


def test_a_candidate_carries_its_status(tree):
    os.utime(tree / "b.jpg", ns=(5, 1_234_567_890_123_456_789))
    (found,) = [item for item in discover([tree]) if item.path.name == "b.jpg"]
    assert found == Candidate(path=tree / "b.jpg", root=tree, size=5, modified_ns=1_234_567_890_123_456_789)


def test_named_files_are_taken_whatever_their_suffix_and_nothing_comes_twice(tree):
    found = list(discover([tree / "notes.txt", tree / "c", tree, tree / "b.jpg", tree / ".hidden.png"]))
    assert names(found, tree) == [
        "notes.txt", "c/a/z.jp2", "c/d.png", "c/e.GTiff", "B.webp", "a.TIF", "b.jpg", ".hidden.png",
    ]  # fmt: skip


def test_what_cannot_be_used_is_an_error_and_the_rest_goes_on(tree):
    os.mkfifo(tree / "pipe.png")
    (tree / "broken.tif").symlink_to(tree / "gone.tif")
    found = list(discover([tree / "absent", tree]))
    errors = [item for item in found if isinstance(item, SourceError)]
    assert [Path(error.subject).name for error in errors] == ["absent", "broken.tif", "pipe.png"]
    assert all(error.cause and error.remedy and error.stage == "discover" for error in errors)
    assert len(found) == 9


def test_links(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    (root / ".store").mkdir()
    outside.mkdir()
    for path in (outside / "x.png", root / "sub" / "y.png", root / ".store" / "z.png"):
        path.write_bytes(b"1")
    (root / "file-out.png").symlink_to(outside / "x.png")
    (root / "folder-out").symlink_to(outside)
    (root / "text-out.txt").symlink_to(outside / "x.png")
    (root / "kept-in-store.png").symlink_to(".store/z.png")
    (root / "folder-in").symlink_to("sub")
    (root / "sub" / "loop").symlink_to(root)
    assert names(discover([root]), root) == ["! file-out.png", "! folder-out", "kept-in-store.png", "sub/y.png"]
    (tmp_path / "entry").symlink_to(root)
    assert [item.path.name for item in discover([tmp_path / "entry"]) if isinstance(item, Candidate)] == [
        "kept-in-store.png",
        "y.png",
    ]
    (named,) = discover([root / "file-out.png"])  # named by the user, so meant
    assert isinstance(named, Candidate)
    assert named.root == outside


def test_an_unreadable_folder_is_an_error(tree, monkeypatch):
    real = os.scandir

    def refuse(path):
        if str(path).endswith("/c"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)  # tests may run as root, whom no permission stops
    found = list(discover([tree]))
    assert [str(item) for item in found if isinstance(item, SourceError)] == [
        f"{tree}/c: cannot be looked at (Permission denied). Remedy: check the name and the permissions."
    ]
    assert len(found) == 4


def test_ten_thousand_files_take_well_under_a_second(tmp_path):
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for number in range(1000):
            (tmp_path / str(folder) / f"{number}.jpg").touch()
    started = time.process_time()
    assert sum(1 for _ in discover([tmp_path])) == 10_000
    assert time.process_time() - started < 1.0


def test_the_suffixes():
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gtiff", ".jp2", ".j2k"} == IMAGE_SUFFIXES
