"""The process that does one job: index, caption, locate or segment. It ends with its job, or with the service.

Run as ``python -m geoglot.serve.job_child``: one JSON object on stdin says what to do; each line on stdout is one JSON
event: ``progress``, then ``done`` or ``failed``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from geoglot.core.errors import GeoglotError
from geoglot.serve.problems import problem_of, without_folders

_SECONDS_BETWEEN_WORDS = 0.25
Say = Callable[[int, int, str], None]
Work = Callable[[Mapping[str, Any], Path, Say], dict[str, Any]]


class _Voice:
    """Events to the parent, progress a few times a second at most."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0
        self._started = time.monotonic()

    def event(self, kind: str, **facts: Any) -> None:
        self._stream.write(json.dumps({"event": kind, **facts}, ensure_ascii=True, default=str) + "\n")
        self._stream.flush()

    def progress(self, done: int, total: int, words: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _SECONDS_BETWEEN_WORDS
        seconds = now - self._started
        left = seconds / done * (total - done) if done and total >= done else None
        self.event(
            "progress",
            done=done,
            total=total,
            words=without_folders(words),
            seconds=round(seconds, 1),
            left_seconds=None if left is None else round(left, 1),
        )


def index(asked: Mapping[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Read more files into the archive."""
    from geoglot.api.archive import Archive

    with Archive.open(asked["archive"], read_only=False) as archive:
        report = archive.index(
            asked["paths"],
            **asked["options"],
            progress=lambda now: say(now.files_done, now.files_total, f"{now.rows} tiles, {Path(now.path).name}"),
        )
    failed = [{"name": Path(one.subject).name, "cause": one.cause, "remedy": one.remedy} for one in report.failed]
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged + report.known_bytes,
        "tiles_added": report.rows_added,
        "failed": failed[:500],
        "failed_count": len(failed),
        "gone": len(report.gone),
        "seconds": round(report.seconds, 1),
    }


def caption(asked: Mapping[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Write captions of tiles that have none."""
    from geoglot.api.archive import Archive

    with Archive.open(asked["archive"], read_only=False) as archive:
        report = archive.caption(
            asked["captioner"],
            language=asked["languages"] or None,
            source=asked["sources"] or None,
            items=asked["items"],
            progress=lambda now: say(now.tiles_done, now.tiles_total, Path(now.path).name),
        )
        archive.store.refresh()
        words = archive.store.words
        keys = [bytes.fromhex(item) for item in asked["items"]]
        told = {} if words is None or not keys else words.captions(keys)
    return {
        "tiles": report.tiles,
        "captions": report.captions,
        "unchanged": report.unchanged,
        "without": report.without,
        "items": {
            item: {language: one.caption for language, one in told.get(key, {}).items() if one.caption}
            for item, key in zip(asked["items"], keys, strict=True)
        },
        "failed": [{"name": Path(one.subject).name, "cause": one.cause} for one in report.failed][:500],
        "seconds": round(report.seconds, 1),
    }


def locate(asked: Mapping[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """A map of how much each part of a scene is like words or a picture."""
    from geoglot.api.locate import locate as find
    from geoglot.serve.overlays import heat_overlay

    heat = find(
        asked["path"],
        asked["text"],
        like=asked["like"],
        archive=asked["archive"],
        k=asked["k"],
        progress=say,
    )
    heat.save(folder / "result.tif")
    told = heat.as_record()
    told.pop("source")
    return {**told, **heat_overlay(heat, folder / "result.png")}


def segment(asked: Mapping[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """The places of phrases in a scene, as polygons and masks."""
    from geoglot.serve.segmenting import segment_into

    return segment_into(asked, folder, say)


_WORK: dict[str, Work] = {"index": index, "caption": caption, "locate": locate, "segment": segment}


def _end_with_parent(stream: TextIO) -> None:
    """The parent keeps our stdin open as long as it lives and wants the job done."""

    def watch() -> None:
        stream.read()
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Do the job that stdin describes."""
    voice = _Voice(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    asked = json.loads(sys.stdin.readline())
    _end_with_parent(sys.stdin)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)  # searches go first
    try:
        result = _WORK[asked["kind"]](asked, Path(asked["folder"]), voice.progress)
    except GeoglotError as error:
        voice.event("failed", problem=problem_of(error).record())
        return 1
    voice.event("done", result=result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
