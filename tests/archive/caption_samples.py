"""A captioner for tests of the archive, and archives whose tiles are real files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from samples import FakeEncoder, new_store

from geoglot.archive.captions import CaptionRow, parts_of, read_part
from geoglot.archive.ingest import ingest
from geoglot.archive.store import ArchiveStore
from geoglot.geo.source import ReadOptions
from geoglot.models.captioner import Description, Sentence, Told


class FakeCaptioner:
    """Says the mean colour in figures; says nothing of dark pictures."""

    def __init__(self, id: str = "fake-captioner-1", sha256: str = "ef" * 32) -> None:
        self.id, self.sha256, self.side = id, sha256, 8
        self.pictures = 0

    def describe(self, pixels: NDArray[np.uint8], languages: Sequence[str]) -> list[Description]:
        assert pixels.shape[1:] == (8, 8, 3)
        self.pictures += len(pixels)
        return [self.described(picture, languages) for picture in pixels]

    def described(self, picture: NDArray[np.uint8], languages: Sequence[str]) -> Description:
        number = int(picture.astype(np.int64).sum())
        if picture.max() < 60:
            return Description(told=tuple(Told(language=one, sentence=None, reason="blank") for one in languages))
        told = []
        for language in languages:
            words = ("a", "colour", f"n{number}") if language == "en" else ("لون", f"n{number}")
            sentence = Sentence(language=language, words=words, probabilities=(0.5,) * len(words))
            told.append(Told(language=language, sentence=sentence))
        return Description(told=tuple(told), attributes=(("colour", 0.75),))


def indexed(archive: Path, images: Path, **options: int) -> ArchiveStore:
    """An archive of real files, read by the real decoder; open for writing."""
    store = new_store(archive)
    ingest(store, FakeEncoder(), [images], options=ReadOptions(side=8, **options))  # type: ignore[arg-type]
    return store


def stored(store: ArchiveStore) -> dict[tuple[str, str], str | None]:
    """Every caption on the disk by tile and language. Fails if one is there twice."""
    found: dict[tuple[str, str], str | None] = {}
    for part in parts_of(store.snapshot().meta):
        table = read_part(store.layout, part.name)
        assert table.num_rows == part.rows == sum(part.languages.values())
        for row in table.to_pylist():
            key = row["id"].hex(), row["language"]
            assert key not in found, f"{key} is there twice"
            found[key] = row["caption"]
    return found


def caption_row(number: int, *, content: str = "c" * 64, language: str = "en", text: str | None = None) -> CaptionRow:
    key = number.to_bytes(16, "big")
    said = f"caption n{number}" if text is None else text
    return CaptionRow(id=key, content=content, language=language, caption=said, reason=None, confidence=0.5)
