"""The derived index: segments, their manifest, and how they follow the catalogue.

Each commit adds one small segment; eight segments of like size are merged into one, up to a quarter of a million rows,
so that appending never rewrites what is large. What is missing or damaged is made again from the shards; a reader,
which may not write, does so in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoglot.archive.codes import Coding
from geoglot.archive.entries import Shard, Snapshot
from geoglot.archive.filesystem import FileSystem, crc32_of, reporting
from geoglot.archive.layout import FORMAT, Layout, refuse_newer, sealed_json, unsealed_json
from geoglot.archive.rows import joined
from geoglot.archive.segment import Segment, SegmentRecord, assembled, build, open_segment, write_segment
from geoglot.archive.shards import read_shard
from geoglot.core.errors import ArchiveError

LARGEST_SEGMENT = 262_144
_MERGE = 8
_SMALLEST_TIER = 1024


def read_manifest(layout: Layout) -> list[SegmentRecord]:
    """Segments by the manifest; none where it is absent.

    Raises:
        ArchiveError: Damaged or of a newer format.
    """
    try:
        record = unsealed_json(layout.manifest.read_bytes(), layout.manifest)
    except FileNotFoundError:
        return []
    refuse_newer(int(record["format"]), layout.manifest)
    return [SegmentRecord.from_json(segment) for segment in record["segments"]]


def write_manifest(layout: Layout, segments: Sequence[SegmentRecord], filesystem: FileSystem) -> None:
    """Write the manifest: from here on these segments are the index."""
    record = {"format": FORMAT, "segments": [segment.as_json() for segment in segments]}
    filesystem.write_atomic(layout.manifest, sealed_json(record))


def usable(records: Iterable[SegmentRecord], snapshot: Snapshot, coding: Coding) -> list[SegmentRecord]:
    """Segments of the archive's coding that hold nothing but shards of the snapshot, as they are, and none twice."""
    seen: set[int] = set()
    chosen = []
    for record in records:
        numbers = {number for number, _, _ in record.shards}
        same = all(
            number in snapshot.shards and snapshot.shards[number].sha256 == digest
            for number, _, digest in record.shards
        )
        if same and record.coding == coding and not numbers & seen:
            seen |= numbers
            chosen.append(record)
    return chosen


def missing(records: Iterable[SegmentRecord], snapshot: Snapshot) -> list[Shard]:
    """Shards of the snapshot that no segment holds."""
    held = {number for record in records for number, _, _ in record.shards}
    return [shard for number, shard in sorted(snapshot.shards.items()) if number not in held]


def from_shards(layout: Layout, shards: Sequence[Shard], coding: Coding, name: str = "memory") -> Segment:
    """A segment in memory, read from its shards.

    Raises:
        ArchiveError: A shard is missing or damaged.
    """
    rows = joined([read_shard(layout.shard(shard.name)) for shard in shards])
    return build(rows, [(shard.number, shard.rows, shard.sha256) for shard in shards], name, coding)


def load(layout: Layout, snapshot: Snapshot, coding: Coding) -> list[Segment]:
    """All segments a reader needs for a snapshot; what the index folder lacks is made in memory.

    Raises:
        ArchiveError: A shard is missing or damaged.
    """
    try:
        records = usable(read_manifest(layout), snapshot, coding)
    except ArchiveError:
        records = []
    segments = []
    for record in records:
        try:
            segments.append(open_segment(layout.segment(record.name), record))
        except ArchiveError:
            segments.append(rebuilt(layout, record, snapshot))
    rest = missing(records, snapshot)
    return [*segments, *(from_shards(layout, group, coding) for group in groups(rest))]


def rebuilt(layout: Layout, record: SegmentRecord, snapshot: Snapshot) -> Segment:
    """A damaged segment made again in memory."""
    return from_shards(layout, [snapshot.shards[number] for number, _, _ in record.shards], record.coding)


def update(
    layout: Layout, snapshot: Snapshot, filesystem: FileSystem, coding: Coding, fresh: Sequence[Segment] = ()
) -> None:
    """Make the index folder follow the catalogue.

    Args:
        layout: The archive.
        snapshot: The last commit.
        filesystem: Writes.
        coding: How the archive's index holds vectors; segments of another coding are made again.
        fresh: Segments of new shards that are in memory anyway, so that these need not be read back.

    Raises:
        ArchiveError: The disk is full or fails, or a shard is damaged.
    """
    if not layout.index.is_dir():
        with reporting(layout.index):
            filesystem.make_directory(layout.index)
    try:
        before = read_manifest(layout)
    except ArchiveError:
        before = []
    records = [record for record in usable(before, snapshot, coding) if _whole(layout, record)]
    number = _next_number(layout)
    in_memory = {segment.record.shards: segment for segment in fresh}
    unwritten: dict[str, Segment] = {}
    for group in groups(missing(records, snapshot)):
        key = tuple((shard.number, shard.rows, shard.sha256) for shard in group)
        segment = in_memory.get(key) or from_shards(layout, group, coding)
        unwritten[f"{number:08d}"] = segment
        records.append(replace(segment.record, name=f"{number:08d}"))
        number += 1
    records.sort(key=lambda record: record.shards[0][0])
    while (run := _mergeable(records)) is not None:
        first, last = run
        merged = _merged(layout, records[first:last], unwritten, snapshot)
        for record in records[first:last]:
            unwritten.pop(record.name, None)
        unwritten[f"{number:08d}"] = merged
        records[first:last] = [replace(merged.record, name=f"{number:08d}")]
        number += 1
    for place, record in enumerate(records):
        if record.name in unwritten:
            records[place] = write_segment(layout.segment(record.name), unwritten[record.name], filesystem)
    if records != before:
        write_manifest(layout, records, filesystem)
    sweep(layout, {record.name for record in records}, filesystem)


def _whole(layout: Layout, record: SegmentRecord) -> bool:
    try:
        open_segment(layout.segment(record.name), record)
    except ArchiveError:
        return False
    return True


def groups(shards: Sequence[Shard]) -> list[list[Shard]]:
    """Neighbouring shards together, up to the largest segment."""
    groups: list[list[Shard]] = []
    rows = 0
    for shard in shards:
        if groups and rows + shard.rows <= LARGEST_SEGMENT:
            groups[-1].append(shard)
        else:
            groups.append([shard])
            rows = 0
        rows += shard.rows
    return groups


def _tier(rows: int) -> int:
    tier, most = 0, _SMALLEST_TIER * _MERGE
    while rows >= most:
        tier, most = tier + 1, most * _MERGE
    return tier


def _mergeable(records: Sequence[SegmentRecord]) -> tuple[int, int] | None:
    """The first run of eight neighbours of one tier (or smaller) that fit into one segment."""
    for first in range(len(records) - _MERGE + 1):
        run = records[first : first + _MERGE]
        tiers = {_tier(record.rows) for record in run}
        if len(tiers) == 1 and sum(record.rows for record in run) <= LARGEST_SEGMENT:
            return first, first + _MERGE
    return None


def _merged(
    layout: Layout, records: Sequence[SegmentRecord], unwritten: Mapping[str, Segment], snapshot: Snapshot
) -> Segment:
    shards = [shard for record in records for shard in record.shards]
    try:
        segments = [
            unwritten.get(record.name) or open_segment(layout.segment(record.name), record) for record in records
        ]
        if found := damaged_files(layout, [segment.record for segment in segments]):
            raise ArchiveError(found[0][0], cause="is damaged", remedy="run index again to repair it")
        rows = joined([segment.as_rows() for segment in segments])
        checks = np.concatenate([segment.checks for segment in segments])
    except ArchiveError:
        return from_shards(layout, [snapshot.shards[number] for number, _, _ in shards], records[0].coding)
    return assembled(rows, checks, shards, "memory", records[0].coding)


def _next_number(layout: Layout) -> int:
    numbers = [int(entry.name) for entry in layout.index.iterdir() if entry.name.isdigit()]
    return max(numbers, default=0) + 1


def sweep(layout: Layout, keep: set[str], filesystem: FileSystem) -> None:
    """Remove what the manifest does not name. Readers that have it mapped keep it until they close."""
    for entry in sorted(layout.index.iterdir()):
        with reporting(entry):
            _sweep_entry(entry, keep, layout, filesystem)


def _sweep_entry(entry: Path, keep: set[str], layout: Layout, filesystem: FileSystem) -> None:
    if entry in (layout.words, layout.places):
        return  # has a manifest of its own, or checksums
    if entry.is_dir() and entry.name not in keep:
        filesystem.remove_tree(entry)
    elif entry.is_file() and entry.name != layout.manifest.name:
        filesystem.remove(entry)


def damaged_files(layout: Layout, records: Sequence[SegmentRecord]) -> list[tuple[Path, SegmentRecord]]:
    """Every file of every segment that is not, byte for byte, what the manifest says."""
    found = []
    for record in records:
        for name, (size, crc32) in record.files.items():
            path = layout.segment(record.name) / name
            if not path.is_file() or path.stat().st_size != size or crc32_of(path) != crc32:
                found.append((path, record))
    return found
