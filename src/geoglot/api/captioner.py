"""Captions of photos and scenes: what is to be seen, in one language or several, and nothing where nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Tile, Window

if TYPE_CHECKING:
    from geoglot.geo.source import SourceInfo
    from geoglot.models.captioner import CaptionerBundle, Description
    from geoglot.text.caption_decoding import Writing

COMMON_CAPTIONS = 5
"""So many captions of a scene are named in its summary."""
Progress = Callable[[int, int, int], None]
"""Files done, files in all, tiles described."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What a captioner says of a tile or photo in one language.

    Attributes:
        source: Path of the file.
        kind: ``photo``, or ``tile`` of a scene.
        tile: Where in the file, and where on Earth.
        language: Code of the language.
        text: The caption; ``None`` where it would be invented.
        reason: Why there is none: ``blank``, ``no data``, ``cloud or snow``, ``noise`` or ``unsure``.
        confidence: Geometric mean of the probabilities of the words, in [0, 1]; 0 without a caption.
        words: Every word with its probability given those before it.
        attributes: What was seen, with probabilities, the surest first; in the language of the training, English.
    """

    source: str
    kind: Literal["photo", "tile"]
    tile: Tile
    language: str
    text: str | None
    reason: str | None = None
    confidence: float = 0.0
    words: tuple[tuple[str, float], ...] = ()
    attributes: tuple[tuple[str, float], ...] = ()

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values, in the order of the command line's output."""
        tile = self.tile
        return {
            "kind": self.kind,
            "source": self.source,
            "window": list(tile.window),
            "level": tile.level,
            "bounds": list(tile.bounds) if tile.bounds else None,
            "time": tile.time.isoformat() if tile.time else None,
            "language": self.language,
            "caption": self.text,
            "reason": self.reason,
            "confidence": round(self.confidence, 4),
            "words": [[word, round(probability, 4)] for word, probability in self.words],
            "attributes": {name: round(probability, 4) for name, probability in self.attributes},
        }


@dataclass(frozen=True, kw_only=True)
class FileCaptions:
    """All captions of one file.

    Attributes:
        source: Path of the file.
        kind: ``scene`` or ``photo``.
        captions: Of its tiles, those of a tile together.
        left_out: Tiles of a scene that hold (nearly) no data and were not even read.
    """

    source: str
    kind: str
    captions: tuple[Caption, ...]
    left_out: int = 0

    def summary(self, language: str) -> dict[str, Any]:
        """The file in a few lines: how many tiles say what.

        Args:
            language: Code of one of the languages that were asked for.

        Returns:
            JSON-ready: ``tiles``, ``captioned``, ``without`` (tiles by reason), ``attributes`` (tiles in which each was
            seen, frequent ones first) and ``captions``, the most frequent ones with the number of their tiles.
        """
        told = [caption for caption in self.captions if caption.language == language]
        reasons = Counter(caption.reason for caption in told if caption.reason is not None)
        if self.left_out:
            reasons["no data"] += self.left_out
        seen = Counter(name for caption in told for name, _ in caption.attributes)
        texts = Counter(caption.text for caption in told if caption.text is not None)
        return {
            "kind": self.kind,
            "source": self.source,
            "language": language,
            "tiles": len(told) + self.left_out,
            "captioned": texts.total(),
            "without": dict(sorted(reasons.items())),
            "attributes": dict(sorted(seen.items(), key=lambda pair: (-pair[1], pair[0]))),
            "captions": [[text, count] for text, count in texts.most_common(COMMON_CAPTIONS)],
        }


class Captioner:
    """Writes captions of photos and georeferenced scenes.

    Args:
        model: Name of a shipped captioner, its folder, or a bundle that is loaded already.
        beam: Captions followed at once, 1 is greedy; as the bundle says by default.

    Raises:
        BundleError: The captioner cannot be loaded.
        UsageError: The beam is none.

    Example:
        >>> import geoglot as gg
        >>> gg.Captioner("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a captioner. Remedy: give 'captioner', or the folder of a captioner that 'geoglot export' wrote.
    """  # noqa: E501 (one message, one line)

    def __init__(self, model: str | Path | CaptionerBundle = "captioner", *, beam: int | None = None) -> None:
        from geoglot.models.captioner import CaptionerBundle, load_captioner

        self.bundle = model if isinstance(model, CaptionerBundle) else load_captioner(model)
        self.writing: Writing | None = None
        if beam is not None:
            self.writing = replace(self.bundle.writing, way="beam" if beam != 1 else "greedy", beam=beam)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that it writes."""
        return self.bundle.languages

    def asked(self, language: str | Sequence[str] | None) -> tuple[str, ...]:
        """Languages by code; ``all`` are all, ``None`` is English, or the first one that the captioner writes.

        Raises:
            UsageError: It does not write one of them.
        """
        known = self.languages
        if language is None:
            return ("en",) if "en" in known else known[:1]
        asked = known if language == "all" else (language,) if isinstance(language, str) else tuple(language)
        for one in asked:
            if one not in known:
                cause = f"is not among the languages of {self.bundle.id}"
                raise UsageError(one, cause=cause, remedy=f"choose one of {', '.join(known)}, or all")
        return tuple(dict.fromkeys(asked))

    def caption(
        self,
        path: str | Path,
        *,
        language: str | Sequence[str] | None = None,
        tile: int = 256,
        overlap: float = 0.0,
        levels: int = 1,
        bands: Sequence[int] | None = None,
    ) -> FileCaptions:
        """Caption one photo, or every tile of a scene.

        Args:
            path: The file.
            language: Code, several, or ``all``; English by default.
            tile: Side of a scene's tiles in full-resolution pixels.
            overlap: Overlap of neighbouring tiles as a fraction of a tile, from 0 to 0.9.
            levels: Number of resolutions; each next one halves the last.
            bands: Red, green and blue as band numbers from 1 on; chosen automatically when not given.

        Raises:
            SourceError: It cannot be read.
            UsageError: It is not there, an option makes no sense, or the captioner does not write the language.
        """
        every = self.caption_all([path], language=language, tile=tile, overlap=overlap, levels=levels, bands=bands)
        for found in every:
            if isinstance(found, SourceError):
                raise found
            return found
        raise SourceError(path, cause="holds no picture", remedy="choose one that is not empty", stage="decode")

    def caption_all(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        language: str | Sequence[str] | None = None,
        tile: int = 256,
        overlap: float = 0.0,
        levels: int = 1,
        bands: Sequence[int] | None = None,
        progress: Progress = lambda done, total, tiles: None,
    ) -> Iterator[FileCaptions | SourceError]:
        """Caption photos, scenes and folders of them; a file that cannot be read costs itself alone.

        Args:
            paths: Files and folders; folders are searched recursively.
            language: Code, several, or ``all``; English by default.
            tile: Side of a scene's tiles in full-resolution pixels.
            overlap: Overlap of neighbouring tiles as a fraction of a tile, from 0 to 0.9.
            levels: Number of resolutions; each next one halves the last.
            bands: Red, green and blue as band numbers from 1 on; chosen automatically when not given.
            progress: Called after each batch.

        Yields:
            For each file its captions, or why it has none; first the paths that are no files, then the files in order.

        Raises:
            UsageError: A path is not there, an option makes no sense, or the captioner does not write the language.
        """
        from geoglot.api.selection import existing_paths
        from geoglot.geo.decoder import Decoder, ReadOptions
        from geoglot.geo.discover import discover

        languages = self.asked(language)
        options = ReadOptions(
            tile=tile,
            overlap=overlap,
            levels=levels,
            bands=None if bands is None else tuple(bands),
            side=self.bundle.side,
        )
        found = list(discover(existing_paths(paths)))
        files = [one for one in found if not isinstance(one, SourceError)]
        tally = _Tally(progress, len(found))
        for one in found:
            if isinstance(one, SourceError):
                yield tally.file_done(one)
        if files:
            with Decoder(options) as decoder:
                yield from self._files(decoder.read_many(files), languages, tally)

    def _files(
        self, parts: Iterator[tuple[Path, Any]], languages: Sequence[str], tally: _Tally
    ) -> Iterator[FileCaptions | SourceError]:
        from geoglot.geo.decoder import SourceInfo, TileBatch

        current: _File | None = None
        for path, part in parts:
            if current is not None and current.path != str(path):
                yield tally.file_done(current.result(languages))
                current = None
            if isinstance(part, SourceError):
                current = None  # tiles that came before an error are worth nothing
                yield tally.file_done(part)
            elif isinstance(part, SourceInfo):
                current = _File(path=str(path), info=part)
            elif isinstance(part, TileBatch) and current is not None:
                told = self.bundle.describe(part.pixels, languages, self.writing)
                current.add(part.tiles, told)
                tally.tiles_done(len(told))
        if current is not None:
            yield tally.file_done(current.result(languages))


class _Tally:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._files = self._tiles = 0

    def tiles_done(self, count: int) -> None:
        self._tiles += count
        self._progress(self._files, self._total, self._tiles)

    def file_done(self, found: Any = None) -> Any:
        self._files += 1
        self._progress(self._files, self._total, self._tiles)
        return found


@dataclass
class _File:
    """A file half-way."""

    path: str
    info: SourceInfo
    captions: list[Caption] = field(default_factory=list)
    tiles: int = 0

    def add(self, tiles: Sequence[Tile], told: Sequence[Description]) -> None:
        self.tiles += len(tiles)
        for tile, description in zip(tiles, told, strict=True):
            self.captions += captions_of(self.path, "photo" if self.info.kind == "photo" else "tile", tile, description)

    def result(self, languages: Sequence[str]) -> FileCaptions:
        from geoglot.geo.legibility import NO_DATA
        from geoglot.models.captioner import Description, Told

        if self.info.kind == "photo" and not self.tiles:  # transparent all over
            empty = Description(told=tuple(Told(language=one, sentence=None, reason=NO_DATA) for one in languages))
            self.add([Tile(window=Window(0, 0, self.info.width, self.info.height), time=self.info.time)], [empty])
        left_out = max(0, self.info.tile_count - self.tiles)
        return FileCaptions(source=self.path, kind=self.info.kind, captions=tuple(self.captions), left_out=left_out)


def captions_of(source: str, kind: Literal["photo", "tile"], tile: Tile, description: Description) -> Iterator[Caption]:
    """A description as captions, one for each language."""
    for told in description.told:
        sentence = told.sentence
        yield Caption(
            source=source,
            kind=kind,
            tile=tile,
            language=told.language,
            text=None if sentence is None else sentence.text,
            reason=told.reason,
            confidence=0.0 if sentence is None else sentence.confidence,
            words=() if sentence is None else tuple(zip(sentence.words, sentence.probabilities, strict=False)),
            attributes=description.attributes,
        )


def write_captions(found: Sequence[FileCaptions], path: str | Path) -> None:
    """Write the captions of all files as GeoParquet, one row per tile and language.

    Raises:
        GeoglotError: The file cannot be written.
    """
    import pyarrow as pa

    from geoglot.geo.writing import sound_text, write_geoparquet

    every = [caption for one in found for caption in one.captions]
    seen = pa.list_(pa.struct([("name", pa.string()), ("probability", pa.float32())]))
    attributes = [[{"name": name, "probability": value} for name, value in caption.attributes] for caption in every]
    columns = {
        "source": pa.array([sound_text(caption.source) for caption in every], pa.string()),
        "kind": pa.array([caption.kind for caption in every], pa.string()),
        **{
            f"window_{name}": pa.array([getattr(caption.tile.window, name) for caption in every], pa.int64())
            for name in ("column", "row", "width", "height")
        },
        "level": pa.array([caption.tile.level for caption in every], pa.int64()),
        "time": pa.array([caption.tile.time for caption in every], pa.timestamp("us", tz="UTC")),
        "language": pa.array([caption.language for caption in every], pa.string()),
        "caption": pa.array([caption.text for caption in every], pa.string()),
        "reason": pa.array([caption.reason for caption in every], pa.string()),
        "confidence": pa.array([caption.confidence for caption in every], pa.float32()),
        "attributes": pa.array(attributes, seen),
    }
    footprints = [caption.tile.footprint for caption in every]
    write_geoparquet(pa.table(columns), footprints, [caption.tile.bounds for caption in every], Path(path))
