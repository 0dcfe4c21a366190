"""Near-duplicates in an archive: tiles and scenes that hold the same pictures, with their places.

Three steps:

1. *exact*: files with the same bytes are told by their content, without a look at any picture;
2. *alike*: tiles of different files, or of places of one file that share no pixel, whose vectors are nearly equal
   (:mod:`geoglot.archive.alike`);
3. *duplicate*: the pixels of both are read again, as 32 x 32 grey pictures, and details of one lie where the other has
   them, perhaps shifted by up to a quarter (:mod:`geoglot.metrics.alignment`). Two different forests drop out here,
   and so do two fields or runways whose stripes agree.

Of the duplicates of a tile in one other file only the best counts, so that a shifted copy of a whole scene does not
chain all its tiles into one group.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.core.records import Tile, Window

if TYPE_CHECKING:
    from geoglot.api.archive import Archive
    from geoglot.archive.alike import AlikePairs, TileTable
    from geoglot.archive.store import ArchiveStore

AT_LEAST = 0.9
"""Least similarity of the vectors of copies: the shipped model gives a re-compressed copy 0.91 at least."""
SIDE = 32
MOST_SHIFT = 8
_PAIRS_TOGETHER = 8192
_PICTURES_TOGETHER = 512

Progress = Callable[[str, int, int], None]
"""What is done (``comparing`` or ``reading``), how many are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class DuplicateTile:
    """One member of a group.

    Attributes:
        source: Path of its file; the first, where several files have the same bytes.
        tile: Where in the file, and where on Earth; ``None`` stands for a whole file.
        id: Identifier of the tile; of a whole file its content id.
    """

    source: str
    tile: Tile | None
    id: str

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        record: dict[str, Any] = {"source": self.source, "id": self.id}
        if self.tile is not None:
            bounds = self.tile.bounds
            record |= {"window": list(self.tile.window), "level": self.tile.level}
            record |= {"bounds": list(bounds) if bounds else None}
        return record


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """Files or tiles that hold the same picture.

    Attributes:
        kind: ``exact`` (files with the same bytes) or ``near`` (tiles that are copies but for small changes).
        members: At least two, in order of path and window.
        similarity: Least similarity of the vectors of two tiles that were found to be duplicates; 1 for ``exact``.
        agreement: Least agreement of their details, in [-1, 1]; 1 for ``exact``.
    """

    kind: Literal["exact", "near"]
    members: tuple[DuplicateTile, ...]
    similarity: float = 1.0
    agreement: float = 1.0

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "kind": self.kind,
            "size": len(self.members),
            "similarity": round(self.similarity, 4),
            "agreement": round(self.agreement, 4),
            "members": [member.as_record() for member in self.members],
        }


@dataclass(frozen=True, kw_only=True)
class SharedScenes:
    """Two files that share tiles.

    Attributes:
        first: Path of the file with fewer tiles.
        second: Path of the other.
        shared: Tiles of the first that have a duplicate in the second.
        first_tiles: Tiles of the first.
        second_tiles: Tiles of the second.
        exact: Whether both have the same bytes.
    """

    first: str
    second: str
    shared: int
    first_tiles: int
    second_tiles: int
    exact: bool = False

    @property
    def share(self) -> float:
        """Part of the first file's tiles that the second has too, in (0, 1]."""
        return self.shared / max(1, self.first_tiles)

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "first": self.first,
            "second": self.second,
            "share": round(self.share, 4),
            "shared": self.shared,
            "first_tiles": self.first_tiles,
            "second_tiles": self.second_tiles,
            "exact": self.exact,
        }


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """What was found in an archive.

    Attributes:
        groups: Exact ones first, then larger ones first.
        scenes: Pairs of files that share tiles, those that share the greatest part first.
        tiles: Tiles that were looked at.
        candidates: Tiles whose pixels were read again.
        unread: Of these, how many could not be.
    """

    groups: tuple[DuplicateGroup, ...]
    scenes: tuple[SharedScenes, ...]
    tiles: int
    candidates: int
    unread: int

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection, one feature per tile; ``group`` numbers the groups from 1 on.

        Whole files and unlocated tiles have no geometry.
        """
        import shapely

        features = []
        for number, group in enumerate(self.groups, 1):
            told = {"group": number, "kind": group.kind, "size": len(group.members)}
            for member in group.members:
                shape = member.tile.footprint if member.tile is not None else None
                geometry = None
                if shape is not None:
                    geometry = json.loads(json.dumps(shapely.geometry.mapping(shapely.from_wkb(shape))))
                record = {name: value for name, value in member.as_record().items() if name != "bounds"}
                features.append({"type": "Feature", "geometry": geometry, "properties": {**told, **record}})
        return {"type": "FeatureCollection", "features": features}


def find_duplicates(
    archive: Archive,
    *,
    at_least: float = AT_LEAST,
    source: str | Sequence[str] | None = None,
    jobs: int = 1,
    progress: Progress = lambda doing, done, total: None,
) -> Duplicates:
    """Look for duplicates in an archive; nothing is changed.

    Args:
        archive: Open, for reading or writing.
        at_least: Least similarity of the vectors of candidates, in (0, 1]: lower finds stronger changes, and reads
            more pictures.
        source: Only these files: a path or a pattern, or several.
        jobs: Number of decoding processes.
        progress: Called with what is done.

    Raises:
        UsageError: An option makes no sense.
        ArchiveError: The archive is damaged.
    """
    from geoglot.archive.alike import alike_pairs, tile_table
    from geoglot.archive.filter import path_test
    from geoglot.metrics.alignment import align, detail_maps, is_copy

    if jobs < 1:
        raise UsageError(f"jobs={jobs}", cause="leaves nobody to read", remedy="give a number from 1 on")
    patterns = (source,) if isinstance(source, str) else tuple(source or ())
    matching = path_test(patterns) if patterns else None
    table = tile_table(archive.store.searcher, matching)
    pairs = alike_pairs(table, at_least=at_least, progress=lambda done, total: progress("comparing", done, total))
    places = np.unique(np.concatenate([pairs.first, pairs.second]))
    pictures, read = _thumbnails(table, places, jobs, lambda done, total: progress("reading", done, total))
    first, second = np.searchsorted(places, pairs.first), np.searchsorted(places, pairs.second)
    agreement, copy = np.full(len(pairs), -1.0), np.zeros(len(pairs), bool)
    # A tile may be in dozens of pairs: its details are taken once, and kept in half precision, 2 KB a tile.
    details = np.zeros(pictures.shape, np.float16)
    for start in range(0, len(pictures), _PICTURES_TOGETHER):
        rows = slice(start, start + _PICTURES_TOGETHER)
        details[rows] = detail_maps(pictures[rows])
    for some in np.array_split(np.flatnonzero(read[first] & read[second]), 1 + len(pairs) // _PAIRS_TOGETHER):
        found = align(details[first[some]].astype(np.float32), details[second[some]].astype(np.float32), MOST_SHIFT)
        agreement[some], copy[some] = found.agreement, is_copy(found)
    kept = _best_of_each_file(table, pairs, agreement, np.flatnonzero(copy))
    copies = _copies(archive.store, matching)
    near = _groups(table, pairs, agreement, kept)
    return Duplicates(
        groups=(*_exact_groups(copies), *near),
        scenes=_scenes(table, pairs, kept, copies),
        tiles=len(table),
        candidates=len(places),
        unread=int((~read).sum()),
    )


def _thumbnails(
    table: TileTable, places: NDArray[np.int64], jobs: int, progress: Callable[[int, int], None]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Grey pictures of tiles, read by decoders' child processes. -> (N, 32, 32) and which of them could be read."""
    pictures = np.zeros((len(places), SIDE, SIDE), np.uint8)
    read = np.zeros(len(places), bool)
    files = np.unique(table.file[places])
    shares = [files[number::jobs] for number in range(min(jobs, len(files)))]
    done = 0

    def share(own: NDArray[np.int32]) -> None:
        nonlocal done
        for some, grey in _read(table, places, own):
            pictures[some], read[some] = grey, True
            done += len(some)
            progress(done, len(places))

    with ThreadPoolExecutor(max(1, len(shares))) as pool:
        for _ in pool.map(share, shares):
            pass
    return pictures, read


def _read(table: TileTable, places: NDArray[np.int64], files: NDArray[np.int32]) -> Any:
    """Positions among `places` and grey pictures, batch by batch."""
    from geoglot.geo.decoder import Cut, Decoder, ReadOptions, TileBatch

    luma = np.array([0.299, 0.587, 0.114], np.float32)
    order = np.argsort(table.file[places], kind="stable")
    bounds = (
        np.searchsorted(table.file[places][order], files),
        np.searchsorted(table.file[places][order], files, side="right"),
    )
    of_path: dict[str, dict[Window, int]] = {}
    cuts = []
    for file, start, end in zip(files.tolist(), *bounds, strict=True):
        own = order[start:end]
        windows = [Window(*map(int, row)) for row in table.windows[places[own]]]
        of_path[table.files[file][1]] = dict(zip(windows, own.tolist(), strict=True))
        cuts.append(Cut(path=Path(table.files[file][1]), windows=tuple(windows)))
    with Decoder(ReadOptions(side=SIDE)) as decoder:
        for path, part in decoder.read_many(cuts):
            if isinstance(part, TileBatch):
                known = of_path[str(path)]
                some = [_position(tile.window, known) for tile in part.tiles]
                yield np.array(some), (part.pixels.astype(np.float32) @ luma).round().astype(np.uint8)


def _position(window: Window, known: dict[Window, int]) -> int:
    """The tile that was asked for: at a coarse level what is cut may shift by a pixel or two."""
    if window in known:
        return known[window]
    nearest = min(known, key=lambda other: sum(abs(a - b) for a, b in zip(window, other, strict=True)))
    return known[nearest]


def _best_of_each_file(
    table: TileTable, pairs: AlikePairs, agreement: NDArray[np.float64], accepted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of the pairs of a tile with tiles of one file the best; a pair stays that is the best of either tile."""
    best: dict[tuple[int, int], int] = {}
    for number in accepted[np.argsort(-agreement[accepted], kind="stable")].tolist():
        a, b = int(pairs.first[number]), int(pairs.second[number])
        best.setdefault((a, int(table.file[b])), number)
        best.setdefault((b, int(table.file[a])), number)
    return np.array(sorted(set(best.values())), np.int64)


def _groups(
    table: TileTable, pairs: AlikePairs, agreement: NDArray[np.float64], kept: NDArray[np.int64]
) -> list[DuplicateGroup]:
    """Connected tiles."""
    root: dict[int, int] = {}

    def find(tile: int) -> int:
        while root.setdefault(tile, tile) != tile:
            root[tile] = root[root[tile]]
            tile = root[tile]
        return tile

    for number in kept.tolist():
        a, b = find(int(pairs.first[number])), find(int(pairs.second[number]))
        root[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = defaultdict(list)
    for tile in sorted(root):
        members[find(tile)].append(tile)
    links: dict[int, list[int]] = defaultdict(list)
    for number in kept.tolist():
        links[find(int(pairs.first[number]))].append(number)
    found = [
        DuplicateGroup(
            kind="near",
            members=tuple(sorted((_member(table, tile) for tile in tiles), key=_place)),
            similarity=min(1.0, float(pairs.similarity[links[number]].min())),
            agreement=float(agreement[links[number]].min()),
        )
        for number, tiles in members.items()
    ]
    return sorted(found, key=lambda group: (-len(group.members), _place(group.members[0])))


def _member(table: TileTable, position: int) -> DuplicateTile:
    segment = table.searcher.segments[int(table.segment[position])]
    return DuplicateTile(
        source=table.files[int(table.file[position])][1],
        tile=table.tile(position),
        id=segment.ids[int(table.row[position])].tobytes().hex(),
    )


def _place(member: DuplicateTile) -> tuple[str, Window]:
    return member.source, member.tile.window if member.tile is not None else Window(0, 0, 0, 0)


def _copies(store: ArchiveStore, matching: Callable[[str], bool] | None) -> dict[str, list[tuple[str, int]]]:
    """Paths and numbers of tiles of files with the same bytes, by content."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for source in store.read(lambda catalogue: list(catalogue.sources())):
        if source.state == "done" and source.content and (matching is None or matching(source.path)):
            found[source.content].append((source.path, source.tiles or 0))
    return {content: sorted(paths) for content, paths in found.items() if len(paths) > 1}


def _exact_groups(copies: dict[str, list[tuple[str, int]]]) -> list[DuplicateGroup]:
    groups = [
        DuplicateGroup(
            kind="exact", members=tuple(DuplicateTile(source=path, tile=None, id=content) for path, _ in paths)
        )
        for content, paths in copies.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.members), group.members[0].source))


def _scenes(
    table: TileTable, pairs: AlikePairs, kept: NDArray[np.int64], copies: dict[str, list[tuple[str, int]]]
) -> tuple[SharedScenes, ...]:
    """Pairs of files by the share of tiles that they have in common."""
    counts = np.bincount(table.file, minlength=len(table.files))
    shared: dict[tuple[int, int], set[int]] = defaultdict(set)
    for number in kept.tolist():
        for own, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
            tile = int(own[number])
            shared[int(table.file[tile]), int(table.file[int(other[number])])].add(tile)
    found = []
    for (fewer, more), tiles in shared.items():
        smaller = (int(counts[fewer]), table.files[fewer][1]) < (int(counts[more]), table.files[more][1])
        if smaller:  # a file with itself is no pair of scenes
            found.append(
                SharedScenes(
                    first=table.files[fewer][1],
                    second=table.files[more][1],
                    shared=len(tiles),
                    first_tiles=int(counts[fewer]),
                    second_tiles=int(counts[more]),
                )
            )
    for paths in copies.values():
        (first, each), *rest = paths
        found += [
            SharedScenes(first=first, second=second, shared=each, first_tiles=each, second_tiles=each, exact=True)
            for second, _ in rest
        ]
    return tuple(sorted(found, key=lambda pair: (not pair.exact, -pair.share, -pair.shared, pair.first, pair.second)))
