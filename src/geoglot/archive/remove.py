"""Forget sources, and get back the space of rows that are deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from geoglot.archive.captions import prune
from geoglot.archive.entries import Extent, Shard
from geoglot.archive.filesystem import reporting
from geoglot.archive.filter import path_test
from geoglot.archive.rows import Rows, joined
from geoglot.archive.shards import read_shard, write_shard

if TYPE_CHECKING:
    from geoglot.archive.store import ArchiveStore

DEAD_FRACTION = 0.3
_LARGEST_SHARD = 65_536


def remove(store: ArchiveStore, patterns: Sequence[str]) -> list[str]:
    """Forget the sources whose paths match a glob or begin with a prefix; compact where much is dead.

    Rows are deleted when no other path has the same bytes.

    Returns:
        The paths that were forgotten. Captions go with their tiles.

    Raises:
        ArchiveError: The disk is full or fails; then nothing has changed.
    """
    matches = path_test(patterns)
    paths = [source.path for source in store.catalogue.sources() if matches(source.path)]
    if paths:
        store.commit(None, (), forgotten=paths)
        compact(store)
        prune(store)
    return paths


def compact(store: ArchiveStore, dead_fraction: float = DEAD_FRACTION) -> int:
    """Rewrite shards of which more than a fraction is dead, then sweep files that nothing names.

    Returns:
        How many dead rows were dropped.
    """
    snapshot = store.snapshot()
    dead: dict[int, int] = {}
    for number, _, count in snapshot.deleted:
        dead[number] = dead.get(number, 0) + count
    wasteful = [shard for number, shard in snapshot.shards.items() if dead.get(number, 0) > dead_fraction * shard.rows]
    dropped = 0
    group: list[Shard] = []
    for shard in wasteful:
        if group and sum(s.rows - dead[s.number] for s in group) + shard.rows - dead[shard.number] > _LARGEST_SHARD:
            dropped += _rewrite(store, group)
            group = []
        group.append(shard)
    if group:
        dropped += _rewrite(store, group)
    if dropped:
        store.update_index()
    sweep_shards(store)
    return dropped


def _rewrite(store: ArchiveStore, shards: Sequence[Shard]) -> int:
    """Replace some shards by one that holds their live rows, in one transaction."""
    catalogue = store.catalogue
    number = catalogue.last_seal()[0] + 1
    parts: list[Rows] = []
    extents: list[Extent] = []
    first = 0
    for shard in shards:
        rows = read_shard(store.layout.shard(shard.name))
        for extent in catalogue.extents_of_shard(shard.number):
            if extent.deleted is None:
                parts.append(rows.take(np.arange(extent.first, extent.first + extent.count)))
                extents.append(Extent(shard=number, first=first, count=extent.count, content=extent.content))
                first += extent.count
    replacement = None
    if parts:
        whole = joined(parts)
        name = f"{number:08d}-{whole.ids[0].tobytes().hex()[:8]}"
        written = write_shard(store.layout.shard(name), whole, store.filesystem)
        replacement = Shard(
            number=number, name=name, rows=first, bytes=written.size, sha256=written.sha256, committed=number
        )
    with store.transaction():
        for shard in shards:
            catalogue.drop_shard(shard.number)
        if replacement is not None:
            catalogue.add_shard(replacement, extents)
    return sum(shard.rows for shard in shards) - first


def sweep_shards(store: ArchiveStore) -> None:
    """Remove shard files that the catalogue does not name: left by a kill before a commit, or compacted away."""
    names = {store.layout.shard(shard.name).name for shard in store.catalogue.shards()}
    for entry in sorted(store.layout.shards.iterdir()):
        if entry.is_file() and entry.name not in names:
            with reporting(entry):
                store.filesystem.remove(entry)
    for entry in sorted(store.layout.root.glob("*.partial")):
        with reporting(entry):
            store.filesystem.remove(entry)
